// A zygote, a warm Python that forks sandboxes, seen from the daemon: the process and what it reports.
//
// Purpose: starts the process, hears whether it is ready, asks it for forks. The sandboxes that it forks
// depend neither on the zygote nor on the daemon. Ownership: of the process, which ends with the object.
// Threads: one. Failure: an Error from start(); later see state() and reason().
#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "sandbox/api/result.h"
#include "sandbox/api/unique_fd.h"
#include "sandbox/pool/protocol.h"
#include "sandbox/pool/runtime_directory.h"

namespace cellblock::sandbox::pool {

// Reports of a zygote on its forks.
struct Forked {
    std::uint64_t number = 0;  // of the pooled sandbox
    pid_t supervisor = -1;
    UniqueFd process;
};
struct NotForked {
    std::uint64_t number = 0;
    std::string reason;
};
struct ForkEnded {
    pid_t supervisor = -1;
    int wait_status = 0;
};
using ZygoteEvent = std::variant<std::monostate, Forked, NotForked, ForkEnded>;

// How long nobody tries again after so many failures in a row. `was_up`: the last zygote had been ready.
std::chrono::seconds pause_after(int failures, bool was_up);

class Zygote {
public:
    using Clock = std::chrono::steady_clock;
    enum class State { starting, ready, refused, dead };

    // Once Python is known to be nobody else's: a zygote runs its code outside of any sandbox.
    // Files that the imports write go to a folder in `place`.
    static Result<Zygote> start(ZygoteSpec spec, const RuntimeDirectory& directory);
    Zygote(Zygote&&) = default;
    Zygote& operator=(Zygote&&) = default;
    Zygote(const Zygote&) = delete;
    Zygote& operator=(const Zygote&) = delete;
    ~Zygote();

    [[nodiscard]] const std::string& key() const { return key_; }
    [[nodiscard]] State state() const { return state_; }
    [[nodiscard]] const std::string& reason() const { return reason_; }  // of refused and dead
    [[nodiscard]] int socket() const { return socket_.get(); }
    [[nodiscard]] Clock::time_point used() const { return used_; }
    [[nodiscard]] bool is_late() const;  // still starting, after a minute
    // It worked for so long that another one is likely to work too.
    [[nodiscard]] bool was_good() const;
    [[nodiscard]] const ZygoteSpec& spec() const { return spec_; }
    // After its end: when another may be tried. Whoever asks before is told why this one ended.
    [[nodiscard]] Clock::time_point next_attempt() const;
    // How many of the same spec failed in a row, this one included.
    [[nodiscard]] int failures() const { return was_good() ? 0 : failures_ + 1; }
    void follows(int failures) { failures_ = failures; }

    // Reads a message from its socket. A message about the zygote itself changes its state.
    ZygoteEvent receive();
    // A file that was changed on disk since it was imported. Empty: none was.
    [[nodiscard]] std::string changed_file() const;
    // Asks for a fork, which receive() reports. `theirs`: as PooledSandbox::make gives them.
    bool fork(std::uint64_t number, const std::vector<UniqueFd>& theirs);
    // Ends it; the reason is kept.
    void end(State state, std::string reason);

    struct Figures {
        std::string program;
        std::vector<std::string> preload;
        std::string state;
        std::string reason;
        pid_t process = -1;
        double start_seconds = 0;  // its imports
        std::uint64_t forks = 0;
        std::uint64_t memory_bytes = 0;  // resident, which all its forks share
        int failures = 0;                // in a row, with this one
        double retry_seconds = 0;        // until it is tried again, if it is asked for
    };
    [[nodiscard]] Figures figures() const;
    // A line for the log.
    [[nodiscard]] std::string in_words() const;

private:
    struct Stamp {
        std::string path;
        std::string value;
    };

    Zygote() = default;
    void hear(const std::string& text);
    ZygoteEvent hear_of_fork(Message& message);

    ZygoteSpec spec_;
    std::string key_;
    struct Pid {  // -1 once moved from
        Pid() = default;
        Pid(Pid&& other) noexcept : value(std::exchange(other.value, -1)) {}
        Pid& operator=(Pid&& other) noexcept {
            std::swap(value, other.value);
            return *this;
        }
        Pid(const Pid&) = delete;
        Pid& operator=(const Pid&) = delete;
        ~Pid() = default;
        pid_t value = -1;
    } pid_;
    UniqueFd socket_;
    State state_ = State::starting;
    std::string reason_;
    std::vector<Stamp> stamps_;
    std::string scratch_;  // until the imports are done
    Clock::time_point started_;
    Clock::time_point ready_;
    Clock::time_point used_;
    Clock::time_point ended_;
    int failures_ = 0;  // of those before it
    std::uint64_t forks_ = 0;
};

}  // namespace cellblock::sandbox::pool
