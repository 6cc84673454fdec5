// UniqueFd: owns a file descriptor and closes it on destruction.
//
//     UniqueFd file(::open(path, O_RDONLY | O_CLOEXEC));
//     if (!file.valid()) {
//         return errno_error("open " + path);
//     }
//     ::read(file.get(), ...);
//
// Moves, never copies. As with an int, two threads must not use one object at the same time.
#pragma once

#include <unistd.h>

#include <utility>

namespace cellblock::sandbox {

class UniqueFd {
public:
    UniqueFd() = default;                   // holds none
    explicit UniqueFd(int fd) : fd_(fd) {}  // takes ownership; a negative number is none
    UniqueFd(UniqueFd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
    UniqueFd& operator=(UniqueFd&& other) noexcept {
        if (this != &other) {
            reset(std::exchange(other.fd_, -1));
        }
        return *this;
    }
    UniqueFd(const UniqueFd&) = delete;
    UniqueFd& operator=(const UniqueFd&) = delete;
    ~UniqueFd() { reset(); }

    // The number, which this object goes on owning; -1 if there is none.
    [[nodiscard]] int get() const { return fd_; }
    [[nodiscard]] bool valid() const { return fd_ >= 0; }
    // Gives ownership to the caller.
    [[nodiscard]] int release() { return std::exchange(fd_, -1); }
    // Closes the descriptor and takes ownership of `fd`. Errors of close() are ignored.
    void reset(int fd = -1) {
        if (fd_ >= 0) {
            ::close(fd_);
        }
        fd_ = fd;
    }

private:
    int fd_ = -1;
};

}  // namespace cellblock::sandbox
