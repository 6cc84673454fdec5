// Sandboxes under way, and some made ahead.
//
// Purpose: who claims gets one that is up already, where there is one of that
// kind, else the next one that is. A kind is a shelf (shelf.h); nothing on it was
// ever anybody's. Its spares are as many as the
// policy wants (`pool.ready`), or as were claimed in the last seconds, up to
// `pool.most`. Only so many are under way at once as there are processors (of
// jails, and of all others), and those that somebody waits for come first. Others
// than jails are given before they are up where somebody waits.
// Ownership: of spares, and of the sockets of clients that wait. Threads: one.
// Failure: a client is told why it has to start cold.
#pragma once

#include <chrono>
#include <deque>
#include <list>
#include <map>
#include <string>

#include "sandbox/base/event_loop.h"
#include "sandbox/pool/accounting.h"
#include "sandbox/pool/launchers.h"
#include "sandbox/pool/shelf.h"

namespace cellblock::sandbox::pool {

class Pool {
public:
    using Clock = std::chrono::steady_clock;

    Pool(EventLoop& loop, Ledger& ledger, Makers& makers);
    ~Pool();
    Pool(const Pool&) = delete;
    Pool& operator=(const Pool&) = delete;

    // The client is answered by kGiven, sooner or later, or refused. `zygote` is ready; null: `plan` is an
    // order.
    void claim(UniqueFd client, const Request& request, const std::string& plan, Zygote* zygote);
    // For claims to come.
    void prepare(const Request& request, const std::string& order);
    // What zygotes tell.
    void was_forked(std::uint64_t number, pid_t supervisor, UniqueFd process);
    void was_not_forked(std::uint64_t number, const std::string& reason);
    // What makers tell.
    void was_made(std::uint64_t number, const MadeParts& parts);
    void was_not_made(std::uint64_t number, const std::string& reason);
    void died(std::uint64_t number);
    // With all that was made by it. Before it is gone.
    void drop_zygote(const Zygote& zygote);
    // Makes what is missing, drops what is too much.
    void tend();
    // When that is due next.
    [[nodiscard]] Clock::time_point next() const;
    // Nobody waits.
    [[nodiscard]] bool idle() const;

    struct Count {
        std::size_t ready = 0;
        std::size_t under_way = 0;
        std::size_t waiting = 0;  // clients
        std::size_t target = 0;
    };
    struct Figures : Count {
        std::map<std::string, Count> engines;
    };
    [[nodiscard]] Figures figures() const;

private:
    Shelf* find_shelf(const std::string& key);
    Shelf* shelf_for(const Request& request, const std::string& plan, Zygote* zygote);
    void remove_oldest_shelf();
    void drop_outdated(const Shelf& newest);
    void order(Shelf& shelf);
    Result<Spare> order_fork(Shelf& shelf, std::uint64_t number);
    Result<Spare> order_made(Shelf& shelf, std::uint64_t number);
    void ended(std::uint64_t number);
    // Looks at those that are new; lets go of what is beyond the bound.
    void look_at_memory();
    [[nodiscard]] bool is_room_for_one_more(const Shelf& shelf) const;
    void make_room();
    void is_up(std::uint64_t number);
    void hand_over(Shelf& shelf);
    void drop_surplus(Shelf& shelf);
    void forget(const Spare& spare);
    void forget_all(const Shelf& shelf);
    // Takes it off its shelf, one more failure of it.
    void lose(std::uint64_t number, const std::string& reason);
    [[nodiscard]] std::size_t target_of(const Shelf& shelf) const;
    [[nodiscard]] std::size_t waiting() const;
    // Of its shelf and all that have to be made in the same way.
    [[nodiscard]] std::size_t under_way_beside(const Shelf& shelf) const;
    [[nodiscard]] std::size_t spares() const;

    EventLoop& loop_;
    Ledger& ledger_;
    Makers& makers_;
    std::list<Shelf> shelves_;
    std::uint64_t last_number_ = 0;
    std::size_t at_once_;
    Clock::time_point last_claim_;
    Clock::time_point tended_;
    Clock::time_point not_before_;  // another spare
    Clock::time_point looked_at_memory_;
    bool pressure_ = false;
    std::uint64_t spare_bytes_ = 0;
};

}  // namespace cellblock::sandbox::pool
