// `cellblock relay`: started by engines, never by people.
#include <fcntl.h>
#include <sys/stat.h>

#include <array>
#include <iostream>
#include <string>

#include "kernel/commands/commands.h"
#include "sandbox/relay/relay.h"

namespace cellblock::kernel {

namespace relay = sandbox::relay;

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
        std::cerr << "cellblock relay: this is started by cellblock itself\n";
        return 2;
    }
    for (const auto* fd : {&warden, &control}) {
        ::fcntl(fd->get(), F_SETFD, FD_CLOEXEC);
    }
    file.reset();
    relay::serve(*spec, std::move(warden), std::move(control));
    return 0;
}

}  // namespace cellblock::kernel
