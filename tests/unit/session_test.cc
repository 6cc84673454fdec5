// Session: cells, escalation, deaths and hostile frames, on a stage.
#include <poll.h>

#include <csignal>

#include "tests/unit/fake_engine.h"

using namespace cellblock::testing;
using namespace std::chrono_literals;

namespace {

json keyboard_interrupt(CellId cell) {
    return {{"type", "error"},
            {"cell", cell},
            {"ename", "KeyboardInterrupt"},
            {"evalue", ""},
            {"traceback", {"Cell In[1], line 1", "KeyboardInterrupt: "}}};
}

}  // namespace

TEST_CASE("a cell waits for the worker, runs and ends") {
    Play play;
    const CellId cell = play.run("1 + 1");
    REQUIRE(play.stage->starts == 1);
    REQUIRE(play.session.busy());
    play.open();
    const auto frame = play.stage->worker_frame();
    REQUIRE(frame->type() == "execute");
    REQUIRE(frame->header["code"] == "1 + 1");
    play.stage->from_worker({{"type", "stream"}, {"cell", cell}, {"name", "stdout"}, {"text", 0}}, {"hi"});
    play.done(cell);
    REQUIRE(play.all<StreamOutput>().at(0).text == "hi");
    REQUIRE(play.outcome().status == CellStatus::ok);
    REQUIRE(play.outcome().escalation == EscalationStep::none);
    REQUIRE_FALSE(play.session.busy());
    REQUIRE(play.session.python_version() == "3.11.2");
}

TEST_CASE("a sandbox that others make is waited for beside everything else") {
    Play play;
    play.stage->have_others_make_it(play.now + 30s);
    play.session.start();
    play.run("1 + 1");
    REQUIRE(play.stage->starts == 0);
    REQUIRE(play.session.next_deadline() <= play.now + 30s);
    play.session.interrupt();
    play.advance();
    REQUIRE(play.outcome().error->evalue == "interrupted before the sandbox was ready; nothing was run");
    play.run("2 + 2");
    pollfd wanted{play.session.poll_fd(), POLLIN, 0};
    REQUIRE(::poll(&wanted, 1, 0) == 0);
    play.stage->ring();
    REQUIRE(::poll(&wanted, 1, 0) == 1);
    play.advance();
    REQUIRE(play.stage->starts == 1);
    REQUIRE(play.stage->given_up == 0);
    play.open();
    REQUIRE(play.stage->worker_frame()->header["code"] == "2 + 2");
}

TEST_CASE("a sandbox that others don't make in time is started by the session itself") {
    Play play;
    play.stage->have_others_make_it(play.now + 2s);
    play.run("1");
    play.pass(1999ms);
    REQUIRE(play.stage->starts == 0);
    play.pass(1ms);
    REQUIRE(play.stage->starts == 1);
    REQUIRE(play.stage->given_up == 1);
    play.open();
    REQUIRE(play.stage->worker_frame()->header["code"] == "1");
}

TEST_CASE("where the sandbox that others made doesn't get ready, the session starts one itself") {
    Play play;
    play.stage->have_others_make_it(play.now + 30s);
    play.run("1");
    play.stage->ring();
    play.advance();
    REQUIRE(play.stage->starts == 1);
    const std::string_view reason = "join its cgroup (No such file or directory)";
    play.stage->death_reason = reason;
    REQUIRE(play.stage->warden_command() == "start_worker");
    play.stage->from_warden({{"type", "hello"}});
    SECTION("it ends") {
        play.stage->sandbox_dies();
    }
    SECTION("its worker ends") {
        play.stage->from_warden({{"type", "worker_exited"}, {"exit_status", 1}, {"signal", nullptr}});
    }
    SECTION("its worker says that it fails, and then all ends") {
        play.stage->from_worker({{"type", "failed"}, {"message", reason}});
        play.stage->sandbox_dies();
    }
    play.advance();
    REQUIRE(play.stage->anew.size() == 1);
    REQUIRE(play.stage->anew.front().find(reason) != std::string::npos);
    REQUIRE(play.stage->starts == 2);
    REQUIRE(play.all<CellDone>().empty());
    play.open();
    REQUIRE(play.stage->worker_frame()->header["code"] == "1");

    // Once; and a sandbox that has been ready is no such.
    play.stage->sandbox_dies();
    play.advance();
    REQUIRE(play.stage->anew.size() == 1);
}

TEST_CASE("where the session's own sandbox doesn't get ready either, the cell is told") {
    Play play;
    play.stage->have_others_make_it(play.now + 30s);
    play.stage->can_start_anew = GENERATE(true, false);
    play.run("1");
    play.stage->ring();
    play.advance();
    play.stage->death_reason = "set up";
    for (int i = 0; i < 2; ++i) {
        play.stage->sandbox_dies();
        play.advance();
    }
    REQUIRE(play.stage->starts == (play.stage->can_start_anew ? 2 : 1));
    REQUIRE(play.outcome().status == CellStatus::unavailable);
    REQUIRE_THAT(play.outcome().error->evalue, cellblock::tests::Contains("set up"));
}

