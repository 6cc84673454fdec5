// Requests to the daemon, its answers, and how both travel.
//
// Purpose: the one place that knows the format. Ownership: plain values. Threads: pure. Failure: nullopt for
// bytes that are no request.
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

// The key of a zygote: all that makes one differ from another.
struct ZygoteSpec {
    std::string program;                // the Python
    std::vector<std::string> prefixes;  // what of it isn't in /usr
    std::vector<std::string> preload;
    std::string worker;                    // the host's folder with zygote/main.py
    std::string library;                   // libcellblock_jail.so
    std::vector<std::string> environment;  // as in the jail: no other values come into its memory
    bool learns = false;                   // instead of `preload`: what sessions of this Python have imported
};

// How a sandbox is made, beside its plan or order.
struct Recipe {
    std::string configure;  // the first frame to its worker
    bool debugger = false;
    std::uint64_t memory_bytes = 0;  // for its cgroups
    std::uint32_t processes = 0;
    double cpus = 0;
    std::string sources;         // which files of the host the plan shows, by device and inode
    std::uint32_t ready = 0;     // how many are kept ready at least
    std::uint32_t most = 0;      // how many are kept ready at most, as demand asks
    std::uint32_t patience = 0;  // milliseconds until it must be ready
};

enum class Verb : char {
    claim_fork = 'c',        // a jail; beside it the plan, without control groups
    prepare_zygote = 'p',    // start a zygote, and sandboxes by the plan beside it; no answer
    claim_launched = 'm',    // another engine's sandbox; beside it the order (launch_order.h)
    claim_ready = 'r',       // the same, but only if one is ready
    prepare_launched = 'q',  // start such sandboxes for claims to come; no answer
    learn = 'l',             // `names` were imported by a session of spec.program; no answer
    status = 's',            // answered by JSON
    stop = 'x',              // answered when nobody can connect any more; the end of the client's socket
                             // follows when the sandboxes that wait were let go of
};

struct Request {
    Verb verb = Verb::status;
    ZygoteSpec spec;                      // of claim and prepare
    Recipe recipe = {};                   // of claims, and of prepare
    std::vector<std::string> names = {};  // of learn
};

std::string to_bytes(const Request& request);
std::optional<Request> request_from(std::string_view bytes);
std::string key_of(const ZygoteSpec& spec);
// The same for sandboxes that may stand in for each other. `plan`: the bytes beside the request.
std::string key_of(const Request& request, std::string_view plan);
// The same where nothing differs but what lies on disk: sandboxes of the older request are then of no use.
std::string family_of(const Request& request, std::string_view plan);

// The first byte of an answer to a claim.
inline constexpr char kWait = 'w';     // a sandbox starts; another answer follows
inline constexpr char kGiven = 'y';    // a Given follows; beside it the descriptors
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
// The daemon, its zygotes and its launchers use the same messages among themselves.

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
