// What a client asks of the daemon, and what it is told.
//
// Purpose: the one place that knows the format. Ownership: plain values.
// Threads: pure. Failure: nullopt for bytes that are no request.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace cellblock::sandbox::daemon {

// All that makes one zygote another than the next.
struct ZygoteSpec {
    std::string program;                // the Python
    std::vector<std::string> prefixes;  // what of it isn't in /usr
    std::vector<std::string> preload;
    std::string worker;                    // the host's folder with zygote.py
    std::string library;                   // libcellblock_jail.so
    std::vector<std::string> environment;  // as in the jail: no other values come into its memory
};

enum class Verb : char {
    claim = 'c',    // descriptors: the plan, and the jail's ends: control, warden, output (read, write)
    prepare = 'p',  // a zygote, for claims to come; no answer
    status = 's',   // answered by text
    stop = 'x',     // answered when the socket is gone
};

inline constexpr std::size_t kClaimDescriptors = 5;

struct Request {
    Verb verb = Verb::status;
    ZygoteSpec spec;  // of claim and prepare
};

std::string to_bytes(const Request& request);
std::optional<Request> request_from(std::string_view bytes);
std::string key_of(const ZygoteSpec& spec);

// The first byte of the answer to a claim.
inline constexpr char kGiven = 'y';    // then the supervisor's process id (int32); beside it its pidfd
inline constexpr char kRefused = 'n';  // then the reason

}  // namespace cellblock::sandbox::daemon
