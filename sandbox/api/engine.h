// Engine: a way to make sandboxes. Sandbox: one of them, running.
//
// Session uses these classes, so most programs only make an engine and pass it on:
//
//     auto engine = make_engine(policy);           // the engine that the policy names
//     if (!engine) {
//         std::cerr << engine.error().text() << "\n";   // or let Session tell the reason
//     } else if (auto usable = (*engine)->check(policy); !usable) {
//         std::cerr << usable.error().text() << "\n";
//     }
//     Session session(policy, std::move(engine), {"/home/me/notebooks"});
//
// A new engine that is a command (a container runtime, say) is a JSON file, see engines/README.md. Any other
// engine is a class of Engine, and a line in make_engine() and engine_names() (engines/engines.cc).
//
// Ownership: start() gives the Sandbox to the caller. An Engine must outlive its sandboxes. A Sandbox's
// destructor kills every process in the sandbox and removes what the host held for it (cgroups, directories).
// Threads: one thread at a time for one Engine and its sandboxes. start() forks, so it must not depend on
// locks that other threads of the process may hold. Failure: no function throws. An Error tells the step, the
// errno and a remedy, and after it nothing is left behind.
#pragma once

#include <cerrno>
#include <chrono>
#include <cstdint>
#include <ctime>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "sandbox/api/layers.h"
#include "sandbox/api/policy.h"
#include "sandbox/api/result.h"
#include "sandbox/api/unique_fd.h"

namespace cellblock::sandbox {

// The memory and time that all processes of a sandbox together have used so far.
struct SandboxUsage {
    double cpu_seconds = 0;
    std::uint64_t peak_memory_bytes = 0;
    std::uint64_t memory_bytes = 0;
    std::uint64_t oom_kills = 0;  // processes that were killed because of the sandbox's own memory limit
    bool measured = false;        // false: this host doesn't measure, and all else is 0
};

// The host's ends of one worker's sockets, which carry the frames of channel/FRAMES.md.
struct WorkerSockets {
    UniqueFd worker;
    UniqueFd debugger;  // invalid where the policy has no debugger
};

// A file as a sandbox sees it.
struct SeenFile {
    bool is_there = false;
    std::uint64_t size_bytes = 0;
    timespec modified{};
};

class Sandbox {
public:
    virtual ~Sandbox() = default;

    // A non-blocking stream socket to the warden, with frames as in channel/FRAMES.md. The Sandbox owns it.
    // End of file means that the sandbox has ended. A worker's socket is sent over it by SCM_RIGHTS, beside a
    // start_worker frame.
    [[nodiscard]] virtual int warden_fd() const = 0;

    // The sockets of a first worker that the engine has started and configured, for the caller to own. The
    // second call, and every call where the caller is to start the first worker, gives invalid descriptors.
    virtual WorkerSockets take_worker() { return {}; }

    // The folder with what was made or changed in the working directory, opened for reading; it can be read
    // after the sandbox's end too. Where the policy keeps files; once the worker is ready.
    [[nodiscard]] virtual Result<UniqueFd> changes() const {
        return Error{{}, 0, "this engine can't hand over what cells write", {}};
    }

    // Has the sandbox see what the host has replaced, made or removed in folders that overlays show since
    // cells have looked there; what they have open at that moment stays. Gives how each of `files` (absolute
    // paths inside) looks then. May take a millisecond, 2 s at most.
    [[nodiscard]] virtual Result<std::vector<SeenFile>> see_host_changes(
        const std::vector<std::string>& /*files*/) const {
        return Error{{}, ENOTSUP, "this engine shows copies", {}};
    }

    // Where the connections come from that cells make to the proxy, if the policy's `network` names hosts: a
    // socket that listens, or one (SOCK_SEQPACKET) over which each comes as a descriptor beside one byte. For
    // the caller to own, and to serve. Once the worker is ready.
    [[nodiscard]] virtual Result<UniqueFd> listener() const {
        return Error{{}, ENOTSUP, "this engine can't give cells a network by a list", {}};
    }

    // Sends SIGKILL to every process inside and returns at once. warden_fd() then reaches end of file.
    virtual void kill() = 0;

    [[nodiscard]] virtual SandboxUsage usage() const = 0;

    // The layers that are in force.
    [[nodiscard]] virtual std::vector<LayerState> layers() const = 0;

