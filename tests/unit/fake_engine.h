// A sandbox played by the test itself.
//
// Purpose: the far ends of both sockets, so that a test says frame by frame
// what warden and worker do, at a clock of its own. Stands beside the tests
// with real sandboxes, never instead of them.
// Ownership: FakeEngine shares its Stage with the test. Threads: one.
#pragma once

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cstring>
#include <functional>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "sandbox/api/engine.h"
#include "sandbox/api/session.h"
#include "sandbox/channel/frame.h"
#include "tests/unit/catch.h"
#include "tests/unit/inner_cleaner.h"

namespace cellblock::testing {

using nlohmann::json;
using namespace cellblock::sandbox;

// What the test sees and sets.
struct Stage {
    int starts = 0;
    int kills = 0;
    std::optional<Error> refuse;    // start() fails with this
    UniqueFd bell;                  // valid: others make the sandbox, and it is there once this is rung
    TimePoint due;                  // until when it may be waited for
    int given_up = 0;               // so often it wasn't
    bool can_start_anew = true;     // without those others
    std::vector<std::string> anew;  // the reasons why it was to be
    std::string death_reason;
    std::string remedy;
    std::string last_words;
    SandboxUsage usage;
    UniqueFd warden;  // the warden's end
    UniqueFd worker;  // the worker's end, once handed over
    FrameReader from_host{kWorkerBounds};
    FrameReader to_worker{kWorkerBounds};
    UniqueFd files;  // the file agent's end, once handed over
    FrameReader to_files{kWorkerBounds};
    UniqueFd commands;  // the command agent's
    FrameReader to_commands{kWorkerBounds};

    void have_others_make_it(TimePoint until) {
        bell.reset(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
        due = until;
    }
    void ring() const {
        const std::uint64_t one = 1;
        REQUIRE(::write(bell.get(), &one, sizeof one) == sizeof one);
    }

    // The next frame that the host sent to the warden; takes its descriptor.
    std::optional<std::string> warden_command() {
        std::array<char, 4096> bytes{};
        alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(int))> control{};
        iovec data{bytes.data(), 8};
        msghdr message{};
        message.msg_iov = &data;
        message.msg_iovlen = 1;
        message.msg_control = control.data();
        message.msg_controllen = control.size();
        if (::recvmsg(warden.get(), &message, MSG_DONTWAIT) != 8) {
            return std::nullopt;
        }
        UniqueFd fd;
        if (const cmsghdr* rights = CMSG_FIRSTHDR(&message); rights != nullptr) {
            int number = -1;
            std::memcpy(&number, CMSG_DATA(rights), sizeof number);
            fd.reset(number);
        }
        const std::size_t length =
            static_cast<unsigned char>(bytes[3]) + 256U * static_cast<unsigned char>(bytes[2]);
        REQUIRE(::recv(warden.get(), bytes.data(), length, MSG_DONTWAIT) == static_cast<ssize_t>(length));
        auto type = json::parse(std::string(bytes.data(), length)).at("type").get<std::string>();
        if (type == "start_files") {
            files = std::move(fd);
            to_files = FrameReader(kWorkerBounds);
        } else if (type == "start_commands") {
            commands = std::move(fd);
            to_commands = FrameReader(kWorkerBounds);
        } else if (fd.valid()) {
            worker = std::move(fd);
            to_worker = FrameReader(kWorkerBounds);
        }
        return type;
    }

    // The next frame that the host sent to the file agent.
    std::optional<Frame> file_frame() {
        Frame frame;
        auto state = to_files.read(files.get(), frame);
        return state && *state == ReadState::frame ? std::optional(std::move(frame)) : std::nullopt;
    }
    void from_files(const json& changes, const std::vector<std::string>& buffers = {}) {
        json header{{"type", "file_reply"}, {"errno", 0},       {"size", 0},
                    {"modified", 0},        {"bytes", nullptr}, {"entries", json::array()},
                    {"more", false}};
        header.update(changes);
        const std::string bytes = encode_frame(header, buffers);
        REQUIRE(::send(files.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL) ==
                static_cast<ssize_t>(bytes.size()));
    }

