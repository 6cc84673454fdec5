// The life of a sandbox and its workers, and what their sockets bring.
#include "sandbox/session/sandbox_host.h"

#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <utility>

#include "sandbox/session/escalation.h"

namespace cellblock::sandbox {

namespace {

constexpr int kOutOfMemory = 72;          // the worker's exit status then (worker/cellblock_worker/memory.py)
constexpr std::size_t kMostWaiting = 64;  // of a debugger's requests, for a sandbox that is coming
constexpr std::size_t kMostImports = 256;  // of a session, that the engine is told
constexpr int kMostLeftEarly = 3;

void watch(int epoll, int fd) {
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.fd = fd;
    ::epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event);
}

// What code that runs at a worker's start may show: in no cell.
bool is_early_output(const WorkerMessage& message) {
    return std::visit(
        [](const auto& one) {
            using Kind = std::decay_t<decltype(one)>;
            if constexpr (std::is_same_v<Kind, StreamOutput> || std::is_same_v<Kind, DisplayOutput> ||
                          std::is_same_v<Kind, ClearOutput> || std::is_same_v<Kind, ErrorOutput> ||
                          std::is_same_v<Kind, CommOutput>) {
                return one.cell == 0;
            }
            return false;
        },
        message);
}

std::string with_remedy(const std::string& reason, const Sandbox& sandbox) {
    const std::string remedy = sandbox.remedy();
    return remedy.empty() ? reason : reason + ". " + remedy;
}

// From the end of a worker's socket to its own end, which says how it died.
constexpr std::chrono::milliseconds kTimeToDie{250};

// What a socket says whose other end is closed; all else is the host's own affair.
bool is_gone(int error) {
    return error == EPIPE || error == ECONNRESET || error == ENOTCONN;
}

}  // namespace

SandboxHost::SandboxHost(Policy policy, Result<std::unique_ptr<Engine>> engine, StartOptions options, Now now)
    : policy_(std::move(policy)),
      engine_(std::move(engine)),
      options_(std::move(options)),
      now_(std::move(now)),
      epoll_(::epoll_create1(EPOLL_CLOEXEC)),
      wake_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
    watch(epoll_.get(), wake_.get());
}

SandboxHost::~SandboxHost() {
    discard();
}

void SandboxHost::watch_also(int fd) const {
    watch(epoll_.get(), fd);
}

void SandboxHost::hold(bool held) {
    if (std::exchange(held_, held) == held) {
        return;
    }
    if (link_) {
        link_->hold(held);
    }
    if (!held) {
        wake();  // for what was read and not yet looked at
    }
}

void SandboxHost::wake() const {
    const std::uint64_t one = 1;
    [[maybe_unused]] const auto written = ::write(wake_.get(), &one, sizeof one);
}

void SandboxHost::fail(std::string reason) {
    agents_ended();
    discard();
    events_.emplace_back(Unavailable{std::move(reason)});
    wake();
}

void SandboxHost::fail_to_start(std::string reason) {
    if (!taken_from_) {
        return fail(std::move(reason));
    }
    auto from = std::move(taken_from_);
    agents_ended();
    discard();
    taken_from_ = std::move(from);
    failed_ = std::move(reason);
    wake();
}

void SandboxHost::start_anew() {
    const auto from = std::move(taken_from_);
    const std::string reason = *std::exchange(failed_, std::nullopt);
    if (auto anew = from->start_anew(reason)) {
        use(std::move(*anew));
    } else {
        fail(reason);
    }
}

void SandboxHost::discard() {
    pending_.reset();
    taken_from_.reset();
    failed_.reset();
    debugger_waits_.clear();
    link_.reset();
    sandbox_.reset();
    state_ = State::absent;
    was_ready_ = false;
    left_early_ = 0;
    greeted_ = false;
    deadline_.reset();
    condemned_.reset();
    oom_kills_seen_ = 0;
}

void SandboxHost::shutdown() {
    discard();
    events_.clear();
}

