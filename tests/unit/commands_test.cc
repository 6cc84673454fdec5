// Session: commands beside the cells, on a stage.
#include <cerrno>
#include <csignal>

#include "tests/unit/fake_engine.h"

using namespace cellblock::testing;
using namespace std::chrono_literals;

namespace {

CommandRequest request(std::vector<std::string> argv = {"true"}) {
    CommandRequest made;
    made.argv = std::move(argv);
    return made;
}

// A sandbox with a command that runs.
struct Scene : Play {
    explicit Scene(CommandRequest what = request(), const Policy& policy = builtin_policy()) : Play(policy) {
        id = session.run_command(std::move(what));
        open();
        REQUIRE(stage->warden_command() == "start_commands");
        begun = stage->command_frame();
        REQUIRE(begun);
    }
    CommandDone done() const {
        const auto ends = all<CommandDone>();
        REQUIRE(ends.size() == 1);
        return ends.front();
    }

    CommandId id = 0;
    std::optional<Frame> begun;
};

}  // namespace

TEST_CASE("a command waits for the sandbox, and its output comes before its end") {
    CommandRequest what = request({"wc", "-l"});
    what.directory = "/tmp";
    what.environment = {{"A", "b"}};
    Scene scene(what);
    CHECK(scene.begun->header == json{{"type", "run"},
                                      {"command", scene.id},
                                      {"argv", {"wc", "-l"}},
                                      {"directory", "/tmp"},
                                      {"environment", {{"A", "b"}}},
                                      {"input", false},
                                      {"terminal", nullptr},
                                      {"output_bytes", builtin_policy().limits.output_bytes}});
    scene.stage->from_commands(
        {{"type", "command_output"}, {"command", scene.id}, {"name", "stderr"}, {"bytes", 0}}, {"\xff\n"});
    scene.stage->command_exits(scene.id, {{"status", 3}});
    scene.advance();
    const auto output = scene.all<CommandOutput>();
    REQUIRE(output.size() == 1);
    CHECK(output.front().is_error);
    CHECK(output.front().bytes == "\xff\n");
    CHECK(std::holds_alternative<CommandDone>(scene.events.back()));
    CHECK(scene.done().exit_code() == 3);
    CHECK_FALSE(scene.session.next_deadline());
}

TEST_CASE("commands run while a cell runs") {
    Play play;
    play.open();
    const CellId cell = play.run("while True: pass");
    const CommandId id = play.session.run_command(request());
    play.advance();
    REQUIRE(play.stage->warden_command() == "start_commands");
    REQUIRE(play.stage->command_frame());
    play.stage->command_exits(id);
    play.advance();
    CHECK(play.all<CommandDone>().size() == 1);
    play.done(cell);
    CHECK(play.outcome().status == CellStatus::ok);
}

TEST_CASE("how a command ended, as a shell tells it") {
    struct Case {
        json told;
        int exit_code;
    };
    for (const auto& [told, code] : {Case{{{"status", 0}}, 0}, Case{{{"signal", 15}}, 143},
                                     Case{{{"errno", ENOENT}}, 127}, Case{{{"errno", EACCES}}, 126}}) {
        Scene scene;
        scene.stage->command_exits(scene.id, told);
        scene.advance();
        CHECK(scene.done().exit_code() == code);
        CHECK(scene.done().error.has_value() == told.contains("errno"));
    }
}

TEST_CASE("a command that has had its time is killed, and one that doesn't end is given up") {
    CommandRequest what = request({"sleep", "60"});
    what.time_limit = 500ms;
    Scene scene(what);
    scene.pass(499ms);
    CHECK_FALSE(scene.stage->command_frame());
    scene.pass(1ms);
    const auto killed = scene.stage->command_frame();
    REQUIRE(killed);
    CHECK(killed->header == json{{"type", "signal"}, {"command", scene.id}, {"signal", 9}});
    SECTION("it ends") {
        scene.stage->command_exits(scene.id, {{"signal", 9}});
        scene.advance();
        CHECK(scene.done().timed_out);
        CHECK(scene.done().exit_code() == 124);
        CHECK_FALSE(scene.done().error);
    }
    SECTION("it doesn't") {
        scene.pass(2s);
        CHECK(scene.done().timed_out);
        CHECK(scene.done().error);
    }
    CHECK_FALSE(scene.session.next_deadline());
}

