// Looking for a delegated group; asking for one.
#include "sandbox/jail/own_scope.h"

#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <optional>

#include "sandbox/base/cgroup_places.h"
#include "sandbox/base/digests.h"
#include "sandbox/base/files.h"
#include "sandbox/base/syscalls.h"
#include "sandbox/base/text.h"
#include "sandbox/jail/cgroup_folders.h"
#include "sandbox/jail/systemd_scope.h"

namespace cellblock::sandbox::jail {

namespace {

constexpr const char* kStep = "get a control group of its own";
constexpr std::chrono::seconds kPatience{2};
constexpr int kAttempts = 10;
constexpr const char* kHandedOver = "0::a scope of systemd's";
// The one group in a scope that holds its own processes: a group that hands on controllers can't have any.
constexpr const char* kLeaf = "/cellblock";

bool is_there(const std::string& path) {
    return ::access(path.c_str(), F_OK) == 0;
}

bool is_set(const char* variable) {
    const char* const value = std::getenv(variable);
    return value != nullptr && *value != '\0';
}

std::string last_part(const std::string& path) {
    return path.substr(path.rfind('/') + 1);
}

std::string without_leaf(const std::string& folder) {
    return folder.ends_with(kLeaf) ? folder.substr(0, folder.rfind('/')) : folder;
}

bool is_our_scope(const std::string& folder) {
    const std::string unit = last_part(without_leaf(folder));
    return unit.starts_with("cellblock-") && unit.ends_with(".scope");
}

// The place in the hierarchy of version 2, where that has the controllers of memory and processes.
std::optional<CgroupPlace> place_with_controllers() {
    for (auto& place : cgroup_places()) {
        if (place.version2 && has_controller(place.mount, "memory") && has_controller(place.mount, "pids")) {
            return place;
        }
    }
    return std::nullopt;
}

// A service's end kills what is in its group. Who leaves the group for a scope is bound to the service
// instead, where the same systemd has both.
std::string service_of(const std::string& folder, bool is_user) {
    const std::string unit = last_part(folder);
    const bool is_users = folder.find("/user@") != std::string::npos;
    return unit.ends_with(".service") && !unit.starts_with("user@") && is_users == is_user ? unit : "";
}

// Limits that somebody has set on the process's unit hold for what it starts, too. So a process doesn't leave
// a group that has any. TasksMax isn't looked at: systemd sets it on each service by itself.
std::optional<std::string> limit_of_unit(const CgroupPlace& place) {
    for (std::string folder = place.folder;
         folder.size() > place.mount.size() && !last_part(folder).ends_with(".slice") &&
         !last_part(folder).starts_with("user@");
         folder = folder.substr(0, folder.rfind('/'))) {
        for (const char* name : {"memory.max", "memory.high", "cpu.max"}) {
            const std::string text = file_text(folder + "/" + name);
            if (!text.empty() && !text.starts_with("max")) {
                return last_part(folder) + " has a " + name;
            }
        }
        if (!file_text(folder + "/cpuset.cpus").starts_with('\n') && is_there(folder + "/cpuset.cpus")) {
            return last_part(folder) + " has a cpuset.cpus";
        }
    }
    return std::nullopt;
}

// nullopt: a user's systemd can be asked.
std::optional<Error> no_user_bus() {
    const char* const runtime = std::getenv("XDG_RUNTIME_DIR");
    if (is_set("DBUS_SESSION_BUS_ADDRESS") ||
        (runtime != nullptr && *runtime == '/' && is_there(std::string(runtime) + "/bus"))) {
        return std::nullopt;
    }
    const std::string number = std::to_string(::geteuid());
    const std::string folder = "/run/user/" + number;
    if (is_there(folder + "/bus")) {
        return Error{kStep, 0, "the environment names no session bus",
                     "Set XDG_RUNTIME_DIR=" + folder + ", as a login does"};
    }
    if (is_there(folder + "/systemd")) {
        return Error{kStep, 0, "this user's systemd has no session bus",
                     "Install dbus-user-session, and log in again"};
    }
    return Error{
        kStep, 0, "no systemd runs for this user",
        "Log in by a terminal, ssh or a desktop (with libpam-systemd and dbus-user-session); or as root: "
        "loginctl enable-linger " +
            number + ", and here XDG_RUNTIME_DIR=" + folder};
}

// The request that would be made; the Error tells why nothing would.
Result<ScopeOrder> order_for(const std::optional<CgroupPlace>& place) {
    if (!place || !systemd_runs()) {
        return Error{kStep,
                     0,
                     place ? "systemd isn't this machine's first process, or can't be seen from here"
                           : "this machine has no control groups of version 2 for memory and processes",
                     {}};
    }
    if (::access(place->mount.c_str(), W_OK) != 0 && errno == EROFS) {
        return Error{kStep, 0, place->mount + " is mounted read-only here",
                     "In the service that this belongs to: ProtectControlGroups=no"};
    }
    if (const auto limit = limit_of_unit(*place)) {
        return Error{kStep, 0, *limit + ", which would no longer hold in a scope of its own",
                     "Give that service Delegate=cpu memory pids and DelegateSubgroup=, or no such limit"};
    }
    const bool is_user = ::geteuid() != 0;
    if (auto error = is_user ? no_user_bus() : std::nullopt) {
        return *error;
    }
    return ScopeOrder{is_user ? Systemd::user : Systemd::system,
                      "cellblock-" + std::to_string(::getpid()) + "-" + random_hex(4) + ".scope",
                      service_of(place->folder, is_user), kPatience};
}

// All processes in the scope are this one and its children. Another thread may make one meanwhile.
Status settle_in(const std::string& scope) {
    const std::string leaf = scope + kLeaf;
    if (::mkdir(leaf.c_str(), 0755) != 0 && errno != EEXIST) {
        return errno_error("make " + leaf);
    }
    for (int i = 0; i < kAttempts; ++i) {
        const std::string numbers = file_text(scope + "/cgroup.procs");
        if (numbers.empty()) {
            return Ok{};
        }
        for (const auto& number : split_at(numbers, '\n')) {
            (void)write_file((leaf + "/cgroup.procs").c_str(), number.data(), number.size());
        }
    }
    return Error{kStep, 0, "the processes in " + scope + " can't be moved to a group of their own", {}};
}

Status enter_new_scope() {
    CELLBLOCK_ASSIGN_OR_RETURN(const auto order, order_for(place_with_controllers()));
    CELLBLOCK_RETURN_IF_ERROR(move_to_scope(order));
    const auto place = place_with_controllers();
    if (!place || last_part(place->folder) != order.name) {
        return Error{kStep, 0, "systemd has made " + order.name + " without this process in it", {}};
    }
    CELLBLOCK_RETURN_IF_ERROR(settle_in(place->folder));
    for (const char* controller : {"memory", "pids"}) {
        if (!would_hand_on(place->folder, controller)) {
            return Error{kStep, 0,
                         std::string("the scope that systemd made lacks the controller ") + controller,
                         how_to_delegate(controller)};
        }
    }
    return Ok{};
}

}  // namespace

bool systemd_runs() {
    struct stat info {};
    return ::lstat("/run/systemd/system", &info) == 0 && S_ISDIR(info.st_mode);
}

// Who isn't root can't read trusted attributes; before systemd 251 there were only these. The group of a
// user's systemd is delegated to that, and to nobody in it.
bool is_delegated(const std::string& folder) {
    if (last_part(folder).starts_with("user@")) {
        return false;
    }
    std::array<char, 4> value{};
    const auto says_so = [&](const char* attribute) {
        return ::getxattr(folder.c_str(), attribute, value.data(), value.size()) == 1 && value[0] == '1';
    };
    return says_so("user.delegate") || says_so("trusted.delegate");
}

Status enter_own_scope() {
    static const Status outcome = enter_new_scope();
    return outcome;
}

bool belongs_to_scope() {
    const auto place = place_with_controllers();
    if (!place) {
        return false;
    }
    if (is_our_scope(place->folder)) {
        return true;
    }
    const std::string above = place->folder.substr(0, place->folder.rfind('/'));
    const bool has_own = is_delegated(above) && ::access(above.c_str(), W_OK) == 0 &&
                         would_hand_on(above, "memory") && would_hand_on(above, "pids");
    return !has_own && order_for(place).ok();
}

std::string cgroup_facts(bool in_scope) {
    std::string facts;
    for (const auto& line : split_at(file_text("/proc/self/cgroup"), '\n')) {
        facts += (in_scope && line.starts_with("0::") ? kHandedOver : line) + "\n";
    }
    return facts;
}

std::string how_to_delegate(const std::string& controller) {
    return ::geteuid() == 0
               ? "Enable " + controller + " in the kernel (cgroup_disable= on its command line)"
               : "As root: mkdir -p /etc/systemd/system/user@.service.d; printf "
                 "'[Service]\\nDelegate=cpu memory pids\\n' "
                 ">/etc/systemd/system/user@.service.d/delegate.conf; systemctl daemon-reload. Then "
                 "log out everywhere, and in again";
}

}  // namespace cellblock::sandbox::jail
