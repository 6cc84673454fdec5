// The daemon's folder and sockets.
#include "sandbox/pool/runtime_directory.h"

#include <dirent.h>
#include <fcntl.h>
#include <sched.h>
#include <sys/file.h>
#include <sys/personality.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstdlib>
#include <cstring>
#include <string_view>

#include "sandbox/base/digests.h"
#include "sandbox/base/files.h"
#include "sandbox/base/resources.h"
#include "sandbox/base/text.h"
#include "sandbox/jail/own_scope.h"

#ifndef SO_PEERPIDFD
#define SO_PEERPIDFD 77
#endif

namespace cellblock::sandbox::pool {

namespace {

constexpr const char* kStep = "find the daemon";
constexpr const char* kSocketStart = "daemon-";
constexpr const char* kLogEnd = ".log";
constexpr int kWaiting = 64;
constexpr std::size_t kLastOfLog = 4096;
constexpr mode_t kOthers = 077;

bool is_ours_alone(int fd) {
    struct stat info {};
    return ::fstat(fd, &info) == 0 && S_ISDIR(info.st_mode) && info.st_uid == ::geteuid() &&
           (info.st_mode & kOthers) == 0;
}

UniqueFd open_folder(const char* path) {
    return UniqueFd(::open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
}

std::string place_path() {
    const char* runtime = std::getenv("XDG_RUNTIME_DIR");
    if (runtime != nullptr && runtime[0] == '/' && is_ours_alone(open_folder(runtime).get())) {
        return std::string(runtime) + "/cellblock";
    }
    return "/tmp/cellblock-" + std::to_string(::geteuid());
}

// By the folder's descriptor: short enough for any path, and the folder that was checked.
sockaddr_un address_of(const RuntimeDirectory& directory, const std::string& name) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    const std::string path = "/proc/self/fd/" + std::to_string(directory.folder.get()) + "/" + name;
    std::strncpy(address.sun_path, path.c_str(), sizeof address.sun_path - 1);
    return address;
}

UniqueFd make_socket() {
    return UniqueFd(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0));
}

std::string link_text(int folder, const std::string& name) {
    char text[PATH_MAX];
    const ssize_t size = ::readlinkat(folder, name.c_str(), text, sizeof text);
    return size > 0 ? std::string(text, static_cast<std::size_t>(size)) : std::string();
}

// What a process's children have from it and a sandbox's processes therefore from the daemon.
std::string status_facts() {
    static constexpr const char* kLines[] = {
        "Uid:",    "Gid:",    "Groups:",     "CapInh:", "CapPrm:",       "CapEff:",
        "CapBnd:", "CapAmb:", "NoNewPrivs:", "Seccomp", "Cpus_allowed:", "Mems_allowed:"};
    const std::string status = file_text("/proc/self/status");
    std::string facts;
    for (std::size_t start = 0; start < status.size();) {
        const std::size_t end = std::min(status.find('\n', start), status.size());
        for (const char* line : kLines) {
            if (status.compare(start, std::strlen(line), line) == 0) {
                facts.append(status, start, end - start).push_back('\n');
            }
        }
        start = end + 1;
    }
    return facts;
}

// But for how many files may be open at once: every program of cellblock's raises that, if it can.
std::string limits_facts() {
    constexpr std::string_view kFiles = "Max open files";
    std::string limits = file_text("/proc/self/limits");
    const auto line = limits.find(kFiles);
    const auto soft =
        limits.find_first_of("0123456789u", line == std::string::npos ? line : line + kFiles.size());
    if (line != std::string::npos && soft != std::string::npos) {
        limits.erase(soft, limits.find(' ', soft) - soft);
        limits.erase(std::remove(limits.begin(), limits.end(), ' '), limits.end());
    }
    return limits;
}

// Names of daemons' sockets, or of their logs.
std::vector<std::string> names_in(const RuntimeDirectory& directory, bool logs) {
    std::vector<std::string> names;
    const int fd = ::openat(directory.folder.get(), ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR* const folder = fd >= 0 ? ::fdopendir(fd) : nullptr;
    while (const dirent* entry = folder != nullptr ? ::readdir(folder) : nullptr) {
        const std::string name = entry->d_name;
        if (name.starts_with(kSocketStart) &&
            (logs ? name.ends_with(kLogEnd) : name.find('.') == std::string::npos)) {
            names.push_back(name);
        }
    }
    if (folder != nullptr) {
        ::closedir(folder);
    }
    return names;
}

pid_t peer_of(int socket, uid_t& user) {
    ucred peer{};
    socklen_t size = sizeof peer;
    if (::getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0) {
        return 0;
    }
    user = peer.uid;
    return peer.pid;
}

}  // namespace

bool RuntimeDirectory::lock() const {
    return ::flock(folder.get(), LOCK_EX) == 0;
}

void RuntimeDirectory::unlock() const {
    ::flock(folder.get(), LOCK_UN);
}

Result<RuntimeDirectory> open_runtime_directory(IfMissing missing) {
    RuntimeDirectory directory{place_path(), {}};
    if (missing == IfMissing::make && ::mkdir(directory.path.c_str(), 0700) != 0 && errno != EEXIST) {
        return errno_error("make " + directory.path);
    }
    directory.folder = open_folder(directory.path.c_str());
    if (!directory.folder.valid()) {
        return errno_error("open " + directory.path);
    }
    if (!is_ours_alone(directory.folder.get())) {
        return Error{"use " + directory.path, 0, "it must be a folder of yours that nobody else may enter",
                     "Remove it, or set its owner and mode 0700"};
    }
    return directory;
}

std::vector<ContextName> context_names() {
    std::string facts = status_facts();
    for (const char* name : {"mnt", "pid", "user", "net", "ipc", "uts", "cgroup"}) {
        facts += link_text(AT_FDCWD, std::string("/proc/self/ns/") + name) + "\n";
    }
    facts += limits_facts() + "\n";
    for (const char* file : {"/proc/self/attr/current", "/proc/self/oom_score_adj"}) {
        facts += file_text(file) + "\n";
    }
    const auto program = cellblock_program();  // an embedding program uses the installed one's daemon
    facts += which_file("/") + " " + which_file(program ? program->c_str() : "/proc/self/exe") + "\n";
    facts += std::to_string(::getpriority(PRIO_PROCESS, 0)) + " " + std::to_string(::sched_getscheduler(0)) +
             " " + std::to_string(::personality(0xffffffff)) + "\n";
    std::vector<ContextName> names;
    for (const bool has_scope : {true, false}) {
        if (!has_scope || jail::belongs_to_scope()) {
            names.push_back(
                {kSocketStart + sha256(facts + jail::cgroup_facts(has_scope)).substr(0, 16), has_scope});
        }
    }
    return names;
}

ContextName context_name(const RuntimeDirectory& directory) {
    const auto names = context_names();
    const auto found = std::find_if(names.begin(), names.end(), [&](const ContextName& name) {
        return ::faccessat(directory.folder.get(), name.socket.c_str(), F_OK, AT_SYMLINK_NOFOLLOW) == 0;
    });
    return found != names.end() ? *found : names.front();
}

void sweep(const RuntimeDirectory& directory) {
    for (const auto& name : sockets_in(directory)) {
        if (auto socket = connect_to(directory, name); !socket && socket.error().code == ECONNREFUSED) {
            ::unlinkat(directory.folder.get(), name.c_str(), 0);
            ::unlinkat(directory.folder.get(), (name + kLogEnd).c_str(), 0);
        }
    }
}

std::vector<std::string> sockets_in(const RuntimeDirectory& directory) {
    return names_in(directory, false);
}

std::vector<std::string> logs_in(const RuntimeDirectory& directory) {
    return names_in(directory, true);
}

Result<UniqueFd> listen_at(const RuntimeDirectory& directory, const std::string& name) {
    UniqueFd socket = make_socket();
    const sockaddr_un address = address_of(directory, name);
    ::unlinkat(directory.folder.get(), name.c_str(), 0);
    const mode_t before = ::umask(kOthers);
    const bool listens =
        socket.valid() &&
        ::bind(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0 &&
        ::listen(socket.get(), kWaiting) == 0;
    const int error = errno;
    ::umask(before);
    if (!listens) {
        errno = error;
        return errno_error("listen in " + directory.path);
    }
    return socket;
}

Result<UniqueFd> connect_to(const RuntimeDirectory& directory, const std::string& name) {
    UniqueFd socket = make_socket();
    const sockaddr_un address = address_of(directory, name);
    ::fcntl(socket.get(), F_SETFL, O_NONBLOCK);  // a queue that is full is no reason to wait
    if (::connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
        return errno_error(kStep);
    }
    uid_t user = 0;
    if (peer_of(socket.get(), user) <= 0 || user != ::geteuid()) {
        return Error{kStep, 0, "another user listens in " + directory.path, {}};
    }
    return socket;
}

pid_t listener_of(int socket) {
    uid_t ignored = 0;
    return peer_of(socket, ignored);
}

std::string last_failure(const RuntimeDirectory& directory, const std::string& name) {
    const UniqueFd log(
        ::openat(directory.folder.get(), (name + kLogEnd).c_str(), O_RDONLY | O_NOFOLLOW | O_CLOEXEC));
    struct stat info {};
    if (!log.valid() || ::fstat(log.get(), &info) != 0 || !S_ISREG(info.st_mode)) {
        return {};
    }
    std::string end(kLastOfLog, '\0');
    const off_t start = std::max<off_t>(0, info.st_size - static_cast<off_t>(end.size()));
    const ssize_t size = ::pread(log.get(), end.data(), end.size(), start);
    end.resize(static_cast<std::size_t>(std::max<ssize_t>(0, size)));
    if (end.ends_with('\n')) {
        end.pop_back();
    }
    const std::string last = end.substr(end.rfind('\n') + 1);
    return last.starts_with(kFailureStart) ? printable(last.substr(kFailureStart.size())) : std::string();
}

bool is_one_of_us(int socket) {
    uid_t user = 0;
    const pid_t peer = peer_of(socket, user);
    if (peer <= 0 || user != ::geteuid()) {
        return false;
    }
    const UniqueFd process(
        ::open(("/proc/" + std::to_string(peer)).c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
    for (const char* name : {"ns/mnt", "ns/user", "ns/pid"}) {
        const std::string theirs = link_text(process.get(), name);
        if (theirs.empty() || theirs != link_text(AT_FDCWD, std::string("/proc/self/") + name)) {
            return false;
        }
    }
    // The folder in /proc was that of the peer and not of a later process with its number.
    int pidfd = -1;
    socklen_t size = sizeof pidfd;
    if (::getsockopt(socket, SOL_SOCKET, SO_PEERPIDFD, &pidfd, &size) != 0) {
        return errno == ENOPROTOOPT;  // before Linux 6.5
    }
    const UniqueFd held(pidfd);
    return ::syscall(SYS_pidfd_send_signal, pidfd, 0, nullptr, 0) == 0;
}

}  // namespace cellblock::sandbox::pool
