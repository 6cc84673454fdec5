// The daemon's loop.
#include "sandbox/pool/server.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <deque>
#include <list>
#include <optional>
#include <set>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "sandbox/base/background.h"
#include "sandbox/base/children.h"
#include "sandbox/base/event_loop.h"
#include "sandbox/base/process.h"
#include "sandbox/base/resources.h"
#include "sandbox/base/subprocess.h"
#include "sandbox/jail/cgroup.h"
#include "sandbox/jail/font_list.h"
#include "sandbox/jail/own_scope.h"
#include "sandbox/jail/plan_bytes.h"
#include "sandbox/pool/accounting.h"
#include "sandbox/pool/launchers.h"
#include "sandbox/pool/learned_imports.h"
#include "sandbox/pool/pool.h"
#include "sandbox/pool/protocol.h"
#include "sandbox/pool/runtime_directory.h"
#include "sandbox/pool/status.h"
#include "sandbox/pool/zygotes.h"

namespace cellblock::sandbox::pool {

namespace {

using Clock = std::chrono::steady_clock;

constexpr std::size_t kMaxClients = 64;
constexpr std::size_t kMaxPrepared = 16;
constexpr std::size_t kMaxPythons = 64;  // whose list of fonts is looked for
constexpr std::chrono::milliseconds kHeadStart{700};
constexpr std::chrono::seconds kTimeForFonts{30};
constexpr std::chrono::seconds kTimeToAsk{2};  // a client, after it has connected
constexpr std::chrono::milliseconds kLongestSleep{60'000};
constexpr std::chrono::seconds kPause{1};  // after a client that couldn't be let in

volatile std::sig_atomic_t asked_to_stop = 0;

void stop_on(int /*signal*/) {
    asked_to_stop = 1;
}

struct Client {
    UniqueFd socket;
    Clock::time_point since;
};

// Sandboxes that somebody will ask for, as a session like theirs has just started cold.
struct Prepared {
    Request request;
    std::string plan;
    Clock::time_point due;
};

class Daemon {
public:
    Daemon(RuntimeDirectory directory, std::string name, UniqueFd listener, Settings settings,
           UniqueFd first_client)
        : directory_(std::move(directory)),
          name_(std::move(name)),
          listener_(std::move(listener)),
          started_(Clock::now()),
          last_request_(started_),
          accounting_(loop_, settings),
          learned_(learned_imports_path()),
          zygotes_(loop_, settings.idle, learned_,
                   {[this](const Zygote& one) { pool_.drop_zygote(one); }, [this](Zygote& one) { hear(one); },
                    [this](Zygote& one) { prepare_by(one); },
                    [this](const Zygote& before, Zygote& now) { pool_.replace_zygote(before, now); }}),
          launchers_(
              loop_,
              {[this](std::uint64_t number, const LaunchReport& parts) { pool_.was_launched(number, parts); },
               [this](std::uint64_t number, const std::string& why) { launch_failed(number, why); },
               [this](std::uint64_t number, pid_t process, int wait_status) {
                   pool_.died(number);
                   accounting_.ended(process, wait_status);
               }}),
          pool_(loop_, accounting_, launchers_) {
        listen();
        if (first_client.valid()) {
            add_client(std::move(first_client));
        }
    }

    void run() {
        while (!stopping_ && asked_to_stop == 0 && !is_idle()) {
            if (auto turned = loop_.turn(time_to_next()); !turned) {
                log(turned.error().text());
                break;
            }
            look_after();
        }
        if (!stopping_) {
            remove_socket();
        }
    }

private:
    [[nodiscard]] bool is_idle() const {
        return clients_.empty() && pool_.idle() && accounting_.living() == 0 &&
               Clock::now() - last_request_ >= accounting_.settings().idle;
    }

    [[nodiscard]] std::chrono::milliseconds time_to_next() const {
        const auto now = Clock::now();
        auto next =
            std::min({pool_.next(), accounting_.next_look(), zygotes_.next(),
                      std::max(last_request_ + accounting_.settings().idle, now + kLongestSleep / 60)});
        next = std::min(next, paused_until_.value_or(next));
        for (const auto& one : prepared_) {
            next = std::min<Clock::time_point>(next, one.due);
        }
        for (const auto& client : clients_) {
            next = std::min<Clock::time_point>(next, client.since + kTimeToAsk);
        }
        const auto sleep = std::chrono::ceil<std::chrono::milliseconds>(next - now);
        return std::clamp<std::chrono::milliseconds>(sleep, std::chrono::milliseconds(0), kLongestSleep);
    }

    void look_after() {
        const auto now = Clock::now();
        collect_ended();
        if (paused_until_ && now >= *paused_until_) {
            listen();
        }
        for (auto client = clients_.begin(); client != clients_.end();) {
            const auto next = std::next(client);
            if (now - client->since > kTimeToAsk) {
                drop(client);
            }
            client = next;
        }
        if (now >= accounting_.next_look()) {
            accounting_.look();
        }
        start_prepared();
        zygotes_.look_after();
        if (now >= pool_.next()) {
            pool_.tend();
        }
    }

    // --- clients

    void listen() {
        paused_until_.reset();
        turned_away_.reset();
        reserve_ = keep_in_reserve();
        loop_.watch(listener_.get(), [this] { accept_one(); });
    }

    UniqueFd accepted() {
        return UniqueFd(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
    }

    // No descriptor is left, or no memory. One descriptor was kept to tell a client. The listening socket
    // stays readable meanwhile, so the daemon doesn't watch it for a moment.
    void accept_none(int error) {
        reserve_.reset();
        turned_away_ = accepted();
        if (turned_away_.valid()) {
            (void)send_message(turned_away_.get(),
                               kRefused + std::string("it has no more descriptors for a sandbox"));
        }
        log("a client couldn't be let in: " + std::generic_category().message(error));
        loop_.forget(listener_.get());
        paused_until_ = Clock::now() + kPause;
    }

    static UniqueFd keep_in_reserve() { return UniqueFd(::open("/dev/null", O_RDONLY | O_CLOEXEC)); }

    void accept_one() {
        UniqueFd socket = accepted();
        if (!socket.valid() && errno != EAGAIN && errno != EINTR && errno != ECONNABORTED) {
            return accept_none(errno);
        }
        if (!socket.valid() || clients_.size() >= kMaxClients) {
            return;
        }
        if (!is_one_of_us(socket.get())) {
            log("refused a client that isn't this user's, or is in a sandbox");
            return;
        }
        add_client(std::move(socket));
    }

    void add_client(UniqueFd socket) {
        const int fd = socket.get();
        clients_.push_back({std::move(socket), Clock::now()});
        const auto client = std::prev(clients_.end());
        loop_.watch(fd, [this, client] {
            answer(*client);
            drop(client);
        });
    }

    void drop(std::list<Client>::iterator client) {
        if (client->socket.valid()) {
            loop_.forget(client->socket.get());
        }
        clients_.erase(client);
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
        const std::string beside = message->descriptors.size() == 1
                                       ? jail::plan_bytes_in(message->descriptors.front().get())
                                       : std::string();
        switch (request->verb) {
            case Verb::claim_fork:
            case Verb::claim_launched:
            case Verb::claim_ready:
                last_request_ = Clock::now();
                return claim(client, *request, beside);
            case Verb::prepare_zygote:
                last_request_ = Clock::now();
                return prepare(*request, beside);
            case Verb::learn:
                return zygotes_.learn(request->spec.program, request->names);
            case Verb::prepare_launched:
                last_request_ = Clock::now();
                return pool_.prepare(*request, beside, nullptr);
            case Verb::status:
                (void)send_message(client.socket.get(), status_json(status()).dump());
                return;
            case Verb::stop:
                stopping_ = true;
                remove_socket();
                (void)send_message(client.socket.get(), "stopped");
                loop_.forget(client.socket.get());
                wait_for_end_.push_back(std::move(client.socket));
                return;
        }
    }

    void claim(Client& client, const Request& request, const std::string& plan) {
        const bool forks = request.verb == Verb::claim_fork;
        Zygote* zygote = forks && !plan.empty() ? zygotes_.find_or_start(request.spec) : nullptr;
        if (!plan.empty() && (!forks || (zygote != nullptr && zygote->state() == Zygote::State::ready))) {
            loop_.forget(client.socket.get());
            return pool_.claim(std::move(client.socket), request, plan, zygote);
        }
        const std::string reason = plan.empty()        ? "the request can't be read"
                                   : zygote == nullptr ? zygotes_.failure()
                                                       : why_not(*zygote);
        (void)send_message(client.socket.get(), kRefused + reason);
        if (forks && !plan.empty()) {
            prepare(request, plan);
        }
    }

    // Sandboxes by this plan are made ahead once there is a zygote, and that is started when the session that
    // starts cold meanwhile has had the processors for a moment.
    void prepare(const Request& request, const std::string& plan) {
        const std::string key = key_of(request, plan);
        std::erase_if(prepared_, [&](const Prepared& one) { return key_of(one.request, one.plan) == key; });
        if (prepared_.size() >= kMaxPrepared) {
            prepared_.pop_front();
        }
        prepared_.push_back({request, plan, Clock::now() + kHeadStart});
    }

    void start_prepared() {
        const auto now = Clock::now();
        std::vector<Prepared> due;
        for (auto& one : prepared_) {
            if (now >= one.due) {
                one.due = Clock::time_point::max();
                due.push_back(one);
            }
        }
        for (const auto& one : due) {
            Zygote* const zygote = zygotes_.find_or_start(one.request.spec);
            if (zygote != nullptr && zygote->state() == Zygote::State::ready) {
                prepare_by(*zygote);
            }
        }
    }

    // matplotlib's, where `cellblock install` has made none, or fonts have come or gone since.
    void make_font_list(const std::string& python) {
        const auto program = cellblock_program();
        const auto home = jail::find_python(python);
        if (!program || !home || fonts_.size() >= kMaxPythons || !fonts_.insert(python).second ||
            jail::font_list_folder(*home).empty() || !jail::made_font_list(*home).empty()) {
            return;
        }
        run_in_background([program = *program, python] {
            (void)run_subprocess({.argv = {program, "font-list", python}, .time_limit = kTimeForFonts});
        });
    }

    void prepare_by(Zygote& zygote) {
        make_font_list(zygote.spec().program);
        for (const auto& one : prepared_) {
            if (!one.plan.empty() && key_of(one.request.spec) == zygote.key()) {
                pool_.prepare(one.request, one.plan, &zygote);
            }
        }
        std::erase_if(prepared_,
                      [&](const Prepared& one) { return key_of(one.request.spec) == zygote.key(); });
    }

    // --- zygotes, makers

    void launch_failed(std::uint64_t number, const std::string& why) {
        log("a sandbox wasn't made: " + why);
        pool_.was_not_launched(number, why);
    }

    void hear(Zygote& zygote) {
        ZygoteEvent event = zygote.receive();
        if (auto* forked = std::get_if<Forked>(&event)) {
            pool_.was_forked(forked->number, forked->supervisor, std::move(forked->process));
        } else if (const auto* not_forked = std::get_if<NotForked>(&event)) {
            pool_.was_not_forked(not_forked->number, not_forked->reason);
        } else if (const auto* ended = std::get_if<ForkEnded>(&event)) {
            accounting_.ended(ended->supervisor, ended->wait_status);
        }
    }

    void remove_socket() {
        (void)directory_.lock();
        ::unlinkat(directory_.folder.get(), name_.c_str(), 0);
        ::unlinkat(directory_.folder.get(), (name_ + ".log").c_str(), 0);
        ::rmdir(directory_.path.c_str());  // where it is empty
        directory_.unlock();
        loop_.forget(listener_.get());
        listener_.reset();
    }

    [[nodiscard]] DaemonStatus status() const {
        const auto seconds = [](Clock::duration time) { return std::chrono::duration<double>(time).count(); };
        DaemonStatus status{::getpid(),
                            seconds(Clock::now() - started_),
                            accounting_.settings(),
                            accounting_.figures(),
                            pool_.figures(),
                            zygotes_.figures()};
        status.kept_bytes = process_own_memory(::getpid()) + pool_.memory_of_ready();
        for (const auto& zygote : status.zygotes) {
            status.kept_bytes += zygote.memory_bytes;
        }
        if (accounting_.living() == 0) {
            status.leaves_in_seconds =
                std::max(0.0, seconds(last_request_ + accounting_.settings().idle - Clock::now()));
        }
        return status;
    }

    std::vector<UniqueFd> wait_for_end_;  // clients; all else is gone before these sockets end
    RuntimeDirectory directory_;
    std::string name_;
    UniqueFd listener_;
    UniqueFd reserve_;
    UniqueFd turned_away_;                           // until the pause ends, so that it can read why
    std::optional<Clock::time_point> paused_until_;  // until then nobody is let in
    Clock::time_point started_;
    Clock::time_point last_request_;
    EventLoop loop_;
    Accounting accounting_;
    LearnedImports learned_;
    Zygotes zygotes_;
    Launchers launchers_;
    Pool pool_;  // its spares' zygotes outlive it
    std::list<Client> clients_;
    std::deque<Prepared> prepared_;
    std::set<std::string> fonts_;  // Pythons whose list of fonts was looked for
    bool stopping_ = false;
};

// The daemon moves to a scope where sandboxes belong to one; the name tells whether that was possible.
std::string settled_name(const RuntimeDirectory& directory, const std::vector<ContextName>& names) {
    const std::string& best = names.front().socket;
    const Status moved = names.front().has_scope ? jail::enter_own_scope() : Status(Ok{});
    if (moved) {
        return best;
    }
    log(moved.error().text());
    const std::string& other = names.back().socket;
    ::renameat(directory.folder.get(), (best + ".log").c_str(), directory.folder.get(),
               (other + ".log").c_str());
    return other;
}

}  // namespace

Status serve(DaemonOptions options) {
    std::signal(SIGPIPE, SIG_IGN);
    std::signal(SIGHUP, SIG_IGN);
    std::signal(SIGTERM, stop_on);
    std::signal(SIGINT, stop_on);
    CELLBLOCK_ASSIGN_OR_RETURN(auto settings, load_settings());
    settings.idle = options.idle.value_or(settings.idle);
    CELLBLOCK_ASSIGN_OR_RETURN(auto directory, open_runtime_directory());
    const auto names = context_names();
    if (!directory.lock()) {
        return errno_error("lock " + directory.path);
    }
    if (std::any_of(names.begin(), names.end(),
                    [&](const ContextName& one) { return connect_to(directory, one.socket).ok(); })) {
        directory.unlock();
        return Ok{};
    }
    sweep(directory);
    const std::string name = settled_name(directory, names);
    auto listener = listen_at(directory, name);
    directory.unlock();
    if (!listener) {
        return listener.error();
    }
    log("listens in " + directory.path + "/" + name);
    Daemon(std::move(directory), name, std::move(*listener), settings, std::move(options.first_client)).run();
    finish_background_work();
    jail::Cgroup::remove_unused();
    return Ok{};
}

}  // namespace cellblock::sandbox::pool
