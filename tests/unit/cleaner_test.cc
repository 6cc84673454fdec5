// The cleaner's process: what it gives, and what becomes of one that loops, crashes or lies.
#include "sandbox/outputs/cleaner.h"

#include <poll.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include <cerrno>
#include <chrono>
#include <csignal>
#include <iostream>
#include <thread>
#include <tuple>

#include "sandbox/outputs/cleaner_frames.h"
#include "sandbox/outputs/cleaner_program.h"
#include "tests/unit/fake_engine.h"

using namespace cellblock::testing;
using namespace std::chrono_literals;

namespace {

// A child of this process in the cleaner's place.
std::function<Result<CleanerStart>()> child(std::function<int(UniqueFd)> run, int* starts = nullptr) {
    return [run = std::move(run), starts]() -> Result<CleanerStart> {
        std::array<int, 2> ends{};
        REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()) == 0);
        if (starts != nullptr) {
            ++*starts;
        }
        const pid_t pid = ::fork();
        if (pid == 0) {
            ::close(ends[0]);
            ::_exit(run(UniqueFd(ends[1])));
        }
        ::close(ends[1]);
        return CleanerStart{pid, UniqueFd(ends[0])};
    };
}

OutputRules rules() {
    OutputRules out = builtin_policy().outputs;
    out.comms = {"jupyter.widget"};
    return out;
}

CleaningTask html(std::string text) {
    CleaningTask task;
    task.parts = {{"text/html", std::move(text)}, {"metadata", RawJson{}}};
    return task;
}

Result<Cleaned> answer(Cleaner& cleaner) {
    while (true) {
        if (auto taken = cleaner.take()) {
            return *taken;
        }
        pollfd waiting{cleaner.poll_fd(), POLLIN, 0};
        ::poll(&waiting, 1, 50);
    }
}

Result<Cleaned> clean(Cleaner& cleaner, const CleaningTask& task) {
    cleaner.begin(task);
    return answer(cleaner);
}

}  // namespace

TEST_CASE("cleaner: a process of its own does the same as the rules here") {
    const auto own =
        cleaner_process(rules(), child([](UniqueFd socket) { return serve_cleaner(std::move(socket)); }));
    const auto within = cleaner_within(rules());
    std::vector<CleaningTask> tasks{html("<p onclick='x()'>good</p><script>bad()</script>"),
                                    html("&eacute;<svg><circle r='1'/></svg>")};
    CleaningTask reply;
    reply.kind = CleaningTask::Kind::reply;
    reply.parts = {
        {"content", RawJson{R"({"status":"ok","data":{"text/html":"<script>1</script><b>x</b>"}})"}}};
    tasks.push_back(reply);
    CleaningTask broken = reply;
    broken.parts = {{"content", RawJson{"{]"}}};
    tasks.push_back(broken);
    CleaningTask open;
    open.kind = CleaningTask::Kind::comm_open;
    open.name = "c";
    open.target = "elsewhere";
    open.parts = {{"data", RawJson{}}, {"metadata", RawJson{}}};
    tasks.push_back(open);
    for (const auto& task : tasks) {
        const auto one = clean(*own, task);
        const auto other = clean(*within, task);
        REQUIRE(one.ok());
        REQUIRE(encode_cleaned(*one).joined() == encode_cleaned(*other).joined());
    }
}

TEST_CASE("cleaner: large outputs pass, and the process goes on") {
    int starts = 0;
    const auto cleaner = cleaner_process(
        rules(), child([](UniqueFd socket) { return serve_cleaner(std::move(socket)); }, &starts),
        std::chrono::minutes(1));  // with the sanitizers on a busy machine
    std::string text;
    for (int i = 0; i < 100'000; ++i) {
        text += "<b>bold</b> ";
    }
    for (int i = 0; i < 3; ++i) {
        const auto cleaned = clean(*cleaner, html(text));
        REQUIRE(cleaned.ok());
        REQUIRE(std::get<std::string>(cleaned->parts.at(0).value).size() == text.size());
    }
    REQUIRE(starts == 1);
}

