// Errors in words.
#include "sandbox/base/result.h"

#include <cerrno>
#include <system_error>

namespace cellblock::sandbox {

std::string Error::text() const {
    std::string out = step;
    if (!message.empty()) {
        out += out.empty() ? message : ": " + message;
    }
    if (code != 0) {
        out += " (" + std::generic_category().message(code) + ")";
    }
    if (!remedy.empty()) {
        out += ". " + remedy;
    }
    return out;
}

Error errno_error(std::string step, std::string remedy) {
    return Error{std::move(step), errno, {}, std::move(remedy)};
}

}  // namespace cellblock::sandbox
