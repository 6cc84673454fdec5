// Planting, looking after, and clearing away.
#include "sandbox/doctor/traps.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <pwd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "sandbox/base/digests.h"
#include "sandbox/base/files.h"

namespace cellblock::sandbox::doctor {

namespace {

namespace fs = std::filesystem;

constexpr const char* kVariable = "CELLBLOCK_DOCTOR_SECRET";
constexpr const char* kPlanted = "as it was\n";
constexpr int kListen = SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC;

// A server at `address`; the address that it got is written back.
UniqueFd listen_at(sockaddr* address, socklen_t& size) {
    UniqueFd server(::socket(address->sa_family, kListen, 0));
    if (server.valid() && ::bind(server.get(), address, size) == 0 && ::listen(server.get(), 8) == 0 &&
        ::getsockname(server.get(), address, &size) == 0) {
        return server;
    }
    return UniqueFd();
}

UniqueFd listen_at_path(const std::string& path, bool is_abstract) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    const std::size_t start = is_abstract ? 1 : 0;
    if (path.size() + start >= sizeof address.sun_path) {
        return UniqueFd();
    }
    std::memcpy(address.sun_path + start, path.data(), path.size());
    auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + start + path.size());
    return listen_at(reinterpret_cast<sockaddr*>(&address), size);
}

bool somebody_came(const UniqueFd& server) {
    if (!server.valid()) {
        return false;
    }
    const UniqueFd guest(::accept4(server.get(), nullptr, nullptr, SOCK_CLOEXEC));
    return guest.valid();
}

std::string home_folder() {
    if (const char* home = std::getenv("HOME"); home != nullptr && *home == '/') {
        return home;
    }
    const passwd* entry = ::getpwuid(::getuid());
    return entry != nullptr ? entry->pw_dir : "/";
}

std::string user_name() {
    const passwd* entry = ::getpwuid(::getuid());
    return entry != nullptr ? entry->pw_name : "";
}

std::string host_name() {
    std::array<char, 256> name{};
    return ::gethostname(name.data(), name.size() - 1) == 0 ? name.data() : "";
}

}  // namespace

Result<std::unique_ptr<Traps>> Traps::plant() {
    std::unique_ptr<Traps> traps(new Traps);
    traps->token_ = random_hex(16);
    if (auto failed = traps->plant_files()) {
        return *failed;
    }
    traps->plant_servers();
    ::setenv(kVariable, traps->token_.c_str(), 1);
    return traps;
}

Traps::~Traps() {
    ::unsetenv(kVariable);
    std::error_code ignored;
    if (!folder_.empty()) {
        fs::remove_all(folder_, ignored);
    }
}

std::optional<Error> Traps::plant_files() {
    std::string folder = home_folder() + "/.cellblock-doctor-XXXXXX";
    if (::mkdtemp(folder.data()) == nullptr) {
        return errno_error("make a folder in " + home_folder(),
                           "Set HOME to a folder that can be written: a secret is planted there");
    }
    folder_ = folder;
    shown_ = folder_ + "/notebook";
    secret_ = folder_ + "/secret";
    std::ofstream(secret_) << "secret " << token_ << "\n";
    std::error_code failed;
    fs::create_directory(shown_, failed);
    std::ofstream(shown_ + "/planted.txt") << kPlanted;
    // Were the permissions the wall, root's sandbox would be stopped by them alone.
    fs::permissions(folder_, fs::perms(0755), failed);
    fs::permissions(secret_, fs::perms(0644), failed);
    fs::permissions(shown_ + "/planted.txt", fs::perms(0666), failed);
    open_secret_ =
        UniqueFd(::open(secret_.c_str(), O_RDONLY));  // NOLINT(android-cloexec-open): that is the trap
    if (!open_secret_.valid() || failed) {
        return errno_error("write into " + folder_);
    }
    return std::nullopt;
}

void Traps::plant_servers() {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    loopback_ = listen_at(reinterpret_cast<sockaddr*>(&address), size);
    port_ = ntohs(address.sin_port);
    sockaddr_in6 address_6{};
    address_6.sin6_family = AF_INET6;
    address_6.sin6_addr = in6addr_loopback;
    size = sizeof address_6;
    loopback_6_ = listen_at(reinterpret_cast<sockaddr*>(&address_6), size);
    port_6_ = loopback_6_.valid() ? ntohs(address_6.sin6_port) : 0;
    abstract_ = listen_at_path("cellblock-doctor-" + token_, true);
    path_ = listen_at_path(folder_ + "/socket", false);
}

std::string Traps::facts(const Policy& policy) const {
    const nlohmann::json facts{{"token", token_},
                               {"folder", folder_},
                               {"secret", secret_},
                               {"shown", shown_},
                               {"socket", folder_ + "/socket"},
                               {"abstract", "cellblock-doctor-" + token_},
                               {"port", port_},
                               {"port_6", port_6_},
                               {"pid", ::getpid()},
                               {"name", host_name()},
                               {"user", user_name()},
                               {"memory", policy.limits.memory_bytes},
                               {"disk", policy.limits.disk_bytes},
                               {"processes", policy.limits.processes},
                               {"cpus", policy.limits.cpus}};
    return facts.dump(-1, ' ', true, nlohmann::json::error_handler_t::replace);
}

std::optional<std::string> Traps::touched() {
    for (const auto* server : {&loopback_, &loopback_6_, &abstract_, &path_}) {
        if (somebody_came(*server)) {
            return "a server of the host was reached";
        }
    }
    if (file_text(shown_ + "/planted.txt") != kPlanted) {
        std::ofstream(shown_ + "/planted.txt") << kPlanted;
        return "a file of the host was changed";
    }
    return std::nullopt;
}

}  // namespace cellblock::sandbox::doctor
