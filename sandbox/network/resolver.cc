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
};

Resolver::Resolver() : answers_(std::make_shared<Answers>()) {}

Resolver::~Resolver() = default;

int Resolver::poll_fd() const {
    return answers_->bell.get();
}

bool Resolver::begin(std::uint64_t asker, const std::string& name) {
    if (running_ >= kMostAtOnce) {
        return false;
    }
    try {
        std::thread([answers = answers_, asker, name] {
            Resolved found = resolve(asker, name);
            const std::lock_guard locked(answers->lock);
            answers->list.push_back(std::move(found));
            const std::uint64_t rung = 1;
            [[maybe_unused]] const auto written = ::write(answers->bell.get(), &rung, sizeof rung);
        }).detach();
    } catch (const std::system_error&) {
        return false;
    }
    ++running_;
    return true;
}

std::vector<Resolved> Resolver::take() {
    std::uint64_t count = 0;
    [[maybe_unused]] const auto got = ::read(answers_->bell.get(), &count, sizeof count);
    const std::lock_guard locked(answers_->lock);
    auto came = std::exchange(answers_->list, {});
    running_ -= came.size();
    return came;
}

}  // namespace cellblock::sandbox::network
