// Putting a jail's plan together.
#include "sandbox/jail/plan.h"

#include <sys/stat.h>
#include <sys/utsname.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>

#include "sandbox/base/text.h"
#include "sandbox/jail/file_rules.h"
#include "sandbox/jail/font_list.h"
#include "sandbox/jail/limits.h"
#include "sandbox/jail/no_namespaces.h"
#include "sandbox/jail/rootfs_files.h"
#include "sandbox/jail/seccomp.h"
#include "sandbox/jail/warden.h"

namespace cellblock::sandbox::jail {

namespace {

constexpr const char* kPackagesInside = "/packages";
constexpr std::uint64_t kBytesPerInode = 4096;
constexpr const char* kOwnAttributes = ",userxattr";  // of an overlay that is mounted in a user namespace
constexpr std::uint64_t kZygotesFiles = 64U << 20;    // what imports may write, bytes

void append(std::vector<FileStep>& steps, std::vector<FileStep> more) {
    steps.insert(steps.end(), std::make_move_iterator(more.begin()), std::make_move_iterator(more.end()));
}

// Outer folders before what lies in them; otherwise as listed.
void sort_by_depth(std::vector<FileStep>& steps) {
    const auto depth = [](const FileStep& step) {
        return std::count(step.target.begin(), step.target.end(), '/');
    };
    std::stable_sort(steps.begin(), steps.end(),
                     [&](const FileStep& a, const FileStep& b) { return depth(a) < depth(b); });
}

bool has_overlay_of_work(const Policy& policy) {
    return std::any_of(policy.files.begin(), policy.files.end(), [](const FileRule& rule) {
        return rule.mode == FileMode::overlay && rule.sandbox == kWorkingDirectory;
    });
}

void number_overlays(JailPlan& plan) {
    for (auto& step : plan.files) {
        if (step.kind != FileStepKind::overlay) {
            continue;
        }
        step.overlay_number = static_cast<int>(plan.overlay_options.size());
        const std::string number = std::to_string(step.overlay_number);
        // Paths of the half-built root, which is the working directory then.
        plan.overlay_options.push_back("lowerdir=.lower/" + number + ",upperdir=.scratch/overlay/" + number +
                                       "/upper,workdir=.scratch/overlay/" + number + "/work" +
                                       (plan.identity.privileged ? "" : kOwnAttributes));
    }
}

bool overlays_can_be_mapped() {
    utsname name{};
    int major = 0;
    int minor = 0;
    return ::uname(&name) == 0 && std::sscanf(name.release, "%d.%d", &major, &minor) == 2 &&
           (major > 5 || (major == 5 && minor >= 19));
}

void plan_owners(JailPlan& plan) {
    const bool overlays = overlays_can_be_mapped();
    for (auto& step : plan.files) {
        struct stat info {};
        if (!plan.identity.has_own_user() || !step.give_owner || ::stat(step.source.c_str(), &info) != 0 ||
            (step.kind == FileStepKind::overlay && !overlays)) {
            continue;
        }
        step.user_map = std::to_string(info.st_uid) + " " + std::to_string(plan.identity.user) + " 1\n";
        step.group_map = std::to_string(info.st_gid) + " " + std::to_string(plan.identity.group) + " 1\n";
    }
}

// `own`: what this jail has beside the system's part; it takes the place of a scratch folder there.
Status plan_root(JailPlan& plan, std::vector<FileStep> system, std::vector<FileStep> own,
                 const PythonHome& python) {
    std::vector<FileStep> replaceable = scratch_steps();
    std::erase_if(replaceable, [&](const FileStep& step) {
        return std::any_of(own.begin(), own.end(),
                           [&](const FileStep& rule) { return rule.target == step.target; });
    });
    append(plan.files, std::move(system));
    append(plan.files, std::move(replaceable));
    append(plan.files, link_steps(own));
    append(plan.files, std::move(own));
    append(plan.files, python_steps(python));
    sort_by_depth(plan.files);
    CELLBLOCK_ASSIGN_OR_RETURN(auto masks, mask_steps(plan.files));
    append(plan.files, device_steps());
    append(plan.files, std::move(masks));  // over files lies /dev/null
    append(plan.files, proc_steps());
    // /dev/shm came before the other devices only by its depth; nothing lies below it.
    number_overlays(plan);
    plan_owners(plan);
    plan.sources.assign(plan.files.size(), -1);
    plan.landlock = plan_landlock(plan.files, landlock_abi());
    return Ok{};
}

Status plan_full(JailPlan& plan, const Policy& policy, const StartOptions& options, const PythonHome& python,
                 const OwnFiles& own) {
    plan.identity = choose_identity();
    CELLBLOCK_ASSIGN_OR_RETURN(auto rules, file_rule_steps(policy.files, options.directory, python));
    if (!options.packages.empty()) {
        for (const auto& rule : rules) {
            if (is_inside("/" + rule.target, kPackagesInside)) {
                return Error{rule.label, 0, "/packages is where installed packages are seen",
                             "Choose another path for it, or take packages.allow out of the policy"};
            }
        }
        rules.push_back(packages_step(options.packages));
    }
    if (const std::string fonts = made_font_list(python); !fonts.empty()) {
        rules.push_back(font_list_step(fonts));
    }
    return plan_root(plan, system_steps(own), std::move(rules), python);
}

// A virtual environment's own programs come first on PATH, as if it were active.
std::string path_with(const PythonHome& python) {
    return "PATH=" + python.program.substr(0, python.program.rfind('/')) + ":/usr/local/bin:/usr/bin:/bin";
}

void plan_limits(JailPlan& plan, const Limits& limits, bool memory_is_limited) {
    const auto inodes = std::clamp<std::uint64_t>(limits.disk_bytes / kBytesPerInode, 4096, 262144);
    plan.scratch_options =
        "size=" + std::to_string(limits.disk_bytes) + ",nr_inodes=" + std::to_string(inodes) + ",mode=0755";
    plan.limits = resource_limits(limits, memory_is_limited);
}

// A shared mapping of /dev/zero is anonymous memory, which no limit of a process counts. /dev/full can be
// read as well and can't be mapped.
void show_no_shared_zeros(JailPlan& plan) {
    for (auto& step : plan.files) {
        if (step.target == "dev/zero") {
            step.source = "/dev/full";
        }
    }
}

// The warden's, and behind them those that it starts a worker by.
std::vector<std::string> warden_arguments(const JailPlan& plan, const PythonHome& python, const OwnFiles& own,
                                          const Limits& limits) {
    std::vector<std::string> arguments{plan.without_namespaces ? own.warden : kWardenInside};
    if (!plan.filter_options.memory_is_limited) {
        arguments.push_back(std::string(kMemoryOption) + std::to_string(limits.memory_bytes));
        if (!plan.without_namespaces) {
            arguments.push_back(std::string(kSocketOption) + std::to_string(bytes_of_socket()));
        }
    }
    if (plan.without_namespaces) {
        arguments.emplace_back(kNoNamespacesOption);
    }
    const std::string folder = plan.without_namespaces ? own.python : kPythonInside;
    for (const auto& one : {std::string("--"), python.program, std::string("-I"), std::string("-S"),
                            std::string("-B"), folder + "/worker.py"}) {
        arguments.push_back(one);
    }
    return arguments;
}

// The last step: from here on the plan's strings stay where they are.
void point_to_strings(JailPlan& plan) {
    plan.argv = pointers(plan.arguments);
    plan.envp = pointers(plan.environment);
}

}  // namespace

namespace {

// By the names that curl, urllib, requests, httpx, aiohttp (wss: its WebSockets), pip, git, wget and Go's
// programs look for. No SOCKS: httpx fails where a variable names it and a module for it is missing. The
// sandbox's own loopback is reached directly, unless the policy allows the host's.
void add_proxy(const NetworkRules& rules, std::vector<std::string>& environment) {
    const std::string proxy = "http://127.0.0.1:" + std::to_string(kProxyPort);
    for (const char* name : {"HTTP_PROXY", "HTTPS_PROXY", "WSS_PROXY", "ALL_PROXY", "http_proxy",
                             "https_proxy", "wss_proxy", "all_proxy"}) {
        environment.push_back(name + ("=" + proxy));
    }
    std::string direct;
    for (const std::string place : {"localhost", "127.0.0.1", "::1"}) {
        const bool is_hosts = std::any_of(rules.allow.begin(), rules.allow.end(),
                                          [&](const HostRule& rule) { return rule.host == place; });
        direct += is_hosts ? "" : (direct.empty() ? "" : ",") + place;
    }
    environment.push_back("NO_PROXY=" + direct);
    environment.push_back("no_proxy=" + direct);
}

}  // namespace

std::vector<std::string> cell_environment(const Policy& policy) {
    const auto threads = std::to_string(std::max(1, static_cast<int>(std::ceil(policy.limits.cpus))));
    std::vector<std::string> list{"PATH=/usr/local/bin:/usr/bin:/bin",
                                  "HOME=/home/cell",
                                  "USER=cell",
                                  "LOGNAME=cell",
                                  "LANG=C.UTF-8",
                                  "TERM=xterm-256color",
                                  "OPENBLAS_NUM_THREADS=" + threads,
                                  "OMP_NUM_THREADS=" + threads,
                                  "MKL_NUM_THREADS=" + threads,
                                  "NUMEXPR_NUM_THREADS=" + threads,
                                  "MPLCONFIGDIR=/home/cell/.config/matplotlib",
                                  "IPYTHONDIR=/home/cell/.ipython",
                                  "XDG_CACHE_HOME=/home/cell/.cache"};
    if (policy.network.any()) {
        add_proxy(policy.network, list);
    }
    for (const auto& rule : policy.environment) {
        const char* host = rule.value ? nullptr : std::getenv(rule.name.c_str());
        if (!rule.value && host == nullptr) {
            continue;
        }
        const std::string start = rule.name + "=";
        std::erase_if(list, [&](const std::string& item) { return item.starts_with(start); });
        list.push_back(start + (rule.value ? *rule.value : std::string(host)));
    }
    return list;
}

void use_cgroup(JailPlan& plan, const Cgroup& cgroup) {
    plan.cgroup_files = cgroup.files_to_join();
    plan.cgroup_descriptors.assign(plan.cgroup_files.size(), -1);
    if (!plan.nested) {
        plan.cgroup_folders = cgroup.folders();
    }
}

Status complete_filter(JailPlan& plan) {
    if (plan.filter.empty()) {
        CELLBLOCK_ASSIGN_OR_RETURN(plan.filter, build_filter(plan.filter_options));
    }
    return Ok{};
}

void forget_identity(JailPlan& plan) {
    const bool privileged = plan.identity.privileged;
    plan.identity = {};
    plan.identity.privileged = privileged;
    for (auto& step : plan.files) {
        step.user_map.clear();
        step.group_map.clear();
    }
}

void nest(JailPlan& plan, const JailPlan& outer) {
    for (auto& step : plan.files) {
        if (step.kind != FileStepKind::bind && step.kind != FileStepKind::overlay) {
            continue;
        }
        const auto same = std::find_if(outer.files.begin(), outer.files.end(), [&](const FileStep& shown) {
            return shown.kind == FileStepKind::bind && shown.source == step.source &&
                   shown.device == step.device;
        });
        // What is shown with another owner is so for each sandbox by itself.
        step.outside = same == outer.files.end() || (step.give_owner && outer.identity.has_own_user());
        if (!step.outside) {
            step.source = "/" + same->target;
        }
    }
    for (auto& options : plan.overlay_options) {
        if (!options.ends_with(kOwnAttributes)) {
            options += kOwnAttributes;
        }
    }
    plan.nested = true;
}

void renew_identity(JailPlan& plan, const IdBlock& block) {
    plan.identity = choose_nested_identity(block);
    plan_owners(plan);
}

Result<std::unique_ptr<JailPlan>> build_plan(const Policy& policy, const StartOptions& options,
                                             const PythonHome& python, const OwnFiles& own,
                                             bool memory_is_limited) {
    auto plan = std::make_unique<JailPlan>();
    const bool without_namespaces = may_lack_namespaces(policy) && !namespaces_work();
    CELLBLOCK_RETURN_IF_ERROR(without_namespaces
                                  ? plan_without_namespaces(*plan, policy, options, python, own)
                                  : plan_full(*plan, policy, options, python, own));
    plan->filter_options = {memory_is_limited, !without_namespaces,
                            !without_namespaces || plan->identity.privileged, false, false};
    plan_limits(*plan, policy.limits, memory_is_limited);
    plan->listens = policy.network.any();
    if (plan->listens && without_namespaces) {
        return Error{"allow hosts of the network", 0, "that needs a network namespace, which isn't there",
                     "Set the policy's key network to \"none\", or require \"standard\""};
    }
    plan->shows_changes = keep_rules(policy) != nullptr || has_overlay_of_work(policy);
    plan->arguments = warden_arguments(*plan, python, own, policy.limits);
    plan->environment = cell_environment(policy);
    if (!memory_is_limited && !without_namespaces) {
        show_no_shared_zeros(*plan);
    }
    if (without_namespaces) {
        move_environment(*plan);
        count_others_processes(*plan);
    }
    if (!python.prefixes.empty() && plan->environment.front().starts_with("PATH=/usr/local/bin")) {
        plan->environment.front() = path_with(python);
    }
    point_to_strings(*plan);
    return plan;
}

Result<std::unique_ptr<JailPlan>> build_zygote_plan(const ZygoteJob& job, const PythonHome& python,
                                                    const OwnFiles& own) {
    auto plan = std::make_unique<JailPlan>();
    plan->identity = identity_of_keeper(job.block);
    std::vector<FileStep> steps = zygote_steps(job.library);
    if (const std::string fonts = made_font_list(python); !fonts.empty()) {
        steps.push_back(font_list_step(fonts));
    }
    CELLBLOCK_RETURN_IF_ERROR(plan_root(*plan, system_steps(own), std::move(steps), python));
    show_for_nesting(plan->files);
    // Its keeper is a user who may not enter root's folders.
    for (auto& step : plan->files) {
        step.outside = plan->identity.has_own_user() && step.kind == FileStepKind::bind && !step.device;
    }
    plan->nested = true;
    plan->landlock = {};
    plan->filter_options.memory_is_limited = true;  // its forks' own filters are as strict as they have to be
    plan->filter_options.makes_jails = true;
    Limits limits;
    limits.disk_bytes = kZygotesFiles;
    plan_limits(*plan, limits, true);
    // Its forks have limits of their own, which may not be above these. By that of the stack libc makes
    // threads'.
    std::erase_if(plan->limits, [](const ResourceLimit& limit) {
        return limit.resource != RLIMIT_CORE && limit.resource != RLIMIT_STACK;
    });
    plan->limits.push_back(processes_of_zygote());
    plan->working_directory = "/";
    plan->arguments = {python.program, "-I", "-S", "-B", "-c", job.program};
    plan->environment = job.environment;
    CELLBLOCK_RETURN_IF_ERROR(complete_filter(*plan));
    point_to_strings(*plan);
    return plan;
}

Result<std::unique_ptr<JailPlan>> build_builder_plan(const Policy& policy, const BuilderJob& job,
                                                     const PythonHome& python, const OwnFiles& own,
                                                     bool memory_is_limited) {
    if (!namespaces_work()) {
        return Error{"install packages", 0,
                     "packages are built in a sandbox of their own, which needs namespaces",
                     "`cellblock doctor` tells how to get them"};
    }
    auto plan = std::make_unique<JailPlan>();
    plan->identity = choose_identity();
    plan->host_network = job.network;
    CELLBLOCK_RETURN_IF_ERROR(plan_root(*plan, builder_system_steps(own, job), builder_steps(job), python));
    if (job.network) {
        lock_ports(plan->landlock, job.ports);
    }
    plan->filter_options.memory_is_limited = memory_is_limited;
    plan->filter_options.builder = true;
    plan_limits(*plan, policy.limits, memory_is_limited);
    plan->arguments = {python.program, "-I", "-B", std::string(kPythonInside) + "/builder.py", job.mode};
    plan->environment = cell_environment(policy);
    point_to_strings(*plan);
    return plan;
}

}  // namespace cellblock::sandbox::jail
