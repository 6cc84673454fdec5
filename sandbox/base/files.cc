// Small files.
#include "sandbox/base/files.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <filesystem>
#include <sstream>

#include "sandbox/base/syscalls.h"

namespace cellblock::sandbox {

namespace {

std::string which(const struct stat& info) {
    return std::to_string(info.st_dev) + ":" + std::to_string(info.st_ino);
}

std::string when(const timespec& time) {
    return ":" + std::to_string(time.tv_sec) + ":" + std::to_string(time.tv_nsec);
}

Result<std::string> bounded_text(const std::string& step, const std::string& path, std::size_t most,
                                 mode_t not_for_others) {
    const UniqueFd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
    struct stat info {};
    if (!file.valid() || ::fstat(file.get(), &info) != 0) {
        return errno_error(step);
    }
    if (!S_ISREG(info.st_mode)) {
        return Error{step, 0, "it is not a regular file", {}};
    }
    if ((info.st_mode & not_for_others) != 0) {
        return Error{step, 0, "others can read or change it", "chmod 600 " + path};
    }
    std::string text(most + 1, '\0');
    std::size_t size = 0;
    while (size < text.size()) {
        const ssize_t got = ::read(file.get(), text.data() + size, text.size() - size);
        if (got < 0 && errno != EINTR) {
            return errno_error(step);
        }
        if (got == 0) {
            text.resize(size);
            return text;
        }
        size += static_cast<std::size_t>(std::max<ssize_t>(got, 0));
    }
    return Error{step, 0, "it is longer than " + std::to_string(most >> 10) + " KiB", {}};
}

}  // namespace

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

Result<std::string> regular_file_text(const std::string& step, const std::string& path, std::size_t most) {
    return bounded_text(step, path, most, 0);
}

Result<std::string> secret_file_text(const std::string& step, const std::string& path, std::size_t most) {
    constexpr mode_t kOthers = 077;
    return bounded_text(step, path, most, kOthers);
}

std::uint64_t sum_of_kib(const std::string& text, std::string_view start) {
    std::istringstream lines(text);
    std::uint64_t sum = 0;
    for (std::string line; std::getline(lines, line);) {
        if (line.starts_with(start)) {
            sum += std::strtoull(line.c_str() + line.find(':') + 1, nullptr, 10);
        }
    }
    return sum * 1024;
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

std::string which_file(const std::string& path) {
    struct stat info {};
    return ::stat(path.c_str(), &info) == 0 ? which(info) : "-";
}

std::string file_stamp(const std::string& path) {
    struct stat info {};
    return ::stat(path.c_str(), &info) == 0 ? which(info) + when(info.st_mtim) : "-";
}

std::string whole_file_stamp(const std::string& path) {
    struct stat info {};
    return ::lstat(path.c_str(), &info) == 0
               ? which(info) + ":" + std::to_string(info.st_size) + when(info.st_mtim) + when(info.st_ctim)
               : "-";
}

bool make_folders(const std::string& folder, int most) {
    const std::filesystem::path path(folder);
    std::error_code failed;
    if (most > 1 && !std::filesystem::is_directory(path.parent_path(), failed)) {
        make_folders(path.parent_path(), most - 1);
    }
    std::filesystem::create_directory(path, failed);
    return std::filesystem::is_directory(path, failed);
}

Result<UniqueFd> memory_file(const std::string& bytes) {
    UniqueFd file(::memfd_create("cellblock", MFD_CLOEXEC));
    if (!file.valid() || !write_all(file.get(), bytes.data(), bytes.size()) ||
        ::lseek(file.get(), 0, SEEK_SET) != 0) {
        return errno_error("write a file in memory");
    }
    return file;
}

}  // namespace cellblock::sandbox
