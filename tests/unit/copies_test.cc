// How often a cell's source and a figure are copied between a client and the sandbox's sockets. A copy of a
// text of some MiB needs an allocation of that size, so those are counted.
#include <atomic>
#include <cstdlib>
#include <new>

#include "tests/unit/fake_engine.h"

using namespace cellblock::testing;

namespace {

std::atomic<std::size_t> counted_from{0};  // allocations of this size or more; 0: none
std::atomic<int> counted{0};

void* allocate(std::size_t size) {
    if (const std::size_t from = counted_from; from != 0 && size >= from) {
        ++counted;
    }
    return std::malloc(size == 0 ? 1 : size);  // NOLINT(cppcoreguidelines-no-malloc)
}

template <class Action>
int copies_of(std::size_t size, Action action) {
    counted = 0;
    counted_from = size;
    action();
    counted_from = 0;
    return counted;
}

}  // namespace

#pragma GCC diagnostic ignored "-Wmismatched-new-delete"  // GCC sees one half of each pair, inlined
// NOLINTBEGIN(misc-new-delete-overloads, cppcoreguidelines-no-malloc)
void* operator new(std::size_t size) {
    if (void* got = allocate(size); got != nullptr) {
        return got;
    }
    throw std::bad_alloc();
}
void* operator new(std::size_t size, const std::nothrow_t& /*tag*/) noexcept {
    return allocate(size);
}
void operator delete(void* memory) noexcept {
    std::free(memory);
}
void operator delete(void* memory, std::size_t /*size*/) noexcept {
    std::free(memory);
}
void operator delete(void* memory, const std::nothrow_t& /*tag*/) noexcept {
    std::free(memory);
}
// NOLINTEND(misc-new-delete-overloads, cppcoreguidelines-no-malloc)

TEST_CASE("a cell's source is copied once from its request to the worker's socket") {
    Policy policy = builtin_policy();
    policy.limits.code_bytes = 8U << 20;
    Play play(policy);
    play.open();
    play.stage->to_worker = FrameReader({8U << 20, 0, 0, 8U << 20, 8, 1000});  // as the worker reads
    ExecuteRequest request;
    request.code = std::string(3U << 20, 'x');
    const std::size_t size = request.code.size();
    const int copies = copies_of(size, [&] {
        play.session.execute(std::move(request));
        play.advance();
    });
    CHECK(copies == 1);  // when it becomes JSON
    std::optional<Frame> frame;
    for (int i = 0; i < 10'000 && !frame; ++i) {
        REQUIRE(copies_of(size, [&] { play.advance(); }) == 0);
        frame = play.stage->worker_frame();
    }
    REQUIRE(frame);
    CHECK(frame->header["code"].get_ref<const std::string&>().size() == size);
}

TEST_CASE("a figure is copied once from the worker's socket to its event") {
    Play play;
    play.open();
    const CellId cell = play.run("plot()");
    std::string png("\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x10\0\0\0\x10\x08\x06\0\0\0", 29);
    png.resize(3U << 20, 'p');
    const std::size_t size = png.size();
    const std::string bytes =
        encode_frame({{"type", "display"},
                      {"cell", cell},
                      {"kind", "display_data"},
                      {"data", {{"image/png", {{"bytes", 0}}}, {"text/plain", "<Figure>"}}},
                      {"metadata", 1},
                      {"display_id", nullptr},
                      {"buffers", json::array()}},
                     {png, "{}"});
    int copies = 0;
    for (std::size_t sent = 0; sent < bytes.size();) {
        const ssize_t now = ::send(play.stage->worker.get(), bytes.data() + sent, bytes.size() - sent,
                                   MSG_DONTWAIT | MSG_NOSIGNAL);
        sent += now > 0 ? static_cast<std::size_t>(now) : 0;
        copies += copies_of(size, [&] { play.advance(); });
    }
    const auto displays = play.all<DisplayOutput>();
    REQUIRE(displays.size() == 1);
    CHECK(std::get<Bytes>(displays.at(0).data.at(0).value).value == png);
    CHECK(copies == 1);  // out of the socket
}