void SandboxHost::start() {
    if (sandbox_ || pending_ || failed_) {
        return;
    }
    if (!engine_) {
        return fail(engine_.error().text());
    }
    auto begun = (*engine_)->begin(policy_, options_);
    if (!begun) {
        return fail(begun.error().text());
    }
    if (!*begun) {
        return use((*engine_)->start(policy_, options_));
    }
    pending_ = std::move(*begun);
    watch(epoll_.get(), pending_->poll_fd());
    state_ = State::pending;
    look_for_sandbox();
}

void SandboxHost::look_for_sandbox() {
    auto came = pending_->take();
    deadline_ = pending_->deadline();
    if (came) {
        taken_from_ = std::move(pending_);
        use(std::move(*came));
    } else if (now_() >= *deadline_) {
        use(pending_->give_up());
    }
}

void SandboxHost::use(Result<std::unique_ptr<Sandbox>> started) {
    pending_.reset();
    if (!started) {
        return fail(started.error().text());
    }
    sandbox_ = std::move(*started);
    link_ = std::make_unique<Link>(sandbox_->warden_fd(), offers_debugger(policy_));
    link_->hold(held_);
    watch(epoll_.get(), link_->poll_fd());
    if (auto sockets = sandbox_->take_worker(); sockets.worker.valid()) {
        link_->adopt_worker(std::move(sockets));
        expect_worker();
    } else {
        next_worker();
    }
    for (auto& frame : std::exchange(debugger_waits_, {})) {
        (void)send_to_debugger(std::move(frame));  // a link that fails tells it by its end of file
    }
}

void SandboxHost::expect_worker() {
    state_ = State::starting;
    announced_ = worker_was_ready_ = false;
    deadline_ = now_() + policy_.limits.start_time;
}

void SandboxHost::next_worker() {
    expect_worker();
    const auto started = link_->start_worker();
    if (!started && !is_gone(started.error().code)) {
        return fail(started.error().text());
    }
    if (!started || !link_->send_to_worker(encode_configure(policy_))) {
        // The warden is gone already; its end of file tells why.
        kill_sandbox();
    }
}

void SandboxHost::send(OutgoingFrame frame) {
    if (!link_ || !link_->has_worker()) {
        return;  // its end is known, or will be
    }
    if (const auto sent = link_->send_to_worker(std::move(frame)); !sent) {
        if (!is_gone(sent.error().code)) {
            return condemn(sent.error().message);
        }
        worker_closed_socket();
    }
}

// What the worker sent before is still read, and the warden tells the reason of its end.
void SandboxHost::worker_closed_socket() {
    if (state_ == State::starting || state_ == State::ready) {
        state_ = State::closing;
        deadline_ = now_() + kTimeToDie;
    }
}

bool SandboxHost::send_to_debugger(OutgoingFrame frame) {
    if (pending_) {
        if (debugger_waits_.size() >= kMostWaiting) {
            return false;
        }
        debugger_waits_.push_back(std::move(frame));
        return true;
    }
    return link_ && link_->send_to_debugger(std::move(frame)).ok();
}

Status SandboxHost::send_to_files(OutgoingFrame frame) {
    if (!link_) {
        return Error{"ask for files", 0, "there is no sandbox", {}};
    }
    return link_->send_to_files(std::move(frame));
}

void SandboxHost::drop_files() {
    if (link_) {
        link_->drop_files();
    }
}

Status SandboxHost::send_to_commands(OutgoingFrame frame) {
    if (!link_) {
        return Error{"run a command", 0, "there is no sandbox", {}};
    }
    return link_->send_to_commands(std::move(frame));
}

void SandboxHost::drop_commands() {
    if (link_) {
        link_->drop_commands();
    }
}

void SandboxHost::note_imports(const std::vector<std::string>& names) {
    std::vector<std::string> fresh;
    for (const auto& name : names) {
        if (noted_imports_.size() < kMostImports && noted_imports_.insert(name).second) {
            fresh.push_back(name);
        }
    }
    if (!fresh.empty() && engine_) {
        (*engine_)->note_imports(policy_, fresh);
    }
}

