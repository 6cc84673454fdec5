// stat(2).
#include "sandbox/base/file_stamp.h"

#include <sys/stat.h>

namespace cellblock::sandbox {

namespace {

std::string which(const struct stat& info) {
    return std::to_string(info.st_dev) + ":" + std::to_string(info.st_ino);
}

std::string when(const timespec& time) {
    return ":" + std::to_string(time.tv_sec) + ":" + std::to_string(time.tv_nsec);
}

}  // namespace

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

}  // namespace cellblock::sandbox
