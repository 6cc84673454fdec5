// From FileSteps to a root filesystem.
#include "sandbox/jail/rootfs.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <climits>
#include <cstdio>
#include <cstring>

#include "sandbox/base/syscalls.h"
#include "sandbox/jail/mount_calls.h"
#include "sandbox/jail/mount_target.h"
#include "sandbox/jail/rootfs_files.h"
#include "sandbox/jail/sources.h"

namespace cellblock::sandbox::jail {

namespace {

// Covered by the new root while that is built. Every host has it, and the
// host's own stays as it is: this is a mount namespace of our own.
constexpr const char* kBuildingSite = "/usr";

// All sandboxes of a machine share some 3,000 terminals (kernel.pty.max, without what is kept for the host).
constexpr const char* kTerminalOptions = "newinstance,ptmxmode=0666,mode=620,max=64";

Failure failed(Step step, std::size_t index = 0) {
    return {step, static_cast<std::int32_t>(index), errno != 0 ? errno : EIO};
}

bool write_text(int root, const FileStep& step) {
    char part[NAME_MAX + 1];
    const OpenFile folder(open_parent(root, step.target.c_str(), part));
    if (!folder.valid()) {
        return false;
    }
    const OpenFile file(::openat(folder.get(), part, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0644));
    return file.valid() && write_all(file.get(), step.text.data(), step.text.size());
}

bool make_link(int root, const FileStep& step) {
    char part[NAME_MAX + 1];
    const OpenFile folder(open_parent(root, step.target.c_str(), part));
    return folder.valid() && (::symlinkat(step.text.c_str(), folder.get(), part) == 0 || errno == EEXIST);
}

// A part of the half-built root, shown a second time.
bool show_again(int root, const char* from, const FileStep& step, std::uint64_t attributes) {
    const OpenFile source(open_below(root, from, O_PATH));
    if (!source.valid()) {
        return false;
    }
    const OpenFile tree(
        open_tree(source.get(), "", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_RECURSIVE | AT_EMPTY_PATH));
    return tree.valid() && restrict_mount(tree.get(), attributes, true) &&
           attach(root, tree.get(), step.target.c_str(), step.is_file);
}

// Mounts a new filesystem at the target, which is named by its descriptor: what
// was opened without following links is what is covered.
bool mount_new(int root, const FileStep& step, const char* type, unsigned long flags, const char* options) {
    const OpenFile place(open_target(root, step.target.c_str(), false));
    char path[32];
    std::snprintf(path, sizeof path, "/proc/self/fd/%d", place.get());
    return place.valid() && ::mount(type, path, type, flags, options) == 0;
}

// Marks names in an overlay's upper folder as removed. `names` ends each by /.
bool leave_out(const char* upper, const std::string& names) {
    const int folder = ::open(upper, O_PATH | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    char name[NAME_MAX + 1];
    bool done = folder >= 0;
    for (std::size_t at = 0; done && at < names.size();) {
        const std::size_t end = names.find('/', at);
        done = end != std::string::npos && end - at <= NAME_MAX;
        if (done) {
            std::memcpy(name, names.data() + at, end - at);
            name[end - at] = '\0';
            done = ::mknodat(folder, name, S_IFCHR, 0) == 0;
            at = end + 1;
        }
    }
    const int error = errno;
    ::close(folder);
    errno = error;
    return done;
}

bool mount_overlay(const JailPlan& plan, int root, const FileStep& step, int lower) {
    char number[16];
    char path[64];
    std::snprintf(number, sizeof number, "%d", step.overlay_number);
    std::snprintf(path, sizeof path, ".lower/%s", number);
    if (!attach(root, lower, path, false)) {
        return false;
    }
    std::snprintf(path, sizeof path, ".scratch/overlay/%s", number);
    if (::mkdir(path, 0700) != 0) {
        return false;
    }
    std::snprintf(path, sizeof path, ".scratch/overlay/%s/work", number);
    if (::mkdir(path, 0700) != 0) {
        return false;
    }
    std::snprintf(path, sizeof path, ".scratch/overlay/%s/upper", number);
    // The upper folder's owner is that of the folder that the jail sees.
    if (::mkdir(path, 0755) != 0 ||
        (plan.identity.privileged && ::chown(path, plan.identity.user, plan.identity.group) != 0)) {
        return false;
    }
    if (!leave_out(path, step.text)) {
        return false;
    }
    return mount_new(root, step, "overlay", MS_NOSUID | MS_NODEV,
                     plan.overlay_options[static_cast<std::size_t>(step.overlay_number)].c_str());
}

bool mask(int root, const FileStep& step) {
    return show_again(root, step.is_file ? "dev/null" : ".empty", step,
                      MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC);
}

bool exists(int root, const FileStep& step) {
    return OpenFile(open_below(root, step.target.c_str(), O_PATH)).valid();
}

bool take_step(const JailPlan& plan, int root, std::size_t index) {
    const FileStep& step = plan.files[index];
    const char* target = step.target.c_str();
    switch (step.kind) {
        case FileStepKind::text_file:
            return write_text(root, step);
        case FileStepKind::link:
            return make_link(root, step);
        case FileStepKind::bind:
            return plan.sources[index] < 0 || attach(root, plan.sources[index], target, step.is_file);
        case FileStepKind::scratch: {
            char from[64];
            std::snprintf(from, sizeof from, ".scratch/%s", step.text.c_str());
            return show_again(root, from, step, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV);
        }
        case FileStepKind::overlay:
            return mount_overlay(plan, root, step, plan.sources[index]);
        case FileStepKind::proc:
            return mount_new(root, step, "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, nullptr);
        case FileStepKind::devpts:
            return mount_new(root, step, "devpts", MS_NOSUID | MS_NOEXEC, kTerminalOptions);
        case FileStepKind::protect:
            return !exists(root, step) ||
                   show_again(root, target, step,
                              MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC);
        case FileStepKind::mask:
            return !exists(root, step) || mask(root, step);
    }
    return false;
}

Failure make_scratch(const JailPlan& plan) {
    if (::mkdir(".scratch", 0700) != 0 || ::mkdir(".lower", 0700) != 0 || ::mkdir(".empty", 0555) != 0 ||
        ::mount("tmpfs", ".scratch", "tmpfs", MS_NOSUID | MS_NODEV, plan.scratch_options.c_str()) != 0) {
        return failed(Step::scratch_filesystem);
    }
    const OpenFile scratch(::open(".scratch", O_PATH | O_DIRECTORY | O_CLOEXEC));
    if (!scratch.valid()) {
        return failed(Step::scratch_filesystem);
    }
    for (const auto& folder : kScratchFolders) {
        const bool given = !folder.owned || !plan.identity.privileged;
        if (::mkdirat(scratch.get(), folder.name, 0700) != 0 ||
            ::fchmodat(scratch.get(), folder.name, folder.mode, 0) != 0 ||
            (!given &&
             ::fchownat(scratch.get(), folder.name, plan.identity.user, plan.identity.group, 0) != 0)) {
            return failed(Step::scratch_filesystem);
        }
    }
    return {};
}

// What is written in the working directory lies in the overlay's upper folder or, if nothing of the host is
// shown there, in a folder of the scratch filesystem. None is opened if it is the host's, to be read only.
void open_changes(const JailPlan& plan) {
    char path[64] = ".scratch/work";
    for (const auto& step : plan.files) {
        if (step.kind == FileStepKind::overlay && step.target == kWorkInside + 1) {
            std::snprintf(path, sizeof path, ".scratch/overlay/%d/upper", step.overlay_number);
        } else if (step.kind == FileStepKind::bind && step.target == kWorkInside + 1) {
            return;
        }
    }
    plan.changes = ::open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
}

// The folders that were only needed while building. What was shown of them stays.
void clear_building_site(const JailPlan& plan) {
    for (std::size_t i = 0; i < plan.overlay_options.size(); ++i) {
        char path[64];
        std::snprintf(path, sizeof path, ".lower/%zu", i);
        ::umount2(path, MNT_DETACH);
        ::rmdir(path);
    }
    ::umount2(".scratch", MNT_DETACH);
    ::rmdir(".lower");
    ::rmdir(".scratch");
    ::rmdir(".empty");
}

Failure change_root() {
    // The old root is stacked on the new one and taken off.
    if (::syscall(SYS_pivot_root, ".", ".") != 0 || ::umount2(".", MNT_DETACH) != 0 || ::chdir("/") != 0) {
        return failed(Step::change_root);
    }
    if (!set_mount_attributes(AT_FDCWD, "/", 0,
                              {.set = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV})) {
        return failed(Step::read_only_root);
    }
    return {};
}

}  // namespace

Failure build_root(const JailPlan& plan) {
    if (::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0) {
        return failed(Step::private_mounts);
    }
    if (const Failure failure = open_sources(plan, false); failure.happened()) {
        return failure;
    }
    if (::mount("tmpfs", kBuildingSite, "tmpfs", MS_NOSUID | MS_NODEV, "size=4m,nr_inodes=4096,mode=0755") !=
            0 ||
        ::chdir(kBuildingSite) != 0) {
        return failed(Step::base_filesystem);
    }
    const int root = ::open(".", O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (const Failure failure = make_scratch(plan); failure.happened()) {
        return failure;
    }
    for (std::size_t i = 0; i < plan.files.size(); ++i) {
        if (!take_step(plan, root, i)) {
            return failed(Step::file_step, i);
        }
    }
    if (plan.shows_changes) {
        open_changes(plan);
    }
    clear_building_site(plan);
    const Failure failure = change_root();
    if (!failure.happened() && !plan.overlay_options.empty()) {
        plan.mounts = ::open("/proc/self/ns/mnt", O_RDONLY | O_CLOEXEC);
    }
    return failure;
}

}  // namespace cellblock::sandbox::jail
