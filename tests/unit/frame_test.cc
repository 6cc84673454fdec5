// Frames: whole, in pieces, and hostile.
#include <array>

#include "sandbox/base/json_text.h"
#include "sandbox/channel/messages.h"
#include "tests/unit/fake_engine.h"

using namespace cellblock::testing;

namespace {

struct Pair {
    Pair() {
        std::array<int, 2> ends{};
        REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends.data()) == 0);
        near.reset(ends[0]);
        far.reset(ends[1]);
    }
    void send(const std::string& bytes) const {
        REQUIRE(::send(far.get(), bytes.data(), bytes.size(), 0) == static_cast<ssize_t>(bytes.size()));
    }
    UniqueFd near, far;
};

}  // namespace

TEST_CASE("a frame survives the way byte for byte") {
    Pair pair;
    FrameReader reader(kWorkerBounds);
    Frame frame;
    const std::string binary("\0\xff\n\0", 4);
    pair.send(encode_frame({{"type", "x"}, {"n", 1}}, {binary, "", "text"}));
    pair.send(encode_frame({{"type", "y"}}));
    REQUIRE(*reader.read(pair.near.get(), frame) == ReadState::frame);
    REQUIRE(frame.header["n"] == 1);
    REQUIRE(frame.buffers == std::vector<std::string>{binary, "", "text"});
    REQUIRE(*reader.read(pair.near.get(), frame) == ReadState::frame);
    REQUIRE(frame.type() == "y");
    REQUIRE(*reader.read(pair.near.get(), frame) == ReadState::would_block);
}

TEST_CASE("a frame may come byte by byte") {
    Pair pair;
    FrameReader reader(kWorkerBounds);
    Frame frame;
    const std::string bytes = encode_frame({{"type", "x"}}, {"abc"});
    for (std::size_t i = 0; i + 1 < bytes.size(); ++i) {
        pair.send(bytes.substr(i, 1));
        REQUIRE(*reader.read(pair.near.get(), frame) == ReadState::would_block);
    }
    pair.send(bytes.substr(bytes.size() - 1));
    REQUIRE(*reader.read(pair.near.get(), frame) == ReadState::frame);
    REQUIRE(frame.buffers.at(0) == "abc");
}

