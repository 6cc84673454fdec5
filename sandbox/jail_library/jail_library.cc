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

#include <cstdlib>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "sandbox/api/unique_fd.h"
#include "sandbox/base/syscalls.h"
#include "sandbox/jail/plan_bytes.h"
#include "sandbox/jail/supervisor.h"
#include "sandbox/jail/warm_warden.h"

namespace {

using namespace cellblock::sandbox;

constexpr int kFailed = 125;
constexpr int kFirstFree = 10;  // 0 to 3 are given a meaning inside

// What another program's start would have been given, and what a worker has besides.
std::vector<std::string> the_arguments;
std::vector<std::string> the_variables;
jail::WorkerDescriptors the_worker;

// Where libc keeps this thread's number, which a bare clone must write as fork does. Null: unknown.
int* thread_id() {
    int* place = nullptr;
    const bool known = ::prctl(PR_GET_TID_ADDRESS, &place, 0, 0, 0) == 0 && place != nullptr;
    return known && *place == static_cast<int>(::syscall(SYS_gettid)) ? place : nullptr;
}

int raised(int fd) {
    return ::fcntl(fd, F_DUPFD_CLOEXEC, kFirstFree);
}

// In the jail's first process. The plan goes: what it says of the host is not for cells.
void take_start(std::unique_ptr<jail::JailPlan> plan) {
    the_arguments = std::move(plan->arguments);
    the_variables = std::move(plan->environment);
    const auto& program = the_arguments.front();
    ::prctl(PR_SET_NAME, program.c_str() + program.rfind('/') + 1, 0, 0, 0);
}

// What the warden is told, in bytes. 0: nothing.
std::uint64_t number_after(std::string_view option) {
    for (const auto& argument : the_arguments) {
        if (argument.starts_with(option)) {
            return std::strtoull(argument.c_str() + option.size(), nullptr, 10);
        }
    }
    return 0;
}

const char* text_at(const std::vector<std::string>& list, unsigned index) {
    return index < list.size() ? list[index].c_str() : nullptr;
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

// A fork that is a jail's supervisor, and forks the jail's first process, the warden. Both stay in here: of
// Python's memory they write to nothing. Gives the supervisor's number, or -1; and 0 in each worker. A plan
// that can't be read ends the fork: the host sees its sockets' end. `python`: its version.
CELLBLOCK_EXPORT int cellblock_start(int plan, int control, int warden, int output_read, int output_write,
                                     const char* python) {
    const pid_t pid = ::fork();  // not _Fork(): libraries have handlers for it
    if (pid != 0) {
        return pid;
    }
    const jail::SupervisorDescriptors descriptors{raised(control), raised(warden), raised(output_read),
                                                  raised(output_write)};
    auto jail_plan = jail::plan_from_bytes(jail::plan_bytes_in(plan));
    int* const number = thread_id();
    if (!jail_plan || jail_plan->contained || jail_plan->arguments.empty() || number == nullptr ||
        descriptors.output_write < 0) {
        ::_exit(kFailed);
    }
    jail::supervise_warm(*jail_plan, descriptors, number);
    take_start(std::move(jail_plan));
    the_worker = jail::be_warm_warden(python, {number_after("--memory="), number_after("--socket=")});
    return 0;
}

// In a worker: its socket.
CELLBLOCK_EXPORT int cellblock_worker_socket() {
    return the_worker.socket;
}

// -1: it has none.
CELLBLOCK_EXPORT int cellblock_debugger_socket() {
    return the_worker.debugger;
}

// In a worker: what another program's start would have been given. Null behind the last.
CELLBLOCK_EXPORT const char* cellblock_argument(unsigned index) {
    return text_at(the_arguments, index);
}

CELLBLOCK_EXPORT const char* cellblock_variable(unsigned index) {
    return text_at(the_variables, index);
}

}  // extern "C"
