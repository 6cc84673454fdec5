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
constexpr auto kQuiet = 1s;         // after something was learned, more may follow

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
            return !zygote.unfit().empty() || Zygotes::Clock::now() >= zygote.next_attempt();
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
    auto found = std::find_if(all_.begin(), all_.end(),
                              [&](const Zygote& one) { return one.key() == key && !one.is_successor(); });
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
    auto started =
        Zygote::start(spec, spec.learns ? learned_.names_for(spec.program) : std::vector<std::string>());
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
    listener_.heard(zygote);
    if (zygote.state() == before) {
        return;
    }
    log(zygote.in_words());
    drop_unfit(zygote);
    if (zygote.state() == Zygote::State::ready) {
        return became_ready(zygote);
    }
    loop_.forget(socket);
    loop_.forget(output);
    ended_.push_back(&zygote);
}

void Zygotes::became_ready(Zygote& zygote) {
    if (!zygote.is_successor()) {
        return listener_.ready(zygote);
    }
    const auto before = std::find_if(all_.begin(), all_.end(), [&](const Zygote& one) {
        return one.key() == zygote.key() && !one.is_successor();
    });
    zygote.be_successor(false);
    if (before != all_.end()) {
        listener_.replaced(*before, zygote);
        remove(before);
    }
    listener_.ready(zygote);
}

// --- what sessions import

void Zygotes::learn(const std::string& python, const std::vector<std::string>& names) {
    const auto known = learned_.names_for(python);
    learned_.note(python, names);
    const auto wanted = learned_.names_for(python);
    if (!std::is_permutation(wanted.begin(), wanted.end(), known.begin(), known.end())) {
        learned_at_ = Clock::now();
    }
}

void Zygotes::drop_unfit(const Zygote& zygote) {
    for (const auto& [name, reason] : zygote.unfit()) {
        learned_.drop(zygote.spec().program, name, reason);
    }
}

bool Zygotes::lacks_something(const Zygote& zygote) const {
    const auto& has = zygote.names();
    const auto wanted = learned_.names_for(zygote.spec().program);
    return zygote.spec().learns && std::any_of(wanted.begin(), wanted.end(), [&](const std::string& name) {
               return std::find(has.begin(), has.end(), name) == has.end();
           });
}

void Zygotes::start_successors() {
    const auto now = Clock::now();
    if (now - learned_at_ < kQuiet) {
        return;
    }
    for (auto& one : all_) {
        const bool has_one = std::any_of(all_.begin(), all_.end(), [&](const Zygote& other) {
            return other.key() == one.key() && other.is_successor();
        });
        if (one.state() != Zygote::State::ready || one.is_successor() || has_one ||
            all_.size() >= kMaxZygotes || now < one.next_successor() || !lacks_something(one)) {
            continue;
        }
        one.note_successor();
        if (Zygote* const next = start(one.spec()); next != nullptr) {
            next->be_successor(true);
            next->count_successors_of(one);
        }
        return;  // one at a time, and the list has changed
    }
}

std::list<Zygote>::iterator Zygotes::place_of(const Zygote& zygote) {
    return std::find_if(all_.begin(), all_.end(), [&](const Zygote& other) { return &other == &zygote; });
}

void Zygotes::remove(std::list<Zygote>::iterator one) {
    listener_.goes(*one);
    std::erase(ended_, &*one);
    forget(*one);
    all_.erase(one);
}

void Zygotes::look_after() {
    const auto ended = std::exchange(ended_, {});
    for (const Zygote* one : ended) {
        listener_.goes(*one);
        if (one->is_successor()) {
            remove(place_of(*one));
        } else if (one->state() == Zygote::State::dead && one->was_good()) {
            const ZygoteSpec spec = one->spec();
            remove(place_of(*one));
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
            drop_unfit(*one);
            if (one->is_successor()) {
                remove(one);
            }
        } else if (now - one->used() > idle_ && !is_remembered(*one)) {
            remove(one);
        }
        one = next;
    }
    start_successors();
}

Zygotes::Clock::time_point Zygotes::next() const {
    auto next = ended_.empty() ? Clock::time_point::max() : Clock::now();
    for (const auto& one : all_) {
        if (one.state() == Zygote::State::ready && lacks_something(one)) {
            next = std::min(next, std::max<Clock::time_point>({learned_at_ + kQuiet, one.next_successor(),
                                                               Clock::now() + kBetweenLooks}));
        }
    }
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
