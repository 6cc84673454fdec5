// The pool's rules: who gets one, and how many there are.
#include "sandbox/pool/pool.h"

#include <sys/socket.h>

#include <algorithm>
#include <numeric>
#include <thread>
#include <utility>
#include <vector>

#include "sandbox/base/files.h"
#include "sandbox/base/text.h"
#include "sandbox/jail/plan_bytes.h"
#include "sandbox/pool/protocol.h"
#include "sandbox/pool/sandbox_memory.h"
#include "sandbox/relay/relay.h"

namespace cellblock::sandbox::pool {

namespace {

using namespace std::chrono_literals;

constexpr std::size_t kMaxKinds = 64;
constexpr std::size_t kMaxWaiting = 1000;  // on one kind
constexpr auto kQuiet = 100ms;             // after a claim; its first cell needs the processor
constexpr auto kSurplus = 60s;             // after the last claim, what is beyond the target goes
constexpr auto kPause = 2s;                // where there is no room for another
constexpr auto kTimeToStart = 30s;
constexpr auto kBetweenLooks = 1s;      // at the memory, and at what doesn't get on
constexpr auto kBetweenIdleLooks = 5s;  // at the memory, while sandboxes wait and nothing happens
constexpr auto kPace = 10ms;            // at most so often, where nothing happens

void refuse(int client, char how, const std::string& reason) {
    (void)send_message(client, how + reason);
}

template <class Items>
auto with_number(Items& items, std::uint64_t number) {
    return std::find_if(items.begin(), items.end(),
                        [&](const PooledSandbox& one) { return one.number() == number; });
}

}  // namespace

Pool::Pool(EventLoop& loop, Accounting& accounting, Launchers& makers)
    : loop_(loop),
      accounting_(accounting),
      launchers_(makers),
      at_once_(std::max(2U, std::thread::hardware_concurrency())) {}

Pool::~Pool() {
    for (auto& kind : kinds_) {
        kind.refuse_all("the daemon ends");
        forget_all(kind);
    }
}

// --- claims

void Pool::claim(UniqueFd client, const Request& request, const std::string& plan, Zygote* zygote) {
    if (request.verb == Verb::claim_ready) {
        const SandboxKind* known = find_kind(key_of(request, plan));
        if (known == nullptr || known->ready.empty()) {
            return refuse(client.get(), kRefused, "none is ready");
        }
    }
    SandboxKind* kind = kind_for(request, plan, zygote);
    if (kind == nullptr || kind->waiting.size() >= kMaxWaiting) {
        return refuse(client.get(), kRefused,
                      kind == nullptr ? "the request can't be read" : "too many wait already");
    }
    if (std::string full = accounting_.why_full(waiting()); !full.empty()) {
        accounting_.refused();
        return refuse(client.get(), kFull, full);
    }
    last_claim_ = Clock::now();
    kind->note_claim(last_claim_);
    kind->waiting.push_back({std::move(client), last_claim_});
    hand_over(*kind);
    if (!kind->waiting.empty() && !send_message(kind->waiting.back().client.get(), std::string(1, kWait))) {
        kind->waiting.pop_back();
    }
    tend();
}

void Pool::prepare(const Request& request, const std::string& plan, Zygote* zygote) {
    if (SandboxKind* kind = kind_for(request, plan, zygote); kind != nullptr) {
        kind->used = last_claim_ = Clock::now();  // whoever asks starts one of its own now
    }
}

SandboxKind* Pool::find_kind(const std::string& key) {
    const auto found =
        std::find_if(kinds_.begin(), kinds_.end(), [&](const SandboxKind& kind) { return kind.key == key; });
    return found != kinds_.end() ? &*found : nullptr;
}

SandboxKind* Pool::kind_for(const Request& request, const std::string& plan, Zygote* zygote) {
    const std::string key = key_of(request, plan);
    if (SandboxKind* known = find_kind(key); known != nullptr) {
        return known;
    }
    SandboxKind kind;
    if (zygote == nullptr) {
        auto order = launch_order_from(plan);
        auto file = memory_file(plan);  // the client's could be written to
        if (!order || !file) {
            return nullptr;
        }
        kind.order = LaunchOrderFile{std::move(*order), std::move(*file)};
    } else {
        kind.plan = jail::plan_from_bytes(plan);
        if (!kind.plan) {
            return nullptr;
        }
        zygote->nest(*kind.plan);
    }
    kind.key = key;
    kind.family = family_of(request, plan);
    kind.zygote = zygote;
    kind.recipe = request.recipe;
    if (kinds_.size() >= kMaxKinds) {
        remove_oldest_kind();
    }
    drop_outdated(kind);
    return &kinds_.emplace_back(std::move(kind));
}

void Pool::remove_oldest_kind() {
    const auto oldest = std::min_element(kinds_.begin(), kinds_.end(), [](const auto& a, const auto& b) {
        return std::pair(a.waiting.empty() ? 0 : 1, a.used) < std::pair(b.waiting.empty() ? 0 : 1, b.used);
    });
    oldest->refuse_all("too many kinds of sandboxes are asked for");
    forget_all(*oldest);
    kinds_.erase(oldest);
}

void Pool::drop_outdated(const SandboxKind& newest) {
    for (auto kind = kinds_.begin(); kind != kinds_.end();) {
        const auto next = std::next(kind);
        if (kind->family == newest.family && kind->waiting.empty()) {
            forget_all(*kind);
            kinds_.erase(kind);
        }
        kind = next;
    }
}

void Pool::hand_over(SandboxKind& kind) {
    while (!kind.waiting.empty()) {
        auto& list = kind.ready.empty() ? kind.starting : kind.ready;
        const auto spare = std::find_if(list.begin(), list.end(), [](const PooledSandbox& one) {
            return one.can_be_given() || one.can_be_given_early();
        });
        if (spare == list.end()) {
            return;
        }
        const SandboxKind::Waiting waiting = std::move(kind.waiting.front());
        kind.waiting.pop_front();
        if (!spare->give_to(waiting.client.get())) {
            continue;  // the client is gone
        }
        forget(*spare);
        kind.failures = spare->can_be_given() ? 0 : kind.failures;
        launchers_.was_given(spare->supervisor());
        accounting_.given(spare->supervisor(), spare->process(), spare->cgroup(), kind.engine(),
                          spare->can_be_given() && spare->ready_since() < waiting.since,
                          Clock::now() - waiting.since);
        list.erase(spare);
    }
}

// --- how many

std::size_t Pool::waiting() const {
    return std::accumulate(
        kinds_.begin(), kinds_.end(), std::size_t{0},
        [](std::size_t sum, const SandboxKind& kind) { return sum + kind.waiting.size(); });
}

std::size_t Pool::starting_beside(const SandboxKind& kind) const {
    return std::accumulate(
        kinds_.begin(), kinds_.end(), std::size_t{0}, [&](std::size_t sum, const SandboxKind& other) {
            return sum + (other.order.has_value() == kind.order.has_value() ? other.starting.size() : 0);
        });
}

std::size_t Pool::spares() const {
    return std::accumulate(kinds_.begin(), kinds_.end(), std::size_t{0},
                           [](std::size_t sum, const SandboxKind& kind) { return sum + kind.spares(); });
}

bool Pool::idle() const {
    return std::all_of(kinds_.begin(), kinds_.end(),
                       [](const SandboxKind& kind) { return kind.waiting.empty(); });
}

std::size_t Pool::target_of(const SandboxKind& kind) const {
    const auto now = Clock::now();
    return pressure_ || now - kind.used > accounting_.settings().idle ? 0 : kind.target(now);
}

void Pool::tend() {
    const auto now = tended_ = Clock::now();
    if (!kinds_.empty() && now - looked_at_memory_ > kBetweenLooks) {
        looked_at_memory_ = now;
        pressure_ = accounting_.under_pressure();
    }
    for (auto& kind : kinds_) {
        while (starting_beside(kind) < at_once_ && kind.waiting.size() > kind.starting.size()) {
            start_one(kind);
        }
        drop_surplus(kind);
    }
    if (!idle() || now - last_claim_ < kQuiet) {
        return;
    }
    look_at_memory();
    for (auto& kind : kinds_) {
        while (now >= not_before_ && starting_beside(kind) * 2 < at_once_ &&
               kind.spares() < target_of(kind)) {
            if (accounting_.why_full(spares()).empty() && is_room_for_one_more(kind)) {
                start_one(kind);
            } else {
                not_before_ = now + kPause;
            }
        }
    }
    std::erase_if(kinds_, [&](const SandboxKind& kind) {
        return now - kind.used > accounting_.settings().idle && kind.waiting.empty() && kind.ready.empty() &&
               kind.starting.empty();
    });
}

void Pool::drop_surplus(SandboxKind& kind) {
    const auto now = Clock::now();
    for (auto one = kind.starting.begin(); one != kind.starting.end();) {
        const auto next = std::next(one);
        if (now - one->since() > std::max<Clock::duration>(kTimeToStart, kind.patience())) {
            forget(*one);
            kind.starting.erase(one);
            kind.failed("its sandboxes don't start");
        }
        one = next;
    }
    const bool later = !pressure_ && now - kind.used < kSurplus;
    while (!later && kind.ready.size() > target_of(kind)) {
        forget(kind.ready.front());
        kind.ready.pop_front();
    }
}

Pool::Clock::time_point Pool::next() const {
    auto next = Clock::time_point::max();
    const auto at = [&](Clock::time_point time) { next = std::min(next, std::max(time, tended_ + kPace)); };
    for (const auto& kind : kinds_) {
        const std::size_t here = kind.spares();
        if (!kind.starting.empty() || (!kind.ready.empty() && pressure_)) {
            at(tended_ + kBetweenLooks);
        } else if (here < target_of(kind)) {
            at(std::max<Clock::time_point>(not_before_, last_claim_ + kQuiet));
        } else if (here > target_of(kind)) {
            at(kind.used + kSurplus);
        }
        at(kind.used + accounting_.settings().idle);
        if (!kind.ready.empty()) {
            at(looked_at_memory_ + kBetweenIdleLooks);
        }
    }
    return next;
}

Pool::Figures Pool::figures() const {
    Figures figures;
    const auto add = [&](Count& to, const SandboxKind& kind) {
        to.ready += kind.ready.size();
        to.starting += kind.starting.size();
        to.waiting += kind.waiting.size();
        to.target += target_of(kind);
    };
    for (const auto& kind : kinds_) {
        add(figures, kind);
        add(figures.engines[kind.engine()], kind);
    }
    return figures;
}

std::uint64_t Pool::memory_of_ready() const {
    std::uint64_t sum = 0;
    for (const auto& kind : kinds_) {
        for (const auto& one : kind.ready) {
            sum += own_memory(one.supervisor());
        }
    }
    return sum;
}

// --- the pool's sandboxes: started, told of, lost

void Pool::start_one(SandboxKind& kind) {
    make_room();
    const std::uint64_t number = ++last_number_;
    auto spare = kind.order ? start_launch(kind, number) : start_fork(kind, number);
    if (!spare) {
        ++kind.failures;
        return kind.refuse_all(spare.error().text());
    }
    loop_.watch(spare->worker(), [this, number] { became_ready(number); });
    kind.starting.push_back(std::move(*spare));
}

Result<PooledSandbox> Pool::start_fork(SandboxKind& kind, std::uint64_t number) {
    std::vector<UniqueFd> theirs;
    auto spare = PooledSandbox::make(number, *kind.zygote, *kind.plan, kind.recipe, theirs);
    if (spare && !kind.zygote->fork(number, theirs)) {
        return Error{"fork", 0, "the warm Python has too much to do", {}};
    }
    return spare;
}

Result<PooledSandbox> Pool::start_launch(SandboxKind& kind, std::uint64_t number) {
    std::vector<UniqueFd> theirs;
    auto spare = PooledSandbox::make_sockets(number, kind.recipe, theirs);
    if (!spare) {
        return spare;
    }
    CELLBLOCK_ASSIGN_OR_RETURN(
        auto launcher, launchers_.start(number, *kind.order, theirs.front().get(), theirs.back().get()));
    spare->was_forked(launcher.process, std::move(launcher.handle));
    loop_.watch(spare->control(), [this, number] { ended(number); });
    return spare;
}

void Pool::forget(const PooledSandbox& spare) {
    loop_.forget(spare.worker());
    loop_.forget(spare.control());
    if (spare.process() >= 0) {
        loop_.forget(spare.process());
    }
}

void Pool::forget_all(const SandboxKind& kind) {
    for (const auto* list : {&kind.starting, &kind.ready}) {
        std::for_each(list->begin(), list->end(), [&](const PooledSandbox& one) { forget(one); });
    }
}

void Pool::was_forked(std::uint64_t number, pid_t supervisor, UniqueFd process) {
    for (auto& kind : kinds_) {
        const auto one = with_number(kind.starting, number);
        if (one == kind.starting.end()) {
            continue;
        }
        const int fd = process.get();
        one->was_forked(supervisor, std::move(process));
        loop_.watch(fd, [this, number] { died(number); });
        if (one->ready_since() != Clock::time_point()) {
            became_ready(number);
        }
        return;
    }
}

void Pool::was_not_forked(std::uint64_t number, const std::string& reason) {
    lose(number, "no fork: " + reason);
}

void Pool::was_launched(std::uint64_t number, const LaunchReport& parts) {
    for (auto& kind : kinds_) {
        const auto one = with_number(kind.starting, number);
        if (one == kind.starting.end()) {
            continue;
        }
        if (const auto read = one->was_launched(parts); !read) {
            return lose(number, read.error().text());
        }
        hand_over(kind);
        return tend();
    }
}

void Pool::was_not_launched(std::uint64_t number, const std::string& reason) {
    lose(number, reason);
}

// A relay tells why, and then waits for us to let go.
void Pool::ended(std::uint64_t number) {
    for (const auto& kind : kinds_) {
        for (const auto* list : {&kind.starting, &kind.ready}) {
            if (const auto one = with_number(*list, number); one != list->end()) {
                std::string reason(relay::kMostReason, '\0');
                const ssize_t size = ::recv(one->control(), reason.data(), reason.size(), MSG_DONTWAIT);
                reason.resize(size > 0 ? static_cast<std::size_t>(size) : 0);
                return lose(number, "its sandboxes end as they start: " + printable(reason));
            }
        }
    }
}

// Whatever it says, that it works or why not: its session hears it.
void Pool::became_ready(std::uint64_t number) {
    for (auto& kind : kinds_) {
        const auto one = with_number(kind.starting, number);
        if (one == kind.starting.end()) {
            continue;
        }
        loop_.forget(one->worker());
        if (one->closed_without_output() && !one->tells_why_it_wasnt_made()) {
            if (one->is_jail()) {
                lose(number, "its sandboxes end as they start");
            }
            return;  // a relay's word follows
        }
        if (one->ready_since() == Clock::time_point()) {
            one->note_ready();
            accounting_.started(kind.engine(), one->ready_since() - one->since());
        }
        if (one->can_be_given()) {
            kind.ready.splice(kind.ready.end(), kind.starting, one);
            hand_over(kind);
            tend();
        }
        return;
    }
}

void Pool::died(std::uint64_t number) {
    lose(number, "its sandboxes are killed as they start");
}

void Pool::lose(std::uint64_t number, const std::string& reason) {
    for (auto& kind : kinds_) {
        for (auto* list : {&kind.starting, &kind.ready}) {
            const auto one = with_number(*list, number);
            if (one == list->end()) {
                continue;
            }
            forget(*one);
            list->erase(one);
            kind.failed(reason);
            return tend();
        }
    }
}

void Pool::drop_zygote(const Zygote& zygote) {
    for (auto kind = kinds_.begin(); kind != kinds_.end();) {
        const auto next = std::next(kind);
        if (kind->zygote == &zygote) {
            kind->refuse_all("the warm Python is gone");
            forget_all(*kind);
            kinds_.erase(kind);
        }
        kind = next;
    }
}

// Its spares were made by the other one; those that wait get a new one.
void Pool::replace_zygote(const Zygote& before, Zygote& now) {
    for (auto& kind : kinds_) {
        if (kind.zygote == &before) {
            kind.zygote = &now;
            forget_all(kind);
            kind.starting.clear();
            kind.ready.clear();
        }
    }
    tend();
}

// Spares count too: one that somebody waits for takes the place of another kind's.
void Pool::make_room() {
    while (accounting_.living() + spares() >= accounting_.settings().sandboxes) {
        const auto full = std::find_if(kinds_.begin(), kinds_.end(),
                                       [](const SandboxKind& kind) { return !kind.ready.empty(); });
        if (full == kinds_.end()) {
            return;
        }
        forget(full->ready.front());
        full->ready.pop_front();
    }
}

// A jail shares most of what it has; of others' spares each has a whole Python, which stays as it is.
void Pool::look_at_memory() {
    std::uint64_t sum = 0;
    for (auto& kind : kinds_) {
        for (auto spare = kind.ready.begin(); kind.order && spare != kind.ready.end();) {
            const auto next = std::next(spare);
            if (spare->memory_bytes() == 0) {
                spare->has_memory(own_memory(spare->supervisor()));
                kind.each_has = spare->memory_bytes();
            }
            if (accounting_.is_room_for_spares(sum + spare->memory_bytes())) {
                sum += spare->memory_bytes();
            } else {
                forget(*spare);
                kind.ready.erase(spare);
            }
            spare = next;
        }
    }
    accounting_.spares_have(sum);
    spare_bytes_ = sum;
}

bool Pool::is_room_for_one_more(const SandboxKind& kind) const {
    return accounting_.is_room_for_spares(spare_bytes_ + kind.each_has * (kind.starting.size() + 1));
}

}  // namespace cellblock::sandbox::pool
