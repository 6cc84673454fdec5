// Threads that are joined once they are done, and at the end.
#include "sandbox/base/background.h"

#include <atomic>
#include <list>
#include <memory>
#include <mutex>
#include <system_error>
#include <thread>
#include <utility>

#include "sandbox/base/signals_held.h"

namespace cellblock::sandbox {

namespace {

constexpr std::size_t kMost = 64;

class Works {
public:
    ~Works() { finish(); }

    bool add(const std::function<void()>& work) {
        const std::lock_guard held(mutex_);
        std::erase_if(works_, [](Work& one) {
            const bool done = *one.done;
            if (done) {
                one.thread.join();
            }
            return done;
        });
        return works_.size() < kMost && start(work);
    }

    void finish() {
        finishing_ = true;
        std::list<Work> rest;
        {
            const std::lock_guard held(mutex_);
            rest.swap(works_);
        }
        for (auto& one : rest) {
            one.thread.join();
        }
        finishing_ = false;
    }

    [[nodiscard]] bool is_finishing() const { return finishing_; }

private:
    struct Work {
        std::thread thread;
        std::shared_ptr<std::atomic<bool>> done;
    };

    bool start(const std::function<void()>& work) {
        auto done = std::make_shared<std::atomic<bool>>(false);
        const SignalsHeld held;
        try {
            works_.push_back({std::thread([work, done] {
                                  work();
                                  *done = true;
                              }),
                              done});
        } catch (const std::system_error&) {
            return false;
        }
        return true;
    }

    std::mutex mutex_;
    std::list<Work> works_;
    std::atomic<bool> finishing_ = false;
};

Works& works() {
    static Works all;
    return all;
}

}  // namespace

void run_in_background(std::function<void()> work) {
    if (!works().add(work)) {
        work();
    }
}

void finish_background_work() {
    works().finish();
}

bool is_finishing() {
    return works().is_finishing();
}

}  // namespace cellblock::sandbox