void SandboxHost::interrupt() {
    if (link_ && !link_->send_to_warden("interrupt")) {
        kill_sandbox();
    }
}

void SandboxHost::expect_report() {
    state_ = State::dying;
    // Longer than the escalation's own wait, which comes first and kills the sandbox.
    deadline_ = now_() + 2 * Escalation::kReportTime;
}

void SandboxHost::kill_worker() {
    if (!link_) {
        return;
    }
    if (!link_->send_to_warden("kill_worker")) {
        return kill_sandbox();
    }
    expect_report();
}

void SandboxHost::kill_sandbox() {
    if (sandbox_) {
        sandbox_->kill();
        expect_report();
    }
}

void SandboxHost::condemn(const std::string& reason) {
    if (!sandbox_ || condemned_) {
        return;
    }
    condemned_ = reason;
    link_->drop_worker();
    kill_sandbox();
}

std::vector<LayerState> SandboxHost::layers() const {
    return sandbox_ ? sandbox_->layers() : std::vector<LayerState>{};
}

SandboxUsage SandboxHost::usage() const {
    SandboxUsage usage = sandbox_ ? sandbox_->usage() : SandboxUsage{};
    usage.oom_kills += kills_by_warden_;
    return usage;
}

// --- how much is read

class SandboxHost::Share {
public:
    // Of a flood only so much, before others have their turn. By the real clock: it is about other clients'
    // time, not about the session's.
    static Share turn() { return {256, 8U << 20, Clock::now() + std::chrono::milliseconds(5)}; }

