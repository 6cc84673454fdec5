// What a client asks of the daemon, and what it is told.
//
// Purpose: the one place that knows the format. Ownership: plain values.
// Threads: pure. Failure: nullopt for bytes that are no request.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "sandbox/api/result.h"
#include "sandbox/api/unique_fd.h"

namespace cellblock::sandbox::pool {

// All that makes one zygote another than the next.
struct ZygoteSpec {
    std::string program;                // the Python
    std::vector<std::string> prefixes;  // what of it isn't in /usr
    std::vector<std::string> preload;
    std::string worker;                    // the host's folder with zygote/main.py
    std::string library;                   // libcellblock_jail.so
    std::vector<std::string> environment;  // as in the jail: no other values come into its memory
};

// What a sandbox is made by, beside its plan.
struct Recipe {
    std::string configure;  // the first frame to its worker
    bool debugger = false;
    std::uint64_t memory_bytes = 0;  // for its cgroups
    std::uint32_t processes = 0;
    double cpus = 0;
    std::string sources;      // which files of the host the plan shows, by device and inode
    std::uint32_t ready = 0;  // how many are kept ready, and as demand asks
    std::uint32_t most = 0;
    std::uint32_t patience = 0;  // milliseconds until it must be up
};

enum class Verb : char {
    claim = 'c',         // beside it the plan, without cgroups. A sandbox, now or from the pool
    prepare = 'p',       // a zygote, for claims to come; no answer
    claim_made = 'm',    // the same with another engine's order (order.h) beside it
    claim_ready = 'r',   // one of those, but only if it is up
    prepare_made = 'q',  // one of those, for claims to come; no answer
    status = 's',        // answered by JSON
    stop = 'x',          // answered when the socket is gone
};

struct Request {
    Verb verb = Verb::status;
    ZygoteSpec spec;  // of claim and prepare
    Recipe recipe;    // of claims, and of prepare_made
};

std::string to_bytes(const Request& request);
std::optional<Request> request_from(std::string_view bytes);
std::string key_of(const ZygoteSpec& spec);
// Sandboxes that may stand in for each other have the same. `plan`: what lies beside the request.
std::string key_of(const Request& request, std::string_view plan);
// The same where there is no other difference than in what lies on disk: the older ones are of no use.
std::string family_of(const Request& request, std::string_view plan);

// The first byte of an answer to a claim.
inline constexpr char kWait = 'w';     // it is under way; another answer follows
inline constexpr char kGiven = 'y';    // then a Given; beside it the descriptors
inline constexpr char kRefused = 'n';  // then the reason; a cold start is no harm
inline constexpr char kFull = 'f';     // then the reason: no more sandboxes, and no cold one either

// Descriptors of a sandbox that is given: its supervisor's (or relay's) pidfd, control, warden, worker,
// debugger (if any).
inline constexpr std::size_t kGivenDescriptors = 4;

struct Given {
    std::int32_t supervisor = -1;  // or relay
    std::string cgroup;            // Cgroup::to_bytes
    std::string spec;              // of a relay: relay::to_bytes, for the clearing
};

std::string to_bytes(const Given& given);
std::optional<Given> given_from(std::string_view bytes);

// --- how requests and answers travel: one message of a SOCK_SEQPACKET socket, with descriptors beside it.
// What the daemon and its zygotes and launchers tell each other goes the same way.

inline constexpr std::size_t kMaxMessage = 128U << 10;

struct Message {
    std::string bytes;
    std::vector<UniqueFd> descriptors;
};

// Never waits: where there is no room, that is an Error.
Status send_message(int socket, const std::string& bytes, std::span<const int> descriptors = {});

// Waits for a message. Error: `patience` is over, the other end is gone, or the message isn't whole.
Result<Message> receive_message(int socket, std::chrono::milliseconds patience);

}  // namespace cellblock::sandbox::pool
