// A cleaner's process: started when needed, given up when late, never waited for.
#include "sandbox/outputs/cleaner.h"

#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdint>
#include <cstdlib>
#include <utility>
#include <vector>

#include "sandbox/base/resources.h"
#include "sandbox/base/socket.h"
#include "sandbox/base/subprocess.h"
#include "sandbox/outputs/cleaner_frames.h"

namespace cellblock::sandbox {

namespace {

using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

constexpr const char* kStep = "check an output";
// For each MiB of a task, beside what each has: generous, as others may use the processors too. Nobody waits
// for it but the outputs of the one session.
constexpr std::chrono::milliseconds kTimeForMiB = 500ms;

// An answer may be longer than its task: a quotation mark becomes six characters.
FrameBounds bounds_of_answer(std::size_t task) {
    FrameBounds bounds = kCleanerBounds;
    const std::size_t most = std::min<std::size_t>(bounds.buffer_bytes, 6 * task + (1U << 20));
    bounds.buffer_bytes = static_cast<std::uint32_t>(most);
    bounds.frame_bytes = most;
    return bounds;
}

class ProcessCleaner : public Cleaner {
public:
    ProcessCleaner(OutputRules rules, std::function<Result<CleanerStart>()> start,
                   std::chrono::milliseconds time)
        : rules_(std::move(rules)),
          start_(std::move(start)),
          time_(time),
          epoll_(::epoll_create1(EPOLL_CLOEXEC)) {}
    ~ProcessCleaner() override {
        end();
        for (const pid_t pid : ending_) {
            while (::waitpid(pid, nullptr, 0) < 0 && errno == EINTR) {
            }
        }
    }
    ProcessCleaner(const ProcessCleaner&) = delete;
    ProcessCleaner& operator=(const ProcessCleaner&) = delete;

    void begin(CleaningTask task) override {
        reap();
        if (auto started = launch(); !started) {
            failed_ = started.error();
            return;
        }
        reader_ = FrameReader(bounds_of_answer(task.bytes()));
        due_ = Clock::now() + time_ + kTimeForMiB * static_cast<int>(task.bytes() >> 20U);
        if (!writer_.push(encode_task(std::move(task))) || !send()) {
            failed_ = lost("the program that makes it harmless has ended");
        }
        watch();
    }

    std::optional<Result<Cleaned>> take() override {
        if (failed_) {
            return Result<Cleaned>(*std::exchange(failed_, std::nullopt));
        }
        if (!due_) {
            return std::nullopt;
        }
        if (!send()) {
            return Result<Cleaned>(lost("the program that makes it harmless has ended"));
        }
        Frame frame;
        const auto state = reader_.read(socket_.get(), frame);
        if (!state || *state == ReadState::end_of_file) {
            return Result<Cleaned>(lost("the program that makes it harmless has failed on it"));
        }
        if (*state == ReadState::frame) {
            auto cleaned = decode_cleaned(std::move(frame));
            if (!cleaned) {
                return Result<Cleaned>(lost("the program that makes it harmless has failed on it"));
            }
            due_.reset();
            watch();
            return cleaned;
        }
        if (Clock::now() >= *due_) {
            return Result<Cleaned>(lost("it took too long to make it harmless"));
        }
        return std::nullopt;
    }

    void stop() override {
        end();
        failed_.reset();
        forgotten_ = false;
    }

    bool has_forgotten() override { return std::exchange(forgotten_, false); }

    [[nodiscard]] int poll_fd() const override { return epoll_.get(); }
    [[nodiscard]] std::optional<TimePoint> due() const override { return due_; }

private:
    Status launch() {
        if (pid_ > 0 && ::waitpid(pid_, nullptr, WNOHANG) == pid_) {  // between two tasks
            pid_ = -1;
            forgotten_ = true;
            end();
        }
        if (socket_.valid()) {
            return Ok{};
        }
        CELLBLOCK_ASSIGN_OR_RETURN(auto started, start_());
        pid_ = started.pid;
        socket_ = std::move(started.socket);
        writer_ = FrameWriter();
        waits_for_room_ = false;
        return writer_.push(encode_rules(rules_));
    }

    // Only while it has a task: what it does between two, its end too, wakes nobody.
    void watch() {
        const std::uint32_t room = waits_for_room_ ? static_cast<std::uint32_t>(EPOLLOUT) : 0U;
        const std::uint32_t wanted = due_ ? EPOLLIN | room : 0U;
        if (wanted != watched_) {
            epoll_event event{};
            event.events = wanted;
            const int change = watched_ == 0 ? EPOLL_CTL_ADD : wanted == 0 ? EPOLL_CTL_DEL : EPOLL_CTL_MOD;
            ::epoll_ctl(epoll_.get(), change, socket_.get(), &event);
            watched_ = wanted;
        }
    }

    bool send() {
        if (!writer_.flush(socket_.get())) {
            return false;
        }
        if (waits_for_room_ == writer_.empty()) {
            waits_for_room_ = !waits_for_room_;
            watch();
        }
        return true;
    }

    Error lost(const char* why) {
        forgotten_ = true;
        end();
        return Error{kStep, 0, why, {}};
    }

    void end() {
        due_.reset();
        watch();
        socket_.reset();
        if (pid_ > 0) {
            ::kill(pid_, SIGKILL);
            ending_.push_back(std::exchange(pid_, -1));
        }
        reap();
    }

    void reap() {
        std::erase_if(ending_, [](pid_t pid) { return ::waitpid(pid, nullptr, WNOHANG) != 0; });
    }

    OutputRules rules_;
    std::function<Result<CleanerStart>()> start_;
    std::chrono::milliseconds time_;
    UniqueFd epoll_;
    pid_t pid_ = -1;
    UniqueFd socket_;
    FrameReader reader_{kCleanerBounds};
    FrameWriter writer_;
    bool waits_for_room_ = false;
    std::uint32_t watched_ = 0;  // events
    std::optional<TimePoint> due_;
    std::optional<Error> failed_;
    bool forgotten_ = false;
    std::vector<pid_t> ending_;  // killed, not yet reaped
};

}  // namespace

Result<CleanerStart> start_cleaner() {
    CELLBLOCK_ASSIGN_OR_RETURN(
        auto sockets, make_socket_pair(SOCK_STREAM, "start the program that makes outputs harmless"));
    CleanerStart started{-1, std::move(sockets.ours)};
    // Nothing of ours but where its libraries lie.
    std::vector<std::string> environment;
    if (const char* libraries = std::getenv("LD_LIBRARY_PATH"); libraries != nullptr) {
        environment.push_back(std::string("LD_LIBRARY_PATH=") + libraries);
    }
    CELLBLOCK_ASSIGN_OR_RETURN(auto program, helper_program());
    auto pid = start_own({"cleaner", {sockets.theirs.get()}, std::move(environment), std::move(program)});
    if (!pid) {
        return pid.error();
    }
    started.pid = *pid;
    return started;
}

std::unique_ptr<Cleaner> cleaner_process(const OutputRules& rules,
                                         std::function<Result<CleanerStart>()> start,
                                         std::chrono::milliseconds time) {
    return std::make_unique<ProcessCleaner>(rules, std::move(start), time);
}

namespace {

MakeCleaner& maker() {
    static MakeCleaner make = [](const OutputRules& rules) { return cleaner_process(rules); };
    return make;
}

}  // namespace

std::unique_ptr<Cleaner> make_cleaner(const OutputRules& rules) {
    return maker()(rules);
}

void make_cleaners_by(MakeCleaner make) {
    maker() = std::move(make);
}

}  // namespace cellblock::sandbox
