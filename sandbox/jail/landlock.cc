// Landlock, by bare system calls: Debian 12's headers know less of it than kernels do.
#include "sandbox/jail/landlock.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "sandbox/base/syscalls.h"
#include "sandbox/jail/plan.h"

namespace cellblock::sandbox::jail {

namespace {

// Bits of the kernel's interface (linux/landlock.h), with the ABI that brought them.
constexpr std::uint64_t kExecute = 1ULL << 0;
constexpr std::uint64_t kWriteFile = 1ULL << 1;
constexpr std::uint64_t kReadFile = 1ULL << 2;
constexpr std::uint64_t kReadFolder = 1ULL << 3;
constexpr std::uint64_t kMakeCharacterDevice = 1ULL << 6;
constexpr std::uint64_t kMakeBlockDevice = 1ULL << 11;
constexpr std::uint64_t kAllOfFirst = (1ULL << 13) - 1;
constexpr std::uint64_t kMoveBetweenFolders = 1ULL << 13;  // 2
constexpr std::uint64_t kTruncate = 1ULL << 14;            // 3
constexpr std::uint64_t kDeviceControl = 1ULL << 15;       // 5
constexpr std::uint64_t kBindTcp = 1ULL << 0;              // 4
constexpr std::uint64_t kConnectTcp = 1ULL << 1;           // 4
constexpr std::uint64_t kAbstractSockets = 1ULL << 0;      // 6
constexpr std::uint64_t kSignals = 1ULL << 1;              // 6

constexpr unsigned kAskVersion = 1U << 0;
constexpr int kRulePathBeneath = 1;
constexpr int kRuleNetPort = 2;
constexpr int kAbiOfPorts = 4;

struct RulesetAttributes {
    std::uint64_t files;
    std::uint64_t network;
    std::uint64_t scoped;
};

struct [[gnu::packed]] PathBeneath {
    std::uint64_t rights;
    std::int32_t folder;
};

struct NetPort {
    std::uint64_t rights;
    std::uint64_t port;
};

Failure failed(Step step, std::size_t index = 0) {
    return {step, static_cast<std::int32_t>(index), errno != 0 ? errno : EIO};
}

std::uint64_t rights_of(int abi) {
    return kAllOfFirst | (abi >= 2 ? kMoveBetweenFolders : 0) | (abi >= 3 ? kTruncate : 0) |
           (abi >= 5 ? kDeviceControl : 0);
}

// Older kernels take only the part of the structure that they know.
std::size_t attributes_size(int abi) {
    if (abi >= kAbiOfSignals) {
        return sizeof(RulesetAttributes);
    }
    return abi >= 4 ? offsetof(RulesetAttributes, scoped) : offsetof(RulesetAttributes, network);
}

bool add_rule(int ruleset, const LandlockRule& rule) {
    const OpenFile place(::open(rule.path.c_str(), O_PATH | O_CLOEXEC));
    if (!place.valid()) {
        return false;
    }
    const PathBeneath beneath{rule.rights, place.get()};
    return ::syscall(SYS_landlock_add_rule, ruleset, kRulePathBeneath, &beneath, 0) == 0;
}

}  // namespace

const char* how_to_get_landlock() {
    return "It needs Linux 5.13 or newer, with landlock in the boot parameter lsm=, and in a container a "
           "seccomp profile that allows it";
}

int landlock_abi() {
    const long abi = ::syscall(SYS_landlock_create_ruleset, nullptr, 0, kAskVersion);
    return abi > 0 ? static_cast<int>(abi) : 0;
}

Landlock plan_landlock(const std::vector<FileStep>& files, int abi) {
    Landlock plan;
    plan.abi = abi;
    plan.handled = rights_of(abi);
    plan.scoped = abi >= kAbiOfSignals ? kAbstractSockets | kSignals : 0;
    const std::uint64_t use = kWriteFile | kTruncate | kDeviceControl;
    const std::uint64_t all = ~(kMakeCharacterDevice | kMakeBlockDevice);
    plan.rules.push_back({"/", kExecute | kReadFile | kReadFolder});
    plan.rules.push_back({"/dev", use & plan.handled});
    // The worker offers itself to the kernel's search for memory (oom_score_adj).
    // What else of /proc could be written is read-only by its mount.
    plan.rules.push_back({"/proc", kWriteFile});
    for (const auto& step : files) {
        if (step.kind == FileStepKind::scratch || step.kind == FileStepKind::overlay) {
            plan.rules.push_back({"/" + step.target, all & plan.handled});
        }
    }
    return plan;
}

void lock_ports(Landlock& plan, std::vector<std::uint16_t> ports) {
    if (plan.abi >= kAbiOfPorts) {
        plan.network = kBindTcp | kConnectTcp;
        plan.ports = std::move(ports);
    }
}

Landlock plan_landlock_without_namespaces(const std::vector<FileStep>& visible, const std::string& box,
                                          int abi) {
    Landlock plan;
    plan.abi = abi;
    plan.handled = rights_of(abi);
    plan.scoped = abi >= kAbiOfSignals ? kAbstractSockets | kSignals : 0;
    for (const auto& step : visible) {
        if (step.kind == FileStepKind::bind) {
            const std::uint64_t folder = step.is_file ? 0 : kReadFolder;
            plan.rules.push_back({step.source, kExecute | kReadFile | folder});
        }
    }
    for (const char* device : {"/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom"}) {
        plan.rules.push_back({device, (kReadFile | kWriteFile | kTruncate) & plan.handled});
    }
    for (const char* fact :
         {"/proc/meminfo", "/proc/cpuinfo", "/proc/stat", "/proc/loadavg", "/proc/filesystems"}) {
        if (::access(fact, R_OK) == 0) {
            plan.rules.push_back({fact, kReadFile});
        }
    }
    for (const char* name : {"/work", "/home", "/tmp"}) {
        plan.rules.push_back({box + name, ~(kMakeCharacterDevice | kMakeBlockDevice) & plan.handled});
    }
    return plan;
}

Landlock plan_landlock_to_read(const std::vector<std::string>& places, int abi) {
    Landlock plan;
    plan.abi = abi;
    plan.handled = rights_of(abi);
    plan.scoped = abi >= kAbiOfSignals ? kAbstractSockets | kSignals : 0;
    for (const auto& place : places) {
        struct stat info {};
        if (::stat(place.c_str(), &info) == 0) {
            const std::uint64_t folder = S_ISDIR(info.st_mode) ? kReadFolder : 0;
            plan.rules.push_back({place, kExecute | kReadFile | folder});
        }
    }
    return plan;
}

Failure lock_signals() {
    const RulesetAttributes attributes{0, 0, kSignals | kAbstractSockets};
    const int ruleset =
        static_cast<int>(::syscall(SYS_landlock_create_ruleset, &attributes, sizeof attributes, 0));
    if (ruleset < 0 || ::syscall(SYS_landlock_restrict_self, ruleset, 0) != 0) {
        return failed(Step::landlock);
    }
    ::close(ruleset);
    return {};
}

Failure lock_files(const Landlock& plan) {
    if (plan.abi == 0) {
        return {};
    }
    const RulesetAttributes attributes{plan.handled, plan.network, plan.scoped};
    const int ruleset =
        static_cast<int>(::syscall(SYS_landlock_create_ruleset, &attributes, attributes_size(plan.abi), 0));
    if (ruleset < 0) {
        return failed(Step::landlock);
    }
    for (std::size_t i = 0; i < plan.rules.size(); ++i) {
        if (!add_rule(ruleset, plan.rules[i])) {
            return failed(Step::landlock_rule, i);
        }
    }
    for (const std::uint16_t port : plan.ports) {
        const NetPort rule{kConnectTcp, port};
        if (::syscall(SYS_landlock_add_rule, ruleset, kRuleNetPort, &rule, 0) != 0) {
            return failed(Step::landlock);
        }
    }
    if (::syscall(SYS_landlock_restrict_self, ruleset, 0) != 0) {
        return failed(Step::landlock);
    }
    ::close(ruleset);
    return {};
}

std::string landlock_in_words(int abi) {
    if (abi == 0) {
        return "this kernel has none, or it is switched off";
    }
    const std::string version = " (ABI " + std::to_string(abi) + ")";
    return (abi >= kAbiOfSignals ? "files, signals, abstract sockets" : "files") + version;
}

}  // namespace cellblock::sandbox::jail