TEST_CASE("a command's time is the cell's by default, none if asked for, and at most the policy's") {
    Policy policy = builtin_policy();
    policy.limits.cell_time = 3s;
    policy.limits.cell_time_max = 10s;
    const auto left = [&](std::optional<std::chrono::nanoseconds> limit) {
        CommandRequest what = request();
        what.time_limit = limit;
        const Scene scene(what, policy);
        const auto next = scene.session.next_deadline();
        return next ? std::optional(*next - scene.now) : std::nullopt;
    };
    CHECK(left(std::nullopt) == 3s);
    CHECK(left(10s) == 10s);
    CHECK(left(0s) == std::nullopt);
    Play play(policy);
    CommandRequest what = request();
    what.time_limit = 11s;
    play.session.run_command(what);
    play.advance();
    REQUIRE(play.all<CommandDone>().size() == 1);
    CHECK(play.all<CommandDone>().front().error->text().find("limits.cell_time_max") != std::string::npos);
}

TEST_CASE("a command's input goes piece by piece, as it is taken") {
    CommandRequest what = request({"cat"});
    what.has_input = true;
    Scene scene(what);
    REQUIRE(scene.session.command_input(scene.id, std::string(100'000, 'a')));
    REQUIRE(scene.session.command_input(scene.id, "b", true));
    CHECK_FALSE(scene.session.command_input(scene.id, "too late"));
    const auto first = scene.stage->command_frame();
    REQUIRE(first);
    CHECK(first->buffers.at(0).size() == 65'536);
    CHECK(first->header.at("end") == false);
    CHECK_FALSE(scene.stage->command_frame());
    scene.stage->from_commands({{"type", "input_taken"}, {"command", scene.id}});
    scene.advance();
    const auto second = scene.stage->command_frame();
    REQUIRE(second);
    CHECK(second->buffers.at(0) == std::string(100'000 - 65'536, 'a') + "b");
    CHECK(second->header.at("end") == true);
    scene.stage->from_commands({{"type", "input_taken"}, {"command", scene.id}});
    scene.advance();
    CHECK(scene.all<CommandWantsInput>().empty());  // there is no more
}

TEST_CASE("a command that has read its input wants more, and too much is not kept") {
    CommandRequest what = request({"cat"});
    what.has_input = true;
    Scene scene(what);
    REQUIRE(scene.session.command_input(scene.id, "a"));
    REQUIRE(scene.stage->command_frame());
    scene.stage->from_commands({{"type", "input_taken"}, {"command", scene.id}});
    scene.advance();
    CHECK(scene.all<CommandWantsInput>().size() == 1);
    CHECK_FALSE(scene.session.command_input(scene.id, std::string((16U << 20) + 1, 'a')));
    CHECK_FALSE(scene.session.command_input(scene.id + 1, "a"));
    Scene other;
    CHECK_FALSE(other.session.command_input(other.id, "a"));
}

TEST_CASE("of a command's output no more comes than the policy allows") {
    Policy policy = builtin_policy();
    policy.limits.output_bytes = 5;
    Scene scene(request(), policy);
    for (const char* piece : {"abc", "def", "ghi"}) {
        scene.stage->from_commands(
            {{"type", "command_output"}, {"command", scene.id}, {"name", "stdout"}, {"bytes", 0}}, {piece});
    }
    scene.stage->command_exits(scene.id);
    scene.advance();
    std::string all;
    for (const auto& output : scene.all<CommandOutput>()) {
        all += output.bytes;
    }
    CHECK(all == "abcde");
    CHECK(scene.done().cut);
}

TEST_CASE("what a command agent may not send ends the sandbox") {
    const std::vector<json> frames{
        {{"type", "command_exited"},
         {"command", 9},
         {"status", 0},
         {"signal", nullptr},
         {"errno", 0},
         {"cut", false}},
        {{"type", "command_exited"},
         {"command", 1},
         {"status", 0},
         {"signal", 9},
         {"errno", 0},
         {"cut", false}},
        {{"type", "command_exited"},
         {"command", 1},
         {"status", nullptr},
         {"signal", nullptr},
         {"errno", 0},
         {"cut", false}},
        {{"type", "command_exited"}, {"command", 1}, {"status", 0}, {"signal", nullptr}, {"errno", 0}},
        {{"type", "input_taken"}, {"command", 1}},
        {{"type", "command_output"}, {"command", 1}, {"name", "both"}, {"bytes", 0}},
        {{"type", "command_output"}, {"command", 1}, {"name", "stdout"}, {"bytes", 1}},
        {{"type", "command_output"}, {"command", 1}, {"name", "stdout"}, {"bytes", 0}, {"more", 1}},
        {{"type", "command"}, {"command", 1}},
    };
    for (const auto& frame : frames) {
        INFO(frame.dump());
        Scene scene;
        scene.stage->from_commands(frame, {"x"});
        scene.advance();
        CHECK(scene.stage->kills == 1);
        CHECK(scene.done().error);
    }
}

TEST_CASE("a command that can't be asked for is refused with a reason, and nothing is started") {
    CommandRequest nothing;
    CommandRequest nul = request({std::string("a\0b", 3)});
    CommandRequest latin = request({"\xe4"});
    CommandRequest large = request({"echo", std::string(1U << 20, 'a')});
    CommandRequest variable = request();
    variable.environment = {{"A=B", "c"}};
    CommandRequest folder = request();
    folder.directory = "";
    CommandRequest terminal = request();
    terminal.terminal = TerminalSize{0, 80};
    for (const auto& one : {nothing, nul, latin, large, variable, folder, terminal}) {
        Play play;
        play.session.run_command(one);
        play.advance();
        REQUIRE(play.all<CommandDone>().size() == 1);
        CHECK(play.all<CommandDone>().front().error);
    }
    Play play;
    for (std::size_t i = 0; i < kMostCommands + 1; ++i) {
        play.session.run_command(request());
    }
    play.advance();
    CHECK(play.all<CommandDone>().size() == 1);
}

TEST_CASE("commands end with their agent, with the worker and without a sandbox") {
    SECTION("the agent") {
        Scene scene;
        scene.stage->commands.reset();
        scene.advance();
        CHECK(scene.done().exit_code() == 125);
        const CommandId next = scene.session.run_command(request());
        scene.advance();
        REQUIRE(scene.stage->warden_command() == "start_commands");
        CHECK(scene.stage->command_frame()->header.at("command") == next);
        CHECK(scene.stage->kills == 0);
    }
    SECTION("the worker") {
        Scene scene;
        scene.stage->worker_dies(SIGKILL, {});
        scene.advance();
        CHECK(scene.done().error);
    }
    SECTION("the worker, behind more output than one turn takes") {
        Scene scene;
        constexpr std::size_t kMany = 1500;
        std::string many;
        for (std::size_t i = 0; i < kMany; ++i) {
            many += encode_frame(
                {{"type", "command_output"}, {"command", scene.id}, {"name", "stdout"}, {"bytes", 0}}, {"x"});
        }
        REQUIRE(::send(scene.stage->commands.get(), many.data(), many.size(), MSG_NOSIGNAL) ==
                static_cast<ssize_t>(many.size()));
        scene.stage->worker_dies(SIGKILL, {});
        scene.advance();
        CHECK(scene.all<CommandOutput>().size() == kMany);
        CHECK(scene.done().error);
    }
    SECTION("no sandbox") {
        Play play;
        play.stage->refuse = Error{"start", 0, "there is none", {}};
        play.session.run_command(request());
        play.advance();
        REQUIRE(play.all<CommandDone>().size() == 1);
        CHECK(play.all<CommandDone>().front().error->text().find("there is none") != std::string::npos);
    }
}

TEST_CASE("signals and sizes go to a command that runs; before its start a signal is its end") {
    Scene scene;
    scene.session.signal_command(scene.id, 15);
    scene.session.signal_command(scene.id, 65);
    scene.session.signal_command(scene.id + 1, 15);
    scene.session.resize_command(scene.id, {10, 20});
    CHECK(scene.stage->command_frame()->header ==
          json{{"type", "signal"}, {"command", scene.id}, {"signal", 15}});
    CHECK(scene.stage->command_frame()->header ==
          json{{"type", "resize"}, {"command", scene.id}, {"rows", 10}, {"columns", 20}});
    CHECK_FALSE(scene.stage->command_frame());
    CommandRequest what = request();
    what.terminal = TerminalSize{24, 80};
    Play waits;
    const CommandId shell = waits.session.run_command(what);
    waits.session.resize_command(shell, {30, 90});
    waits.open();
    REQUIRE(waits.stage->warden_command() == "start_commands");
    CHECK(waits.stage->command_frame()->type() == "run");
    CHECK(waits.stage->command_frame()->header.at("columns") == 90);
    Play play;
    const CommandId early = play.session.run_command(request());
    play.session.signal_command(early, 2);
    play.advance();
    REQUIRE(play.all<CommandDone>().size() == 1);
    CHECK(play.all<CommandDone>().front().exit_code() == 130);
}