TEST_CASE("why others make no sandbox is told to the cell") {
    Play play;
    play.stage->have_others_make_it(play.now + 30s);
    play.stage->refuse = Error{"start a sandbox", 0, "there are enough", {}};
    play.run("1");
    play.stage->ring();
    play.advance();
    REQUIRE(play.outcome().status == CellStatus::unavailable);
    REQUIRE_THAT(play.outcome().error->evalue, cellblock::tests::Contains("there are enough"));
}

TEST_CASE("a session that ends lets go of a sandbox that is coming") {
    Play play;
    play.stage->have_others_make_it(play.now + 30s);
    play.session.start();
    play.session.shutdown();
    REQUIRE(play.stage->given_up == 1);
    REQUIRE(play.stage->starts == 0);
}

TEST_CASE("time to start a sandbox does not count against the cell") {
    Play play;
    play.run("pass");
    play.pass(50s);
    REQUIRE(play.session.busy());
    play.open();
    play.pass(59s);
    REQUIRE_FALSE(play.stage->warden_command());
    play.pass(2s);
    REQUIRE(play.stage->warden_command() == "interrupt");
}

TEST_CASE("a cell that waits long for its sandbox says so until it has one") {
    Play play;
    play.run("pass");
    play.pass(999ms);
    REQUIRE(play.all<StartNotice>().empty());
    REQUIRE(play.session.next_deadline() == play.now + 1ms);
    play.pass(1ms);
    REQUIRE(play.all<StartNotice>().at(0).text == "starting sandbox (fake)…\n");
    play.pass(5s);
    REQUIRE(play.all<StartNotice>().size() == 1);
    play.open();
    REQUIRE(play.all<StartNotice>().at(1).text.empty());
    REQUIRE(play.stage->worker_frame()->type() == "execute");
}

TEST_CASE("a quick start, a silent cell and one whose sandbox is there say nothing of it") {
    Play play;
    ExecuteRequest silent;
    silent.silent = true;
    const CellId first = play.session.execute(silent);
    play.pass(5s);
    play.open();
    play.stage->worker_frame();
    play.done(first);
    play.run("pass");
    play.pass(5s);
    REQUIRE(play.all<StartNotice>().empty());
}

TEST_CASE("at the deadline SIGINT comes first, and variables are intact") {
    Play play;
    play.open();
    const CellId cell = play.run("while True: pass");
    play.pass(60s);
    REQUIRE(play.stage->warden_command() == "interrupt");
    play.stage->from_worker(keyboard_interrupt(cell));
    play.done(cell);
    const Outcome outcome = play.outcome();
    REQUIRE(outcome.status == CellStatus::timeout);
    REQUIRE(outcome.escalation == EscalationStep::interrupt);
    REQUIRE(outcome.state == Survival::intact);
    const ErrorText shown = play.all<ErrorOutput>().at(0).error;
    REQUIRE(shown.ename == "CellTimeout");
    REQUIRE(shown.evalue == "stopped after 60 s; your variables are intact");
    REQUIRE(shown.traceback.front() == "Cell In[1], line 1");
    REQUIRE(shown.traceback.back().find("limits.cell_time") != std::string::npos);
    REQUIRE(outcome.error->evalue == shown.evalue);
}

TEST_CASE("a cell that swallows the interrupt and ends well is a timeout all the same") {
    Play play;
    play.open();
    const CellId cell = play.run("…");
    play.pass(60s);
    play.done(cell);
    REQUIRE(play.outcome().status == CellStatus::timeout);
    REQUIRE(play.all<ErrorOutput>().at(0).error.ename == "CellTimeout");
}

TEST_CASE("after the grace time the worker is killed and the next one serves") {
    Play play;
    play.open();
    play.run("stubborn");
    play.stage->worker_frame();
    play.pass(60s);
    REQUIRE(play.stage->warden_command() == "interrupt");
    play.pass(1999ms);
    REQUIRE_FALSE(play.stage->warden_command());
    play.pass(1ms);
    REQUIRE(play.stage->warden_command() == "kill_worker");
    play.stage->worker_dies(SIGKILL, std::nullopt);
    play.advance();
    const Outcome outcome = play.outcome();
    REQUIRE(outcome.status == CellStatus::timeout);
    REQUIRE(outcome.escalation == EscalationStep::worker_killed);
    REQUIRE(outcome.state == Survival::lost);
    REQUIRE(outcome.error->evalue == "stopped after 60 s; the session was restarted and variables are lost");
    REQUIRE(play.stage->warden_command() == "start_worker");
    REQUIRE(play.stage->starts == 1);
}

