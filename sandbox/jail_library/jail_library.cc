// libcellblock_jail.so: what a warm Python calls to walk into a jail.
//
// Purpose: C functions for ctypes. Nothing but the code that runs after a fork,
// and libstdc++ within it, so that it gets along with whatever Python loads.
// Threads: the calling process has one, and cellblock_usable() may start another and wait for its end.
// Failure: before a jail's first process exists, told by -1 and errno; afterwards as supervisor.h says.
#include <fcntl.h>
#include <pthread.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <functional>
#include <memory>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "sandbox/base/syscalls.h"
#include "sandbox/base/text.h"
#include "sandbox/jail/enter.h"
#include "sandbox/jail/plan_bytes.h"
#include "sandbox/jail/supervisor.h"
#include "sandbox/jail/warden.h"

namespace {

using namespace cellblock::sandbox;

constexpr int kSetupFailed = 125;

// What the program of a cold jail would have been given: the warden's order with the worker's arguments, and
// the variables. And, in a worker, its sockets.
std::vector<std::string> the_arguments;
std::vector<std::string> the_variables;
std::vector<char*> the_argv;
jail::WardenOrder the_order;
jail::WorkerDescriptors the_worker;

// Where libc may keep a thread's number, counted from what pthread_self() is: glibc's own record of the
// thread, of which this much is surely there (its whole is above 2,000 bytes on each processor).
constexpr std::size_t kThreadRecord = 1024;
using Places = std::array<bool, kThreadRecord / sizeof(int)>;

// The words of this thread's record that hold its number.
Places places_of_number() {
    std::array<int, std::tuple_size_v<Places>> record;
    std::memcpy(record.data(), std::bit_cast<const void*>(::pthread_self()), kThreadRecord);
    Places found;
    const auto number = static_cast<int>(::syscall(SYS_gettid));
    std::transform(record.begin(), record.end(), found.begin(), [number](int one) { return one == number; });
    return found;
}

void* find_places(void* found) {
    *static_cast<Places*>(found) = places_of_number();
    return nullptr;
}

// The one word that holds the number in this thread's record and in those of two more threads; -1: there is
// no such. For a kernel that doesn't tell (without CONFIG_CHECKPOINT_RESTORE).
int find_place_of_number() {
#ifdef __GLIBC__
    Places common = places_of_number();
    for (int i = 0; i < 2; ++i) {
        pthread_t thread;
        Places found;
        if (::pthread_create(&thread, nullptr, &find_places, &found) != 0) {
            return -1;
        }
        ::pthread_join(thread, nullptr);
        std::transform(common.begin(), common.end(), found.begin(), common.begin(), std::logical_and<>());
    }
    if (std::count(common.begin(), common.end(), true) == 1) {
        return static_cast<int>(std::find(common.begin(), common.end(), true) - common.begin());
    }
#endif
    return -1;
}

int the_place_of_number = -1;

// Where libc keeps this thread's number, which a bare clone must write as fork does. Null: unknown.
int* thread_id() {
    int* place = nullptr;
    if (::prctl(PR_GET_TID_ADDRESS, &place, 0, 0, 0) != 0 && the_place_of_number >= 0) {
        place = std::bit_cast<int*>(::pthread_self()) + the_place_of_number;
    }
    return place != nullptr && *place == static_cast<int>(::syscall(SYS_gettid)) ? place : nullptr;
}

int raised(int fd) {
    return ::fcntl(fd, F_DUPFD_CLOEXEC, jail::kFirstFree);
}

void take_name(const char* program) {
    const std::string path(program);
    ::prctl(PR_SET_NAME, path.c_str() + path.rfind('/') + 1, 0, 0, 0);
}

// In the jail's first process. The plan goes: what it says of the host is not for cells.
void take_start(std::unique_ptr<jail::JailPlan> plan) {
    the_arguments = std::move(plan->arguments);
    the_variables = std::move(plan->environment);
    the_argv = pointers(the_arguments);
    the_order = jail::warden_order(the_argv.data());
    take_name(the_argv.front());
}

}  // namespace

extern "C" {

#define CELLBLOCK_EXPORT [[gnu::visibility("default")]]

// Whether the other functions can do their work here; to be called once before them.
CELLBLOCK_EXPORT int cellblock_usable() {
    if (thread_id() == nullptr) {
        the_place_of_number = find_place_of_number();
    }
    return thread_id() != nullptr ? 1 : 0;
}

// A fork that is a jail's supervisor, and forks the jail's first process, the warden. Both stay in here: of
// Python's memory they write to nothing. Gives the supervisor's number, or -1; and 0 in each worker. A plan
// that can't be read ends the fork: the host sees its sockets' end.
CELLBLOCK_EXPORT int cellblock_start(int plan, int control, int warden, int output_read, int output_write,
                                     int attendant) {
    const pid_t pid = ::fork();  // not _Fork(): libraries have handlers for it
    if (pid != 0) {
        return pid;
    }
    const jail::SupervisorDescriptors descriptors{raised(control), raised(warden), raised(output_read),
                                                  raised(output_write), raised(attendant)};
    auto jail_plan = jail::plan_from_bytes(jail::plan_bytes_in(plan));
    int* const number = thread_id();
    if (!jail_plan || number == nullptr || descriptors.attendant < 0) {
        ::_exit(kSetupFailed);
    }
    jail::supervise_warm(*jail_plan, descriptors, number);
    take_start(std::move(jail_plan));
    if (the_order.worker == nullptr) {
        ::_exit(kSetupFailed);
    }
    the_worker = jail::be_warden(the_order);
    take_name(the_order.worker[0]);
    return 0;
}

// In a fork of the warden's: the agent that it is, no worker ("--files"). Null: it is a worker.
CELLBLOCK_EXPORT const char* cellblock_agent() {
    return the_worker.role != jail::Role::worker ? jail::last_argument(the_worker) : nullptr;
}

// In a fork of the warden's: its socket.
CELLBLOCK_EXPORT int cellblock_worker_socket() {
    return the_worker.socket;
}

// -1: it has none.
CELLBLOCK_EXPORT int cellblock_debugger_socket() {
    return the_worker.debugger;
}

// In a worker: what Python would have been started by in a cold jail (warden_program.cc). Null behind the
// last.
CELLBLOCK_EXPORT const char* cellblock_argument(unsigned index) {
    unsigned count = 0;
    while (count < index && the_order.worker[count] != nullptr) {
        ++count;
    }
    if (the_order.worker[count] != nullptr) {
        return the_order.worker[count];
    }
    const char* const last = jail::last_argument(the_worker);
    return count == index ? last : nullptr;
}

CELLBLOCK_EXPORT const char* cellblock_variable(unsigned index) {
    return index < the_variables.size() ? the_variables[index].c_str() : nullptr;
}

}  // extern "C"
