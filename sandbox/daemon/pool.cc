// The pool's rules.
#include "sandbox/daemon/pool.h"

#include <algorithm>
#include <numeric>
#include <thread>

#include "sandbox/daemon/message.h"
#include "sandbox/jail/plan_bytes.h"

namespace cellblock::sandbox::daemon {

namespace {

using namespace std::chrono_literals;

constexpr std::size_t kMaxShelves = 64;
constexpr std::size_t kMaxWaiting = 1000;  // on one shelf
constexpr auto kQuiet = 100ms;             // after a claim; its first cell needs the processor
constexpr auto kSurplus = 60s;             // after the last claim, what is beyond the target goes
constexpr auto kPause = 2s;                // where there is no room for another
constexpr auto kTimeToStart = 30s;
constexpr auto kBetweenLooks = 1s;  // at the memory, and at what doesn't get on
constexpr auto kPace = 10ms;        // at most so often, where nothing happens

void refuse(int client, char how, const std::string& reason) {
    (void)send_message(client, how + reason);
}

template <class Items>
auto with_number(Items& items, std::uint64_t number) {
    return std::find_if(items.begin(), items.end(), [&](const Spare& one) { return one.number() == number; });
}

}  // namespace

Pool::Pool(Loop& loop, Ledger& ledger)
    : loop_(loop), ledger_(ledger), at_once_(std::max(2U, std::thread::hardware_concurrency())) {}

Pool::~Pool() {
    for (auto& shelf : shelves_) {
        shelf.refuse_all("the daemon ends");
        forget_all(shelf);
    }
}

// --- claims

void Pool::claim(UniqueFd client, const Request& request, const std::string& plan, Zygote& zygote) {
    Shelf* shelf = shelf_for(request, plan, zygote);
    if (shelf == nullptr || shelf->waiting.size() >= kMaxWaiting) {
        return refuse(client.get(), kRefused,
                      shelf == nullptr ? "the request can't be read" : "too many wait already");
    }
    if (std::string full = ledger_.why_full(waiting()); !full.empty()) {
        ledger_.refused();
        return refuse(client.get(), kFull, full);
    }
    last_claim_ = Clock::now();
    shelf->note_claim(last_claim_);
    if (send_message(client.get(), std::string(1, kWait))) {
        shelf->waiting.push_back({std::move(client), last_claim_});
    }
    hand_over(*shelf);
    tend();
}

Shelf* Pool::shelf_for(const Request& request, const std::string& plan, Zygote& zygote) {
    const std::string key = key_of(request, plan);
    for (auto& shelf : shelves_) {
        if (shelf.key == key) {
            return &shelf;
        }
    }
    auto parsed = jail::plan_from_bytes(plan);
    if (!parsed) {
        return nullptr;
    }
    if (shelves_.size() >= kMaxShelves) {
        const auto oldest =
            std::min_element(shelves_.begin(), shelves_.end(), [](const auto& a, const auto& b) {
                return std::pair(a.waiting.empty() ? 0 : 1, a.used) <
                       std::pair(b.waiting.empty() ? 0 : 1, b.used);
            });
        oldest->refuse_all("too many kinds of sandboxes are asked for");
        forget_all(*oldest);
        shelves_.erase(oldest);
    }
    Shelf shelf;
    shelf.key = key;
    shelf.zygote = &zygote;
    shelf.plan = std::move(parsed);
    shelf.recipe = request.recipe;
    return &shelves_.emplace_back(std::move(shelf));
}

void Pool::hand_over(Shelf& shelf) {
    while (!shelf.waiting.empty() && !shelf.ready.empty()) {
        const Shelf::Waiting waiting = std::move(shelf.waiting.front());
        shelf.waiting.pop_front();
        Spare& spare = shelf.ready.front();
        if (!spare.give_to(waiting.client.get())) {
            continue;  // the client is gone
        }
        forget(spare);
        ledger_.given(spare.supervisor(), spare.process(), spare.up() < waiting.since,
                      Clock::now() - waiting.since);
        shelf.ready.pop_front();
    }
}

// --- spares

void Pool::order(Shelf& shelf) {
    make_room();
    std::vector<UniqueFd> theirs;
    auto spare = Spare::make(++last_number_, *shelf.plan, shelf.recipe, theirs);
    if (!spare || !shelf.zygote->fork(last_number_, theirs)) {
        ++shelf.failures;
        return shelf.refuse_all(spare ? "the warm Python has too much to do" : spare.error().text());
    }
    const std::uint64_t number = last_number_;
    loop_.watch(spare->worker(), [this, number] { is_up(number); });
    shelf.under_way.push_back(std::move(*spare));
}

void Pool::forget(const Spare& spare) {
    loop_.forget(spare.worker());
    if (spare.process() >= 0) {
        loop_.forget(spare.process());
    }
}

void Pool::forget_all(const Shelf& shelf) {
    for (const auto* list : {&shelf.under_way, &shelf.ready}) {
        std::for_each(list->begin(), list->end(), [&](const Spare& one) { forget(one); });
    }
}

void Pool::was_forked(std::uint64_t number, pid_t supervisor, UniqueFd process) {
    for (auto& shelf : shelves_) {
        const auto one = with_number(shelf.under_way, number);
        if (one == shelf.under_way.end()) {
            continue;
        }
        const int fd = process.get();
        one->was_forked(supervisor, std::move(process));
        loop_.watch(fd, [this, number] { died(number); });
        if (one->up() != Clock::time_point()) {
            is_up(number);
        }
        return;
    }
}

void Pool::was_not_forked(std::uint64_t number, const std::string& reason) {
    for (auto& shelf : shelves_) {
        const auto one = with_number(shelf.under_way, number);
        if (one == shelf.under_way.end()) {
            continue;
        }
        forget(*one);
        shelf.under_way.erase(one);
        shelf.failed("no fork: " + reason);
        return tend();
    }
}

// Whatever it says, that it works or why not: its session hears it.
void Pool::is_up(std::uint64_t number) {
    for (auto& shelf : shelves_) {
        const auto one = with_number(shelf.under_way, number);
        if (one == shelf.under_way.end()) {
            continue;
        }
        loop_.forget(one->worker());
        if (one->up() == Clock::time_point()) {
            one->was_seen_up();
            ledger_.started(one->up() - one->since());
        }
        if (one->can_be_given()) {
            shelf.failures = 0;
            shelf.ready.splice(shelf.ready.end(), shelf.under_way, one);
            hand_over(shelf);
            tend();
        }
        return;
    }
}

void Pool::died(std::uint64_t number) {
    for (auto& shelf : shelves_) {
        for (auto* list : {&shelf.under_way, &shelf.ready}) {
            const auto one = with_number(*list, number);
            if (one == list->end()) {
                continue;
            }
            forget(*one);
            one->ended();
            list->erase(one);
            shelf.failed("its sandboxes are killed as they start");
            return tend();
        }
    }
}

void Pool::drop_zygote(const Zygote& zygote) {
    for (auto shelf = shelves_.begin(); shelf != shelves_.end();) {
        const auto next = std::next(shelf);
        if (shelf->zygote == &zygote) {
            shelf->refuse_all("the warm Python is gone");
            forget_all(*shelf);
            shelves_.erase(shelf);
        }
        shelf = next;
    }
}

// Spares count too: one that somebody waits for takes the place of another kind's.
void Pool::make_room() {
    while (ledger_.living() + spares() >= ledger_.settings().sandboxes) {
        const auto full = std::find_if(shelves_.begin(), shelves_.end(),
                                       [](const Shelf& shelf) { return !shelf.ready.empty(); });
        if (full == shelves_.end()) {
            return;
        }
        forget(full->ready.front());
        full->ready.pop_front();
    }
}

// --- how many

std::size_t Pool::waiting() const {
    return std::accumulate(shelves_.begin(), shelves_.end(), std::size_t{0},
                           [](std::size_t sum, const Shelf& shelf) { return sum + shelf.waiting.size(); });
}

std::size_t Pool::under_way() const {
    return std::accumulate(shelves_.begin(), shelves_.end(), std::size_t{0},
                           [](std::size_t sum, const Shelf& shelf) { return sum + shelf.under_way.size(); });
}

std::size_t Pool::spares() const {
    return std::accumulate(shelves_.begin(), shelves_.end(), std::size_t{0},
                           [](std::size_t sum, const Shelf& shelf) { return sum + shelf.spares(); });
}

bool Pool::idle() const {
    return std::all_of(shelves_.begin(), shelves_.end(),
                       [](const Shelf& shelf) { return shelf.waiting.empty(); });
}

std::size_t Pool::target_of(const Shelf& shelf) const {
    const auto now = Clock::now();
    return pressure_ || now - shelf.used > ledger_.settings().idle ? 0 : shelf.target(now);
}

void Pool::tend() {
    const auto now = tended_ = Clock::now();
    if (!shelves_.empty() && now - looked_at_memory_ > kBetweenLooks) {
        looked_at_memory_ = now;
        pressure_ = ledger_.under_pressure();
    }
    for (auto& shelf : shelves_) {
        while (under_way() < at_once_ && shelf.waiting.size() > shelf.under_way.size()) {
            order(shelf);
        }
        drop_surplus(shelf);
    }
    if (!idle() || now - last_claim_ < kQuiet) {
        return;
    }
    for (auto& shelf : shelves_) {
        while (now >= not_before_ && under_way() * 2 < at_once_ && shelf.spares() < target_of(shelf)) {
            if (ledger_.why_full(spares()).empty()) {
                order(shelf);
            } else {
                not_before_ = now + kPause;
            }
        }
    }
    std::erase_if(shelves_, [&](const Shelf& shelf) {
        return now - shelf.used > ledger_.settings().idle && shelf.waiting.empty() && shelf.ready.empty() &&
               shelf.under_way.empty();
    });
}

void Pool::drop_surplus(Shelf& shelf) {
    const auto now = Clock::now();
    for (auto one = shelf.under_way.begin(); one != shelf.under_way.end();) {
        const auto next = std::next(one);
        if (now - one->since() > kTimeToStart) {
            forget(*one);
            shelf.under_way.erase(one);
            shelf.failed("its sandboxes don't start");
        }
        one = next;
    }
    const bool later = !pressure_ && now - shelf.used < kSurplus;
    while (!later && shelf.ready.size() > target_of(shelf)) {
        forget(shelf.ready.front());
        shelf.ready.pop_front();
    }
}

Pool::Clock::time_point Pool::next() const {
    auto next = Clock::time_point::max();
    const auto at = [&](Clock::time_point time) { next = std::min(next, std::max(time, tended_ + kPace)); };
    for (const auto& shelf : shelves_) {
        const std::size_t here = shelf.spares();
        if (!shelf.under_way.empty() || (!shelf.ready.empty() && pressure_)) {
            at(tended_ + kBetweenLooks);
        } else if (here < target_of(shelf)) {
            at(std::max<Clock::time_point>(not_before_, last_claim_ + kQuiet));
        } else if (here > target_of(shelf)) {
            at(shelf.used + kSurplus);
        }
        at(shelf.used + ledger_.settings().idle);
    }
    return next;
}

Pool::Figures Pool::figures() const {
    Figures figures;
    for (const auto& shelf : shelves_) {
        figures.ready += shelf.ready.size();
        figures.under_way += shelf.under_way.size();
        figures.waiting += shelf.waiting.size();
        figures.target += target_of(shelf);
    }
    return figures;
}

}  // namespace cellblock::sandbox::daemon
