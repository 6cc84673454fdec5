#include "kernel/e2b/box.h"

#include <utility>

namespace cellblock::kernel {

using namespace sandbox;

namespace {

constexpr std::chrono::seconds kTick{1};

}  // namespace

Box::Box(Loop& loop, const Policy& policy, const std::string& directory, BoxFacts facts, Ready ready)
    : facts_(std::move(facts)),
      ready_(std::move(ready)),
      session_(policy, make_engine(policy), StartOptions{directory}),
      executions_(port()),
      processes_(port()),
      files_(port()) {
    watch_ = loop.watch(session_.poll_fd(), [this] { advance(); });
    clock_ = loop.watch(-1, [this] { tick(); });
    clock_->until(Clock::now() + kTick);
    session_.start();
    watch_->until(Clock::now());  // where there is no engine, nothing else will happen
}

Box::~Box() {
    watch_.reset();
    clock_.reset();
    const std::string reason = "the sandbox was killed or reached its end";
    if (ready_) {
        std::exchange(ready_, nullptr)(reason);
    }
    executions_.end();
    processes_.end(reason);
    files_.end(reason);
    session_.shutdown();
}

SessionPort Box::port() {
    return {session_, [this] { settle(); }, facts_.environment};
}

void Box::settle() {
    if (watch_) {
        watch_->until(session_.next_deadline());
    }
}

void Box::advance() {
    session_.advance([this](Event event) {
        files_.on(event);
        processes_.on(event);
        executions_.on(event);
    });
    executions_.begin_next();
    settle();
    const std::string fault = session_.unavailable_reason();
    if (ready_ && (!fault.empty() || !session_.banner().empty())) {
        std::exchange(ready_, nullptr)(fault);  // may end this box
    }
}

void Box::tick() {
    executions_.tick();
    processes_.tick();
    files_.tick();
    clock_->until(Clock::now() + kTick);
}

}  // namespace cellblock::kernel