TEST_CASE("a warden that does not answer costs it the sandbox") {
    Play play;
    play.open();
    play.run("stubborn");
    play.pass(60s);
    play.pass(2s);
    play.pass(2s);
    REQUIRE(play.stage->kills == 1);
    REQUIRE(play.outcome().escalation == EscalationStep::sandbox_killed);
    REQUIRE(play.outcome().state == Survival::lost);
    REQUIRE(play.stage->starts == 2);
}

TEST_CASE("the clock stands still during input") {
    Play play;
    play.open();
    const CellId cell = play.run("input()", true);
    play.stage->worker_frame();
    play.pass(50s);
    play.stage->from_worker(
        {{"type", "input_request"}, {"cell", cell}, {"request", 7}, {"prompt", "? "}, {"password", false}});
    play.advance();
    REQUIRE(play.all<InputRequest>().at(0).prompt == "? ");
    play.pass(1000s);
    REQUIRE_FALSE(play.stage->warden_command());
    play.session.answer_input(6, "stale");
    REQUIRE_FALSE(play.stage->worker_frame());
    play.session.answer_input(7, "yes");
    REQUIRE(play.stage->worker_frame()->header["value"] == "yes");
    play.pass(9s);
    REQUIRE_FALSE(play.stage->warden_command());
    play.pass(1s);
    REQUIRE(play.stage->warden_command() == "interrupt");
}

TEST_CASE("the user's interrupt escalates as the deadline does") {
    Play play;
    play.open();
    const CellId cell = play.run("loop");
    play.session.interrupt();
    REQUIRE(play.stage->warden_command() == "interrupt");
    SECTION("a cell that stops ends with KeyboardInterrupt") {
        play.stage->from_worker(keyboard_interrupt(cell));
        json error = keyboard_interrupt(cell);
        error.erase("type");
        error.erase("cell");
        play.stage->from_worker({{"type", "done"},
                                 {"cell", cell},
                                 {"status", "error"},
                                 {"error", error},
                                 {"user_expressions", 0},
                                 {"payload", 1}},
                                {"{}", "[]"});
        play.advance();
        REQUIRE(play.outcome().status == CellStatus::interrupted);
        REQUIRE(play.all<ErrorOutput>().at(0).error.ename == "KeyboardInterrupt");
    }
    SECTION("one that does not goes on, and says so") {
        play.pass(2s);
        REQUIRE_FALSE(play.stage->warden_command());
        const auto note = play.all<StreamOutput>().at(0);
        REQUIRE(note.name == StreamName::standard_error);
        REQUIRE_THAT(note.text, cellblock::tests::Contains("a second interrupt kills it"));
        SECTION("until it ends by itself") {
            play.pass(50s);
            REQUIRE(play.all<StreamOutput>().size() == 1);
            play.done(cell);
            REQUIRE(play.outcome().status == CellStatus::ok);
            REQUIRE(play.outcome().state == Survival::intact);
        }
        SECTION("until the deadline") {
            play.pass(58s);
            REQUIRE(play.stage->warden_command() == "interrupt");
            play.pass(2s);
            REQUIRE(play.stage->warden_command() == "kill_worker");
            play.stage->worker_dies(SIGKILL, std::nullopt);
            play.advance();
            REQUIRE(play.outcome().status == CellStatus::timeout);
        }
        SECTION("until the next interrupt") {
            play.pass(1s);
            play.session.interrupt();
            REQUIRE(play.stage->warden_command() == "kill_worker");
            play.stage->worker_dies(SIGKILL, std::nullopt);
            play.advance();
            REQUIRE(play.outcome().status == CellStatus::interrupted);
            REQUIRE(play.outcome().state == Survival::lost);
        }
    }
}

TEST_CASE("a silent cell and a query have no warning, and only the deadline kills them") {
    Play play;
    play.open();
    ExecuteRequest silent;
    silent.silent = true;
    const bool is_cell = GENERATE(true, false);
    if (is_cell) {
        play.session.execute(silent);
    } else {
        play.session.ask(CompleteQuery{"slow.", 5});
    }
    play.advance();
    play.session.interrupt();
    REQUIRE(play.stage->warden_command() == "interrupt");
    play.pass(5s);
    play.session.interrupt();
    REQUIRE(play.stage->warden_command() == "interrupt");
    REQUIRE(play.all<StreamOutput>().empty());
    play.pass(is_cell ? 55s : 5s);
    REQUIRE(play.stage->warden_command() == "interrupt");
    play.pass(2s);
    REQUIRE(play.stage->warden_command() == "kill_worker");
}

