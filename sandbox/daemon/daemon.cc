// The daemon's loop.
#include "sandbox/daemon/daemon.h"

#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <iostream>
#include <list>
#include <vector>

#include "sandbox/daemon/message.h"
#include "sandbox/daemon/place.h"
#include "sandbox/daemon/request.h"
#include "sandbox/daemon/zygote.h"

namespace cellblock::sandbox::daemon {

namespace {

using Clock = std::chrono::steady_clock;

constexpr std::size_t kMaxClients = 64;
constexpr std::size_t kMaxZygotes = 8;
constexpr std::chrono::seconds kTimeToAsk{2};     // a client, after it has connected
constexpr std::chrono::seconds kBeforeRetry{60};  // of a zygote that failed
constexpr std::chrono::seconds kTimeToAnswer{5};
constexpr std::chrono::milliseconds kLongestSleep{1000};

volatile std::sig_atomic_t asked_to_stop = 0;

void stop_on(int /*signal*/) {
    asked_to_stop = 1;
}

void log(const std::string& line) {
    std::cerr << "cellblock daemon " << ::getpid() << ": " << line << std::endl;
}

struct Client {
    UniqueFd socket;
    Clock::time_point since;
};

class Daemon {
public:
    Daemon(Place place, std::string name, UniqueFd listener, DaemonOptions options)
        : place_(std::move(place)),
          name_(std::move(name)),
          listener_(std::move(listener)),
          idle_(options.idle),
          started_(Clock::now()),
          last_request_(started_) {
        if (options.first_client.valid()) {
            clients_.push_back({std::move(options.first_client), started_});
        }
    }

    void run() {
        while (!stopping_ && asked_to_stop == 0 && Clock::now() - last_request_ < idle_) {
            turn();
        }
        if (!stopping_) {
            remove_socket();
        }
    }

private:
    void turn() {
        std::vector<pollfd> wanted{{listener_.get(), POLLIN, 0}};
        for (const auto& client : clients_) {
            wanted.push_back({client.socket.get(), POLLIN, 0});
        }
        const std::size_t first_zygote = wanted.size();
        for (const auto& zygote : zygotes_) {
            wanted.push_back({zygote.socket(), POLLIN, 0});
        }
        const auto sleep = std::min<std::chrono::milliseconds>(idle_, kLongestSleep);
        if (::poll(wanted.data(), wanted.size(), static_cast<int>(sleep.count())) < 0) {
            return;
        }
        std::size_t at = first_zygote;
        for (auto& zygote : zygotes_) {
            attend(zygote, wanted[at++].revents != 0);
        }
        at = 1;
        for (auto client = clients_.begin(); client != clients_.end();) {
            const bool spoke = wanted[at++].revents != 0;
            if (spoke) {
                answer(*client);
            }
            const bool over = spoke || Clock::now() - client->since > kTimeToAsk;
            client = over ? clients_.erase(client) : std::next(client);
        }
        if (wanted[0].revents != 0 && !stopping_) {
            accept_one();
        }
    }

