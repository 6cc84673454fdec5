// A value, or the reason why there is none.
//
// Purpose: errors are values. A function that can fail gives a Result<T>, or a Status where it has no value
// to give. An Error says which step failed, the errno behind it, what went wrong in words, and what a user
// can try. Ownership: plain values. Threads: no shared state. Failure: asking a failed Result for its value,
// or a good one for its error, is a bug in the caller and ends the program.
//
//     Result<UniqueFd> open_log(const std::string& path);
//
//     Status write_line(const std::string& path, const std::string& line) {
//         CELLBLOCK_ASSIGN_OR_RETURN(const UniqueFd log, open_log(path));  // returns open_log's Error
//         CELLBLOCK_RETURN_IF_ERROR(write_to(log, line));
//         return Ok{};
//     }
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

// Returns the Error of an expression (a Result or a Status) from the calling function, which gives a Result
// too.
#define CELLBLOCK_RETURN_IF_ERROR(...)                                  \
    do {                                                                \
        if (auto cellblock_status = (__VA_ARGS__); !cellblock_status) { \
            return cellblock_status.error();                            \
        }                                                               \
    } while (false)

// The same for a Result<T> whose value the declaration takes:
//     CELLBLOCK_ASSIGN_OR_RETURN(auto file, open_file(path));
// These are several statements: an if or a loop needs braces around them.
#define CELLBLOCK_ASSIGN_OR_RETURN(declaration, ...) \
    CELLBLOCK_ASSIGN_OR_RETURN_NAMED(CELLBLOCK_JOINED(cellblock_result_, __LINE__), declaration, __VA_ARGS__)
#define CELLBLOCK_ASSIGN_OR_RETURN_NAMED(result, declaration, ...) \
    auto result = (__VA_ARGS__);                                   \
    if (!result) {                                                 \
        return result.error();                                     \
    }                                                              \
    declaration = std::move(*result)
#define CELLBLOCK_JOINED(first, second) CELLBLOCK_JOINED_NOW(first, second)
#define CELLBLOCK_JOINED_NOW(first, second) first##second
