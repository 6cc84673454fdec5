// A control group of the calling process's own, which systemd makes: a transient scope with delegation.
//
// Purpose: where systemd runs, control groups belong to it, and whoever wants to divide one further asks for
// a scope that is handed over (Delegate=). An ordinary user asks the user's own systemd, root the machine's.
//
//     const auto moved = move_to_scope({Systemd::user, "cellblock-42-1f.scope", {}, 2s});
//     if (!moved) { std::cerr << moved.error().text() << "\n"; }   // the process is where it was
//
// The whole process moves, with all of its threads and none of its children. systemd removes the scope when
// the last process in it has ended. Threads: any; blocks the caller, for `patience` at most. Failure: an
// Error; after one for want of time systemd may still move the process, to a scope that works as well.
#pragma once

#include <chrono>
#include <string>

#include "sandbox/api/result.h"

namespace cellblock::sandbox::jail {

// Whose systemd is asked, by its bus: $DBUS_SESSION_BUS_ADDRESS or $XDG_RUNTIME_DIR/bus, or the system's bus.
enum class Systemd { user, system };

struct ScopeOrder {
    Systemd whose = Systemd::user;
    std::string name;      // of the scope: "cellblock-….scope", new
    std::string bound_to;  // a service of that systemd whose end ends the scope; empty: none
    std::chrono::milliseconds patience{};
};

// libsystemd is loaded here, and only here.
Status move_to_scope(const ScopeOrder& order);

}  // namespace cellblock::sandbox::jail