TEST_CASE("cleaner: one that is late, ends or lies costs its task, and the next finds a new one") {
    int starts = 0;
    const auto fault = GENERATE(0, 1, 2, 3, 4);
    const auto run = [fault](UniqueFd socket) {
        char byte = 0;
        std::ignore = ::read(socket.get(), &byte, 1);
        switch (fault) {
            case 0:  // a parser that loops
                for (volatile bool more = true; more;) {
                }
                break;
            case 1:  // that crashes
                ::signal(SIGSEGV, SIG_DFL);
                ::raise(SIGSEGV);
                break;
            case 2: {  // that was taken over: no frame
                const std::string lie(4096, '\xff');
                std::ignore = ::write(socket.get(), lie.data(), lie.size());
                ::pause();
                break;
            }
            case 3: {  // text that is none
                Cleaned lie;
                lie.parts = {{"text/html", std::string("\xff\xfe")}, {"metadata", RawJson{}}};
                const std::string bytes = encode_cleaned(lie).joined();
                std::ignore = ::write(socket.get(), bytes.data(), bytes.size());
                ::pause();
                break;
            }
            default: {  // JSON that would break out of a message
                Cleaned lie;
                lie.parts = {{"text/html", std::string("x")}, {"metadata", RawJson{"{}, \"more\": {}"}}};
                const std::string bytes = encode_cleaned(lie).joined();
                std::ignore = ::write(socket.get(), bytes.data(), bytes.size());
                ::pause();
            }
        }
        return 0;
    };
    const auto cleaner = cleaner_process(rules(), child(run, &starts), 300ms);
    for (int i = 1; i <= 2; ++i) {
        const auto cleaned = clean(*cleaner, html("<p>"));
        REQUIRE_FALSE(cleaned.ok());
        REQUIRE(cleaned.error().message.find("harmless") != std::string::npos);
        REQUIRE(starts == i);
        REQUIRE_FALSE(cleaner->due());
    }
}

TEST_CASE("cleaner: one that ended between two tasks costs none") {
    int starts = 0;
    const auto run = [](UniqueFd socket) {
        ::alarm(0);
        return serve_cleaner(std::move(socket));
    };
    pid_t last = -1;
    const auto start = child(run, &starts);
    const auto cleaner = cleaner_process(rules(), [&]() {
        auto started = start();
        last = started->pid;
        return started;
    });
    REQUIRE(clean(*cleaner, html("<p>a</p>")).ok());
    REQUIRE(::kill(last, SIGKILL) == 0);
    siginfo_t info{};
    REQUIRE(::waitid(P_PID, static_cast<id_t>(last), &info, WEXITED | WNOWAIT) == 0);
    REQUIRE_FALSE(cleaner->has_forgotten());
    pollfd waiting{cleaner->poll_fd(), POLLIN, 0};
    REQUIRE(::poll(&waiting, 1, 0) == 0);  // or a session would turn for ever
    REQUIRE(clean(*cleaner, html("<p>a</p>")).ok());
    REQUIRE(starts == 2);
    REQUIRE(cleaner->has_forgotten());  // and it is told once
    REQUIRE_FALSE(cleaner->has_forgotten());
}

TEST_CASE("cleaner: more memory than it may have is its end") {
    const auto cleaner =
        cleaner_process(rules(), child([](UniqueFd socket) { return serve_cleaner(std::move(socket)); }));
#if defined(CELLBLOCK_SANITIZE)
    constexpr std::size_t kSize =
        5U << 20;  // the sanitizers need all the memory there is, so there is no bound
#else
    constexpr std::size_t kSize = 40U << 20;
#endif
    std::string many = "{},";
    while (many.size() < kSize) {
        many += many;
    }
    CleaningTask task;
    task.parts = {{"text/html", "[" + many + "1]"},
                  {"application/json", RawJson{"[" + many + "1]"}},
                  {"metadata", RawJson{}}};
    const auto cleaned = clean(*cleaner, task);  // whatever it gives: it comes, and this process lives
    REQUIRE(clean(*cleaner, html("<p>a</p>")).ok());
}

TEST_CASE("cleaner: where it can't be started an output is refused, with the reason") {
    const auto cleaner = cleaner_process(rules(), [] {
        return Result<CleanerStart>(Error{"start", 0, "no program", {}});
    });
    const auto cleaned = clean(*cleaner, html("<p>"));
    REQUIRE_FALSE(cleaned.ok());
    REQUIRE(cleaned.error().message == "no program");
}

