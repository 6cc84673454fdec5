// The interface, over its implementation.
#include "sandbox/api/session.h"

#include <poll.h>

#include <algorithm>

#include "sandbox/session/session_impl.h"

namespace cellblock::sandbox {

namespace {

StartOptions showing(StartOptions options, const std::string& packages) {
    options.packages = packages;
    return options;
}

}  // namespace

Session::Impl::Impl(const Policy& policy, Result<std::unique_ptr<Engine>> engine, StartOptions options,
                    Now now)
    : now_(now),
      installer_(policy, options.session_name, now),
      host_(policy, std::move(engine), showing(std::move(options), installer_.folder()), std::move(now)),
      firewall_(policy),
      cleaner_(make_cleaner(policy.outputs)),
      audit_(policy),
      debug_(policy, events_) {
    host_.watch_also(installer_.poll_fd());
    if (cleaner_->poll_fd() >= 0) {
        host_.watch_also(cleaner_->poll_fd());
    }
}

Session::Session(const Policy& policy, Result<std::unique_ptr<Engine>> engine, StartOptions options, Now now)
    : impl_(std::make_unique<Impl>(policy, std::move(engine), std::move(options), std::move(now))) {}

Session::~Session() = default;

void Session::start() {
    impl_->host_.start();
}
int Session::poll_fd() const {
    return impl_->host_.poll_fd();
}
std::optional<TimePoint> Session::next_deadline() const {
    return impl_->next_deadline();
}
void Session::advance(const EventSink& sink) {
    impl_->advance(sink);
}
bool Session::busy() const {
    return impl_->current_.has_value();
}

CellId Session::execute(ExecuteRequest request) {
    impl_->begin_cell(std::move(request));
    return impl_->last_cell_;
}

CellId Session::send_comm(const CommInput& message) {
    if (message.kind == CommKind::open) {
        CleaningTask opened;
        opened.kind = CleaningTask::Kind::client_comm;
        opened.name = message.comm_id;
        opened.target = message.target_name;
        impl_->clean(std::move(opened), [impl = impl_.get()](const Result<Cleaned>& cleaned) {
            if (cleaned) {
                impl->firewall_.comm_is_open();
            }
        });
        impl_->host_.wake();
    }
    Activity comm;
    comm.kind = ActivityKind::comm;
    comm.id = ++impl_->last_cell_;
    comm.time = policy().limits.cell_time;
    comm.bytes = encode_comm(comm.id, message);
    impl_->begin(std::move(comm));
    return impl_->last_cell_;
}

QueryId Session::ask(const Query& query) {
    Activity activity;
    activity.kind = ActivityKind::query;
    activity.id = ++impl_->last_query_;
    activity.time = std::min(policy().limits.cell_time, kQueryTime);
    activity.bytes = encode_query(activity.id, query);
    impl_->begin(std::move(activity));
    return impl_->last_query_;
}

void Session::answer_input(std::uint64_t request, const std::string& value) {
    impl_->answer_input(request, value);
}
DebugId Session::debug(const std::string& request) {
    return impl_->debug(request);
}
void Session::interrupt() {
    impl_->interrupt();
}
void Session::shutdown() {
    impl_->shutdown();
}
void Session::keep_packages() {
    impl_->installer_.keep_folder();
}

Outcome Session::execute_blocking(ExecuteRequest request, const EventSink& sink) {
    const CellId cell = execute(std::move(request));
    std::optional<Outcome> outcome;
    while (!outcome) {
        advance([&](Event event) {
            if (auto* done = std::get_if<CellDone>(&event); done != nullptr && done->cell == cell) {
                outcome = std::move(done->outcome);
            } else {
                sink(std::move(event));
            }
        });
        if (outcome) {
            break;
        }
        pollfd waiting{poll_fd(), POLLIN, 0};
        int timeout = -1;
        if (const auto next = next_deadline()) {
            const auto left = std::chrono::ceil<std::chrono::milliseconds>(*next - Clock::now());
            timeout = static_cast<int>(std::clamp<std::int64_t>(left.count(), 0, 60'000));
        }
        ::poll(&waiting, 1, timeout);
    }
    return std::move(*outcome);
}

void Session::answer_history_by(HistorySource source) {
    impl_->history_ = std::move(source);
}

const Policy& Session::policy() const {
    return impl_->host_.policy();
}
std::string Session::python_version() const {
    const std::string& version = impl_->host_.python_version();
    return version.empty() ? impl_->debug_.python_version() : version;
}
std::string Session::banner() const {
    return impl_->banner_;
}
std::optional<bool> Session::has_debugger() const {
    return impl_->debug_.available();
}
std::string Session::unavailable_reason() const {
    return impl_->unavailable_;
}
std::vector<LayerState> Session::layers() const {
    return impl_->host_.layers();
}

SandboxUsage Session::usage() const {
    return impl_->host_.usage();
}

}  // namespace cellblock::sandbox
