// Errors in words.
#include "sandbox/api/result.h"

#include <cerrno>
#include <system_error>

namespace cellblock::sandbox {

namespace {

// Remedies for errors that may happen at any step; empty for all others.
std::string remedy_for(int code) {
    switch (code) {
        case ETOOMANYREFS:
            return "Your programs have more descriptors on their way through Unix sockets than this one may "
                   "have files open: end the one that does that, or raise the limit (ulimit -n 1024, up to "
                   "what "
                   "ulimit -Hn says)";
        case EMFILE:
            return "This program has as many files open as it may: raise the limit (ulimit -n 1024, up to "
                   "what "
                   "ulimit -Hn says)";
        case ENFILE:
            return "All programs of this machine together have as many files open as they may (fs.file-max)";
        default:
            return {};
    }
}

}  // namespace

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
    const int code = errno;
    return Error{std::move(step), code, {}, remedy.empty() ? remedy_for(code) : std::move(remedy)};
}

}  // namespace cellblock::sandbox
