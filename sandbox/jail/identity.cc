// Choosing the host user id of a jail.
#include "sandbox/jail/identity.h"

#include <linux/capability.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <set>

namespace cellblock::sandbox::jail {

namespace {

// Above every range that distributions, subuid and systemd give out, below 2^31.
constexpr std::uint64_t kUnusedFirst = 0x70000000;
constexpr std::uint64_t kUnusedCount = 0x0ff00000;

bool has_power(std::initializer_list<int> capabilities) {
    __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
    __user_cap_data_struct data[2] = {};
    if (::geteuid() != 0 || ::syscall(SYS_capget, &header, data) != 0) {
        return false;
    }
    for (const int needed : capabilities) {
        if ((data[needed / 32].effective & (1U << (needed % 32))) == 0) {
            return false;
        }
    }
    return true;
}

std::uint32_t random_number() {
    std::uint32_t value = 0;
    if (::getrandom(&value, sizeof value, 0) != sizeof value) {
        value = static_cast<std::uint32_t>(::getpid());
    }
    return value;
}

// Those that exist in the namespace we live in; none of them: count is 0.
IdRange unused_ids(const char* map_file) {
    std::ifstream map(map_file);
    std::uint64_t inside = 0;
    std::uint64_t outside = 0;
    std::uint64_t count = 0;
    IdRange range;
    while (map >> inside >> outside >> count) {
        if (inside <= kUnusedFirst && inside + count >= kUnusedFirst + kUnusedCount) {
            return {kUnusedFirst, kUnusedCount};
        }
        if (count > 2048) {  // inside another container: the upper end of what it was given
            range = {inside + count - 16 - 1023, 1024};
        }
    }
    return range;
}

// An id that nobody uses; 0: there is none.
std::uint64_t unused_id(const char* map_file, std::uint32_t random) {
    const IdRange range = unused_ids(map_file);
    return range.count == 0 ? 0 : range.first + random % range.count;
}

std::set<uid_t> users_of_processes() {
    std::set<uid_t> users;
    std::error_code failed;
    for (std::filesystem::directory_iterator one("/proc", failed), end; !failed && one != end;
         one.increment(failed)) {
        struct stat info {};
        if (std::isdigit(static_cast<unsigned char>(one->path().filename().c_str()[0])) != 0 &&
            ::stat(one->path().c_str(), &info) == 0) {
            users.insert(info.st_uid);
        }
    }
    return users;
}

// A name in the abstract, which is gone with the last descriptor, however its holders end. -1 and EADDRINUSE:
// another has it.
UniqueFd lock_user(uid_t user) {
    UniqueFd lock(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    sockaddr_un name{};
    name.sun_family = AF_UNIX;
    const int size = std::snprintf(name.sun_path + 1, sizeof name.sun_path - 1, "cellblock-user-%u", user);
    const auto length =
        static_cast<socklen_t>(offsetof(sockaddr_un, sun_path)) + 1 + static_cast<socklen_t>(size);
    if (lock.valid() && ::bind(lock.get(), reinterpret_cast<const sockaddr*>(&name), length) != 0) {
        const int error = errno;
        lock.reset();
        errno = error;
    }
    return lock;
}

std::string map_line(std::uint64_t outside) {
    return std::to_string(kInsideId) + " " + std::to_string(outside) + " 1\n";
}

Identity with_callers_user() {
    Identity identity;
    identity.user = ::geteuid();
    identity.group = ::getegid();
    identity.first_user_map = map_line(identity.user);
    identity.first_group_map = map_line(identity.group);
    identity.last_user_map = map_line(kInsideId);
    identity.last_group_map = map_line(kInsideId);
    return identity;
}

}  // namespace

Identity choose_identity() {
    Identity identity;
    const std::uint32_t random = random_number();
    identity.user = static_cast<uid_t>(unused_id("/proc/self/uid_map", random));
    identity.group = static_cast<gid_t>(unused_id("/proc/self/gid_map", random));
    identity.privileged = identity.user != 0 && identity.group != 0 &&
                          has_power({CAP_SYS_ADMIN, CAP_SETUID, CAP_SETGID, CAP_SETPCAP, CAP_NET_ADMIN,
                                     CAP_CHOWN, CAP_DAC_OVERRIDE, CAP_SYS_CHROOT});
    if (identity.privileged) {
        identity.last_user_map = map_line(identity.user);
        identity.last_group_map = map_line(identity.group);
        return identity;
    }
    return with_callers_user();
}

IdBlock choose_block() {
    constexpr std::uint64_t kSize = 65536;
    if (!choose_identity().privileged) {
        return {};
    }
    const std::uint32_t random = random_number();
    const auto part = [&](const char* map_file) {
        const IdRange all = unused_ids(map_file);
        const std::uint64_t blocks = all.count / kSize;
        return blocks == 0 ? all : IdRange{all.first + random % blocks * kSize, kSize};
    };
    return {part("/proc/self/uid_map"), part("/proc/self/gid_map")};
}

Identity identity_of_keeper(const IdBlock& block) {
    if (block.users.count <= kInsideId || block.groups.count <= kInsideId) {
        return with_callers_user();
    }
    const auto whole = [](const IdRange& range) {
        return "0 " + std::to_string(range.first) + " " + std::to_string(range.count) + "\n";
    };
    Identity identity;
    identity.mapped_by_attendant = true;
    identity.user = static_cast<uid_t>(block.users.first + kInsideId);
    identity.group = static_cast<gid_t>(block.groups.first + kInsideId);
    identity.first_user_map = whole(block.users);
    identity.first_group_map = whole(block.groups);
    return identity;
}

Identity choose_nested_identity(const IdBlock& block) {
    if (block.users.count <= kInsideId || block.groups.count <= kInsideId) {
        Identity identity = with_callers_user();
        identity.first_user_map = identity.first_group_map = map_line(kInsideId);
        return identity;
    }
    // Not 0, and not the warm Python's.
    const auto drawn = [](const IdRange& range, std::uint32_t random) {
        const std::uint64_t number = 1 + random % (range.count - 2);
        return number < kInsideId ? number : number + 1;
    };
    const std::uint32_t random = random_number();
    const std::uint64_t user = drawn(block.users, random);
    const std::uint64_t group = drawn(block.groups, random);
    Identity identity;
    identity.mapped_by_attendant = true;
    identity.user = static_cast<uid_t>(block.users.first + user);
    identity.group = static_cast<gid_t>(block.groups.first + group);
    identity.first_user_map = map_line(user);
    identity.first_group_map = map_line(group);
    identity.last_user_map = identity.last_group_map = map_line(kInsideId);
    return identity;
}

Result<uid_t> take_unused_user(const IdRange& range, std::uint32_t start, UniqueFd& lock) {
    constexpr std::uint64_t kMostTries = 1024;
    const auto taken = users_of_processes();
    for (std::uint64_t i = 0; i < std::min(range.count, kMostTries); ++i) {
        const auto user = static_cast<uid_t>(range.first + (start + i) % range.count);
        if (taken.count(user) != 0) {
            continue;
        }
        lock = lock_user(user);
        if (lock.valid()) {
            return user;
        }
        if (errno != EADDRINUSE) {
            return errno_error("choose a user for the sandbox");
        }
    }
    return Error{"choose a user for the sandbox", 0,
                 "each of the " + std::to_string(range.count) + " that this host can give has one",
                 "Wait until other sandboxes have ended"};
}

Result<Identity> choose_identity_without_namespaces(UniqueFd& lock) {
    Identity identity;
    const IdRange users = unused_ids("/proc/self/uid_map");
    const IdRange groups = unused_ids("/proc/self/gid_map");
    identity.privileged =
        users.count != 0 && groups.count != 0 &&
        has_power({CAP_SETUID, CAP_SETGID, CAP_SETPCAP, CAP_CHOWN, CAP_DAC_OVERRIDE, CAP_KILL});
    if (!identity.privileged) {
        identity.user = ::geteuid();
        identity.group = ::getegid();
        return identity;
    }
    CELLBLOCK_ASSIGN_OR_RETURN(identity.user, take_unused_user(users, random_number(), lock));
    identity.group = static_cast<gid_t>(groups.first + (identity.user - users.first) % groups.count);
    return identity;
}

}  // namespace cellblock::sandbox::jail
