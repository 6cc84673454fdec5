// Counts given and living sandboxes, and says whether there may be more.
//
// Purpose: the bounds on sandboxes and on their memory, and the figures that `cellblock daemon status` shows.
// What one call costs doesn't grow with their number: memory is looked at for a few sandboxes at a time, in
// turn. Ownership: of a pidfd for each living sandbox. Threads: one. Failure: what can't be read counts as
// nothing.
#pragma once

#include <sys/types.h>

#include <array>
#include <chrono>
#include <cstdint>
#include <deque>
#include <map>
#include <string>
#include <vector>

#include "sandbox/api/unique_fd.h"
#include "sandbox/base/event_loop.h"
#include "sandbox/jail/cgroup.h"
#include "sandbox/pool/settings.h"

namespace cellblock::sandbox::pool {

// How a sandbox ended, as its supervisor's exit tells.
enum class End { by_session, by_itself, killed_by_session, not_set_up, supervisor_killed, unknown };
inline constexpr std::size_t kEnds = 6;
const char* name_of(End end);

class Accounting {
public:
    using Clock = std::chrono::steady_clock;

    Accounting(EventLoop& loop, Settings settings) : loop_(loop), settings_(settings) {}
    ~Accounting();
    Accounting(const Accounting&) = delete;
    Accounting& operator=(const Accounting&) = delete;

    // Why there may be no further sandbox beside the living and so many `others`. Empty: there may.
    [[nodiscard]] std::string why_full(std::size_t others) const;
    // The host is short of memory, or the bound is near: no sandbox is to be started ahead.
    [[nodiscard]] bool under_pressure() const;

    // `cgroup`: removed once the supervisor is gone, for the session may be gone too.
    void given(pid_t supervisor, int process, const jail::Cgroup& cgroup, std::string engine, bool from_pool,
               Clock::duration waited);
    void refused() { ++refused_; }
    // A worker was ready so long after its sandbox was started.
    void started(const std::string& engine, Clock::duration time);
    // The memory of sandboxes that wait in the pool, as far as it is known; and whether so much may wait
    // there.
    void spares_have(std::uint64_t bytes) { spare_bytes_ = bytes; }
    [[nodiscard]] bool is_room_for_spares(std::uint64_t bytes) const;
    // A supervisor has ended, as its zygote reports, or as is known of a child of the daemon.
    void ended(pid_t supervisor, int wait_status);
    // Looks at the memory of a few sandboxes.
    void look();
    // When look() is to be called next.
    [[nodiscard]] Clock::time_point next_look() const;

    [[nodiscard]] std::size_t living() const { return living_.size(); }
    [[nodiscard]] const Settings& settings() const { return settings_; }

    struct Figures {
        std::size_t living = 0;
        std::uint64_t memory_bytes = 0;  // of the living ones' own
        std::uint64_t spare_bytes = 0;
        std::uint64_t given = 0;
        std::uint64_t from_pool = 0;
        std::uint64_t refused = 0;
        double per_second = 0;       // claims, over the last minute
        std::vector<double> waits;   // seconds from a claim to its sandbox, of the last ones, sorted
        std::vector<double> starts;  // seconds from an order to a worker that is up, the same
        std::array<std::uint64_t, kEnds> ends{};
        struct OfEngine {
            std::size_t living = 0;
            std::vector<double> starts;  // as above
        };
        std::map<std::string, OfEngine> engines;
    };
    [[nodiscard]] Figures figures() const;

private:
    struct Living {
        UniqueFd process;
        jail::Cgroup cgroup;
        std::string engine;
        std::uint64_t memory_bytes = 0;
        bool gone = false;  // and how isn't known yet
        Clock::time_point gone_since;
    };

    void remove(std::map<pid_t, Living>::iterator one, End end);

    EventLoop& loop_;
    Settings settings_;
    std::map<pid_t, Living> living_;
    std::uint64_t memory_bytes_ = 0;
    std::uint64_t spare_bytes_ = 0;
    pid_t looked_at_ = 0;
    Clock::time_point looked_;
    std::uint64_t given_ = 0;
    std::uint64_t from_pool_ = 0;
    std::uint64_t refused_ = 0;
    std::deque<Clock::time_point> claims_;
    std::deque<double> waits_;
    std::deque<double> starts_;
    std::map<std::string, std::deque<double>> starts_of_;  // by engine
    std::array<std::uint64_t, kEnds> ends_{};
};

}  // namespace cellblock::sandbox::pool
