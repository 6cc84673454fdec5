// A zygote, a warm Python that forks sandboxes, seen from the daemon: the process and what it reports.
//
// Purpose: starts the process in a jail of its own (jail/keeper.h), hears whether it is ready, asks it for
// forks. The sandboxes that it forks depend neither on the zygote nor on the daemon, but on the jail's
// keeper, which stays for as long as they do. What comes from the zygote is believed as little as what comes
// from a cell: it runs the code of packages. Ownership: of the process, which ends with the object. Threads:
// one. Failure: an Error from start(); later see state() and reason().
#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <set>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "sandbox/api/result.h"
#include "sandbox/api/unique_fd.h"
#include "sandbox/jail/keeper.h"
#include "sandbox/jail/plan.h"
#include "sandbox/pool/protocol.h"

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

    // `names`: of a spec that learns, what is imported beside; none of them need be a module.
    static Result<Zygote> start(ZygoteSpec spec, std::vector<std::string> names = {});
    Zygote(Zygote&&) = default;
    Zygote& operator=(Zygote&&) = default;
    Zygote(const Zygote&) = delete;
    Zygote& operator=(const Zygote&) = delete;
    ~Zygote();

    [[nodiscard]] const std::string& key() const { return key_; }
    [[nodiscard]] State state() const { return state_; }
    [[nodiscard]] const std::string& reason() const { return reason_; }  // of refused and dead
    [[nodiscard]] int socket() const { return socket_.get(); }
    [[nodiscard]] int output() const { return keeper_.output.get(); }
    [[nodiscard]] Clock::time_point used() const { return used_; }
    [[nodiscard]] bool is_late() const;  // still starting, after a minute
    // It worked for so long that another one is likely to work too.
    [[nodiscard]] bool was_good() const;
    [[nodiscard]] const ZygoteSpec& spec() const { return spec_; }
    [[nodiscard]] const std::vector<std::string>& names() const { return names_; }
    // Of names(), those that can't be imported ahead, each with the reason. Of a zygote that didn't get
    // ready: the one at whose import it ended.
    [[nodiscard]] const std::map<std::string, std::string>& unfit() const { return unfit_; }
    // It takes the place of one with the same spec, once it is ready.
    [[nodiscard]] bool is_successor() const { return is_successor_; }
    void be_successor(bool yes) { is_successor_ = yes; }
    // When another may be started in its place. Each that is started makes the next one wait longer.
    [[nodiscard]] Clock::time_point next_successor() const { return next_successor_; }
    void note_successor();
    // Goes on counting where that one was.
    void count_successors_of(const Zygote& before) { successors_ = before.successors_; }
    // After its end: when another may be tried. Whoever asks before is told why this one ended.
    [[nodiscard]] Clock::time_point next_attempt() const;
    // How many of the same spec failed in a row, this one included.
    [[nodiscard]] int failures() const { return was_good() ? 0 : failures_ + 1; }
    void follows(int failures) { failures_ = failures; }

    // Makes a session's plan one for its forks. Before each fork the plan gets a user of its own.
    void nest(jail::JailPlan& plan) const { jail::nest(plan, *plan_); }
    void renew_identity(jail::JailPlan& plan) const { jail::renew_identity(plan, block_); }
    [[nodiscard]] int user_namespace() const { return keeper_.user_namespace.get(); }
    // What it has written to its standard streams since, made printable. Once that is too much, or has ended,
    // output() is closed.
    std::string read_output();
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
        std::vector<std::string> preload;  // with what was learned
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
    void hear_of_import(const nlohmann::json& name);
    void hear_of_unfit(const nlohmann::json& reasons);
    ZygoteEvent hear_of_fork(Message& message);
    [[nodiscard]] bool is_shown(const std::string& path) const;

    ZygoteSpec spec_;
    std::string key_;
    std::unique_ptr<jail::JailPlan> plan_;
    jail::IdBlock block_;
    jail::Keeper keeper_;
    pid_t pid_ = -1;
    UniqueFd socket_;
    std::vector<std::string> names_;
    std::string importing_;  // of names_, the one that is imported now
    std::map<std::string, std::string> unfit_;
    bool is_successor_ = false;
    int successors_ = 0;
    Clock::time_point next_successor_;
    std::set<std::uint64_t> asked_;              // forks that it hasn't answered for
    std::map<std::int32_t, pid_t> supervisors_;  // by the number that the zygote knows; -1: it ended at once
    std::size_t written_ = 0;                    // to its standard streams, in bytes
    State state_ = State::starting;
    std::string reason_;
    std::vector<Stamp> stamps_;
    Clock::time_point started_;
    Clock::time_point ready_;
    Clock::time_point used_;
    Clock::time_point ended_;
    int failures_ = 0;  // of those before it
    std::uint64_t forks_ = 0;
};

}  // namespace cellblock::sandbox::pool
