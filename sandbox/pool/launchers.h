// The processes that start other engines' sandboxes, seen from the daemon: its children (`cellblock
// launcher`).
//
// Purpose: starts a launcher for each sandbox, takes its report, collects it when it ends, and clears away
// what a killed launcher has left where no session does. Ownership: of a pidfd for each; a launcher ends with
// its control socket, not with this object. Threads: one. Failure: told by the callbacks.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "sandbox/api/result.h"
#include "sandbox/api/unique_fd.h"
#include "sandbox/base/event_loop.h"
#include "sandbox/pool/launch_order.h"
#include "sandbox/relay/spec.h"

namespace cellblock::sandbox::pool {

// An order, and a descriptor of its bytes for the launcher.
struct LaunchOrderFile {
    LaunchOrder order;
    UniqueFd file;
};

class Launchers {
public:
    struct Heard {
        std::function<void(std::uint64_t number, const LaunchReport& parts)> made;
        std::function<void(std::uint64_t number, const std::string& reason)> failed;
        std::function<void(std::uint64_t number, pid_t process, int wait_status)> ended;
    };

    Launchers(EventLoop& loop, Heard heard) : loop_(loop), heard_(std::move(heard)) {}
    ~Launchers();
    Launchers(const Launchers&) = delete;
    Launchers& operator=(const Launchers&) = delete;

    struct Started {
        pid_t process = -1;
        UniqueFd handle;  // a pidfd
    };
    // `warden` and `control` are the relay's ends.
    Result<Started> start(std::uint64_t number, const LaunchOrderFile& order, int warden, int control);
    // Its sandbox was given: should the launcher be killed, the session clears away.
    void was_given(pid_t process);

private:
    struct Launcher {
        std::uint64_t number = 0;
        UniqueFd handle;
        UniqueFd report;  // until the report has come
        relay::Spec spec;
        std::vector<std::string> environment;
        bool is_ours = true;  // the daemon clears away, should the launcher be killed
    };

    void hear(pid_t process);
    void left(pid_t process);
    void clear_away_after(const Launcher& launcher);

    EventLoop& loop_;
    Heard heard_;
    std::map<pid_t, Launcher> launchers_;
    std::map<pid_t, UniqueFd> clearing_;
};

}  // namespace cellblock::sandbox::pool
