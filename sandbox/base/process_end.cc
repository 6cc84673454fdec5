// A pidfd is readable once its process has ended.
#include "sandbox/base/process_end.h"

#include <poll.h>

#include <algorithm>
#include <cerrno>

namespace cellblock::sandbox {

bool ends_within(int handle, std::chrono::milliseconds time) {
    using Clock = std::chrono::steady_clock;
    const auto until = Clock::now() + time;
    pollfd wanted{handle, POLLIN, 0};
    while (true) {
        const auto left = std::chrono::ceil<std::chrono::milliseconds>(until - Clock::now()).count();
        const int ready = ::poll(&wanted, 1, static_cast<int>(std::max<long>(left, 0)));
        if (ready >= 0 || errno != EINTR) {
            return ready != 0;
        }
    }
}

}  // namespace cellblock::sandbox
