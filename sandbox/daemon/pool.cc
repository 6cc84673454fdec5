// The pool's rules.
#include "sandbox/daemon/pool.h"

#include <sys/socket.h>

#include <algorithm>
#include <numeric>
#include <thread>
#include <utility>

#include "sandbox/daemon/host_memory.h"
#include "sandbox/daemon/message.h"
#include "sandbox/jail/plan_bytes.h"
#include "sandbox/jail/words.h"
#include "sandbox/relay/relay.h"

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

Pool::Pool(Loop& loop, Ledger& ledger, Makers& makers)
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

void Pool::claim(UniqueFd client, const Request& request, const std::string& plan, UniqueFd file,
                 Zygote* zygote) {
    Shelf* shelf = shelf_for(request, plan, std::move(file), zygote);
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

void Pool::prepare(const Request& request, const std::string& order, UniqueFd file) {
    if (Shelf* shelf = shelf_for(request, order, std::move(file), nullptr); shelf != nullptr) {
        shelf->used = last_claim_ = Clock::now();  // whoever asks starts one of its own now
    }
}

Shelf* Pool::shelf_for(const Request& request, const std::string& plan, UniqueFd file, Zygote* zygote) {
    const std::string key = key_of(request, plan);
    for (auto& shelf : shelves_) {
        if (shelf.key == key) {
            return &shelf;
        }
    }
    Shelf shelf;
    if (zygote == nullptr) {
        auto order = order_from(plan);
        if (!order) {
            return nullptr;
        }
        shelf.order = OrderFile{std::move(*order), std::move(file)};
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
        makers_.was_given(spare->supervisor());
        ledger_.given(spare->supervisor(), spare->process(), shelf.engine(),
                      spare->can_be_given() && spare->up() < waiting.since, Clock::now() - waiting.since);
        list.erase(spare);
    }
}

// --- spares

void Pool::order(Shelf& shelf) {
    make_room();
    const std::uint64_t number = ++last_number_;
    auto spare = shelf.order ? order_made(shelf, number) : order_fork(shelf, number);
    if (!spare) {
        ++shelf.failures;
        return shelf.refuse_all(spare.error().text());
    }
    loop_.watch(spare->worker(), [this, number] { is_up(number); });
    shelf.under_way.push_back(std::move(*spare));
}

Result<Spare> Pool::order_fork(Shelf& shelf, std::uint64_t number) {
    std::vector<UniqueFd> theirs;
    auto spare = Spare::make(number, *shelf.plan, shelf.recipe, theirs);
    if (spare && !shelf.zygote->fork(number, theirs)) {
        return Error{"fork", 0, "the warm Python has too much to do", {}};
    }
    return spare;
}

Result<Spare> Pool::order_made(Shelf& shelf, std::uint64_t number) {
    std::vector<UniqueFd> theirs;
    auto spare = Spare::make_sockets(number, shelf.recipe, theirs);
    if (!spare) {
        return spare;
    }
    auto maker = makers_.start(number, *shelf.order, theirs.front().get(), theirs.back().get());
    if (!maker) {
        return maker.error();
    }
    spare->was_forked(maker->process, std::move(maker->handle));
    loop_.watch(spare->control(), [this, number] { ended(number); });
    return spare;
}

void Pool::forget(const Spare& spare) {
    loop_.forget(spare.worker());
    loop_.forget(spare.control());
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
    lose(number, "no fork: " + reason);
}

void Pool::was_made(std::uint64_t number, const MadeParts& parts) {
    for (auto& shelf : shelves_) {
        const auto one = with_number(shelf.under_way, number);
        if (one == shelf.under_way.end()) {
            continue;
        }
        if (const auto read = one->was_made(parts); !read) {
            return lose(number, read.error().text());
        }
        hand_over(shelf);
        return tend();
    }
}

void Pool::was_not_made(std::uint64_t number, const std::string& reason) {
    lose(number, reason);
}

// A relay tells why, and then waits for us to let go.
void Pool::ended(std::uint64_t number) {
    for (const auto& shelf : shelves_) {
        for (const auto* list : {&shelf.under_way, &shelf.ready}) {
            if (const auto one = with_number(*list, number); one != list->end()) {
                std::string reason(relay::kMostReason, '\0');
                const ssize_t size = ::recv(one->control(), reason.data(), reason.size(), MSG_DONTWAIT);
                reason.resize(size > 0 ? static_cast<std::size_t>(size) : 0);
                return lose(number, "its sandboxes end as they start: " + jail::harmless(reason));
            }
        }
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
        if (one->is_mute()) {
            return;  // its supervisor's end follows, or its relay's word
        }
        if (one->up() == Clock::time_point()) {
            one->was_seen_up();
            ledger_.started(shelf.engine(), one->up() - one->since());
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
    lose(number, "its sandboxes are killed as they start");
}

void Pool::lose(std::uint64_t number, const std::string& reason) {
    for (auto& shelf : shelves_) {
        for (auto* list : {&shelf.under_way, &shelf.ready}) {
            const auto one = with_number(*list, number);
            if (one == list->end()) {
                continue;
            }
            forget(*one);
            one->ended();
            list->erase(one);
            shelf.failed(reason);
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

// A jail shares most of what it has; of others' spares each has a whole Python, which stays as it is.
void Pool::look_at_memory() {
    std::uint64_t sum = 0;
    for (auto& shelf : shelves_) {
        for (auto spare = shelf.ready.begin(); shelf.order && spare != shelf.ready.end();) {
            const auto next = std::next(spare);
            if (spare->memory_bytes() == 0) {
                spare->has_memory(own_memory(spare->supervisor()));
                shelf.each_has = spare->memory_bytes();
            }
            if (ledger_.is_room_for_spares(sum + spare->memory_bytes())) {
                sum += spare->memory_bytes();
            } else {
                forget(*spare);
                shelf.ready.erase(spare);
            }
            spare = next;
        }
    }
    ledger_.spares_have(sum);
    spare_bytes_ = sum;
}

bool Pool::is_room_for_one_more(const Shelf& shelf) const {
    return ledger_.is_room_for_spares(spare_bytes_ + shelf.each_has * (shelf.under_way.size() + 1));
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

}  // namespace cellblock::sandbox::daemon
