// A small file's text.
#include "sandbox/base/file_text.h"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <sstream>

#include "sandbox/api/unique_fd.h"

namespace cellblock::sandbox {

std::string file_text(const std::string& path) {
    const UniqueFd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    return file_text(file.get());
}

std::string file_text(int fd) {
    std::string text;
    std::array<char, 4096> part{};
    while (fd >= 0) {
        const ssize_t size = ::pread(fd, part.data(), part.size(), static_cast<off_t>(text.size()));
        if (size < 0 && errno == EINTR) {
            continue;
        }
        if (size <= 0) {
            break;
        }
        text.append(part.data(), static_cast<std::size_t>(size));
    }
    return text;
}

std::uint64_t value_in(const std::string& text, const std::string& key) {
    std::istringstream lines(text);
    std::string name;
    std::uint64_t value = 0;
    while (lines >> name >> value) {
        if (name == key) {
            return value;
        }
    }
    return 0;
}

}  // namespace cellblock::sandbox
