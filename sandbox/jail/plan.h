// JailPlan: everything about a jail, decided before its first process exists.
//
// Purpose: after fork nothing may be allocated, locked or thrown, so all paths, maps, limits, the filter
// program, argv and envp are made here, in the host, in three steps: build_plan(), use_cgroup(),
// complete_filter(). After the fork only `sources` changes. The same plan serves a process that starts cold
// and a fork of a warm one.
// Ownership: plain values; `argv` and `envp` point into the plan's own strings,
// therefore a plan never moves once finished (build_plan gives a unique_ptr).
// Threads: read-only once built.
// Failure: build_plan returns an Error that names the policy's key, where one is at fault.
#pragma once

#include <sys/resource.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "sandbox/api/engine.h"
#include "sandbox/api/policy.h"
#include "sandbox/api/result.h"
#include "sandbox/api/unique_fd.h"
#include "sandbox/jail/cgroup.h"
#include "sandbox/jail/identity.h"
#include "sandbox/jail/landlock.h"
#include "sandbox/jail/left_out.h"
#include "sandbox/jail/python_home.h"
#include "sandbox/jail/seccomp.h"

namespace cellblock::sandbox::jail {

enum class FileStepKind {
    text_file,  // make it, with `text`
    link,       // make a symbolic link to `text`
    bind,       // the host's `source`, recursively, never suid
    scratch,    // the folder `text` of the one writable filesystem
    overlay,    // the host's `source` below, the writable filesystem above
    proc,       // a new proc filesystem
    devpts,     // an own set of terminals
    protect,    // what lies there becomes read-only
    mask,       // what lies there can't be read: /dev/null or an empty folder over it
};

// One step of building the root. Targets are relative to the new root.
struct FileStep {
    FileStepKind kind = FileStepKind::text_file;
    std::string target;
    std::string source;
    std::string text;         // overlay: what lies in it and isn't shown, names parted by /
    bool optional = false;    // not being there is no failure
    bool is_file = false;     // bind: onto a file
    bool device = false;      // bind: a device, so neither nodev nor read-only
    bool give_owner = false;  // bind, overlay: the source's owner is shown as the jail's user
    bool outside = false;     // of a nested plan: the attendant opens the source
    std::string user_map;     // for that; empty: not needed
    std::string group_map;
    unsigned mode = 0755;
    int overlay_number = 0;
    std::string label;  // for messages: `files[0].host "data"`
    // Of a shown folder, what isn't; mask_steps() makes steps of it.
    std::vector<LeftOut> left_out;
};

// A folder of the writable filesystem.
struct ScratchFolder {
    const char* name;
    unsigned mode;
    bool owned;  // by the jail's user
};

struct ResourceLimit {
    int resource = 0;
    rlim_t value = 0;
};

// cellblock's own files on the host, which a jail shows.
struct OwnFiles {
    std::string python;  // the folder with the worker's package
    std::string warden;  // the program cellblock-warden
};

// Where a jail with a root of its own has them.
constexpr const char* kPythonInside = "/opt/cellblock/python";
constexpr const char* kWardenInside = "/opt/cellblock/warden";

// The program of a jail that isn't for cells: a builder of packages.
struct BuilderJob {
    std::string mode;      // builder.py's argument
    bool network = false;  // the host's, and TCP to `ports` alone where Landlock can say so
    std::vector<std::uint16_t> ports;
    std::string wheel;  // the host's file that is seen as /wheel/<wheel_name>
    std::string wheel_name;
    std::string certificates;  // the host's file that is seen as /etc/cellblock-ca.pem; empty: none
};

// Where cells find the proxy that is their only way out, on their loopback.
constexpr std::uint16_t kProxyPort = 3128;

// Where cells begin, in a root of their own.
constexpr const char* kWorkInside = kWorkingDirectory;

struct JailPlan {
    Identity identity;
    std::vector<FileStep> files;
    mutable std::vector<int> sources;             // descriptors, by FileStep; filled after fork
    mutable std::vector<int> cgroup_descriptors;  // nested: by cgroup_files; filled after fork
    bool shows_changes = false;                   // the host gets the folder of what is written in /work
    mutable int changes = -1;                     // that folder; opened after fork
    mutable int mounts = -1;                      // with overlays: the mount namespace; the same
    std::vector<std::string> overlay_options;     // by overlay_number
    std::string scratch_options;
    std::string working_directory = kWorkInside;
    bool without_namespaces = false;  // and no root of its own; see no_namespaces.h
    // Carried out by a fork of a process that is in a jail itself, with an attendant's help; see attendant.h.
    bool nested = false;
    bool host_network = false;
    bool listens = false;       // for what the broker serves (sandbox/network), on the loopback's kProxyPort
    mutable int listener = -1;  // that socket; made after fork
    std::string box;            // without namespaces: its private folder on the host
    UniqueFd box_lock;          // held for as long as the folder is in use
    UniqueFd user_lock;         // without namespaces, where root starts it: its user is no other jail's; the
                                // supervisor has it too
    std::vector<ResourceLimit> limits;
    std::vector<std::string> cgroup_files;    // see Cgroup::files_to_join()
    std::vector<std::string> cgroup_folders;  // to be removed at the end
    Landlock landlock;
    FilterOptions filter_options;
    std::vector<sock_filter> filter;  // empty until complete_filter(), which takes a while
    std::vector<std::string> arguments;
    std::vector<std::string> environment;
    std::vector<char*> argv;  // into arguments, with the closing null
    std::vector<char*> envp;
};

// The environment variables that cells get, NAME=value.
std::vector<std::string> cell_environment(const Policy& policy);

// Names the cgroups that the jail's first process joins and the supervisor removes. (Of a nested plan the
// supervisor sees none.)
void use_cgroup(JailPlan& plan, const Cgroup& cgroup);

// Compiles the system call filter. Required before a jail is started by the plan.
Status complete_filter(JailPlan& plan);

// Each sandbox is a user of its own, where the host can give one. For a plan that several sandboxes are made
// by: the first drops the plan's user; nest() makes a plan for forks of the warm Python in the jail `outer`
// of it, which see there what both plans show of the host; the last draws a user, for each sandbox anew.
void forget_identity(JailPlan& plan);
void nest(JailPlan& plan, const JailPlan& outer);
void renew_identity(JailPlan& plan, const IdBlock& block);

// The plan without cgroups, which the caller makes, and without filter. At the level `no-namespaces` where
// the host gives no namespaces and the policy can do without them. `memory_is_limited`: a control group
// bounds the sum of the jail's memory, so no resource limit has to.
Result<std::unique_ptr<JailPlan>> build_plan(const Policy& policy, const StartOptions& options,
                                             const PythonHome& python, const OwnFiles& own,
                                             bool memory_is_limited);

// A warm Python's jail: no network, and of files the Python's prefix, the system's and its own.
struct ZygoteJob {
    std::string library;                   // libcellblock_jail.so, seen as kLibraryInside
    std::string program;                   // what Python runs, as -c takes it
    std::vector<std::string> environment;  // NAME=value
    IdBlock block;
};

// Where a warm Python has them.
constexpr const char* kLibraryInside = "/opt/cellblock/libcellblock_jail.so";

// With the filter.
Result<std::unique_ptr<JailPlan>> build_zygote_plan(const ZygoteJob& job, const PythonHome& python,
                                                    const OwnFiles& own);

// The same for a builder, which has none of the policy's files and is never without namespaces.
Result<std::unique_ptr<JailPlan>> build_builder_plan(const Policy& policy, const BuilderJob& job,
                                                     const PythonHome& python, const OwnFiles& own,
                                                     bool memory_is_limited);

}  // namespace cellblock::sandbox::jail
