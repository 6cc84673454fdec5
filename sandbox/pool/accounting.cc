// Counting.
#include "sandbox/pool/accounting.h"

#include <fcntl.h>
#include <sys/wait.h>

#include <algorithm>
#include <csignal>
#include <numeric>

#include "sandbox/api/policy.h"
#include "sandbox/base/background.h"
#include "sandbox/base/machine.h"
#include "sandbox/jail/report.h"
#include "sandbox/pool/sandbox_memory.h"

namespace cellblock::sandbox::pool {

namespace {

using namespace std::chrono_literals;

constexpr auto kBetweenLooks = 2s;
constexpr int kLooksAtOnce = 8;
constexpr auto kTimeToLeave = 10s;  // of a sandbox whose supervisor was killed
constexpr auto kWordOfEnd = 1s;     // a zygote's, after its child is gone
constexpr std::size_t kSamples = 1000;
constexpr std::size_t kMostEngines = 100;  // of which figures are kept
constexpr auto kMinute = 60s;
constexpr std::uint64_t kSpareShare = 10;  // of memory, in parts: what stays free of things made ahead

double seconds(Accounting::Clock::duration time) {
    return std::chrono::duration<double>(time).count();
}

void keep(std::deque<double>& samples, Accounting::Clock::duration time) {
    samples.push_back(seconds(time));
    if (samples.size() > kSamples) {
        samples.pop_front();
    }
}

std::vector<double> sorted(const std::deque<double>& samples) {
    std::vector<double> all(samples.begin(), samples.end());
    std::sort(all.begin(), all.end());
    return all;
}

End end_of(int wait_status) {
    if (WIFSIGNALED(wait_status)) {
        return End::supervisor_killed;
    }
    switch (WEXITSTATUS(wait_status)) {
        case jail::kLeftAlive:
            return End::by_session;
        case jail::kLeftEnded:
            return End::by_itself;
        case jail::kLeftKilled:
            return End::killed_by_session;
        case jail::kLeftUnmade:
            return End::not_set_up;
        default:
            return End::unknown;
    }
}

}  // namespace

const char* name_of(End end) {
    switch (end) {
        case End::by_session:
            return "session_ended";
        case End::by_itself:
            return "first_process_ended";
        case End::killed_by_session:
            return "killed_by_session";
        case End::not_set_up:
            return "not_set_up";
        case End::supervisor_killed:
            return "supervisor_killed";
        case End::unknown:
            break;
    }
    return "unknown";
}

Accounting::~Accounting() {
    for (const auto& [pid, one] : living_) {
        loop_.forget(one.process.get());
    }
}

std::string Accounting::why_full(std::size_t others) const {
    const std::string where = " (" + settings_path() + "). `cellblock daemon status` tells what runs";
    if (living_.size() + others >= settings_.sandboxes) {
        return std::to_string(living_.size() + others) + " sandboxes run, and no more than " +
               std::to_string(settings_.sandboxes) +
               " may. Close a notebook, or raise the daemon's \"sandboxes\"" + where;
    }
    const MachineMemory host = machine_memory();
    if (memory_bytes_ >= settings_.memory_bytes) {
        return "the sandboxes together have " + format_size(memory_bytes_) + " of memory, and no more than " +
               format_size(settings_.memory_bytes) +
               " are for them. Close a notebook, or raise the daemon's \"memory\"" + where;
    }
    if (host.total > 0 && host.available < host.total / (kSpareShare * 2)) {
        return "this machine has only " + format_size(host.available) +
               " of memory left. Close a notebook or another program";
    }
    return {};
}

bool Accounting::is_room_for_spares(std::uint64_t bytes) const {
    return memory_bytes_ + bytes < settings_.memory_bytes - settings_.memory_bytes / kSpareShare;
}

bool Accounting::under_pressure() const {
    const MachineMemory host = machine_memory();
    return (host.total > 0 && host.available < host.total / kSpareShare) || !is_room_for_spares(0);
}

void Accounting::given(pid_t supervisor, int process, const jail::Cgroup& cgroup, std::string engine,
                       bool from_pool, Clock::duration waited) {
    ++given_;
    from_pool_ += from_pool ? 1 : 0;
    keep(waits_, waited);
    claims_.push_back(Clock::now());
    while (claims_.front() < Clock::now() - kMinute || claims_.size() > kSamples) {
        claims_.pop_front();
    }
    if (const auto before = living_.find(supervisor); before != living_.end()) {
        remove(before, End::unknown);  // its number is another's by now
    }
    UniqueFd own(::fcntl(process, F_DUPFD_CLOEXEC, 0));
    if (!own.valid()) {
        return;
    }
    loop_.watch(own.get(), [this, supervisor] {
        if (const auto found = living_.find(supervisor); found != living_.end()) {
            loop_.forget(found->second.process.get());
            found->second.gone = true;
            found->second.gone_since = Clock::now();
            run_in_background([groups = found->second.cgroup] { groups.remove_within(kTimeToLeave); });
        }
    });
    if (living_.empty()) {
        looked_ = Clock::now();  // a look takes milliseconds, and that session's first cell runs now
    }
    living_[supervisor] = {std::move(own), cgroup, std::move(engine), 0, false, {}};
}

void Accounting::started(const std::string& engine, Clock::duration time) {
    keep(starts_, time);
    if (starts_of_.contains(engine) || starts_of_.size() < kMostEngines) {
        keep(starts_of_[engine], time);
    }
}

void Accounting::ended(pid_t supervisor, int wait_status) {
    if (const auto found = living_.find(supervisor); found != living_.end()) {
        remove(found, end_of(wait_status));
    }
}

void Accounting::remove(std::map<pid_t, Living>::iterator one, End end) {
    ++ends_[static_cast<std::size_t>(end)];
    memory_bytes_ -= one->second.memory_bytes;
    loop_.forget(one->second.process.get());
    living_.erase(one);
}

Accounting::Clock::time_point Accounting::next_look() const {
    return living_.empty() ? Clock::time_point::max() : looked_ + kBetweenLooks;
}

void Accounting::look() {
    looked_ = Clock::now();
    for (auto one = living_.begin(); one != living_.end();) {
        const auto next = std::next(one);
        if (one->second.gone && looked_ - one->second.gone_since > kWordOfEnd) {
            remove(one, End::unknown);  // its zygote is gone too
        }
        one = next;
    }
    for (int i = 0; i < kLooksAtOnce && !living_.empty(); ++i) {
        auto one = living_.upper_bound(looked_at_);
        one = one == living_.end() ? living_.begin() : one;
        looked_at_ = one->first;
        memory_bytes_ -= one->second.memory_bytes;
        one->second.memory_bytes = one->second.gone ? 0 : own_memory(one->first);
        memory_bytes_ += one->second.memory_bytes;
        if (static_cast<std::size_t>(i) + 1 >= living_.size()) {
            break;
        }
    }
}

Accounting::Figures Accounting::figures() const {
    Figures figures;
    figures.living = living_.size();
    figures.memory_bytes = memory_bytes_;
    figures.given = given_;
    figures.from_pool = from_pool_;
    figures.refused = refused_;
    const auto recent = std::count_if(claims_.begin(), claims_.end(),
                                      [](const auto& one) { return one > Clock::now() - kMinute; });
    figures.per_second = static_cast<double>(recent) / seconds(kMinute);
    figures.waits = sorted(waits_);
    figures.starts = sorted(starts_);
    figures.ends = ends_;
    figures.spare_bytes = spare_bytes_;
    for (const auto& [engine, samples] : starts_of_) {
        figures.engines[engine].starts = sorted(samples);
    }
    for (const auto& [pid, one] : living_) {
        ++figures.engines[one.engine].living;
    }
    return figures;
}

}  // namespace cellblock::sandbox::pool
