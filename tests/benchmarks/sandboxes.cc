// Sandboxes without a Jupyter client: from claiming one to its first result.
//
//   sandboxes POLICY claims COUNT PAUSE_MS   one after another
//   sandboxes POLICY burst COUNT             all at once; each one's time counts from the burst's begin
//   sandboxes POLICY live LIVE COUNT         with so many others idle: claims, and round trips of one of
//   these sandboxes daemon                         serves the above: a daemon's clients run the same program
//   as it does
//
// Prints one JSON object of milliseconds: {"claims": […], "trips": […]}. Exit status 1: something failed.
#include <poll.h>
#include <sys/resource.h>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <iostream>
#include <memory>
#include <nlohmann/json.hpp>
#include <span>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "sandbox/api/session.h"
#include "sandbox/pool/server.h"

namespace {

using namespace cellblock::sandbox;

constexpr int kAtOnce = 4;  // of the idle ones, while they start
constexpr std::string_view kResult = "42";

double milliseconds_since(TimePoint begun) {
    return std::chrono::duration<double, std::milli>(Clock::now() - begun).count();
}

// One Session and the cell that it runs.
class Claim {
public:
    explicit Claim(const Policy& policy)
        : session_(policy, make_engine(policy), StartOptions{"/tmp"}), begun_(Clock::now()) {
        session_.start();
        run("6 * 7");
    }

    void run(const std::string& code) {
        ExecuteRequest request;
        request.code = code;
        done_ = false;
        cell_ = session_.execute(std::move(request));
    }

    void advance() {
        session_.advance([this](Event event) {
            if (const auto* shown = std::get_if<DisplayOutput>(&event); shown != nullptr) {
                see(*shown);
            } else if (const auto* end = std::get_if<CellDone>(&event);
                       end != nullptr && end->cell == cell_) {
                done_ = true;
                took_ = milliseconds_since(begun_);
                if (end->outcome.status != CellStatus::ok) {
                    failure_ = end->outcome.error ? end->outcome.error->evalue : "no error";
                }
            }
        });
    }

    // Waits and advances until it is done; milliseconds since `begun`.
    double finish(TimePoint begun) {
        begun_ = begun;
        while (true) {
            advance();
            if (done_) {
                return took_;
            }
            pollfd waiting{session_.poll_fd(), POLLIN, 0};
            ::poll(&waiting, 1, time_left());
        }
    }

