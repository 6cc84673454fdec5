// A list of process numbers, none of which can be another process's before it was collected.
#include "sandbox/base/children.h"

#include <sys/wait.h>

#include <mutex>
#include <vector>

namespace cellblock::sandbox {

namespace {

std::mutex mutex;
std::vector<pid_t> children;

}  // namespace

void collect_later(pid_t child) {
    const std::lock_guard lock(mutex);
    children.push_back(child);
}

void collect_ended() {
    const std::lock_guard lock(mutex);
    std::erase_if(children, [](pid_t child) { return ::waitpid(child, nullptr, WNOHANG) != 0; });
}

}  // namespace cellblock::sandbox