TEST_CASE("a cell that handles an interrupt may ask again, and its clock stands still") {
    Play play;
    play.open();
    const CellId cell = play.run("ask", true);
    const auto ask = [&](int request) {
        play.stage->from_worker({{"type", "input_request"},
                                 {"cell", cell},
                                 {"request", request},
                                 {"prompt", "? "},
                                 {"password", false}});
        play.advance();
    };
    SECTION("after an answer that never came") {
        ask(1);
        play.session.interrupt();
        REQUIRE(play.stage->warden_command() == "interrupt");
        ask(2);
    }
    SECTION("though its last question crossed the interrupt") {
        play.session.interrupt();
        REQUIRE(play.stage->warden_command() == "interrupt");
        ask(1);
        ask(2);
    }
    REQUIRE(play.all<InputRequest>().size() == 2);
    play.pass(1000s);
    REQUIRE_FALSE(play.stage->warden_command());
    REQUIRE(play.all<StreamOutput>().empty());
    play.session.answer_input(2, "yes");
    play.done(cell);
    REQUIRE(play.outcome().status == CellStatus::ok);
}

TEST_CASE("an interrupt while the sandbox starts ends the cell") {
    Play play;
    play.run("pass");
    play.session.interrupt();
    play.advance();
    REQUIRE(play.outcome().status == CellStatus::interrupted);
}

TEST_CASE("a worker that dies is named by its reason") {
    Play play;
    play.open();
    play.run("die");
    SECTION("exit status") {
        play.stage->worker_dies(std::nullopt, 3);
        play.advance();
        REQUIRE(play.outcome().error->ename == "WorkerDied");
        REQUIRE(play.outcome().error->evalue.find("exit status 3") != std::string::npos);
    }
    SECTION("signal") {
        play.stage->worker_dies(SIGSEGV, std::nullopt);
        play.advance();
        REQUIRE(play.outcome().error->evalue.find("signal 11") != std::string::npos);
    }
    SECTION("memory") {
        play.stage->usage.oom_kills = 1;
        play.stage->worker_dies(SIGKILL, std::nullopt);
        play.advance();
        REQUIRE(play.outcome().error->ename == "MemoryLimit");
        REQUIRE(play.outcome().error->traceback.back().find("limits.memory") != std::string::npos);
    }
    SECTION("memory, as the worker itself says") {
        play.stage->worker_dies(std::nullopt, 72);
        play.advance();
        REQUIRE(play.outcome().error->ename == "MemoryLimit");
        REQUIRE(play.outcome().error->evalue.find("no memory left") != std::string::npos);
        REQUIRE(play.outcome().error->traceback.back().find("limits.memory") != std::string::npos);
    }
    REQUIRE(play.outcome().status == CellStatus::killed);
    REQUIRE(play.stage->warden_command() == "start_worker");
}

TEST_CASE("a worker tells once which Python it is, before it is ready") {
    Play play;
    play.open();
    play.stage->worker_dies(SIGKILL, std::nullopt);
    play.advance();
    REQUIRE(play.stage->warden_command() == "start_worker");
    play.stage->from_worker({{"type", "starting"}, {"python", "3.99"}});
    play.advance();
    REQUIRE(play.session.python_version() == "3.99");
    play.stage->from_worker({{"type", "ready"}, {"python", "3"}, {"ipython", "8"}, {"banner", ""}});
    play.advance();
    REQUIRE(play.session.python_version() == "3");
}

TEST_CASE("a Python that can't be started any more ends the restarts, with the reason") {
    Play play;
    play.open();
    play.stage->worker_dies(SIGKILL, std::nullopt);
    play.advance();
    play.run("1");
    for (int attempt = 0; attempt < 3; ++attempt) {
        REQUIRE(play.session.busy());
        REQUIRE(play.stage->warden_command() == "start_worker");
        play.stage->worker_dies(std::nullopt, 127);  // it was moved away
        play.advance();
    }
    REQUIRE(play.outcome().status == CellStatus::unavailable);
    REQUIRE_THAT(play.outcome().error->evalue,
                 cellblock::tests::Contains("Python ended before it was ready"));
}

TEST_CASE("a worker that dies between cells is told of with the next cell") {
    Play play;
    play.open();
    play.stage->worker_dies(SIGKILL, std::nullopt);
    play.advance();
    REQUIRE(play.stage->warden_command() == "start_worker");
    play.stage->from_worker({{"type", "ready"}, {"python", "3"}, {"ipython", "8"}, {"banner", ""}});
    play.run("x");
    REQUIRE(play.all<StreamOutput>().at(0).text.find("variables are lost") != std::string::npos);
}

TEST_CASE("a child that was killed for memory is told of, and the cell goes on") {
    Play play;
    play.open();
    const CellId cell = play.run("subprocess.run(...)");
    play.stage->usage.oom_kills = 1;
    play.done(cell);
    REQUIRE(play.outcome().status == CellStatus::ok);
    REQUIRE(play.all<StreamOutput>().at(0).text.find("limits.memory") != std::string::npos);
    REQUIRE(std::holds_alternative<CellDone>(play.events.back()));
    play.events.clear();
    play.done(play.run("pass"));
    REQUIRE(play.all<StreamOutput>().empty());
}

