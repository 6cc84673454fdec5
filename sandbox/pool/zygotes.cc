// Keeping zygotes.
#include "sandbox/pool/zygotes.h"

#include <unistd.h>

#include <algorithm>
#include <iostream>
#include <utility>

namespace cellblock::sandbox::pool {

namespace {

using namespace std::chrono_literals;

constexpr std::size_t kMaxZygotes = 8;
constexpr auto kBetweenLooks = 1s;  // at one that starts

bool was_changed(const Zygote& zygote) {
    const std::string file = zygote.changed_file();
    if (!file.empty()) {
        log(file + " was changed");
    }
    return !file.empty();
}

// To be made anew: changed on disk, or it ended some time ago.
bool is_useless(const Zygote& zygote) {
    switch (zygote.state()) {
        case Zygote::State::starting:
            return false;
        case Zygote::State::ready:
            return was_changed(zygote);
        case Zygote::State::dead:
        case Zygote::State::refused:
            return Zygotes::Clock::now() >= zygote.next_attempt();
    }
    return true;
}

bool has_ended(const Zygote& zygote) {
    return zygote.state() == Zygote::State::dead || zygote.state() == Zygote::State::refused;
}

// So that nobody tries again too early.
bool is_remembered(const Zygote& zygote) {
    return has_ended(zygote) && Zygotes::Clock::now() < zygote.next_attempt();
}

}  // namespace

void log(const std::string& line) {
    std::cerr << "cellblock daemon " << ::getpid() << ": " << line << std::endl;
}

std::string why_not(const Zygote& zygote) {
    switch (zygote.state()) {
        case Zygote::State::starting:
            return "the warm Python isn't ready yet";
        case Zygote::State::ready:
            return "the warm Python has too much to do";
        case Zygote::State::refused:
        case Zygote::State::dead:
            break;
    }
    return "no warm Python: " + zygote.reason();
}

Zygote* Zygotes::find_or_start(const ZygoteSpec& spec) {
    const std::string key = key_of(spec);
    auto found = std::find_if(all_.begin(), all_.end(), [&](const Zygote& one) { return one.key() == key; });
    int failures = 0;
    if (found != all_.end() && is_useless(*found)) {
        failures = found->state() == Zygote::State::ready ? 0 : found->failures();
        remove(found);
        found = all_.end();
    }
    if (found != all_.end()) {
        return &*found;
    }
    Zygote* const started = start(spec);
    if (started != nullptr) {
        started->follows(failures);
    }
    return started;
}

Zygote* Zygotes::start(const ZygoteSpec& spec) {
    if (all_.size() >= kMaxZygotes) {
        remove(std::min_element(all_.begin(), all_.end(),
                                [](const Zygote& a, const Zygote& b) { return a.used() < b.used(); }));
    }
    auto started = Zygote::start(spec);
    if (!started) {
        failure_ = started.error().text();
        log(failure_);
        return nullptr;
    }
    all_.push_back(std::move(*started));
    Zygote& zygote = all_.back();
    loop_.watch(zygote.socket(), [this, &zygote] { heard_from(zygote); });
    loop_.watch(zygote.output(), [this, &zygote] { log_output(zygote); });
    return &zygote;
}

void Zygotes::forget(const Zygote& zygote) {
    for (const int fd : {zygote.socket(), zygote.output()}) {
        if (fd >= 0) {
            loop_.forget(fd);
        }
    }
}

void Zygotes::log_output(Zygote& zygote) {
    const int output = zygote.output();
    const std::string text = zygote.read_output();
    if (zygote.output() < 0) {
        loop_.forget(output);
    }
    if (!text.empty()) {
        log("a warm Python says: " + text);
    }
}

void Zygotes::heard_from(Zygote& zygote) {
    const auto before = zygote.state();
    const int socket = zygote.socket();
    const int output = zygote.output();
    heard_(zygote);
    if (zygote.state() == before) {
        return;
    }
    log(zygote.in_words());
    if (zygote.state() != Zygote::State::ready) {
        loop_.forget(socket);
        loop_.forget(output);
        ended_.push_back(&zygote);
    }
}

void Zygotes::remove(std::list<Zygote>::iterator one) {
    goes_(*one);
    std::erase(ended_, &*one);
    forget(*one);
    all_.erase(one);
}

void Zygotes::look_after() {
    const auto ended = std::exchange(ended_, {});
    for (const Zygote* one : ended) {
        goes_(*one);
        if (one->state() == Zygote::State::dead && one->was_good()) {
            const ZygoteSpec spec = one->spec();
            remove(
                std::find_if(all_.begin(), all_.end(), [&](const Zygote& other) { return &other == one; }));
            (void)start(spec);
        }
    }
    const auto now = Clock::now();
    for (auto one = all_.begin(); one != all_.end();) {
        const auto next = std::next(one);
        if (one->is_late()) {
            forget(*one);
            one->end(Zygote::State::refused, "its imports took too long");
            log(one->in_words());
        } else if (now - one->used() > idle_ && !is_remembered(*one)) {
            remove(one);
        }
        one = next;
    }
}

Zygotes::Clock::time_point Zygotes::next() const {
    auto next = ended_.empty() ? Clock::time_point::max() : Clock::now();
    for (const auto& one : all_) {
        const auto unused = one.used() + idle_;
        next = std::min<Clock::time_point>(next, one.state() == Zygote::State::starting
                                                     ? Clock::now() + kBetweenLooks
                                                 : has_ended(one) ? std::max(unused, one.next_attempt())
                                                                  : unused);
    }
    return next;
}

std::vector<Zygote::Figures> Zygotes::figures() const {
    std::vector<Zygote::Figures> figures;
    for (const auto& one : all_) {
        figures.push_back(one.figures());
    }
    return figures;
}

}  // namespace cellblock::sandbox::pool