    // The next frame that the host sent to the command agent.
    std::optional<Frame> command_frame() {
        Frame frame;
        auto state = to_commands.read(commands.get(), frame);
        return state && *state == ReadState::frame ? std::optional(std::move(frame)) : std::nullopt;
    }
    void from_commands(const json& header, const std::vector<std::string>& buffers = {}) const {
        const std::string bytes = encode_frame(header, buffers);
        REQUIRE(::send(commands.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL) ==
                static_cast<ssize_t>(bytes.size()));
    }
    void command_exits(CommandId command, const json& changes = {{"status", 0}}) const {
        json header{{"type", "command_exited"}, {"command", command}, {"status", nullptr},
                    {"signal", nullptr},        {"errno", 0},         {"cut", false}};
        header.update(changes);
        from_commands(header);
    }

    // The next frame that the host sent to the worker.
    std::optional<Frame> worker_frame() {
        Frame frame;
        auto state = to_worker.read(worker.get(), frame);
        if (!state || *state != ReadState::frame) {
            return std::nullopt;
        }
        return frame;
    }

    void from_worker(const json& header, const std::vector<std::string>& buffers = {}) {
        from_worker_raw(encode_frame(header, buffers));
    }
    void from_worker_raw(const std::string& bytes) {
        REQUIRE(::send(worker.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL) ==
                static_cast<ssize_t>(bytes.size()));
    }
    void from_warden(const json& header) {
        const std::string bytes = encode_frame(header);
        REQUIRE(::send(warden.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL) ==
                static_cast<ssize_t>(bytes.size()));
    }
    // The worker ends; its socket closes, then the warden reports.
    void worker_dies(std::optional<int> signal, std::optional<int> status) {
        worker.reset();
        files.reset();
        commands.reset();
        from_warden({{"type", "worker_exited"},
                     {"exit_status", status ? json(*status) : json(nullptr)},
                     {"signal", signal ? json(*signal) : json(nullptr)}});
    }
    void sandbox_dies() {
        worker.reset();
        files.reset();
        commands.reset();
        warden.reset();
    }
};

class FakeSandbox : public Sandbox {
public:
    explicit FakeSandbox(std::shared_ptr<Stage> stage) : stage_(std::move(stage)) {
        std::array<int, 2> ends{};
        REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends.data()) == 0);
        ours_.reset(ends[0]);
        stage_->warden.reset(ends[1]);
    }
    int warden_fd() const override { return ours_.get(); }
    void kill() override {
        ++stage_->kills;
        stage_->sandbox_dies();
    }
    SandboxUsage usage() const override { return stage_->usage; }
    std::vector<LayerState> layers() const override { return {}; }
    std::string death_reason() const override { return stage_->death_reason; }
    std::string remedy() const override { return stage_->remedy; }
    std::string last_words() override {
        kill();
        return stage_->last_words;
    }

private:
    std::shared_ptr<Stage> stage_;
    UniqueFd ours_;
};

class FakePending : public PendingSandbox {
public:
    explicit FakePending(std::shared_ptr<Stage> stage,
                         std::function<Result<std::unique_ptr<Sandbox>>()> start)
        : stage_(std::move(stage)), start_(std::move(start)) {}
    ~FakePending() override { stage_->given_up += taken_ ? 0 : 1; }
    int poll_fd() const override { return stage_->bell.get(); }
    TimePoint deadline() const override { return stage_->due; }
    std::optional<Result<std::unique_ptr<Sandbox>>> take() override {
        std::uint64_t rung = 0;
        if (::read(stage_->bell.get(), &rung, sizeof rung) != sizeof rung) {
            return std::nullopt;
        }
        taken_ = true;
        return start_();
    }
    Result<std::unique_ptr<Sandbox>> give_up() override { return start_(); }
    std::optional<Result<std::unique_ptr<Sandbox>>> start_anew(const std::string& reason) override {
        stage_->anew.push_back(reason);
        return stage_->can_start_anew ? std::optional(start_()) : std::nullopt;
    }

private:
    std::shared_ptr<Stage> stage_;
    std::function<Result<std::unique_ptr<Sandbox>>()> start_;
    bool taken_ = false;
};

