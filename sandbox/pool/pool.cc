// The pool's rules: who gets one, and how many there are.
#include "sandbox/pool/pool.h"

#include <algorithm>
#include <numeric>
#include <thread>
#include <utility>

#include "sandbox/base/files.h"
#include "sandbox/jail/plan_bytes.h"
#include "sandbox/pool/protocol.h"

namespace cellblock::sandbox::pool {

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

}  // namespace

Pool::Pool(EventLoop& loop, Ledger& ledger, Makers& makers)
    : loop_(loop),
      ledger_(ledger),
      makers_(makers),
      at_once_(std::max(2U, std::thread::hardware_concurrency())) {}

Pool::~Pool() {
    for (auto& shelf : shelves_) {
        shelf.refuse_all("the daemon ends");
        forget_all(shelf);
    }
}

// --- claims

void Pool::claim(UniqueFd client, const Request& request, const std::string& plan, Zygote* zygote) {
    if (request.verb == Verb::claim_ready) {
        const Shelf* known = find_shelf(key_of(request, plan));
        if (known == nullptr || known->ready.empty()) {
            return refuse(client.get(), kRefused, "none is ready");
        }
    }
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
    shelf->waiting.push_back({std::move(client), last_claim_});
    hand_over(*shelf);
    if (!shelf->waiting.empty() && !send_message(shelf->waiting.back().client.get(), std::string(1, kWait))) {
        shelf->waiting.pop_back();
    }
    tend();
}

void Pool::prepare(const Request& request, const std::string& order) {
    if (Shelf* shelf = shelf_for(request, order, nullptr); shelf != nullptr) {
        shelf->used = last_claim_ = Clock::now();  // whoever asks starts one of its own now
    }
}

Shelf* Pool::find_shelf(const std::string& key) {
    const auto found =
        std::find_if(shelves_.begin(), shelves_.end(), [&](const Shelf& shelf) { return shelf.key == key; });
    return found != shelves_.end() ? &*found : nullptr;
}

Shelf* Pool::shelf_for(const Request& request, const std::string& plan, Zygote* zygote) {
    const std::string key = key_of(request, plan);
    if (Shelf* known = find_shelf(key); known != nullptr) {
        return known;
    }
    Shelf shelf;
    if (zygote == nullptr) {
        auto order = order_from(plan);
        auto file = memory_file(plan);  // the client's could be written to
        if (!order || !file) {
            return nullptr;
        }
        shelf.order = OrderFile{std::move(*order), std::move(*file)};
    } else {
        shelf.plan = jail::plan_from_bytes(plan);
        if (!shelf.plan) {
            return nullptr;
        }
    }
    shelf.key = key;
    shelf.family = family_of(request, plan);
    shelf.zygote = zygote;
    shelf.recipe = request.recipe;
    if (shelves_.size() >= kMaxShelves) {
        remove_oldest_shelf();
    }
    drop_outdated(shelf);
    return &shelves_.emplace_back(std::move(shelf));
}

void Pool::remove_oldest_shelf() {
    const auto oldest = std::min_element(shelves_.begin(), shelves_.end(), [](const auto& a, const auto& b) {
        return std::pair(a.waiting.empty() ? 0 : 1, a.used) < std::pair(b.waiting.empty() ? 0 : 1, b.used);
    });
    oldest->refuse_all("too many kinds of sandboxes are asked for");
    forget_all(*oldest);
    shelves_.erase(oldest);
}

void Pool::drop_outdated(const Shelf& newest) {
    for (auto shelf = shelves_.begin(); shelf != shelves_.end();) {
        const auto next = std::next(shelf);
        if (shelf->family == newest.family && shelf->waiting.empty()) {
            forget_all(*shelf);
            shelves_.erase(shelf);
        }
        shelf = next;
    }
}

void Pool::hand_over(Shelf& shelf) {
    while (!shelf.waiting.empty()) {
        auto& list = shelf.ready.empty() ? shelf.under_way : shelf.ready;
        const auto spare = std::find_if(list.begin(), list.end(), [](const Spare& one) {
            return one.can_be_given() || one.can_be_given_early();
        });
        if (spare == list.end()) {
            return;
        }
        const Shelf::Waiting waiting = std::move(shelf.waiting.front());
        shelf.waiting.pop_front();
        if (!spare->give_to(waiting.client.get())) {
            continue;  // the client is gone
        }
        forget(*spare);
        shelf.failures = spare->can_be_given() ? 0 : shelf.failures;
        makers_.was_given(spare->supervisor());
        ledger_.given(spare->supervisor(), spare->process(), shelf.engine(),
                      spare->can_be_given() && spare->up() < waiting.since, Clock::now() - waiting.since);
        list.erase(spare);
    }
}

// --- how many

std::size_t Pool::waiting() const {
    return std::accumulate(shelves_.begin(), shelves_.end(), std::size_t{0},
                           [](std::size_t sum, const Shelf& shelf) { return sum + shelf.waiting.size(); });
}

std::size_t Pool::under_way_beside(const Shelf& shelf) const {
    return std::accumulate(
        shelves_.begin(), shelves_.end(), std::size_t{0}, [&](std::size_t sum, const Shelf& other) {
            return sum + (other.order.has_value() == shelf.order.has_value() ? other.under_way.size() : 0);
        });
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
        while (under_way_beside(shelf) < at_once_ && shelf.waiting.size() > shelf.under_way.size()) {
            order(shelf);
        }
        drop_surplus(shelf);
    }
    if (!idle() || now - last_claim_ < kQuiet) {
        return;
    }
    look_at_memory();
    for (auto& shelf : shelves_) {
        while (now >= not_before_ && under_way_beside(shelf) * 2 < at_once_ &&
               shelf.spares() < target_of(shelf)) {
            if (ledger_.why_full(spares()).empty() && is_room_for_one_more(shelf)) {
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
        if (now - one->since() > std::max<Clock::duration>(kTimeToStart, shelf.patience())) {
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
    const auto add = [&](Count& to, const Shelf& shelf) {
        to.ready += shelf.ready.size();
        to.under_way += shelf.under_way.size();
        to.waiting += shelf.waiting.size();
        to.target += target_of(shelf);
    };
    for (const auto& shelf : shelves_) {
        add(figures, shelf);
        add(figures.engines[shelf.engine()], shelf);
    }
    return figures;
}

}  // namespace cellblock::sandbox::pool
