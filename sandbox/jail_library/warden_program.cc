// cellblock-warden: the first process of a cold jail.
//
// Purpose: the warden (jail/warden.h) as a program of its own. It takes the place of the fork of the host
// that has walked into the jail, so that nothing of the host's memory is in there. Each worker is a fork that
// executes Python. Needs no library of the jail's. Usage, which the jail's plan writes:
//
//     cellblock-warden [--memory=BYTES] [--socket=BYTES] [--no-namespaces] -- PYTHON ARGUMENT…
//
// A worker gets its socket as descriptor 3 and, with the argument --debugger behind all others, the
// debugger's as 4. An agent has the argument --files or --commands there, and its socket as 3.
#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>

#include "sandbox/jail/warden.h"

namespace {

using namespace cellblock::sandbox;

constexpr int kUsage = 2;
constexpr int kNotStarted = 126;  // a worker's, whose Python can't be executed
constexpr int kSocket = 3;
constexpr int kDebugger = 4;
constexpr std::size_t kMostArguments = 32;

[[noreturn]] void execute(char* const* worker, const jail::WorkerDescriptors& descriptors) {
    std::array<char*, kMostArguments + 2> arguments{};  // with the last one and the closing null
    std::size_t count = 0;
    while (worker[count] != nullptr && count < kMostArguments) {
        arguments[count] = worker[count];
        ++count;
    }
    // Where few files may be open both numbers are low: neither may land on the other before that one has
    // moved.
    const int socket = ::fcntl(descriptors.socket, F_DUPFD_CLOEXEC, kDebugger + 1);
    bool placed = socket >= 0;
    arguments[count] = const_cast<char*>(jail::last_argument(descriptors));
    if (descriptors.debugger >= 0) {
        placed = placed &&
                 (descriptors.debugger == kDebugger ? ::fcntl(kDebugger, F_SETFD, 0) == 0
                                                    : ::dup2(descriptors.debugger, kDebugger) == kDebugger);
    }
    if (placed && ::dup2(socket, kSocket) == kSocket) {
        ::execve(arguments[0], arguments.data(), environ);
    }
    std::fprintf(stderr, "warden: %s can't be started: %s\n", arguments[0], std::strerror(errno));
    ::_exit(kNotStarted);
}

}  // namespace

int main(int, char** argv) {
    const auto order = jail::warden_order(argv);
    if (order.worker == nullptr) {
        (void)std::fputs("warden: it wasn't told what a worker is started by\n", stderr);
        return kUsage;
    }
    execute(order.worker, jail::be_warden(order));
}
