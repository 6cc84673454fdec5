// The pool's spares: made, told of, lost.
#include <sys/socket.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "sandbox/base/text.h"
#include "sandbox/pool/host_memory.h"
#include "sandbox/pool/pool.h"
#include "sandbox/relay/relay.h"

namespace cellblock::sandbox::pool {

namespace {

template <class Items>
auto with_number(Items& items, std::uint64_t number) {
    return std::find_if(items.begin(), items.end(), [&](const Spare& one) { return one.number() == number; });
}

}  // namespace

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
                return lose(number, "its sandboxes end as they start: " + printable(reason));
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

}  // namespace cellblock::sandbox::pool
