#include "kernel/http/loop.h"

#include <fcntl.h>
#include <unistd.h>

#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <exception>
#include <iostream>
#include <utility>

#include "kernel/http/loop_impl.h"

namespace cellblock::kernel {

namespace asio = boost::asio;
using boost::system::error_code;

namespace {

// A watch as the loop's handlers hold it: it lives until the last of them was called.
struct Watched : std::enable_shared_from_this<Watched> {
    Watched(asio::io_context& context, std::function<void()> to_call)
        : descriptor(context), timer(context), call(std::move(to_call)) {}

    void wait_for_bytes() {
        descriptor.async_wait(asio::posix::stream_descriptor::wait_read,
                              [self = shared_from_this()](const error_code& failed) {
                                  if (!failed && self->call) {
                                      self->called();
                                      if (self->descriptor.is_open()) {
                                          self->wait_for_bytes();
                                      }
                                  }
                              });
    }

    void wait_for_time() {
        timer.async_wait([self = shared_from_this()](const error_code& failed) {
            if (!failed && self->call) {
                self->called();
            }
        });
    }

    // The function may end this Watch.
    void called() const {
        const auto copy = call;
        copy();
    }

    void end() {
        call = nullptr;
        error_code ignored;
        try {
            timer.cancel();
        } catch (const boost::system::system_error& failed) {
            ignored = failed.code();  // Boost 1.90 has no form that can't throw, although none fails
        }
        descriptor.close(ignored);
    }

    asio::posix::stream_descriptor descriptor;
    asio::steady_timer timer;
    std::function<void()> call;
};

class WatchHandle final : public Watch {
public:
    explicit WatchHandle(std::shared_ptr<Watched> watched) : watched_(std::move(watched)) {}
    ~WatchHandle() override { watched_->end(); }
    WatchHandle(const WatchHandle&) = delete;
    WatchHandle& operator=(const WatchHandle&) = delete;

    void until(std::optional<std::chrono::steady_clock::time_point> time) override {
        if (time == time_) {
            return;
        }
        time_ = time;
        watched_->timer.cancel();
        if (time) {
            watched_->timer.expires_at(*time);
            watched_->wait_for_time();
        }
    }

private:
    std::shared_ptr<Watched> watched_;
    std::optional<std::chrono::steady_clock::time_point> time_;
};

// Calls the function for each signal, until the set is cancelled.
void call_for(asio::signal_set& signals, const std::function<void()>& call) {
    signals.async_wait([&signals, call](const error_code& failed, int) {
        if (!failed) {
            call_for(signals, call);
            call();
        }
    });
}

}  // namespace

Loop::Loop() : impl_(std::make_unique<Impl>()) {}
Loop::~Loop() = default;

std::unique_ptr<Watch> Loop::watch(int fd, std::function<void()> ready) {
    auto watched = std::make_shared<Watched>(impl_->context, std::move(ready));
    // A duplicate, as the loop closes what it watches.
    const int copy = fd < 0 ? -1 : ::fcntl(fd, F_DUPFD_CLOEXEC, 0);
    if (copy >= 0) {
        error_code failed;
        watched->descriptor.assign(copy, failed);
        if (failed) {
            ::close(copy);
        } else {
            watched->wait_for_bytes();
        }
    }
    return std::make_unique<WatchHandle>(std::move(watched));
}

void Loop::post(std::function<void()> call) {
    asio::post(impl_->context, std::move(call));
}

void Loop::on_signals(const std::vector<int>& numbers, const std::function<void()>& call) {
    auto& signals = impl_->signals.emplace_back(impl_->context);
    for (const int number : numbers) {
        error_code ignored;
        signals.add(number, ignored);
    }
    call_for(signals, call);
}

void Loop::run() {
    for (;;) {
        try {
            impl_->context.run();
            return;
        } catch (const std::exception& failed) {
            std::cerr << "cellblock: an event was lost: " << failed.what() << "\n";
        }
    }
}

void Loop::run_for(std::chrono::milliseconds time) {
    impl_->context.restart();
    impl_->context.run_for(time);
}

void Loop::stop() {
    for (auto& one : impl_->signals) {
        error_code ignored;
        one.cancel(ignored);
    }
    impl_->context.stop();
}

}  // namespace cellblock::kernel