TEST_CASE("output sent before a death is not lost") {
    Play play;
    play.open();
    const CellId cell = play.run("print; os._exit(1)");
    // More of them than there is time for, however fast the machine.
    constexpr std::size_t kMany = 2600;
    std::string many;
    for (std::size_t i = 0; i < kMany; ++i) {
        many += encode_frame({{"type", "stream"}, {"cell", cell}, {"name", "stdout"}, {"text", 0}}, {"x"});
    }
    play.stage->from_worker_raw(many);
    play.stage->worker_dies(std::nullopt, 1);
    play.advance();
    REQUIRE(play.all<StreamOutput>().size() == kMany);
    REQUIRE(std::holds_alternative<CellDone>(play.events.back()));
}

TEST_CASE("no sandbox: the cell says why and what to do, and the next cell tries again") {
    Play play;
    play.stage->refuse = Error{"start", 0, "no user namespaces", "Set the sysctl"};
    play.run("1");
    REQUIRE(play.outcome().status == CellStatus::unavailable);
    REQUIRE(play.outcome().error->evalue.find("Set the sysctl") != std::string::npos);
    REQUIRE(play.session.unavailable_reason().find("user namespaces") != std::string::npos);
    play.stage->refuse.reset();
    play.events.clear();
    play.run("1");
    REQUIRE(play.stage->starts == 2);
    REQUIRE(play.session.busy());
}

TEST_CASE("a worker that can't be (no IPython) makes cells unavailable") {
    Play play;
    play.run("1");
    play.stage->warden_command();
    play.stage->from_worker({{"type", "failed"}, {"message", "IPython\x1b[31m is missing"}});
    play.advance();
    REQUIRE(play.outcome().error->evalue.find("IPython?[31m is missing") != std::string::npos);
}

TEST_CASE("a sandbox that is not ready in time is given up") {
    Play play;
    play.run("1");
    play.pass(60s);
    REQUIRE(play.outcome().status == CellStatus::unavailable);
    REQUIRE(play.outcome().error->evalue.find("limits.start_time") != std::string::npos);
}

TEST_CASE("what its program wrote tells why it was not ready in time") {
    Play play;
    play.stage->last_words = "no such image";
    play.run("1");
    play.pass(61s);
    const std::string told = play.outcome().error->evalue;
    REQUIRE(told.find("limits.start_time") != std::string::npos);
    REQUIRE(told.find("it wrote: no such image") != std::string::npos);
}

TEST_CASE("advice for a start is given where it failed, not when a sandbox that worked ends") {
    Play play;
    play.stage->death_reason = "the connection was lost";
    play.stage->remedy = "Start the daemon";
    SECTION("a start") {
        play.run("1");
        play.stage->sandbox_dies();
        play.advance();
        REQUIRE(play.outcome().error->evalue.find("Start the daemon") != std::string::npos);
    }
    SECTION("later") {
        play.open();
        play.run("1");
        play.stage->sandbox_dies();
        play.advance();
        REQUIRE(play.outcome().error->evalue.find("connection was lost") != std::string::npos);
        REQUIRE(play.outcome().error->evalue.find("Start the daemon") == std::string::npos);
    }
}

TEST_CASE("what breaks the channel's rules ends the sandbox, not the session") {
    Play play;
    play.open();
    const CellId cell = play.run("attack", true);
    const auto attack = GENERATE(
        json{{"type", "stream"}, {"cell", 99}, {"name", "stdout"}, {"text", 0}},
        json{{"type", "stream"}, {"cell", 1}, {"name", "stdwhat"}, {"text", 0}},
        json{{"type", "stream"}, {"cell", -1}, {"name", "stdout"}, {"text", 0}},
        json{{"type", "stream"}, {"cell", 1}, {"name", "stdout"}, {"text", "in the header"}},
        json{{"type", "stream"}, {"cell", 1}, {"name", "stdout"}, {"text", 2}},
        json{{"type", "stream"}, {"cell", 1}, {"name", "stdout"}},
        json{{"type", "done"}, {"cell", 99}, {"status", "ok"}, {"user_expressions", 0}, {"payload", 1}},
        json{{"type", "reply"}, {"query", 1}, {"content", 0}},
        json{{"type", "ready"}, {"python", ""}, {"ipython", ""}, {"banner", ""}},
        json{{"type", "starting"}, {"python", "3"}}, json{{"type", "failed"}, {"message", ""}},
        json{{"type", "what"}}, json{{"no", "type"}},
        json{{"type", "display"},
             {"cell", 1},
             {"kind", "display_data"},
             {"data", {{"image/png", {{"bytes", 5}}}}},
             {"metadata", 0},
             {"display_id", nullptr},
             {"buffers", json::array()}},
        json{{"type", "clear_output"}, {"cell", 1}, {"wait", false}, {"more", 1}},
        json{{"type", "input_request"}, {"cell", 7}, {"request", 1}, {"prompt", ""}, {"password", false}});
    const std::string type = attack.value("type", "");
    play.stage->from_worker(
        attack, type == "clear_output" ? std::vector<std::string>{} : std::vector<std::string>{"{}", "[]"});
    play.advance();
    REQUIRE(cell == 1);
    REQUIRE(play.stage->kills == 1);
    REQUIRE(play.outcome().error->ename == "ProtocolViolation");
    REQUIRE(play.stage->starts == 2);
}

