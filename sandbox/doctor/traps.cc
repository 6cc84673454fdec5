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
#include "sandbox/base/text.h"

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

UniqueFd next_guest(const UniqueFd& server) {
    return UniqueFd(server.valid() ? ::accept4(server.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK)
                                   : -1);
}

bool somebody_said_something(const UniqueFd& server) {
    bool said = false;
    for (UniqueFd guest = next_guest(server); guest.valid(); guest = next_guest(server)) {
        char byte = 0;
        said = said || ::recv(guest.get(), &byte, 1, 0) > 0;
    }
    return said;
}

// A server on the loopback, and its port; 0 where there can be none.
UniqueFd listen_on_loopback(int& port) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    UniqueFd server = listen_at(reinterpret_cast<sockaddr*>(&address), size);
    port = server.valid() ? ntohs(address.sin_port) : 0;
    return server;
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
    loopback_ = listen_on_loopback(port_);
    allowed_ = listen_on_loopback(allowed_port_);
    sockaddr_in6 address_6{};
    address_6.sin6_family = AF_INET6;
    address_6.sin6_addr = in6addr_loopback;
    socklen_t size = sizeof address_6;
    loopback_6_ = listen_at(reinterpret_cast<sockaddr*>(&address_6), size);
    port_6_ = loopback_6_.valid() ? ntohs(address_6.sin6_port) : 0;
    abstract_ = listen_at_path("cellblock-doctor-" + token_, true);
    path_ = listen_at_path(folder_ + "/socket", false);
}

void Traps::allow_own_hosts(NetworkRules& rules) const {
    for (const auto& name : {std::string("localhost"), lower(host_name())}) {
        if (rules.any() && allowed_port_ != 0 && !name.empty()) {
            HostRule rule;
            rule.text = name + ":" + std::to_string(allowed_port_);
            rule.host = name;
            rule.port = static_cast<std::uint16_t>(allowed_port_);
            rules.allow.push_back(std::move(rule));
        }
    }
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
                               {"allowed", policy.network.any() ? allowed_port_ : 0},
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
        if (next_guest(*server).valid()) {
            return "a server of the host was reached";
        }
    }
    if (somebody_said_something(allowed_)) {
        return "a server was sent what the policy doesn't allow";
    }
    if (file_text(shown_ + "/planted.txt") != kPlanted) {
        std::ofstream(shown_ + "/planted.txt") << kPlanted;
        return "a file of the host was changed";
    }
    return std::nullopt;
}

}  // namespace cellblock::sandbox::doctor
