// A value or the reason why there is none.
//
// Purpose: errors are values up to one boundary per thread. An Error says
// which step failed, the errno behind it (0 where there is none), what went
// wrong in words, and what a user can try.
// Ownership: plain values. Threads: no shared state. Failure: asking a failed
// Result for its value is a bug in the caller and ends the program.
#pragma once

#include <cstdlib>
#include <string>
#include <utility>
#include <variant>

namespace cellblock::sandbox {

struct Error {
    std::string step;     // what was being done: "mount /proc"
    int code = 0;         // errno, or 0
    std::string message;  // what went wrong
    std::string remedy;   // what to try; may be empty

    // One or two sentences for a person: step, message, errno's text, remedy.
    [[nodiscard]] std::string text() const;
};

struct Ok {};

template <class T>
class [[nodiscard]] Result {
public:
    Result(T value) : state_(std::move(value)) {}
    Result(Error error) : state_(std::move(error)) {}

    [[nodiscard]] bool ok() const { return std::holds_alternative<T>(state_); }
    explicit operator bool() const { return ok(); }

    T& value() { return require<T>(); }
    const T& value() const { return const_cast<Result*>(this)->require<T>(); }
    T& operator*() { return value(); }
    const T& operator*() const { return value(); }
    T* operator->() { return &value(); }
    const T* operator->() const { return &value(); }
    const Error& error() const { return const_cast<Result*>(this)->require<Error>(); }

private:
    template <class Wanted>
    Wanted& require() {
        Wanted* wanted = std::get_if<Wanted>(&state_);
        if (wanted == nullptr) {
            std::abort();
        }
        return *wanted;
    }

    std::variant<T, Error> state_;
};

using Status = Result<Ok>;

// An Error made from the current errno.
Error errno_error(std::string step, std::string remedy = {});

}  // namespace cellblock::sandbox
