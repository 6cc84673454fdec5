// memfd_create(2).
#include "sandbox/base/memory_file.h"

#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>

namespace cellblock::sandbox {

Result<UniqueFd> memory_file(const std::string& bytes) {
    UniqueFd file(::memfd_create("cellblock", MFD_CLOEXEC));
    std::size_t written = 0;
    while (file.valid() && written < bytes.size()) {
        const ssize_t done = ::write(file.get(), bytes.data() + written, bytes.size() - written);
        if (done < 0 && errno != EINTR) {
            break;
        }
        written += done > 0 ? static_cast<std::size_t>(done) : 0;
    }
    if (!file.valid() || written < bytes.size() || ::lseek(file.get(), 0, SEEK_SET) != 0) {
        return errno_error("write a file in memory");
    }
    return file;
}

}  // namespace cellblock::sandbox