class FakeEngine : public Engine {
public:
    explicit FakeEngine(std::shared_ptr<Stage> stage) : stage_(std::move(stage)) {}
    std::string name() const override { return "fake"; }
    EngineFacts facts() const override { return {}; }
    Status check(const Policy&) override { return Ok{}; }
    Result<std::unique_ptr<Sandbox>> start(const Policy&, const StartOptions&) override {
        ++stage_->starts;
        if (stage_->refuse) {
            return *stage_->refuse;
        }
        return std::unique_ptr<Sandbox>(std::make_unique<FakeSandbox>(stage_));
    }
    Result<std::unique_ptr<PendingSandbox>> begin(const Policy& policy,
                                                  const StartOptions& options) override {
        if (!stage_->bell.valid()) {
            return std::unique_ptr<PendingSandbox>();
        }
        return std::unique_ptr<PendingSandbox>(std::make_unique<FakePending>(
            stage_, [this, &policy, options] { return start(policy, options); }));
    }

private:
    std::shared_ptr<Stage> stage_;
};

// A Session on a stage, with the clock in the test's hand.
struct Play {
    explicit Play(const Policy& policy = builtin_policy(), const MakeCleaner& cleaner = cleaner_within)
        : session((make_cleaners_by(cleaner), policy),
                  std::unique_ptr<Engine>(std::make_unique<FakeEngine>(stage)), {}, [this] { return now; }) {}

    std::shared_ptr<Stage> stage = std::make_shared<Stage>();
    TimePoint now = TimePoint() + std::chrono::hours(1);
    Session session;
    std::vector<Event> events;

    // A turn ends by the real clock, so on a busy machine what has come may take more of them.
    void advance() {
        pollfd more{session.poll_fd(), POLLIN, 0};
        for (int i = 0; i < 3 || (i < 10'000 && ::poll(&more, 1, 0) > 0); ++i) {
            session.advance([this](Event event) { events.push_back(std::move(event)); });
        }
    }
    void pass(std::chrono::milliseconds time) {
        now += time;
        advance();
    }
    // Until the worker is ready for cells.
    void open() {
        session.start();
        REQUIRE(stage->warden_command() == "start_worker");
        stage->from_warden({{"type", "hello"}});
        REQUIRE(stage->worker_frame()->type() == "configure");
        stage->from_worker({{"type", "ready"}, {"python", "3.11.2"}, {"ipython", "8.5"}, {"banner", "hi"}});
        advance();
    }
    CellId run(const std::string& code, bool allow_stdin = false,
               std::optional<std::string> time_limit = {}) {
        ExecuteRequest request;
        request.code = code;
        request.allow_stdin = allow_stdin;
        request.time_limit = std::move(time_limit);
        const CellId cell = session.execute(request);
        advance();
        return cell;
    }
    void done(CellId cell) {
        stage->from_worker({{"type", "done"},
                            {"cell", cell},
                            {"status", "ok"},
                            {"error", nullptr},
                            {"user_expressions", 0},
                            {"payload", 1}},
                           {"{}", "[]"});
        advance();
    }
    template <class Kind>
    std::vector<Kind> all() const {
        std::vector<Kind> out;
        for (const auto& event : events) {
            if (const auto* one = std::get_if<Kind>(&event)) {
                out.push_back(*one);
            }
        }
        return out;
    }
    Outcome outcome() const {
        const auto ends = all<CellDone>();
        REQUIRE(ends.size() == 1);
        return ends.front().outcome;
    }
};

}  // namespace cellblock::testing
