// Session: requests for the sandbox's files, on a stage.
#include <cerrno>

#include "tests/unit/fake_engine.h"

using namespace cellblock::testing;
using namespace std::chrono_literals;

namespace {

// Until the agent has been started.
void open(Play& play) {
    play.open();
    REQUIRE(play.stage->warden_command() == "start_files");
}

FileReply only_reply(const Play& play) {
    const auto replies = play.all<FileReply>();
    REQUIRE(replies.size() == 1);
    return replies.front();
}

}  // namespace

TEST_CASE("a request for files waits for the sandbox, and has one reply") {
    Play play;
    const FileId id = play.session.file(ReadFile{"a.csv", 5, 10});
    open(play);
    const auto frame = play.stage->file_frame();
    REQUIRE(frame);
    CHECK(frame->header == json{{"type", "file"},
                                {"request", id},
                                {"do", "read"},
                                {"path", "a.csv"},
                                {"offset", 5},
                                {"size", 10}});
    play.stage->from_files({{"request", id}, {"bytes", 0}, {"size", 7}, {"modified", 9}}, {"ab"});
    play.advance();
    const auto reply = only_reply(play);
    CHECK(reply.request == id);
    CHECK_FALSE(reply.error);
    CHECK(reply.bytes == "ab");
    CHECK(reply.size_bytes == 7);
    CHECK_FALSE(play.session.next_deadline());
}

TEST_CASE("files are served while a cell runs") {
    Play play;
    play.open();
    const CellId cell = play.run("while True: pass");
    const FileId id = play.session.file(WriteFile{"a", "bytes"});
    play.advance();
    REQUIRE(play.stage->warden_command() == "start_files");
    CHECK(play.stage->file_frame()->buffers == std::vector<std::string>{"bytes"});
    play.stage->from_files({{"request", id}});
    play.advance();
    CHECK_FALSE(only_reply(play).error);
    play.done(cell);
    CHECK(play.outcome().status == CellStatus::ok);
}

TEST_CASE("what the sandbox couldn't do is told with the request, the reason and the key") {
    Play play;
    const FileId first = play.session.file(WriteFile{"a\x1b[2J.csv", "x"});
    open(play);
    play.stage->from_files({{"request", first}, {"errno", ENOSPC}});
    play.advance();
    const auto reply = only_reply(play);
    REQUIRE(reply.error);
    CHECK(reply.error->code == ENOSPC);
    CHECK(reply.error->text() ==
          "write a?[2J.csv (No space left on device). The policy's key limits.disk bounds what a "
          "sandbox may write");
}

TEST_CASE("a request that can't be made is refused at once") {
    Play play;
    play.open();
    const auto refused = GENERATE(FileRequest(ReadFile{""}), FileRequest(ReadFile{std::string("a\0b", 3)}),
                                  FileRequest(ListFolder{std::string(4096, 'x')}),
                                  FileRequest(MakeFolder{"\xff"}), FileRequest(MoveFile{"a", ""}),
                                  FileRequest(WriteFile{"a", std::string(kMostFileBytes + 1, 'x')}));
    const FileId id = play.session.file(refused);
    play.advance();
    const auto reply = only_reply(play);
    CHECK(reply.request == id);
    CHECK(reply.error);
    CHECK_FALSE(play.stage->warden_command());
}

TEST_CASE("requests are bounded in number and bytes") {
    Play play;
    SECTION("number") {
        for (int i = 0; i < 65; ++i) {
            play.session.file(ListFolder{});
        }
    }
    SECTION("bytes") {
        for (int i = 0; i < 9; ++i) {
            play.session.file(WriteFile{"a", std::string(kMostFileBytes, 'x')});
        }
    }
    play.advance();
    CHECK(only_reply(play).error->message == "too many requests are waiting: 64, or 128 MiB, at a time");
}

TEST_CASE("a reply that doesn't come is given up on, and the next request finds another agent") {
    Play play;
    play.session.file(ReadFile{"a"});
    open(play);
    play.pass(29999ms);
    CHECK(play.all<FileReply>().empty());
    CHECK(play.session.next_deadline() == play.now + 1ms);
    play.pass(1ms);
    CHECK(only_reply(play).error->message == "no answer came within 30 s");
    play.events.clear();
    const FileId id = play.session.file(ReadFile{"b"});
    play.advance();
    REQUIRE(play.stage->warden_command() == "start_files");
    CHECK(play.stage->file_frame()->header["request"] == id);
    play.stage->from_files({{"request", id}, {"bytes", 0}}, {""});
    play.advance();
    CHECK_FALSE(only_reply(play).error);
}

TEST_CASE("an agent's end is told, and what wasn't asked yet is asked of the next") {
    Play play;
    play.session.file(ReadFile{"a"});
    open(play);
    SECTION("its own") {
        play.stage->files.reset();
    }
    SECTION("the worker's") {
        play.stage->worker_dies(9, std::nullopt);
    }
    play.advance();
    CHECK(only_reply(play).error->message.starts_with("the process that serves files ended"));
}

TEST_CASE("a request in the time of a worker's start waits for it") {
    Play play;
    play.open();
    play.stage->worker_dies(9, std::nullopt);
    play.advance();
    const FileId id = play.session.file(ReadFile{"a"});
    play.advance();
    REQUIRE(play.stage->warden_command() == "start_worker");
    CHECK_FALSE(play.stage->warden_command());
    play.stage->from_worker({{"type", "ready"}, {"python", "3.11.2"}, {"ipython", "8.5"}, {"banner", "hi"}});
    play.advance();
    REQUIRE(play.stage->warden_command() == "start_files");
    play.stage->from_files({{"request", id}, {"bytes", 0}}, {""});
    play.advance();
    CHECK_FALSE(only_reply(play).error);
}

TEST_CASE("where no sandbox can be had, each request is told why") {
    Play play;
    play.stage->refuse = Error{"make a jail", 0, "there is none", {}};
    play.session.file(ReadFile{"a"});
    play.session.file(ReadFile{"b"});
    play.advance();
    const auto replies = play.all<FileReply>();
    REQUIRE(replies.size() == 2);
    CHECK(replies[1].error->text() == "read b: no sandbox can be had: make a jail: there is none");
}

TEST_CASE("a reply that nobody asked for ends the sandbox") {
    Play play;
    const FileId id = play.session.file(ReadFile{"a"});
    play.session.file(ReadFile{"b"});
    open(play);
    SECTION("another one's") {
        play.stage->from_files({{"request", id + 1}});
    }
    SECTION("twice") {
        play.stage->from_files({{"request", id}, {"bytes", 0}}, {""});
        play.stage->from_files({{"request", id}, {"bytes", 0}}, {""});
    }
    SECTION("more bytes than may come") {
        const std::string lengths("\0\0\0\x20\0\0\0\1\1\0\0\1", 12);
        REQUIRE(::send(play.stage->files.get(), lengths.data(), lengths.size(), 0) == 12);
    }
    play.advance();
    CHECK(play.stage->kills == 1);
}