TEST_CASE("cleaner: what it costs", "[.cost]") {
    std::string table = "<table border=\"1\" class=\"dataframe\"><tbody>";
    for (int i = 0; i < 60; ++i) {
        table += "<tr style=\"text-align: right;\"><th>" + std::to_string(i) +
                 "</th><td>0.123456</td><td>-1.5</td></tr>\n";
    }
    table += "</tbody></table>";
    const auto own =
        cleaner_process(rules(), child([](UniqueFd socket) { return serve_cleaner(std::move(socket)); }));
    const auto within = cleaner_within(rules());
    for (Cleaner* cleaner : {own.get(), within.get()}) {
        std::vector<double> times;
        for (int i = 0; i < 500; ++i) {
            const auto begun = std::chrono::steady_clock::now();
            REQUIRE(clean(*cleaner, html(table)).ok());
            times.push_back(
                std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - begun).count());
        }
        std::sort(times.begin(), times.end());
        std::cout << (cleaner == own.get() ? "process" : "within") << ": median " << times[250]
                  << " ms, 90 %: " << times[450] << " ms\n";
    }
}

// --- a Session meanwhile

namespace {

// Answers when the test says so.
struct SlowCleaner : Cleaner {
    struct Desk {
        std::vector<CleaningTask> begun;
        std::optional<Result<Cleaned>> answer;
        int stops = 0;
        bool forgotten = false;
    };
    explicit SlowCleaner(std::shared_ptr<Desk> shared) : desk(std::move(shared)) {}
    void begin(CleaningTask task) override { desk->begun.push_back(std::move(task)); }
    std::optional<Result<Cleaned>> take() override { return std::exchange(desk->answer, std::nullopt); }
    void stop() override { ++desk->stops; }
    bool has_forgotten() override { return std::exchange(desk->forgotten, false); }
    int poll_fd() const override { return -1; }
    std::optional<TimePoint> due() const override { return std::nullopt; }
    std::shared_ptr<Desk> desk;
};

struct SlowPlay {
    std::shared_ptr<SlowCleaner::Desk> desk = std::make_shared<SlowCleaner::Desk>();
    Play play{builtin_policy(), [this](const OutputRules&) { return std::make_unique<SlowCleaner>(desk); }};

    void show(CellId cell) {
        play.stage->from_worker({{"type", "display"},
                                 {"cell", cell},
                                 {"kind", "display_data"},
                                 {"data", {{"text/html", "<p>x</p>"}, {"text/plain", "plain"}}},
                                 {"metadata", 0},
                                 {"display_id", nullptr},
                                 {"buffers", json::array()}},
                                {"{}"});
    }
    void print(CellId cell, const std::string& text) {
        play.stage->from_worker({{"type", "stream"}, {"cell", cell}, {"name", "stdout"}, {"text", 0}},
                                {text});
    }
    void answer() {
        REQUIRE(desk->begun.size() == 1);
        Cleaned cleaned;
        cleaned.parts = std::move(desk->begun.front().parts);
        desk->begun.clear();
        desk->answer = Result<Cleaned>(std::move(cleaned));
        play.advance();
    }
};

}  // namespace

TEST_CASE("while an output is made inert the order is kept, and the cell's end waits") {
    SlowPlay slow;
    Play& play = slow.play;
    play.open();
    const CellId cell = play.run("show");
    slow.print(cell, "before");
    slow.show(cell);
    slow.print(cell, "between");
    slow.show(cell);
    slow.print(cell, "after");
    play.done(cell);
    REQUIRE(play.events.size() == 1);
    REQUIRE(play.session.busy());
    slow.answer();
    REQUIRE(play.events.size() == 3);
    slow.answer();
    REQUIRE(play.all<DisplayOutput>().size() == 2);
    REQUIRE(play.all<StreamOutput>().back().text == "after");
    REQUIRE(play.outcome().status == CellStatus::ok);
    REQUIRE(std::holds_alternative<CellDone>(play.events.back()));
}

TEST_CASE("the deadline and an interrupt don't wait for an output that is made inert") {
    SlowPlay slow;
    Play& play = slow.play;
    play.open();
    const CellId cell = play.run("show");
    slow.show(cell);
    play.advance();
    SECTION("the deadline") {
        play.pass(60s);
        REQUIRE(play.stage->warden_command() == "interrupt");
    }
    SECTION("an interrupt, and the deadline after it") {
        play.session.interrupt();
        REQUIRE(play.stage->warden_command() == "interrupt");
        play.pass(60s);
    }
    while (play.stage->warden_command() != "kill_worker") {
        REQUIRE(play.now < TimePoint() + 2h);
        play.pass(1s);
    }
    play.stage->worker_dies(SIGKILL, std::nullopt);
    play.advance();
    REQUIRE(play.stage->warden_command() == "start_worker");
    REQUIRE(play.all<CellDone>().empty());
    slow.answer();
    REQUIRE(play.all<DisplayOutput>().size() == 1);
    REQUIRE(play.outcome().escalation == EscalationStep::worker_killed);
    REQUIRE(slow.desk->stops == 1);
}

