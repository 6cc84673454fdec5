// Threads and their answers.
#include "sandbox/network/resolver.h"

#include <netdb.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cstring>
#include <mutex>
#include <system_error>
#include <thread>
#include <utility>

#include "sandbox/api/unique_fd.h"

namespace cellblock::sandbox::network {

namespace {

Resolved resolve(std::uint64_t asker, const std::string& name) {
    Resolved out;
    out.asker = asker;
    addrinfo wanted{};
    wanted.ai_socktype = SOCK_STREAM;
    wanted.ai_flags = AI_ADDRCONFIG;
    addrinfo* list = nullptr;
    if (const int failed = ::getaddrinfo(name.c_str(), nullptr, &wanted, &list); failed != 0) {
        out.fault = ::gai_strerror(failed);
        return out;
    }
    const std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)> owner(list, &::freeaddrinfo);
    for (const addrinfo* one = list; one != nullptr; one = one->ai_next) {
        Address address;
        address.size = one->ai_addrlen;
        std::memcpy(&address.storage, one->ai_addr, one->ai_addrlen);
        out.addresses.push_back(address);
    }
    return out;
}

}  // namespace

struct Resolver::Answers {
    std::mutex lock;
    std::vector<Resolved> list;
    UniqueFd bell{::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)};

    void add(Resolved found) {
        const std::lock_guard locked(lock);
        list.push_back(std::move(found));
        const std::uint64_t rung = 1;
        [[maybe_unused]] const auto written = ::write(bell.get(), &rung, sizeof rung);
    }
};

Resolver::Resolver() : answers_(std::make_shared<Answers>()) {}

Resolver::~Resolver() = default;

int Resolver::poll_fd() const {
    return answers_->bell.get();
}

void Resolver::start_waiting() {
    while (running_ < kMostAtOnce && !waiting_.empty()) {
        auto [asker, name] = std::move(waiting_.front());
        waiting_.pop_front();
        ++running_;
        try {
            std::thread([answers = answers_, asker = asker, name = name] {
                answers->add(resolve(asker, name));
            }).detach();
        } catch (const std::system_error&) {
            answers_->add({asker, {}, "no thread can be had"});
        }
    }
}

bool Resolver::begin(std::uint64_t asker, const std::string& name) {
    if (waiting_.size() >= kMostWaiting) {
        return false;
    }
    waiting_.emplace_back(asker, name);
    start_waiting();
    return true;
}

void Resolver::forget(std::uint64_t asker) {
    std::erase_if(waiting_, [&](const auto& one) { return one.first == asker; });
}

std::vector<Resolved> Resolver::take() {
    std::uint64_t count = 0;
    [[maybe_unused]] const auto got = ::read(answers_->bell.get(), &count, sizeof count);
    std::vector<Resolved> came;
    {
        const std::lock_guard locked(answers_->lock);
        came = std::exchange(answers_->list, {});
    }
    running_ -= came.size();
    start_waiting();
    return came;
}

}  // namespace cellblock::sandbox::network
