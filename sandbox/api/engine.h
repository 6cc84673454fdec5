// Engine: starts sandboxes. Sandbox: one that runs.
//
// Purpose: the seam between Session and the ways of making a container. A new
// engine is a JSON file (engines/README.md), or one pair of files under engines/
// and one line in engines.cc.
// Ownership: start() gives the Sandbox to the caller; an Engine outlives the
// sandboxes it started. A Sandbox's destructor kills every process in it and
// removes whatever the host held for it (cgroups, directories).
// Threads: one thread at a time. start() may be called while other threads of
// the process run; it must not depend on their locks.
// Failure: start() returns an Error with step, errno and remedy; nothing is
// then left behind. Nothing here throws.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "sandbox/api/layers.h"
#include "sandbox/api/policy.h"
#include "sandbox/api/result.h"
#include "sandbox/api/unique_fd.h"

namespace cellblock::sandbox {

// What all processes of a sandbox have used so far.
struct SandboxUsage {
    double cpu_seconds = 0;
    std::uint64_t peak_memory_bytes = 0;
    std::uint64_t memory_bytes = 0;
    std::uint64_t oom_kills = 0;  // by the sandbox's own memory limit
    bool measured = false;        // false: this host gives no figures
};

// The host's ends of one worker's sockets; the frames on them are those of channel/FRAMES.md.
struct WorkerSockets {
    UniqueFd worker;
    UniqueFd debugger;  // invalid where the policy has no debugger
};

class Sandbox {
public:
    virtual ~Sandbox() = default;

    // A stream socket to the warden, non-blocking, owned by the Sandbox; frames
    // as in channel/FRAMES.md. End of file means that the sandbox is gone.
    // It takes a worker's socket as SCM_RIGHTS beside a start_worker frame.
    [[nodiscard]] virtual int warden_fd() const = 0;

    // The sockets of a first worker that was started and configured already, once;
    // invalid where the caller is to start it.
    virtual WorkerSockets take_worker() { return {}; }

    // SIGKILL for everything inside; returns at once. warden_fd() then reaches
    // its end of file.
    virtual void kill() = 0;

    [[nodiscard]] virtual SandboxUsage usage() const = 0;

    // Which layers of the wall stand.
    [[nodiscard]] virtual std::vector<LayerState> layers() const = 0;

    // Once the sandbox is gone: why, in words where it is known ("the jail could
    // not be set up: mount /proc (Operation not permitted). Try ..."). Empty: no more is known.
    [[nodiscard]] virtual std::string death_reason() const = 0;

    // What to try where it ended before it was ready, beside what death_reason() says.
    [[nodiscard]] virtual std::string remedy() const { return {}; }

    // Ends one that doesn't become ready; what it said meanwhile, as death_reason() gives it.
    virtual std::string last_words() {
        kill();
        return {};
    }
};

struct StartOptions {
    std::string directory;  // the session's directory on the host: "." in policy.files
    // A folder of the host that is seen at /packages, to be read only; what is put
    // there later is seen at once. Empty: none. An engine that can't show it ignores it.
    std::string packages = {};
    // One that a session has again after a restart, so that it finds its packages: at
    // most 64 letters, digits, - and _. Empty: none.
    std::string session_name = {};
};

// What an engine says of itself, for `cellblock engines`.
struct EngineFacts {
    std::string description;
    std::string isolation;              // how strong the wall is, in words
    std::vector<std::string> enforces;  // keys of the policy that it keeps
    bool by_control_groups = false;     // and limits, where this host has control groups
};

// A sandbox that somebody else makes for us, for a caller that has more to do than to wait. If destroyed
// before the sandbox is ready, the sandbox returns to where it comes from.
class PendingSandbox {
public:
    virtual ~PendingSandbox() = default;

    // Poll this descriptor for reading, then call take(). -1 means that take() returns a sandbox or an Error
    // at once.
    [[nodiscard]] virtual int poll_fd() const = 0;

    // Never waits: the sandbox, or an Error as Engine::start() gives it. nullopt: not yet.
    virtual std::optional<Result<std::unique_ptr<Sandbox>>> take() = 0;

    // How long to wait at most. Each take() may put this off.
    [[nodiscard]] virtual std::chrono::steady_clock::time_point deadline() const = 0;

    // After the deadline: stops waiting and starts a sandbox in another way, as Engine::start() does.
    virtual Result<std::unique_ptr<Sandbox>> give_up() = 0;
};

// Waits until the sandbox is ready, and gives up at its deadline.
Result<std::unique_ptr<Sandbox>> wait_for(PendingSandbox& pending);

class Engine {
public:
    virtual ~Engine() = default;
    [[nodiscard]] virtual std::string name() const = 0;
    [[nodiscard]] virtual EngineFacts facts() const = 0;

    // Is it here, does it work, and can it keep this policy? May take seconds.
    [[nodiscard]] virtual Status check(const Policy& policy) = 0;

    // One that was made ahead and is up, where the policy wants such: more than check() could tell. Null:
    // there is none, or check() costs little.
    virtual std::unique_ptr<Sandbox> take_ready(const Policy& /*policy*/, const StartOptions& /*options*/) {
        return nullptr;
    }

    // Removes what owners that are gone left behind. Tells how many sandboxes. `destination`: look there
    // alone; empty: wherever they can be.
    virtual Result<int> clean(const std::string& /*destination*/) { return 0; }

    // Refuses where a layer that the policy requires can't be had. Returns once
    // the jail's first process is started; what fails later ends
    // the sandbox and is told by death_reason().
    virtual Result<std::unique_ptr<Sandbox>> start(const Policy& policy, const StartOptions& options) = 0;

    // Where start() would wait for somebody else: what it would wait for. Null: start() would not wait.
    // `policy` and the engine must outlive what is given.
    virtual Result<std::unique_ptr<PendingSandbox>> begin(const Policy& /*policy*/,
                                                          const StartOptions& /*options*/) {
        return std::unique_ptr<PendingSandbox>();
    }
};

// The engine of that name, or an Error that lists the known ones.
Result<std::unique_ptr<Engine>> make_engine(const std::string& name);
std::vector<std::string> engine_names();

// The engine that the policy names; of several one that takes the first usable.
Result<std::unique_ptr<Engine>> make_engine(const Policy& policy);

}  // namespace cellblock::sandbox
