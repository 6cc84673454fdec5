// Frames: whole, in pieces, and hostile.
#include <array>

#include "sandbox/base/json_text.h"
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