TEST_CASE("bytes that are not UTF-8 are no text") {
    Play play;
    play.open();
    play.run("attack");
    play.stage->from_worker({{"type", "stream"}, {"cell", 1}, {"name", "stdout"}, {"text", 0}}, {"a\xff"});
    play.advance();
    REQUIRE(play.all<StreamOutput>().empty());
    REQUIRE(play.outcome().error->ename == "ProtocolViolation");
}

TEST_CASE("bytes that are no frame end the sandbox") {
    Play play;
    play.open();
    play.run("attack");
    const auto bytes = GENERATE(
        std::string(8, '\xff'), std::string("\0\0\0\0\0\0\0\0", 8), std::string("\0\0\0\2\0\0\0\0[]", 10),
        std::string("\0\0\0\2\0\0\0\0{\xff", 10), std::string("\0\0\0\1\0\0\0\1\xff\xff\xff\xff", 12));
    play.stage->from_worker_raw(bytes);
    play.advance();
    REQUIRE(play.outcome().error->ename == "ProtocolViolation");
}

TEST_CASE("a worker that closes its socket and lives on is killed") {
    Play play;
    play.open();
    play.run("os.closerange(0, 99)");
    play.stage->worker.reset();
    play.advance();
    REQUIRE_FALSE(play.stage->warden_command());
    play.pass(250ms);
    REQUIRE(play.stage->warden_command() == "kill_worker");
    play.stage->from_warden({{"type", "worker_exited"}, {"exit_status", nullptr}, {"signal", SIGKILL}});
    play.advance();
    REQUIRE(play.outcome().error->ename == "WorkerDied");
}

TEST_CASE("a worker that has ended before the cell was sent has broken no rule") {
    Play play;
    play.open();
    play.stage->from_worker({{"type", "stream"}, {"cell", 0}, {"name", "stdout"}, {"text", 0}}, {"before"});
    SECTION("with its sandbox") {
        play.stage->death_reason = "somebody ended it";
        play.stage->sandbox_dies();
        play.run("x");
        REQUIRE(play.outcome().error->evalue.find("somebody ended it") != std::string::npos);
    }
    SECTION("alone, of which the warden tells later") {
        play.stage->worker.reset();
        play.run("x");
        REQUIRE(play.session.busy());
        play.stage->from_warden({{"type", "worker_exited"}, {"exit_status", nullptr}, {"signal", SIGSEGV}});
        play.advance();
        REQUIRE(play.outcome().error->evalue.find("signal 11") != std::string::npos);
        REQUIRE(play.stage->kills == 0);
    }
    REQUIRE(play.outcome().error->ename == "WorkerDied");
    REQUIRE(play.all<StreamOutput>().at(0).text == "before");
}

TEST_CASE("an answer for a worker that has ended is nothing that it did") {
    Play play;
    play.open();
    const CellId cell = play.run("input(); crash()", true);
    play.stage->from_worker(
        {{"type", "input_request"}, {"cell", cell}, {"request", 1}, {"prompt", ""}, {"password", false}});
    play.advance();
    play.stage->worker.reset();
    const bool end_was_seen = GENERATE(true, false);
    if (end_was_seen) {
        play.advance();
    }
    play.session.answer_input(1, "more");
    play.advance();
    play.stage->from_warden({{"type", "worker_exited"}, {"exit_status", 3}, {"signal", nullptr}});
    play.advance();
    REQUIRE(play.outcome().error->ename == "WorkerDied");
    REQUIRE(play.outcome().error->evalue.find("exit status 3") != std::string::npos);
}

TEST_CASE("a worker that reads no more, and lives on, is killed; what it had sent is shown") {
    Play play;
    play.open();
    const bool before_a_cell = GENERATE(true, false);
    const CellId cell = before_a_cell ? 1 : play.run("socket.shutdown(SHUT_RD)", true);
    REQUIRE(::shutdown(play.stage->worker.get(), SHUT_RD) == 0);
    if (before_a_cell) {
        REQUIRE(play.run("x") == cell);
    } else {
        play.stage->from_worker(
            {{"type", "input_request"}, {"cell", cell}, {"request", 1}, {"prompt", ""}, {"password", false}});
        play.advance();
        play.session.answer_input(1, "more");
        play.advance();
    }
    REQUIRE_FALSE(play.stage->warden_command());
    play.stage->from_worker({{"type", "stream"}, {"cell", cell}, {"name", "stdout"}, {"text", 0}}, {"said"});
    play.pass(250ms);
    REQUIRE(play.stage->warden_command() == "kill_worker");
    play.stage->worker_dies(SIGKILL, std::nullopt);
    play.advance();
    REQUIRE(play.outcome().error->ename == "WorkerDied");
    REQUIRE(play.all<StreamOutput>().at(0).text == "said");
}