TEST_CASE("a cell that has ended has no deadline while its outputs are made inert") {
    SlowPlay slow;
    Play& play = slow.play;
    play.open();
    const CellId cell = play.run("show");
    slow.show(cell);
    play.done(cell);
    play.pass(100s);
    REQUIRE_FALSE(play.stage->warden_command());
    slow.answer();
    REQUIRE(play.outcome().status == CellStatus::ok);
}

TEST_CASE("while an output is made inert little more is read") {
    SlowPlay slow;
    Play& play = slow.play;
    play.open();
    const CellId cell = play.run("flood");
    slow.show(cell);
    play.advance();
    for (int i = 0; i < 3; ++i) {
        slow.print(cell, std::string(20'000, 'x'));
        play.advance();
    }
    pollfd wanted{play.session.poll_fd(), POLLIN, 0};
    REQUIRE(::poll(&wanted, 1, 0) == 0);  // it stays in the socket, and wakes nobody
    slow.answer();
    play.advance();
    REQUIRE(play.all<StreamOutput>().size() == 3);
}

TEST_CASE("an output that can't be made inert is replaced by a notice, and nothing else changes") {
    SlowPlay slow;
    Play& play = slow.play;
    play.open();
    const CellId cell = play.run("show");
    for (int i = 0; i < 5; ++i) {
        slow.show(cell);
    }
    slow.print(cell, "after");
    for (int i = 0; i < 3; ++i) {
        play.advance();
        REQUIRE(slow.desk->begun.size() == 1);
        slow.desk->begun.clear();
        slow.desk->answer = Result<Cleaned>(Error{"x", 0, "it took too long to make it harmless", {}});
    }
    play.advance();
    REQUIRE(slow.desk->begun.empty());  // of a cell like that no more are tried
    play.done(cell);
    REQUIRE(play.all<DisplayOutput>().size() == 5);
    for (const auto& display : play.all<DisplayOutput>()) {
        REQUIRE(display.data.size() == 1);
        REQUIRE(std::get<std::string>(display.data[0].value) == "plain");
    }
    REQUIRE_THAT(play.all<StreamOutput>().front().text, cellblock::tests::Contains("too long"));
    REQUIRE(play.all<StreamOutput>().back().text == "after");
    REQUIRE(play.outcome().status == CellStatus::ok);
}

TEST_CASE("comms that a cleaner took with it are told of once") {
    SlowPlay slow;
    Play& play = slow.play;
    play.open();
    const CellId cell = play.run("widgets");
    play.stage->from_worker({{"type", "comm_open"},
                             {"cell", cell},
                             {"comm_id", "c"},
                             {"target_name", "jupyter.widget"},
                             {"target_module", nullptr},
                             {"data", 0},
                             {"metadata", 1},
                             {"buffers", json::array()}},
                            {"{}", "{}"});
    play.advance();
    slow.answer();
    REQUIRE(play.all<CommOutput>().size() == 1);
    slow.desk->forgotten = GENERATE(true, false);
    const bool forgotten = slow.desk->forgotten;
    slow.show(cell);
    play.advance();
    slow.answer();
    slow.desk->forgotten = forgotten;  // once more, with no comm that is open
    slow.show(cell);
    play.advance();
    slow.answer();
    const auto notices = play.all<StreamOutput>();
    REQUIRE(notices.size() == (forgotten ? 1 : 0));
    if (forgotten) {
        REQUIRE_THAT(notices[0].text, cellblock::tests::Contains("don't answer any more"));
    }
}

TEST_CASE("a value that is no JSON ends the sandbox, whoever finds it") {
    Play play;
    play.open();
    const CellId cell = play.run("show");
    play.stage->from_worker({{"type", "display"},
                             {"cell", cell},
                             {"kind", "display_data"},
                             {"data", {{"application/json", {{"json", 0}}}}},
                             {"metadata", 1},
                             {"display_id", nullptr},
                             {"buffers", json::array()}},
                            {"{]", "{}"});
    if (GENERATE(false, true)) {
        play.done(cell);  // on its way before that was found
    }
    play.advance();
    REQUIRE(play.outcome().error->ename == "ProtocolViolation");
}
