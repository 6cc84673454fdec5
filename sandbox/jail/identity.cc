// Choosing the host user id of a jail.
#include "sandbox/jail/identity.h"

#include <linux/capability.h>
#include <sys/random.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstdint>
#include <fstream>

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

// An id that nobody uses and that exists in the namespace we live in; 0: there is none.
std::uint64_t unused_id(const char* map_file, std::uint32_t random) {
    std::ifstream map(map_file);
    std::uint64_t inside = 0;
    std::uint64_t outside = 0;
    std::uint64_t count = 0;
    std::uint64_t highest = 0;
    while (map >> inside >> outside >> count) {
        if (inside <= kUnusedFirst && inside + count >= kUnusedFirst + kUnusedCount) {
            return kUnusedFirst + random % kUnusedCount;
        }
        if (count > 2048) {  // inside another container: the upper end of what it was given
            highest = inside + count - 16 - random % 1024;
        }
    }
    return highest;
}

std::string map_line(std::uint64_t outside) {
    return std::to_string(kInsideId) + " " + std::to_string(outside) + " 1\n";
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
    identity.user = ::geteuid();
    identity.group = ::getegid();
    identity.first_user_map = map_line(identity.user);
    identity.first_group_map = map_line(identity.group);
    identity.last_user_map = map_line(kInsideId);
    identity.last_group_map = map_line(kInsideId);
    return identity;
}

Identity choose_contained_identity() {
    Identity identity;
    const std::uint32_t random = random_number();
    identity.user = static_cast<uid_t>(unused_id("/proc/self/uid_map", random));
    identity.group = static_cast<gid_t>(unused_id("/proc/self/gid_map", random));
    identity.privileged =
        identity.user != 0 && identity.group != 0 &&
        has_power({CAP_SETUID, CAP_SETGID, CAP_SETPCAP, CAP_CHOWN, CAP_DAC_OVERRIDE, CAP_KILL});
    if (!identity.privileged) {
        identity.user = ::geteuid();
        identity.group = ::getegid();
    }
    return identity;
}

}  // namespace cellblock::sandbox::jail