TEST_CASE("a worker may end while what it is sent waits for room; what it had sent before is shown") {
    Policy policy = builtin_policy();
    policy.limits.code_bytes = 2 << 20;
    Play play(policy);
    play.open();
    const CellId cell = play.run(std::string(1 << 20, '#'));
    play.stage->from_worker({{"type", "stream"}, {"cell", cell}, {"name", "stdout"}, {"text", 0}}, {"said"});
    play.stage->worker_dies(std::nullopt, 1);
    play.advance();
    REQUIRE(play.outcome().error->evalue.find("exit status 1") != std::string::npos);
    REQUIRE(play.all<StreamOutput>().at(0).text == "said");
}

TEST_CASE("queries are answered, and fail when the worker hangs") {
    Play play;
    play.open();
    const QueryId query = play.session.ask(CompleteQuery{"pri", 3});
    play.advance();
    REQUIRE(play.stage->worker_frame()->header["cursor"] == 3);
    SECTION("answered") {
        play.stage->from_worker({{"type", "reply"}, {"query", query}, {"content", 0}}, {R"({"matches":[]})"});
        play.advance();
        REQUIRE(play.all<QueryReply>().at(0).content.text == R"({"matches":[]})");
    }
    SECTION("hangs") {
        play.pass(10s);
        REQUIRE(play.stage->warden_command() == "interrupt");
        play.pass(2s);
        REQUIRE(play.stage->warden_command() == "kill_worker");
        play.stage->worker_dies(SIGKILL, std::nullopt);
        play.advance();
        REQUIRE(play.all<QueryReply>().at(0).failed);
    }
    REQUIRE_FALSE(play.session.busy());
}

TEST_CASE("a silent cell shows no error") {
    Play play;
    play.open();
    ExecuteRequest request;
    request.silent = true;
    play.session.execute(request);
    play.advance();
    play.stage->worker_dies(std::nullopt, 1);
    play.advance();
    REQUIRE(play.all<ErrorOutput>().empty());
    REQUIRE(play.outcome().status == CellStatus::killed);
}

TEST_CASE("a cell longer than the policy allows is not run") {
    Policy policy = builtin_policy();
    policy.limits.code_bytes = 10;
    Play play(policy);
    play.run("12345678901");
    REQUIRE(play.outcome().error->ename == "CodeTooLong");
    REQUIRE(play.stage->starts == 0);
}

TEST_CASE("%%timeout sets the cell's own deadline within the policy") {
    Play play;
    play.open();
    SECTION("granted") {
        play.run("%%timeout 90\nx");
        REQUIRE(play.stage->worker_frame()->header["code"] == "# %%timeout 90\nx");
        play.pass(89s);
        REQUIRE_FALSE(play.stage->warden_command());
        play.pass(1s);
        REQUIRE(play.stage->warden_command() == "interrupt");
    }
    SECTION("refused") {
        play.run("%%timeout 1h\nx");
        REQUIRE(play.outcome().error->evalue.find("limits.cell_time_max") != std::string::npos);
        REQUIRE_FALSE(play.stage->worker_frame());
    }
    SECTION("rubbish") {
        play.run("%%timeout soon\nx");
        REQUIRE(play.outcome().error->evalue.find("'soon'") != std::string::npos);
    }
}