    void accept_one() {
        UniqueFd socket(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
        if (!socket.valid() || clients_.size() >= kMaxClients) {
            return;
        }
        if (!is_one_of_us(socket.get())) {
            log("refused a client that isn't this user's, or is in a sandbox");
            return;
        }
        clients_.push_back({std::move(socket), Clock::now()});
    }

    void attend(Zygote& zygote, bool spoke) {
        const auto before = zygote.state();
        if (spoke && zygote.socket() >= 0) {
            zygote.receive();
        } else if (zygote.is_late()) {
            zygote.end(Zygote::State::refused, "its imports took too long");
        }
        if (zygote.state() != before) {
            log(zygote.in_words());
        }
    }

    void answer(Client& client) {
        auto message = receive_message(client.socket.get(), std::chrono::milliseconds(0));
        if (!message) {
            return;
        }
        const auto request = request_from(message->bytes);
        if (!request) {
            log("a client sent no request");
            return;
        }
        switch (request->verb) {
            case Verb::claim:
                last_request_ = Clock::now();
                return claim(client, *request, message->descriptors);
            case Verb::prepare:
                last_request_ = Clock::now();
                (void)zygote_for(request->spec);
                return;
            case Verb::status:
                (void)send_message(client.socket.get(), in_words());
                return;
            case Verb::stop:
                stopping_ = true;
                remove_socket();
                zygotes_.clear();
                (void)send_message(client.socket.get(), "stopped");
                return;
        }
    }

    void claim(Client& client, const Request& request, const std::vector<UniqueFd>& descriptors) {
        std::string reason = "the request can't be read";
        if (descriptors.size() == kClaimDescriptors) {
            Zygote* zygote = zygote_for(request.spec);
            if (zygote != nullptr && zygote->state() == Zygote::State::ready &&
                zygote->give(client.socket.get(), descriptors)) {
                return;
            }
            reason = zygote == nullptr ? failure_ : why_not(*zygote);
        }
        (void)send_message(client.socket.get(), kRefused + reason);
    }

    static std::string why_not(const Zygote& zygote) {
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

    // One that is ready, or on its way, or why not. Null: it can't be started, says failure_.
    Zygote* zygote_for(const ZygoteSpec& spec) {
        const std::string key = key_of(spec);
        auto found = std::find_if(zygotes_.begin(), zygotes_.end(),
                                  [&](const Zygote& one) { return one.key() == key; });
        if (found != zygotes_.end() && is_useless(*found)) {
            zygotes_.erase(found);
            found = zygotes_.end();
        }
        if (found != zygotes_.end()) {
            return &*found;
        }
        make_room();
        auto started = Zygote::start(spec, place_);
        if (!started) {
            failure_ = started.error().text();
            log(failure_);
            return nullptr;
        }
        zygotes_.push_back(std::move(*started));
        return &zygotes_.back();
    }

    // To be made anew: changed on disk, killed, or failed some time ago.
    static bool is_useless(const Zygote& zygote) {
        switch (zygote.state()) {
            case Zygote::State::starting:
                return false;
            case Zygote::State::ready:
                return was_changed(zygote);
            case Zygote::State::dead:
                return true;
            case Zygote::State::refused:
                return Clock::now() - zygote.used() > kBeforeRetry;
        }
        return true;
    }

    static bool was_changed(const Zygote& zygote) {
        const std::string file = zygote.changed_file();
        if (!file.empty()) {
            log(file + " was changed");
        }
        return !file.empty();
    }

    void make_room() {
        if (zygotes_.size() < kMaxZygotes) {
            return;
        }
        zygotes_.erase(
            std::min_element(zygotes_.begin(), zygotes_.end(),
                             [](const Zygote& a, const Zygote& b) { return a.used() < b.used(); }));
    }

    void remove_socket() {
        (void)place_.lock();
        ::unlinkat(place_.folder.get(), name_.c_str(), 0);
        ::unlinkat(place_.folder.get(), (name_ + ".log").c_str(), 0);
        ::rmdir(place_.path.c_str());  // where it is empty
        place_.unlock();
        listener_.reset();
    }

    [[nodiscard]] std::string in_words() const {
        const auto age = std::chrono::duration_cast<std::chrono::seconds>(Clock::now() - started_).count();
        std::string text = "process " + std::to_string(::getpid()) + ", up " + std::to_string(age) +
                           " s, warm: " + std::to_string(zygotes_.size()) + "\n";
        for (const auto& zygote : zygotes_) {
            text += "  " + zygote.in_words() + "\n";
        }
        return text;
    }

    Place place_;
    std::string name_;
    UniqueFd listener_;
    std::chrono::milliseconds idle_;
    Clock::time_point started_;
    Clock::time_point last_request_;
    std::list<Client> clients_;
    std::list<Zygote> zygotes_;
    std::string failure_;
    bool stopping_ = false;
};

// Asks each daemon of this user; those that don't answer are left out.
Result<std::vector<std::string>> ask_all(Verb verb) {
    auto place = open_place();
    if (!place) {
        return place.error();
    }
    std::vector<std::string> answers;
    for (const auto& name : sockets_in(*place)) {
        auto socket = connect_to(*place, name);
        if (!socket || !send_message(socket->get(), to_bytes({verb, {}}))) {
            continue;
        }
        if (auto answer = receive_message(socket->get(), kTimeToAnswer)) {
            answers.push_back(std::move(answer->bytes));
        }
    }
    ::rmdir(place->path.c_str());  // where it is empty
    return answers;
}

}  // namespace

Status serve(DaemonOptions options) {
    std::signal(SIGPIPE, SIG_IGN);
    std::signal(SIGHUP, SIG_IGN);
    std::signal(SIGTERM, stop_on);
    std::signal(SIGINT, stop_on);
    auto place = open_place();
    if (!place) {
        return place.error();
    }
    const std::string name = context_name();
    if (!place->lock()) {
        return errno_error("lock " + place->path);
    }
    if (connect_to(*place, name)) {
        place->unlock();
        return Ok{};
    }
    sweep(*place);
    auto listener = listen_at(*place, name);
    place->unlock();
    if (!listener) {
        return listener.error();
    }
    log("listens in " + place->path + "/" + name);
    Daemon(std::move(*place), name, std::move(*listener), std::move(options)).run();
    return Ok{};
}

Result<std::string> daemons_in_words() {
    auto answers = ask_all(Verb::status);
    if (!answers) {
        return answers.error();
    }
    std::string text;
    for (const auto& answer : *answers) {
        text += answer;
    }
    return text;
}

Result<int> stop_daemons() {
    auto answers = ask_all(Verb::stop);
    return answers ? Result<int>(static_cast<int>(answers->size())) : answers.error();
}

}  // namespace cellblock::sandbox::daemon