    [[nodiscard]] int time_left() const {
        const auto next = session_.next_deadline();
        if (!next) {
            return -1;
        }
        const auto left = std::chrono::ceil<std::chrono::milliseconds>(*next - Clock::now());
        return static_cast<int>(std::clamp<std::int64_t>(left.count(), 0, 60'000));
    }

    void count_from(TimePoint begun) { begun_ = begun; }
    [[nodiscard]] int poll_fd() const { return session_.poll_fd(); }
    [[nodiscard]] bool done() const { return done_; }
    [[nodiscard]] double took() const { return took_; }
    // Why there is no result; empty: there is.
    [[nodiscard]] std::string failure() const {
        return !failure_.empty() ? failure_ : has_result_ ? "" : "it gave no result";
    }

private:
    void see(const DisplayOutput& shown) {
        for (const auto& item : shown.data) {
            const auto* text = std::get_if<std::string>(&item.value);
            has_result_ = has_result_ || (text != nullptr && *text == kResult);
        }
    }

    Session session_;
    TimePoint begun_;
    CellId cell_ = 0;
    bool done_ = false;
    bool has_result_ = false;
    double took_ = 0;
    std::string failure_;
};

using Claims = std::vector<std::unique_ptr<Claim>>;

struct Figures {
    std::vector<double> claims;
    std::vector<double> trips;
    std::string failure;

    void take(const Claim& claim) {
        claims.push_back(claim.took());
        failure = failure.empty() ? claim.failure() : failure;
    }
};

double claim_one(const Policy& policy, Figures& figures) {
    const TimePoint begun = Clock::now();
    Claim claim(policy);
    const double took = claim.finish(begun);
    figures.take(claim);
    return took;
}

void pause(int milliseconds) {
    std::this_thread::sleep_for(std::chrono::milliseconds(milliseconds));
}

// Of those that aren't done; true: there is one. Waits for `most` milliseconds at most, where nothing has
// come.
bool advance_all(const Claims& claims, int most) {
    std::vector<pollfd> waiting;
    std::vector<Claim*> theirs;
    for (const auto& one : claims) {
        if (!one->done()) {
            const int left = one->time_left();
            most = left < 0 ? most : std::min(most, left);
            waiting.push_back({one->poll_fd(), POLLIN, 0});
            theirs.push_back(one.get());
        }
    }
    if (waiting.empty()) {
        return false;
    }
    ::poll(waiting.data(), waiting.size(), most);
    for (std::size_t i = 0; i < waiting.size(); ++i) {
        if (waiting[i].revents != 0 || theirs[i]->time_left() == 0) {
            theirs[i]->advance();
        }
    }
    return true;
}

Claims start_all(const Policy& policy, int count, TimePoint begun) {
    Claims claims;
    for (int i = 0; i < count; ++i) {
        claims.push_back(std::make_unique<Claim>(policy));
        claims.back()->count_from(begun);
        claims.back()->advance();
        advance_all(claims, 0);  // results come while others are still asked for
    }
    while (advance_all(claims, 60'000)) {
    }
    return claims;
}

Figures burst(const Policy& policy, int count) {
    Figures figures;
    for (const auto& one : start_all(policy, count, Clock::now())) {
        figures.take(*one);
    }
    return figures;
}

Figures claims_one_by_one(const Policy& policy, int count, int pause_ms) {
    Figures figures;
    for (int i = 0; i < count; ++i) {
        claim_one(policy, figures);
        pause(pause_ms);
    }
    return figures;
}

Figures with_live_ones(const Policy& policy, int live, int count) {
    constexpr int kPause = 100;
    Claims idle;
    Figures ignored;
    while (static_cast<int>(idle.size()) < live) {
        const int more = std::min(kAtOnce, live - static_cast<int>(idle.size()));
        for (auto& one : start_all(policy, more, Clock::now())) {
            ignored.take(*one);
            idle.push_back(std::move(one));
        }
    }
    Figures figures;
    figures.failure = ignored.failure;
    for (int i = 0; i < count && figures.failure.empty(); ++i) {
        pause(kPause);
        claim_one(policy, figures);
        Claim& chosen = *idle[static_cast<std::size_t>(i) * idle.size() / static_cast<std::size_t>(count)];
        const TimePoint begun = Clock::now();
        chosen.run("pass");
        figures.trips.push_back(chosen.finish(begun));
    }
    return figures;
}

void allow_many_files() {
    rlimit files{};
    ::getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    ::setrlimit(RLIMIT_NOFILE, &files);
}

int number(std::string_view text) {
    int value = -1;
    std::from_chars(text.data(), text.data() + text.size(), value);
    return value;
}

int serve() {
    const auto served = pool::serve({std::chrono::minutes(10), UniqueFd()});
    if (!served) {
        std::cerr << served.error().text() << "\n";
    }
    return served ? 0 : 1;
}

int run(std::span<char*> arguments) {
    allow_many_files();  // first, and always: its clients must have the daemon's limits
    if (arguments.size() == 2 && std::string_view(arguments[1]) == "daemon") {
        return serve();
    }
    const std::string_view kind = arguments.size() > 3 ? arguments[2] : "";
    const int first = arguments.size() > 3 ? number(arguments[3]) : -1;
    const int second = arguments.size() > 4 ? number(arguments[4]) : 0;
    if (first < 1 || second < 0 || (kind != "claims" && kind != "burst" && kind != "live")) {
        std::cerr << "usage: sandboxes POLICY claims COUNT PAUSE_MS | burst COUNT | live LIVE COUNT\n       "
                     "sandboxes daemon\n";
        return 2;
    }
    const auto policy = load_policy(arguments[1]);
    if (!policy) {
        std::cerr << policy.error().text() << "\n";
        return 1;
    }
    const Figures figures = kind == "claims"  ? claims_one_by_one(*policy, first, second)
                            : kind == "burst" ? burst(*policy, first)
                                              : with_live_ones(*policy, first, second);
    if (!figures.failure.empty()) {
        std::cerr << figures.failure << "\n";
        return 1;
    }
    std::cout << nlohmann::json{{"claims", figures.claims}, {"trips", figures.trips}} << "\n";
    return 0;
}

}  // namespace

int main(int count, char** arguments) {
    return run({arguments, static_cast<std::size_t>(count)});
}