TEST_CASE("a client's time limit goes before what the code asks for, within the policy") {
    Play play;
    play.open();
    SECTION("shorter and longer") {
        const auto [limit, time] = GENERATE(std::pair("0.5", 500ms), std::pair("2m", 120'000ms));
        play.run("%%timeout 90\nx", false, limit);
        REQUIRE(play.stage->worker_frame()->header["code"] == "# %%timeout 90\nx");
        play.pass(time - 1ms);
        REQUIRE_FALSE(play.stage->warden_command());
        play.pass(1ms);
        REQUIRE(play.stage->warden_command() == "interrupt");
    }
    SECTION("more than the policy allows") {
        play.run("x", false, "100000");
        REQUIRE(play.outcome().error->evalue.find("limits.cell_time_max") != std::string::npos);
        REQUIRE_FALSE(play.stage->worker_frame());
    }
    SECTION("no time") {
        const auto* const rubbish = GENERATE("", "null", "-1", "0", "[1]", "soon", "inf");
        play.run("x", false, rubbish);
        REQUIRE(play.outcome().error->evalue.find("is no time") != std::string::npos);
        REQUIRE_FALSE(play.stage->worker_frame());
    }
}

namespace {

// An error of the cell that it shows itself, of about `bytes`.
json shown_error(CellId cell, std::size_t bytes) {
    return {{"type", "error"},
            {"cell", cell},
            {"ename", "E"},
            {"evalue", "v"},
            {"traceback", {std::string(bytes, 'x')}}};
}

void end_with_error(const Play& play, CellId cell) {
    play.stage->from_worker({{"type", "done"},
                             {"cell", cell},
                             {"status", "error"},
                             {"error", {{"ename", "Last"}, {"evalue", "v"}, {"traceback", json::array()}}},
                             {"user_expressions", 0},
                             {"payload", 1}},
                            {"{}", "[]"});
}

}  // namespace

TEST_CASE("a buffer that no field names breaks the rules") {
    Play play;
    play.open();
    play.run("attack");
    play.stage->from_worker({{"type", "stream"}, {"cell", 1}, {"name", "stdout"}, {"text", 0}}, {"a", "b"});
    play.advance();
    REQUIRE(play.outcome().error->ename == "ProtocolViolation");
}

TEST_CASE("nothing comes from a cell that the worker hasn't been given") {
    Play play;
    play.open();
    play.done(play.run("first"));
    play.events.clear();
    play.stage->worker_frame();
    // The next cell waits for the next worker, and the message for it comes before.
    play.stage->worker_dies(SIGKILL, std::nullopt);
    play.advance();
    const CellId next = play.run("second", true);
    REQUIRE(play.stage->warden_command() == "start_worker");
    play.stage->worker_frame();
    const auto forged = GENERATE_COPY(
        json{{"type", "input_request"}, {"cell", next}, {"request", 1}, {"prompt", ""}, {"password", false}},
        json{{"type", "clear_output"}, {"cell", next}, {"wait", false}}, shown_error(next, 1),
        shown_error(1, 1), json{{"type", "clear_output"}, {"cell", 1}, {"wait", false}});
    play.stage->from_worker(forged);
    play.advance();
    REQUIRE(play.stage->kills == 1);
    REQUIRE(play.all<InputRequest>().empty());
    REQUIRE(play.all<ClearOutput>().empty());
}

TEST_CASE("what runs at a worker's start may print, in no cell") {
    Play play;
    play.session.start();
    REQUIRE(play.stage->warden_command() == "start_worker");
    play.stage->from_warden({{"type", "hello"}});
    play.stage->from_worker({{"type", "stream"}, {"cell", 0}, {"name", "stdout"}, {"text", 0}}, {"early"});
    play.advance();
    REQUIRE(play.all<StreamOutput>().at(0).text == "early");
    REQUIRE(play.stage->kills == 0);
}

TEST_CASE("a warden says hello once, first, and doesn't flood") {
    Play play;
    play.open();
    play.run("attack");
    SECTION("a second hello") {
        play.stage->from_warden({{"type", "hello"}});
    }
    SECTION("reports of kills without end") {
        for (int i = 0; i < 200; ++i) {
            play.stage->from_warden({{"type", "memory_kill"}});
        }
    }
    SECTION("a field that isn't in the tables") {
        play.stage->from_warden({{"type", "memory_kill"}, {"more", 1}});
    }
    play.advance();
    REQUIRE(play.outcome().error->ename == "ProtocolViolation");
    REQUIRE(play.session.python_version() == "3.11.2");
}

TEST_CASE("a warden that reports before its hello is none") {
    Play play;
    play.session.start();
    play.run("1");
    REQUIRE(play.stage->warden_command() == "start_worker");
    play.stage->from_warden({{"type", "worker_exited"}, {"exit_status", 0}, {"signal", nullptr}});
    play.advance();
    REQUIRE(play.stage->kills == 1);
}

TEST_CASE("errors count as output, and the one that a cell ends with is shown") {
    Policy policy = builtin_policy();
    policy.limits.output_bytes = 10'000;
    Play play(policy);
    play.open();
    const CellId cell = play.run("while True: get_ipython().showtraceback()");
    for (int i = 0; i < 20; ++i) {
        play.stage->from_worker(shown_error(cell, 1000));
    }
    play.advance();
    REQUIRE(play.all<ErrorOutput>().size() == 9);
    REQUIRE(play.all<StreamOutput>().size() == 1);
    play.stage->from_worker(shown_error(cell, 1001));
    end_with_error(play, cell);
    play.advance();
    REQUIRE(play.all<ErrorOutput>().size() == 10);
    REQUIRE(play.all<ErrorOutput>().back().error.traceback.at(0).size() == 1001);
    REQUIRE(play.outcome().error->ename == "Last");
    // A front end may have dropped the first notice together with the flood.
    REQUIRE(play.all<StreamOutput>().size() == 2);
    REQUIRE_THAT(play.all<StreamOutput>().back().text, cellblock::tests::Contains("limits.output"));
}

TEST_CASE("the clock comes before what a sandbox sends") {
    Play play;
    play.open();
    const CellId cell = play.run("flood");
    play.stage->from_worker({{"type", "stream"}, {"cell", cell}, {"name", "stdout"}, {"text", 0}}, {"x"});
    play.now += 60s;
    bool pushed_first = false;
    play.session.advance([&](const Event&) { pushed_first = play.stage->warden_command() == "interrupt"; });
    REQUIRE(pushed_first);
}
