// The soft limit of files.
#include "sandbox/base/file_limit.h"

#include <sys/resource.h>

namespace cellblock::sandbox {

namespace {

rlimit before{};
bool raised = false;

}  // namespace

void raise_file_limit() {
    rlimit limit{};
    if (raised || ::getrlimit(RLIMIT_NOFILE, &limit) != 0) {
        return;
    }
    before = limit;
    limit.rlim_cur = limit.rlim_max;
    raised = ::setrlimit(RLIMIT_NOFILE, &limit) == 0;
}

void give_back_file_limit() {
    if (raised) {
        ::setrlimit(RLIMIT_NOFILE, &before);
    }
}

void give_back_file_limit(pid_t child) {
    if (raised) {
        ::prlimit(child, RLIMIT_NOFILE, &before, nullptr);
    }
}

}  // namespace cellblock::sandbox