    // After end of file at warden_fd(): why the sandbox ended, for people ("the jail could not be set up:
    // mount /proc (Operation not permitted). Try ..."). Empty: unknown.
    [[nodiscard]] virtual std::string death_reason() const = 0;

    // For a sandbox that ended before it was ready: what to try, beside death_reason(). May be empty.
    [[nodiscard]] virtual std::string remedy() const { return {}; }

    // Kills a sandbox that doesn't become ready in time. Returns what it wrote meanwhile, for people; may be
    // empty.
    virtual std::string last_words() {
        kill();
        return {};
    }
};

struct StartOptions {
    // The session's directory on the host: "." in FileRule::host.
    std::string directory;
    // A folder of the host that the sandbox sees at /packages, read-only; files that are added later are seen
    // at once. Empty: none. An engine that can't show it ignores it. Session sets this itself.
    std::string packages = {};
    // A stable session id: installed packages survive a restart of the kernel. At most 64 letters, digits, -
    // and _. Empty: packages vanish with the session.
    std::string session_name = {};
};

// An engine's description, for `cellblock engines`.
struct EngineFacts {
    std::string description;
    std::string isolation;              // how strong the isolation is, in words
    std::vector<std::string> enforces;  // keys of the policy that the engine enforces
    bool by_control_groups = false;  // cellblock's own control groups bound memory, processes and processors
};

// A sandbox that somebody else makes for us, for a caller that has more to do than to wait. If destroyed
// before the sandbox is ready, the claim is withdrawn, and the sandbox goes to somebody else.
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

    // After take() has given a sandbox, which ended before it was ready, for this reason: starts one in
    // another way. nullopt: the sandbox was started in that way already.
    virtual std::optional<Result<std::unique_ptr<Sandbox>>> start_anew(const std::string& reason) = 0;
};

// Waits until the sandbox is ready, and gives up at its deadline.
Result<std::unique_ptr<Sandbox>> wait_for(PendingSandbox& pending);

class Engine {
public:
    virtual ~Engine() = default;
    [[nodiscard]] virtual std::string name() const = 0;
    [[nodiscard]] virtual EngineFacts facts() const = 0;

    // Tells whether the engine is installed, works, and can enforce this policy. May take seconds.
    [[nodiscard]] virtual Status check(const Policy& policy) = 0;

    // A sandbox that was made ahead and is ready, where the policy is `warm`: take() gives it at once. Null:
    // none is ready; call check() and start() then. Engines whose check() is cheap always give null.
    virtual std::unique_ptr<PendingSandbox> take_ready(const Policy& /*policy*/,
                                                       const StartOptions& /*options*/) {
        return nullptr;
    }

    // Removes sandboxes whose owners have ended without removing them. Returns their number. `destination`:
    // look there only; empty: wherever they can be.
    virtual Result<int> clean(const std::string& /*destination*/) { return 0; }

    // A session's cells name these modules in import statements (dotted names, nobody has checked that there
    // are such): what the engine may have imported in later sandboxes. Never waits.
    virtual void note_imports(const Policy& /*policy*/, const std::vector<std::string>& /*names*/) {}

    // Starts a sandbox. Returns as soon as its first process is started; a later failure ends the sandbox,
    // and death_reason() tells it. Refused with an Error if a layer that the policy requires can't be had.
    virtual Result<std::unique_ptr<Sandbox>> start(const Policy& policy, const StartOptions& options) = 0;

    // Where start() would wait for somebody else: what it would wait for. Null: start() would not wait.
    // `policy` and the engine must outlive what is given.
    virtual Result<std::unique_ptr<PendingSandbox>> begin(const Policy& /*policy*/,
                                                          const StartOptions& /*options*/) {
        return std::unique_ptr<PendingSandbox>();
    }
};

// Makes the engine that the policy names. If the policy names several, the engine that is returned starts
// sandboxes by the first of them that is usable. Error: there is no engine of that name; lists the known
// names.
Result<std::unique_ptr<Engine>> make_engine(const Policy& policy);
Result<std::unique_ptr<Engine>> make_engine(const std::string& name);
// The names of all engines that there is a template of, usable on this host or not, "native" first.
std::vector<std::string> engine_names();

}  // namespace cellblock::sandbox