TEST_CASE("a header's values are counted before a tree is made, and all bytes of a frame are known") {
    Pair pair;
    FrameReader reader(kWorkerBounds);
    Frame frame;
    const std::string good = encode_frame({{"type", "x"}, {"list", std::vector<int>(40'000)}}, {"abc", ""});
    pair.send(good);
    REQUIRE(*reader.read(pair.near.get(), frame) == ReadState::frame);
    REQUIRE(frame.bytes == good.size());
    const auto value =
        GENERATE(json(std::vector<int>(51'000)), json(std::vector<json>(51'000, json::object())),
                 json::parse(std::string(20, '[') + std::string(20, ']')));
    pair.send(encode_frame({{"type", "x"}, {"list", value}}));
    REQUIRE_FALSE(reader.read(pair.near.get(), frame).ok());
}

TEST_CASE("half a frame is the end of the file") {
    Pair pair;
    FrameReader reader(kWorkerBounds);
    Frame frame;
    pair.send(encode_frame({{"type", "x"}}).substr(0, 9));
    pair.far.reset();
    REQUIRE(*reader.read(pair.near.get(), frame) == ReadState::end_of_file);
}

TEST_CASE("sizes are checked before anything is kept") {
    Pair pair;
    FrameReader reader(kWardenBounds);
    Frame frame;
    pair.send(encode_frame({{"type", "hello"}}, {"a buffer from the warden"}));
    REQUIRE_FALSE(reader.read(pair.near.get(), frame).ok());
}

TEST_CASE("JSON deeper than the bound is refused") {
    REQUIRE(json_depth_within("[[\"[[[[\"]]", 2));
    REQUIRE_FALSE(json_depth_within("[[[]]]", 2));
    REQUIRE_FALSE(parse_json_object(std::string(100'000, '['), {32}).ok());
    REQUIRE_FALSE(check_json(std::string(1'000'000, '['), 128).ok());
    REQUIRE(check_json("{\"big\": 123456789012345678901234567890}", 4).ok());
    REQUIRE_FALSE(check_json("NaN", 4).ok());
    REQUIRE_FALSE(check_json("\"\xff\"", 4).ok());
}

TEST_CASE("a header is as deep as its socket's bound, and no deeper") {
    struct Socket {
        FrameBounds bounds;
        std::size_t depth;
    };
    const auto socket = GENERATE(Socket{kWorkerBounds, 8}, Socket{kWardenBounds, 2}, Socket{kDebugBounds, 2},
                                 Socket{kFilesBounds, 3});
    const auto nested = [](std::size_t depth) {  // the header itself is the first level
        return encode_frame(
            {{"type", "x"},
             {"list", json::parse(std::string(depth - 1, '[') + std::string(depth - 1, ']'))}});
    };
    Pair pair;
    FrameReader reader(socket.bounds);
    Frame frame;
    pair.send(nested(socket.depth));
    REQUIRE(*reader.read(pair.near.get(), frame) == ReadState::frame);
    pair.send(nested(socket.depth + 1));
    REQUIRE_FALSE(reader.read(pair.near.get(), frame).ok());
}

TEST_CASE("a frame of many pieces waits for room and arrives whole") {
    Pair pair;
    std::vector<std::string> buffers;
    for (int i = 0; i < 200; ++i) {
        buffers.push_back(std::string(static_cast<std::size_t>(i) * 40, 'b'));
    }
    buffers.push_back(std::string(2U << 20, 'c'));
    FrameWriter writer;
    REQUIRE(writer.push(make_frame({{"type", "x"}}, buffers)).ok());
    REQUIRE(writer.push(make_frame({{"type", "y"}})).ok());
    FrameReader reader(kWorkerBounds);
    std::vector<Frame> frames;
    while (frames.size() < 2) {
        REQUIRE(writer.flush(pair.far.get()).ok());
        Frame frame;
        if (*reader.read(pair.near.get(), frame) == ReadState::frame) {
            frames.push_back(std::move(frame));
        }
    }
    CHECK(writer.empty());
    CHECK(frames[0].buffers == buffers);
    CHECK(frames[1].type() == "y");
}

namespace {

struct Known {
    json header;
    std::vector<std::string> buffers;
};

// One frame of each kind that a worker, its debugger and the warden may send, with every field.
std::vector<Known> worker_frames() {
    const json error{{"ename", "E"}, {"evalue", ""}, {"traceback", json::array()}};
    return {
        {{{"type", "starting"}, {"python", "3"}}, {}},
        {{{"type", "ready"}, {"python", "3"}, {"ipython", "8"}, {"banner", ""}}, {}},
        {{{"type", "failed"}, {"message", ""}}, {}},
        {{{"type", "stream"}, {"cell", 1}, {"name", "stdout"}, {"text", 0}}, {"x"}},
        {{{"type", "display"},
          {"cell", 1},
          {"kind", "execute_result"},
          {"count", 1},
          {"data", {{"text/plain", "x"}}},
          {"metadata", 0},
          {"display_id", nullptr},
          {"buffers", json::array()}},
         {"{}"}},
        {{{"type", "clear_output"}, {"cell", 1}, {"wait", true}}, {}},
        {{{"type", "error"}, {"cell", 1}, {"ename", "E"}, {"evalue", ""}, {"traceback", json::array()}}, {}},
        {{{"type", "input_request"}, {"cell", 1}, {"request", 1}, {"prompt", ""}, {"password", false}}, {}},
        {{{"type", "history_request"},
          {"cell", 1},
          {"request", 1},
          {"access", "range"},
          {"n", nullptr},
          {"session", 0},
          {"start", 1},
          {"stop", nullptr}},
         {}},
        {{{"type", "install_request"},
          {"cell", 1},
          {"request", 1},
          {"requirements", json::array()},
          {"upgrade", false}},
         {}},
        {{{"type", "comm_open"},
          {"cell", 1},
          {"comm_id", "c"},
          {"target_name", "t"},
          {"target_module", nullptr},
          {"data", 0},
          {"metadata", 1},
          {"buffers", json::array()}},
         {"{}", "{}"}},
        {{{"type", "comm_msg"},
          {"cell", 1},
          {"comm_id", "c"},
          {"data", 0},
          {"metadata", 1},
          {"buffers", json::array()}},
         {"{}", "{}"}},
        {{{"type", "done"},
          {"cell", 1},
          {"status", "error"},
          {"error", error},
          {"user_expressions", 0},
          {"payload", 1}},
         {"{}", "[]"}},
        {{{"type", "reply"}, {"query", 1}, {"content", 0}}, {"{}"}},
    };
}

template <class Decode>
void check_table(const std::vector<Known>& frames, Decode decode) {
    const auto decoded = [&](const json& header, const std::vector<std::string>& buffers) {
        return decode(Frame{json::parse(header.dump()), buffers}).ok();
    };
    for (const auto& [header, buffers] : frames) {
        INFO(header.dump());
        CHECK(decoded(header, buffers));
        json more = header;
        more["surplus"] = 1;
        CHECK_FALSE(decoded(more, buffers));
        auto more_buffers = buffers;
        more_buffers.push_back("x");
        CHECK_FALSE(decoded(header, more_buffers));
        for (const auto& [name, value] : header.items()) {
            json less = header;
            less.erase(name);
            // What may be null may be left out.
            CHECK(decoded(less, buffers) == value.is_null());
            if (name == "type") {
                continue;
            }
            json wrong = header;
            wrong[name] = json{{"an", {"object"}}};
            CHECK_FALSE(decoded(wrong, buffers));
        }
    }
}

}  // namespace

TEST_CASE("whatever breaks the tables of frames is an error") {
    check_table(worker_frames(), decode_worker_frame);
    check_table({{{{"type", "debugger"}, {"available", true}, {"missing", nullptr}, {"python", "3"}}, {}},
                 {{{"type", "debug_reply"}, {"request", 1}, {"content", 0}}, {"{}"}},
                 {{{"type", "debug_event"}, {"content", 0}}, {"{}"}}},
                decode_debug_frame);
    const json entry = json::array({"a", "file", 1, 2});
    check_table({{{{"type", "file_reply"},
                   {"request", 1},
                   {"errno", 2},
                   {"size", 3},
                   {"modified", 4},
                   {"bytes", 0},
                   {"entries", {entry}},
                   {"more", true}},
                  {"content"}}},
                decode_file_frame);
    check_table({{{{"type", "worker_exited"}, {"exit_status", nullptr}, {"signal", nullptr}}, {}},
                 {{{"type", "memory_kill"}}, {}},
                 {{{"type", "hello"}}, {}}},
                decode_warden_frame);
    json done = json::parse(worker_frames()[11].header.dump());
    done["error"]["type"] = "done";
    CHECK_FALSE(decode_worker_frame({done, {"{}", "[]"}}).ok());
    const json found{{"type", "debugger"}, {"available", false}, {"missing", "moon"}, {"python", "3"}};
    CHECK_FALSE(decode_debug_frame({found, {}}).ok());
}

TEST_CASE("a list of files is one of names, kinds and numbers") {
    const auto decoded = [](const json& entries) {
        const json header{{"type", "file_reply"}, {"request", 1},     {"errno", 0},         {"size", 0},
                          {"modified", 0},        {"bytes", nullptr}, {"entries", entries}, {"more", false}};
        return decode_file_frame({json::parse(header.dump()), {}});
    };
    const auto good = decoded({{"é\n", "folder", 7, 8}, {"b", "other", 0, 0}});
    REQUIRE(good);
    const auto& entries = std::get<FileAnswer>(*good).reply.entries;
    REQUIRE(entries.size() == 2);
    CHECK(entries[0].name == "é\n");
    CHECK(entries[0].kind == FileKind::folder);
    CHECK(entries[0].size_bytes == 7);
    CHECK(entries[0].modified == 8);
    for (const json& bad :
         {json::array({"", "file", 1, 2}), json::array({"a/b", "file", 1, 2}),
          json::array({std::string("a\0b", 3), "file", 1, 2}), json::array({"..", "folder", 1, 2}),
          json::array({"a", "moon", 1, 2}), json::array({"a", "file", -1, 2}), json::array({"a", "file", 1}),
          json::array({"a", "file", 1, 2, 3}), json::array({std::string(1025, 'x'), "file", 1, 2}),
          json("a")}) {
        CHECK_FALSE(decoded(json::array({bad})).ok());
    }
    json many = json::array();
    for (int i = 0; i < 501; ++i) {
        many.push_back({"a", "file", 1, 2});
    }
    CHECK_FALSE(decoded(many).ok());
}
