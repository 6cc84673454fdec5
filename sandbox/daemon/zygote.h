// A zygote, seen from the daemon: the process and what it has told.
//
// Purpose: starts it, hears whether it is ready, hands claims on to it. The
// sandboxes it forks depend neither on it nor on the daemon.
// Ownership: of the process, which ends with the object. Threads: one.
// Failure: an Error from start(); later, state() and reason().
#pragma once

#include <sys/types.h>

#include <chrono>
#include <string>
#include <utility>
#include <vector>

#include "sandbox/base/result.h"
#include "sandbox/base/unique_fd.h"
#include "sandbox/daemon/message.h"
#include "sandbox/daemon/place.h"
#include "sandbox/daemon/request.h"

namespace cellblock::sandbox::daemon {

class Zygote {
public:
    using Clock = std::chrono::steady_clock;
    enum class State { starting, ready, refused, dead };

    // Once Python is known to be nobody else's: a zygote runs its code outside of any sandbox.
    // What is written during the imports goes to a folder in `place`.
    static Result<Zygote> start(ZygoteSpec spec, const Place& place);
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

    // What has come on its socket.
    void receive();
    // What of it was changed on disk since it was imported. Empty: nothing.
    [[nodiscard]] std::string changed_file() const;
    // `client` is answered by the zygote itself.
    bool give(int client, const std::vector<UniqueFd>& descriptors);
    // Ends it; the reason is kept.
    void end(State state, std::string reason);

    // A line for people.
    [[nodiscard]] std::string in_words() const;

private:
    struct Stamp {
        std::string path;
        std::string value;
    };

    Zygote() = default;
    void hear(const std::string& text);
    void remove_scratch();

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
    unsigned claims_ = 0;
};

}  // namespace cellblock::sandbox::daemon
