#include "sandbox/base/pipe.h"

#include <fcntl.h>
#include <unistd.h>

#include <array>

namespace cellblock::sandbox {

Result<Pipe> make_pipe(const std::string& step) {
    std::array<int, 2> ends{};
    if (::pipe2(ends.data(), O_CLOEXEC) != 0) {
        return errno_error(step);
    }
    return Pipe{UniqueFd(ends[0]), UniqueFd(ends[1])};
}

}  // namespace cellblock::sandbox