    // After the writer's end: what the kernel holds and a frame that had begun. No limit of time, or a busy
    // machine would lose outputs; the others are for a warden that lies about that end.
    static Share rest() { return {32'768, 64U << 20, TimePoint::max()}; }

    void count(const Frame& frame) {
        --frames_left_;
        bytes_left_ -= std::min(bytes_left_, frame.bytes);
        has_begun_ = true;
    }
    [[nodiscard]] bool is_used_up() const {
        return frames_left_ == 0 || bytes_left_ == 0 || (has_begun_ && Clock::now() > until_);
    }

private:
    Share(int frames, std::size_t bytes, TimePoint until)
        : frames_left_(frames), bytes_left_(bytes), until_(until) {}

    int frames_left_;
    std::size_t bytes_left_;
    TimePoint until_;
    bool has_begun_ = false;
};

// --- reading the sockets

// Reads frames until the socket is empty or the share is used up. `read`: takes the next frame. `take`:
// decodes and handles one. `ended`: end of file. `open`: whether there still is a socket, as each frame may
// end the sandbox.
template <class Open, class Read, class Take, class Ended>
void SandboxHost::read_frames(Share share, Open open, Read read, Take take_frame, Ended ended) {
    while (open()) {
        Frame frame;
        if (share.is_used_up()) {
            return wake();
        }
        auto state = read(frame);
        if (!state) {
            return condemn("malformed " + state.error().message);
        }
        if (*state == ReadState::would_block) {
            return;
        }
        if (*state == ReadState::end_of_file) {
            return ended();
        }
        share.count(frame);
        if (auto taken = take_frame(std::move(frame)); !taken) {
            return condemn(taken.error().message);
        }
    }
}

void SandboxHost::read_worker_frames(Share share) {
    read_frames(
        share, [this] { return link_ && link_->has_worker(); },
        [this](Frame& frame) { return link_->read_worker(frame); },
        [this](Frame frame) -> Status {
            CELLBLOCK_ASSIGN_OR_RETURN(auto message, decode_worker_frame(std::move(frame)));
            take(std::move(message));
            return Ok{};
        },
        [this] {
            link_->drop_worker();
            worker_closed_socket();
        });
}

void SandboxHost::read_debug_frames(Share share) {
    read_frames(
        share, [this] { return link_ && link_->has_debugger(); },
        [this](Frame& frame) { return link_->read_debugger(frame); },
        [this](Frame frame) -> Status {
            CELLBLOCK_ASSIGN_OR_RETURN(auto message, decode_debug_frame(std::move(frame)));
            events_.emplace_back(std::move(message));
            return Ok{};
        },
        [this] {
            link_->drop_debugger();
            events_.emplace_back(DebugMessage(DebuggerGone{}));
        });
}

void SandboxHost::read_file_frames(Share share) {
    read_frames(
        share, [this] { return link_ && link_->has_files(); },
        [this](Frame& frame) { return link_->read_files(frame); },
        [this](Frame frame) -> Status {
            CELLBLOCK_ASSIGN_OR_RETURN(auto message, decode_file_frame(std::move(frame)));
            events_.emplace_back(std::move(message));
            return Ok{};
        },
        [this] { files_ended(); });
}

void SandboxHost::read_command_frames(Share share) {
    read_frames(
        share, [this] { return link_ && link_->has_commands(); },
        [this](Frame& frame) { return link_->read_commands(frame); },
        [this](Frame frame) -> Status {
            CELLBLOCK_ASSIGN_OR_RETURN(auto message, decode_command_frame(std::move(frame)));
            events_.emplace_back(std::move(message));
            return Ok{};
        },
        [this] { commands_ended(); });
}

void SandboxHost::agents_ended() {
    files_ended();
    commands_ended();
}

void SandboxHost::commands_ended() {
    if (link_ && link_->has_commands()) {
        link_->drop_commands();
        events_.emplace_back(CommandMessage(CommandsGone{}));
    }
}

void SandboxHost::files_ended() {
    if (link_ && link_->has_files()) {
        link_->drop_files();
        events_.emplace_back(FileMessage(FilesGone{}));
    }
}

void SandboxHost::read_warden_frames() {
    read_frames(
        Share::turn(), [this] { return link_ != nullptr; },
        [this](Frame& frame) { return link_->read_warden(frame); },
        [this](Frame frame) -> Status {
            CELLBLOCK_ASSIGN_OR_RETURN(auto message, decode_warden_frame(std::move(frame)));
            take(message);
            return Ok{};
        },
        [this] { sandbox_ended(); });
}

void SandboxHost::drain() {
    read_worker_frames(Share::rest());
    read_file_frames(Share::rest());
    read_command_frames(Share::rest());
    if (link_) {
        link_->drop_worker();
    }
}

// --- what they tell

void SandboxHost::advance(const std::function<void(HostEvent)>& sink) {
    std::uint64_t ignored = 0;
    [[maybe_unused]] const auto got = ::read(wake_.get(), &ignored, sizeof ignored);
    if (pending_) {
        look_for_sandbox();
    } else if (failed_) {
        start_anew();
    }
    if (link_) {
        if (!link_->flush()) {
            worker_closed_socket();
        }
        if (!held_) {
            read_worker_frames(Share::turn());
            read_debug_frames(Share::turn());
        }
        read_file_frames(Share::turn());
        read_command_frames(Share::turn());
        read_warden_frames();
    }
    if (deadline_ && now_() >= *deadline_) {
        deadline_passed();
    }
    // A sink may make more events; they are handed out in this loop as well.
    while (!events_.empty()) {
        HostEvent event = std::move(events_.front());
        events_.pop_front();
        sink(std::move(event));
    }
}

void SandboxHost::deadline_passed() {
    deadline_.reset();
    switch (state_) {
        case State::absent:
        case State::pending:  // looked at already
        case State::ready:
            return;
        case State::starting:
            return too_late();
        case State::closing:
            return kill_worker();
        case State::dying:
            return sandbox_ended();
    }
}

void SandboxHost::too_late() {
    const std::string said = sandbox_->last_words();
    fail("the sandbox was not ready within " + format_duration(policy_.limits.start_time) + " (policy \"" +
         policy_.name + "\", key limits.start_time)" + (said.empty() ? "" : "; it wrote: " + said));
}

void SandboxHost::take(WorkerMessage message) {
    if (auto* starting = std::get_if<WorkerStarting>(&message)) {
        if (worker_was_ready_ || std::exchange(announced_, true)) {
            return condemn("a second 'starting', or one after 'ready'");
        }
        python_ = std::move(starting->python);
        return;
    }
    if (const auto* ready = std::get_if<WorkerReady>(&message)) {
        if (std::exchange(worker_was_ready_, true)) {
            return condemn("a second 'ready'");
        }
        if (state_ == State::starting) {
            python_ = ready->python;
            state_ = State::ready;
            was_ready_ = true;
            deadline_.reset();
            taken_from_.reset();
            events_.emplace_back(std::move(message));
        }
        return;
    }
    if (auto* failed = std::get_if<WorkerFailed>(&message)) {
        if (worker_was_ready_) {
            return condemn("'failed' after 'ready'");
        }
        return fail_to_start(std::move(failed->message));
    }
    if (!worker_was_ready_ && !is_early_output(message)) {
        return condemn("a message before 'ready'");
    }
    events_.emplace_back(std::move(message));
}

void SandboxHost::take(const WardenMessage& message) {
    if (std::holds_alternative<WardenHello>(message)) {
        if (std::exchange(greeted_, true)) {
            return condemn("a second 'hello'");
        }
    } else if (!greeted_) {
        condemn("a warden's message before 'hello'");
    } else if (std::holds_alternative<MemoryKill>(message)) {
        if (!kill_reports_.spend(now_())) {
            return condemn("a flood of 'memory_kill'");
        }
        ++kills_by_warden_;
    } else {
        take(std::get<WorkerExited>(message));
    }
}

Death SandboxHost::death_of(const WorkerExited& report) const {
    if (report.signal) {
        if (*report.signal == SIGKILL && usage().oom_kills > oom_kills_seen_) {
            return Death{Death::Kind::memory_limit, SIGKILL, {}};
        }
        return Death{Death::Kind::signal, *report.signal, {}};
    }
    if (report.exit_status == kOutOfMemory) {
        return Death{Death::Kind::memory_limit, 0, {}};
    }
    return Death{Death::Kind::exit_status, report.exit_status.value_or(0), {}};
}

void SandboxHost::take(const WorkerExited& report) {
    if (condemned_) {
        return;  // its end of file follows
    }
    const Death death = death_of(report);
    drain();
    if (!sandbox_ || condemned_) {
        return;
    }
    oom_kills_seen_ = usage().oom_kills;
    // A Python that was moved away can't be started any more, however often.
    const bool left_early = !worker_was_ready_ && report.exit_status.has_value();
    left_early_ = left_early ? left_early_ + 1 : 0;
    if (!was_ready_ || left_early_ >= kMostLeftEarly) {
        const std::string more = sandbox_->death_reason();
        return fail_to_start("Python ended before it was ready" +
                             (more.empty() ? "" : ": " + with_remedy(more, *sandbox_)));
    }
    events_.emplace_back(WorkerGone{death});
    agents_ended();  // all that lived in there was killed
    next_worker();
}

void SandboxHost::sandbox_ended() {
    if (!condemned_) {
        drain();
        if (!sandbox_) {
            return;
        }
    }
    const bool out_of_memory = usage().oom_kills > oom_kills_seen_;
    const std::string why = sandbox_->death_reason();
    Death death{out_of_memory ? Death::Kind::memory_limit : Death::Kind::sandbox_gone, SIGKILL, why};
    if (condemned_) {
        death = Death{Death::Kind::violation, 0, *condemned_};
    }
    const bool had_worked = was_ready_;
    if (!had_worked && !condemned_) {
        const std::string python = policy_.python.empty() ? "python3" : policy_.python;
        return fail_to_start(why.empty() ? "the sandbox ended before it was ready. Is \"" + python +
                                               "\" a Python? (policy \"" + policy_.name + "\", key python)"
                                         : with_remedy(why, *sandbox_));
    }
    agents_ended();
    discard();
    events_.emplace_back(WorkerGone{death});
    wake();
    if (had_worked) {
        start();
    }
}

}  // namespace cellblock::sandbox
