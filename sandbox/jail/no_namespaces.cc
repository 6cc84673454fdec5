// Planning a jail without namespaces.
#include "sandbox/jail/no_namespaces.h"

#include <fcntl.h>
#include <linux/sched.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>

#include "sandbox/base/background.h"
#include "sandbox/base/syscalls.h"
#include "sandbox/jail/enter.h"
#include "sandbox/jail/file_rules.h"
#include "sandbox/jail/rootfs_files.h"

namespace cellblock::sandbox::jail {

namespace {

namespace fs = std::filesystem;

constexpr const char* kBoxName = "cellblock-box-";
constexpr const char* kLockName = "/lock";

std::string folder_for_boxes() {
    const char* folder = std::getenv("TMPDIR");
    return folder != nullptr && *folder == '/' ? folder : "/tmp";
}

// Who holds the lock of a box is its owner or its supervisor; nobody: it was left.
bool is_left(const std::string& box) {
    struct stat info {};
    if (::lstat(box.c_str(), &info) != 0 || !S_ISDIR(info.st_mode) || info.st_uid != ::geteuid()) {
        return false;
    }
    const UniqueFd lock(::open((box + kLockName).c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
    return lock.valid() && ::flock(lock.get(), LOCK_EX | LOCK_NB) == 0;
}

void sweep_boxes(const std::string& folder) {
    std::error_code failed;
    for (fs::directory_iterator one(folder, failed), end; !failed && one != end; one.increment(failed)) {
        if (one->path().filename().string().starts_with(kBoxName) && is_left(one->path().string())) {
            std::error_code ignored;
            fs::remove_all(one->path(), ignored);
        }
    }
}

Status make_box(JailPlan& plan) {
    const std::string folder = folder_for_boxes();
    std::string box = folder + "/" + kBoxName + "XXXXXX";
    const auto failed = [&](const std::string& path) {
        Error error =
            errno_error("make the sandbox's folder " + path, "Set TMPDIR to a folder that can be written");
        std::error_code ignored;
        fs::remove_all(box, ignored);
        return error;
    };
    if (::mkdtemp(box.data()) == nullptr) {
        return failed(box);
    }
    plan.box_lock.reset(::open((box + kLockName).c_str(), O_RDONLY | O_CREAT | O_CLOEXEC, 0600));
    if (!plan.box_lock.valid() || ::flock(plan.box_lock.get(), LOCK_SH | LOCK_NB) != 0 ||
        ::chmod(box.c_str(), plan.identity.privileged ? 0711 : 0700) != 0) {
        return failed(box);
    }
    for (const char* name : {"/work", "/home", "/tmp"}) {
        const std::string path = box + name;
        if (::mkdir(path.c_str(), 0700) != 0 ||
            (plan.identity.privileged &&
             ::chown(path.c_str(), plan.identity.user, plan.identity.group) != 0)) {
            return failed(path);
        }
    }
    plan.box = box;
    plan.working_directory = box + "/work";
    run_in_background([folder] { sweep_boxes(folder); });  // this one is locked by now
    return Ok{};
}

// What the cell may look at. `files` of the policy can't be shown elsewhere than where they lie.
Result<std::vector<FileStep>> visible(const Policy& policy, const StartOptions& options,
                                      const PythonHome& python, const OwnFiles& own) {
    auto shown = file_rule_steps(policy.files, options.directory, python);
    if (!shown) {
        return shown;
    }
    for (const auto& step : *shown) {
        if (step.kind != FileStepKind::bind || "/" + step.target != step.source) {
            return Error{
                step.label, 0, "without namespaces a folder can only be read, and only at its own path",
                "Set \"sandbox\" to " + step.source +
                    " and \"mode\" to \"read\", take the entry out of \"files\", or allow namespaces"};
        }
        for (const auto& one : step.left_out) {
            const std::string path = step.source + "/" + one.path;
            if (std::find(python.prefixes.begin(), python.prefixes.end(), path) == python.prefixes.end()) {
                return Error{
                    step.label, 0,
                    "without namespaces it can only be shown whole, but " + path + " is not to be shown",
                    "Name a folder that has no keys and nothing that begins with a dot, or name the "
                    "files that cells need"};
            }
        }
    }
    for (auto& step : system_steps(own)) {
        shown->push_back(std::move(step));
    }
    for (auto& step : python_steps(python)) {
        shown->push_back(std::move(step));
    }
    return shown;
}

// In the first process of new namespaces: is a /proc of their own refused? It is where a container covers
// parts of /proc, as Kubernetes and Docker do, also where their filter lets namespaces be made.
bool is_refused_a_proc() {
    return ::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0 &&
           ::mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, nullptr) != 0 && errno == EPERM;
}

// In the child of a fork: as the jail's first process would begin.
bool can_be_made(const Identity& identity) {
    clone_args arguments{};
    arguments.flags = jail_namespaces(identity);
    arguments.exit_signal = SIGCHLD;
    const auto child = static_cast<pid_t>(::syscall(SYS_clone3, &arguments, sizeof arguments));
    if (child == 0) {
        ::_exit(::unshare(CLONE_NEWCGROUP) == 0 && !is_refused_a_proc() ? 0 : 1);
    }
    int status = 0;
    while (child > 0 && ::waitpid(child, &status, 0) < 0 && errno == EINTR) {
    }
    return child > 0 && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

}  // namespace

bool namespaces_work() {
    static const bool work = can_be_made(choose_identity());
    return work;
}

bool may_lack_namespaces(const Policy& policy) {
    for (const Layer layer : policy.require.layers) {
        if (layer == Layer::namespaces || layer == Layer::root) {
            return false;
        }
    }
    return true;
}

Status plan_without_namespaces(JailPlan& plan, const Policy& policy, const StartOptions& options,
                               const PythonHome& python, const OwnFiles& own) {
    plan.without_namespaces = true;
    CELLBLOCK_ASSIGN_OR_RETURN(plan.identity, choose_identity_without_namespaces(plan.user_lock));
    CELLBLOCK_ASSIGN_OR_RETURN(auto files, visible(policy, options, python, own));
    if (auto made = make_box(plan); !made) {
        return made;
    }
    plan.landlock = plan_landlock_without_namespaces(files, plan.box, landlock_abi());
    return Ok{};
}

void move_environment(JailPlan& plan) {
    const std::string home = "/home/cell";
    for (auto& entry : plan.environment) {
        const auto at = entry.find(home);
        if (at != std::string::npos && entry[at - 1] == '=') {
            entry.replace(at, home.size(), plan.box + "/home");
        }
    }
    plan.environment.push_back("TMPDIR=" + plan.box + "/tmp");
}

}  // namespace cellblock::sandbox::jail
