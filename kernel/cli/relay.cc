// `cellblock relay`, `launcher` and `font-list`: started by
// cellblock itself, never by people.
#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/stat.h>

#include <array>
#include <csignal>
#include <iostream>
#include <string>

#include "kernel/cli/commands.h"
#include "kernel/cli/font_list.h"
#include "sandbox/engines/launcher_program.h"
#include "sandbox/relay/relay.h"

namespace cellblock::kernel {

namespace relay = sandbox::relay;

namespace {

int not_for_people(const char* word) {
    std::cerr << "cellblock " << word << ": this is started by cellblock itself\n";
    return 2;
}

}  // namespace

int relay_command() {
    struct stat info {};
    sandbox::UniqueFd file(relay::kSpecFd);
    sandbox::UniqueFd warden(relay::kWardenFd);
    sandbox::UniqueFd control(relay::kControlFd);
    std::string bytes;
    std::array<char, 64U << 10> part{};
    for (ssize_t got = 0; (got = ::read(file.get(), part.data(), part.size())) > 0;) {
        bytes.append(part.data(), static_cast<std::size_t>(got));
    }
    const auto spec = relay::spec_from(bytes);
    if (!spec || ::fstat(warden.get(), &info) != 0 || !S_ISSOCK(info.st_mode)) {
        return not_for_people("relay");
    }
    for (const auto* fd : {&warden, &control}) {
        ::fcntl(fd->get(), F_SETFD, FD_CLOEXEC);
    }
    file.reset();
    return static_cast<int>(relay::serve(*spec, std::move(warden), std::move(control)));
}

int font_list_command(const std::string& python) {
    // A daemon that ends needs the list no more. The sandbox ends then as any that has lost its kernel.
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (auto made = make_font_list(python); !made) {
        std::cerr << "cellblock font-list: " << made.error().text() << "\n";
        return 1;
    }
    return 0;
}

int launcher_command() {
    sandbox::UniqueFd order(sandbox::pool::kOrderFd);
    sandbox::UniqueFd warden(relay::kWardenFd);
    sandbox::UniqueFd control(relay::kControlFd);
    sandbox::UniqueFd report(sandbox::pool::kReportFd);
    for (const auto* fd : {&order, &warden, &control, &report}) {
        struct stat info {};
        if (::fstat(fd->get(), &info) != 0) {
            return not_for_people("launcher");
        }
        ::fcntl(fd->get(), F_SETFD, FD_CLOEXEC);
    }
    return sandbox::pool::launch_and_serve(std::move(order), std::move(warden), std::move(control),
                                           std::move(report));
}

}  // namespace cellblock::kernel
