// The warden: a jail's first process. It starts, interrupts, kills and reaps the worker as the host commands,
// and starts the agents for files and commands.
//
// Purpose: it serves the socket on descriptor 3 (channel/FRAMES.md, "The warden": its messages, exit statuses
// and what it does when) and runs no cell, so that it answers however busy the worker is. A cold jail
// executes it as a program of its own (jail_library/warden_program.cc). A warm jail's is a fork of a warm
// Python that stays in C: of Python's memory it writes to next to nothing, so all of it stays shared.
//
//     const WardenOrder order = warden_order(argv);
//     const WorkerDescriptors mine = be_warden(order);  // returns in each worker, and nowhere else
//
// Ownership: descriptor 3 is the host's. Threads: the calling process has one. Failure: a command that can't
// be read or obeyed ends the warden, with the reason on descriptor 2, and its end is that of the jail.
#pragma once

#include <string_view>

#include "sandbox/jail/memory_watch.h"

namespace cellblock::sandbox::jail {

// A plan's arguments for the warden, in front of "--". Numbers are bytes.
constexpr std::string_view kMemoryOption = "--memory=";  // watch over the sum of memory
constexpr std::string_view kSocketOption = "--socket=";  // what each socket counts there
constexpr std::string_view kNoNamespacesOption = "--no-namespaces";

// The plan's arguments as the warden understands them: "cellblock-warden", options, "--", and what a worker
// is started by.
struct WardenOrder {
    MemoryWatch watch{0};        // over the memory of the jail's processes, where no control group bounds it
    bool has_namespaces = true;  // false: it is no PID 1 (see no_namespaces.h)
    char* const* worker = nullptr;  // the worker's argv, which ends with a null pointer; null: none was given
};

// `argv` ends with a null pointer and must outlive the result.
WardenOrder warden_order(char* const* argv);

// What a fork of the warden's is: the worker, or what serves the host beside it
// (cellblock_worker/file_agent.py, command_agent.py).
enum class Role { worker, file_agent, command_agent };

// Descriptors close on exec, and are above 63 where the limit on open files allows.
struct WorkerDescriptors {
    int socket = -1;
    int debugger = -1;  // -1: the policy has none
    Role role = Role::worker;
};

// What Python is told of that, behind all other arguments (sandbox/python/worker.py); null: nothing.
const char* last_argument(const WorkerDescriptors& descriptors);

// Serves the host until it has gone, which ends the process. Returns in each worker and agent, a fork that
// has a session of its own, default signals (SIGINT is ignored), /dev/null as descriptor 0, and the
// host's sockets for it.
WorkerDescriptors be_warden(const WardenOrder& order);

}  // namespace cellblock::sandbox::jail
