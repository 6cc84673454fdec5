// libcellblock_jail.so: what a warm Python calls to walk into a jail.
//
// Purpose: C functions for ctypes. Nothing but the code that runs after a fork,
// and libstdc++ within it, so that it gets along with whatever Python loads.
// Threads: the calling process has one. Failure: before a jail's first process
// exists, told by -1 and errno; afterwards as supervisor.h says.
#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <memory>
#include <string>

#include "sandbox/base/unique_fd.h"
#include "sandbox/jail/calls.h"
#include "sandbox/jail/plan_bytes.h"
#include "sandbox/jail/supervisor.h"

namespace {

using namespace cellblock::sandbox;

constexpr int kFailed = 125;
constexpr int kFirstFree = 10;  // 0 to 3 are given a meaning inside

std::unique_ptr<jail::JailPlan> the_plan;  // from here on the one of this process

// Where libc keeps this thread's number, which a bare clone must write as fork does. Null: unknown.
int* thread_id() {
    int* place = nullptr;
    const bool known = ::prctl(PR_GET_TID_ADDRESS, &place, 0, 0, 0) == 0 && place != nullptr;
    return known && *place == static_cast<int>(::syscall(SYS_gettid)) ? place : nullptr;
}

int raised(int fd) {
    return ::fcntl(fd, F_DUPFD_CLOEXEC, kFirstFree);
}

}  // namespace

extern "C" {

#define CELLBLOCK_EXPORT [[gnu::visibility("default")]]

// Whether the other functions can do their work here.
CELLBLOCK_EXPORT int cellblock_usable() {
    return thread_id() != nullptr ? 1 : 0;
}

// For the time of the imports: a view of the host where all is read-only, but for a new filesystem at
// `folder`. Gives a descriptor of the view before. Needs root's power.
CELLBLOCK_EXPORT int cellblock_shield(const char* folder) {
    UniqueFd before(::open("/proc/self/ns/mnt", O_RDONLY | O_CLOEXEC));
    mount_attr wanted{};
    wanted.attr_set = MOUNT_ATTR_RDONLY;
    const bool shielded = before.valid() && ::unshare(CLONE_NEWNS) == 0 &&
                          ::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0 &&
                          ::mount_setattr(AT_FDCWD, "/", AT_RECURSIVE, &wanted, sizeof wanted) == 0 &&
                          ::mount("tmpfs", folder, "tmpfs", MS_NOSUID | MS_NODEV, "size=64m,mode=0700") == 0;
    return shielded ? before.release() : -1;
}

CELLBLOCK_EXPORT int cellblock_unshield(int before) {
    const int done = ::setns(before, CLONE_NEWNS);
    ::close(before);
    return done;
}

// A fork that is a jail's supervisor, and stays in here: of Python's memory it writes to nothing. Gives its
// number, or -1; and 0 in the jail's first process, with nothing open but 0 to 3. A plan that can't be read
// ends the fork: the host sees its sockets' end.
CELLBLOCK_EXPORT int cellblock_start(int plan, int control, int warden, int output_read, int output_write) {
    const pid_t pid = ::fork();  // not _Fork(): libraries have handlers for it
    if (pid != 0) {
        return pid;
    }
    const jail::SupervisorDescriptors descriptors{raised(control), raised(warden), raised(output_read),
                                                  raised(output_write)};
    the_plan = jail::plan_from_bytes(jail::plan_bytes_in(plan));
    int* const number = thread_id();
    if (!the_plan || the_plan->contained || number == nullptr || descriptors.output_write < 0) {
        ::_exit(kFailed);
    }
    jail::supervise_warm(*the_plan, descriptors, number);
    return 0;
}

// Of the plan that this process has walked in by. Null behind the last.
CELLBLOCK_EXPORT const char* cellblock_argument(unsigned index) {
    return the_plan && index < the_plan->argv.size() ? the_plan->argv[index] : nullptr;
}

CELLBLOCK_EXPORT const char* cellblock_variable(unsigned index) {
    return the_plan && index < the_plan->envp.size() ? the_plan->envp[index] : nullptr;
}

CELLBLOCK_EXPORT void cellblock_forget_plan() {
    the_plan.reset();
}

}  // extern "C"
