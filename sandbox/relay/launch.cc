// fork, exec, three descriptors.
#include "sandbox/relay/launch.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <string>

#include "sandbox/base/resources.h"
#include "sandbox/jail/calls.h"
#include "sandbox/relay/relay.h"

namespace cellblock::sandbox::relay {

namespace {

constexpr const char* kStep = "start a relay";
constexpr int kFirstFree = 10;  // 0 to 5 are given a meaning

Result<UniqueFd> as_file(const std::string& bytes) {
    UniqueFd file(::memfd_create("cellblock-relay", MFD_CLOEXEC));
    if (!file.valid() || !jail::write_all(file.get(), bytes.data(), bytes.size()) ||
        ::lseek(file.get(), 0, SEEK_SET) != 0) {
        return errno_error(kStep);
    }
    return file;
}

UniqueFd raised(int fd) {
    return UniqueFd(::fcntl(fd, F_DUPFD_CLOEXEC, kFirstFree));
}

// Only async-signal-safe calls: other threads may have held locks.
[[noreturn]] void become_relay(const char* program, const std::array<int, 3>& given,
                               char* const* environment) {
    for (std::size_t i = 0; i < given.size(); ++i) {
        ::dup2(given[i], kSpecFd + static_cast<int>(i));
    }
    const int null = ::open("/dev/null", O_RDWR);
    ::dup2(null, STDIN_FILENO);
    ::dup2(null, STDOUT_FILENO);
    ::syscall(SYS_close_range, kControlFd + 1, ~0U, 0);
    ::setsid();
    sigset_t none;
    ::sigemptyset(&none);
    ::sigprocmask(SIG_SETMASK, &none, nullptr);
    const std::array<const char*, 3> arguments{program, "relay", nullptr};
    ::execve(program, const_cast<char* const*>(arguments.data()), environment);
    ::_exit(127);
}

}  // namespace

Result<RelayProcess> launch(const Spec& spec) {
    auto program = cellblock_program();
    if (!program) {
        return program.error();
    }
    auto file = as_file(to_bytes(spec));
    if (!file) {
        return file.error();
    }
    std::array<int, 2> control{};
    std::array<int, 2> warden{};
    if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, control.data()) != 0) {
        return errno_error(kStep);
    }
    RelayProcess relay;
    relay.control.reset(control[0]);
    UniqueFd their_control(control[1]);
    if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, warden.data()) != 0) {
        return errno_error(kStep);
    }
    relay.warden.reset(warden[0]);
    UniqueFd their_warden(warden[1]);
    ::fcntl(relay.warden.get(), F_SETFL, O_NONBLOCK);
    const UniqueFd spec_file = raised(file->get());
    their_warden = raised(their_warden.get());
    their_control = raised(their_control.get());
    if (!spec_file.valid() || !their_warden.valid() || !their_control.valid()) {
        return errno_error(kStep, "Too many files are open in this program");
    }
    const std::array<int, 3> given{spec_file.get(), their_warden.get(), their_control.get()};
    relay.pid = ::_Fork();
    if (relay.pid == 0) {
        become_relay(program->c_str(), given, ::environ);
    }
    if (relay.pid < 0) {
        return errno_error(kStep, "The limit on processes may be reached");
    }
    relay.handle.reset(static_cast<int>(::syscall(SYS_pidfd_open, relay.pid, 0)));
    return relay;
}

}  // namespace cellblock::sandbox::relay
