// Connections, from a client's first byte to their end.
#include "sandbox/network/broker.h"

#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <map>
#include <optional>
#include <utility>
#include <vector>

#include "sandbox/base/event_loop.h"
#include "sandbox/base/rate_bound.h"
#include "sandbox/base/text.h"
#include "sandbox/network/client_source.h"
#include "sandbox/network/http_response.h"
#include "sandbox/network/proxy_request.h"
#include "sandbox/network/public_address.h"
#include "sandbox/network/resolver.h"
#include "sandbox/network/tls_opening.h"
#include "sandbox/policy/host_rules.h"

namespace cellblock::sandbox::network {

namespace {

using namespace std::chrono_literals;
using Clock = EventLoop::Clock;

constexpr auto kTimeToAsk = 10s;
constexpr auto kTimeToResolve = 10s;
constexpr auto kTimeToConnect = 10s;  // to one address
constexpr auto kIdle = 300s;
constexpr auto kIdleOneSided = 60s;        // where one side has ended
constexpr auto kTimeToRead = 2s;           // for the last words, by the client
constexpr auto kPauseOfDoor = 100ms;       // where clients come too fast
constexpr std::size_t kPiece = 64U << 10;  // read at once
constexpr std::size_t kMostWaiting = 256U << 10;
constexpr std::size_t kMostUnread = 2 * kMostWaiting;  // by a client, with what its own TLS calls forth
constexpr std::size_t kMostAddresses = 4;
constexpr std::uint16_t kHttp = 80;

struct Connection {
    enum class State { asking, resolving, connecting, securing, open, closing };

    std::uint64_t number = 0;
    State state = State::asking;
    UniqueFd client;
    UniqueFd upstream;
    ProxyReader reader;
    ProxyAsk ask;
    LastResponse response;                   // to a request
    std::string early;                       // what the client sent before the way was open
    std::optional<TlsOpening> opening;       // of a tunnel
    std::unique_ptr<Inspection> inspection;  // where the rules look at requests
    bool client_ended = false;
    bool upstream_ended = false;
    bool upstream_told = false;  // that the client has ended
    std::string to_client;
    std::string to_upstream;
    std::vector<Address> addresses;
    Clock::time_point until;
    ConnectionReport report;
    bool told = false;  // the report
};

}  // namespace

class Broker::Work {
public:
    Work(BrokerTask task, std::optional<Tls> tls, UniqueFd listener, Report report)
        : rules_(std::move(task.rules)),
          secrets_(std::move(task.secrets)),
          tls_(std::move(tls)),
          clients_(std::move(listener)),
          report_(std::move(report)) {
        loop_.watch(clients_.poll_fd(), [this] { accept(); });
        loop_.watch(resolver_.poll_fd(), [this] { take_answers(); });
    }

    void serve(int host) {
        bool over = false;
        loop_.watch(host, [&] { over = true; });
        while (!over) {
            const auto time = door_closed_           ? kPauseOfDoor
                              : connections_.empty() ? EventLoop::kForever
                                                     : 250ms;
            if (!loop_.turn(time)) {
                break;
            }
            end_late();
            if (door_closed_ && Clock::now() >= door_opens_) {
                door_closed_ = false;
                loop_.set_interest(clients_.poll_fd(), {.reads = true});
            }
        }
        for (auto& [number, one] : connections_) {
            tell(one);  // what they have sent counts
        }
    }

private:
    using State = Connection::State;

    // --- from a client's connection to its request

    void accept() {
        while (true) {
            UniqueFd client = clients_.next();
            if (clients_.has_ended()) {
                return loop_.forget(clients_.poll_fd());
            }
            if (!client.valid()) {
                return errno == EAGAIN ? void() : close_door();  // EMFILE, say, would be told again at once
            }
            connections_.size() < rules_.connections ? admit(std::move(client)) : refuse_at_the_door(client);
            if (!pace_.spend(Clock::now())) {
                return close_door();
            }
        }
    }

    void close_door() {
        door_closed_ = true;
        door_opens_ = Clock::now() + kPauseOfDoor;
        loop_.set_interest(clients_.poll_fd(), {});
    }

    void admit(UniqueFd client) {
        const int on = 1;
        ::setsockopt(client.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        const std::uint64_t number = ++last_;
        Connection& one = connections_[number];
        one.number = number;
        one.client = std::move(client);
        one.until = Clock::now() + kTimeToAsk;
        loop_.watch(one.client.get(), {.reads = true, .hangup = true},
                    [this, number](auto what) { client_ready(number, what); });
    }

    void refuse_at_the_door(const UniqueFd& client) {
        const std::string reason =
            "too many connections at a time: network.connections is " + std::to_string(rules_.connections);
        const std::string reply = refusal(ProxyKind::request, Refusal::too_many, reason);
        (void)::send(client.get(), reply.data(), reply.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
        ConnectionReport told;
        told.reason = reason;
        report_(told);
    }

    Connection* find(std::uint64_t number) {
        const auto found = connections_.find(number);
        return found != connections_.end() ? &found->second : nullptr;
    }

    void client_ready(std::uint64_t number, EventLoop::Interest what) {
        Connection* one = find(number);
        if (one != nullptr && what.writes) {
            flush(*one);
            one = find(number);
        }
        if (one != nullptr && what.reads) {
            read_client(*one);
        } else if (one != nullptr && what.hangup) {
            finish(*one);
        }
    }

    void read_client(Connection& one) {
        const ssize_t size = ::recv(one.client.get(), piece_.data(), piece_.size(), 0);
        if (size < 0 && (errno == EAGAIN || errno == EINTR)) {
            return;
        }
        if (size <= 0) {
            one.client_ended = true;
            const bool has_asked = one.state != State::asking && one.state != State::closing;
            return size == 0 && has_asked ? flush(one) : finish(one);
        }
        const std::string_view bytes(piece_.data(), static_cast<std::size_t>(size));
        switch (one.state) {
            case State::asking:
                return take_request(one, bytes);
            case State::resolving:
            case State::connecting:
            case State::securing:
                one.early += bytes;
                return watch(one);
            case State::open:
                one.until = Clock::now() + kIdle;
                return pass_up(one, bytes);
            case State::closing:
                return;  // nobody's: it is read so that its end doesn't take the last words with it
        }
    }

    void take_request(Connection& one, std::string_view bytes) {
        ProxyStep step = one.reader.feed(bytes);
        one.to_client += step.reply;
        if (step.kind == ProxyStep::Kind::refused) {
            one.report.reason = "no request that is understood: " + step.complaint;
            return close_soon(one);
        }
        if (step.kind == ProxyStep::Kind::more) {
            return flush(one);
        }
        one.ask = std::move(step.ask);
        one.early = std::exchange(one.ask.rest, {});
        one.report.host = one.ask.host.text;
        one.report.port = one.ask.port;
        decide(one);
    }

    // --- the verdict

    void refuse(Connection& one, Refusal why, const std::string& reason) {
        one.report.allowed = false;
        one.report.reason = reason;
        one.to_client += refusal(one.ask.kind, why, reason);
        close_soon(one);
    }

    void decide(Connection& one) {
        const auto verdict = judge(rules_, one.ask.host, one.ask.port);
        const std::string target = text_of(one.ask.host, one.ask.port);
        if (verdict.denied_by != nullptr) {
            one.report.rule = verdict.denied_by->text;
            return refuse(
                one, Refusal::not_allowed,
                target + " is denied by the policy (network.deny has \"" + verdict.denied_by->text + "\")");
        }
        if (!verdict.allowed()) {
            return refuse(one, Refusal::not_allowed,
                          target + " isn't allowed by the policy: network.allow has no rule for it");
        }
        if (const std::string spent = budget_spent(); !spent.empty()) {
            return refuse(one, Refusal::not_allowed, spent);
        }
        one.report.rule = verdict.allowed_by->text;
        const auto rules = rules_for(rules_, one.ask.host, one.ask.port);
        if (std::any_of(rules.begin(), rules.end(), [](const HostRule& rule) { return rule.inspects(); }) &&
            !begin_inspection(one, rules)) {
            return;
        }
        if (one.ask.host.is_address) {
            one.addresses = {*read_address(one.ask.host.text)};
            return connect_next(one);
        }
        begin_resolving(one);
    }

    // False: it is refused.
    bool begin_inspection(Connection& one, const std::vector<HostRule>& rules) {
        const std::string target = text_of(one.ask.host, one.ask.port);
        if (one.ask.kind == ProxyKind::request) {
            auto without_secrets = rules;
            std::erase_if(without_secrets, [](const HostRule& rule) { return !rule.headers.empty(); });
            one.report.request = summary_of(one.ask.http);
            const HostRule* rule = rule_for(without_secrets, one.ask.http);
            if (rule == nullptr) {
                refuse(one, Refusal::not_allowed, refusal_of(one.ask.http, "http://" + target));
                return false;
            }
            one.report.rule = rule->text;
            return true;
        }
        if (one.ask.port == kHttp) {
            refuse(one, Refusal::not_allowed,
                   "the policy's rules for " + target +
                       " are about requests: ask for http:// URLs, without a tunnel");
            return false;
        }
        auto client = tls_->as_server(one.ask.host);
        auto server = tls_->as_client(one.ask.host);
        if (!client || !server) {
            refuse(one, Refusal::unreachable, (client ? server.error() : client.error()).message);
            return false;
        }
        one.inspection = std::make_unique<Inspection>(Inspection::Parts{
            std::move(*client), std::move(*server), rules, secrets_, one.ask.host, one.ask.port});
        return true;
    }

    [[nodiscard]] std::uint64_t bytes_left() const {
        return rules_.bytes_out - std::min(sent_, rules_.bytes_out);
    }

    [[nodiscard]] std::string budget_spent() const {
        if (sent_ >= rules_.bytes_out) {
            return "this session has sent all that network.bytes_out allows";
        }
        return received_ >= rules_.bytes_in ? "this session has received all that network.bytes_in allows"
                                            : "";
    }

    void begin_resolving(Connection& one) {
        if (!resolver_.begin(one.number, one.ask.host.text)) {
            return refuse(one, Refusal::too_many, "too many names are being looked up at a time");
        }
        one.state = State::resolving;
        one.until = Clock::now() + kTimeToResolve;
        one.report.sent += one.ask.host.text.size();  // a name service somewhere learns it
        sent_ += one.ask.host.text.size();
        watch(one);
    }

    void take_answers() {
        for (const auto& answer : resolver_.take()) {
            Connection* one = find(answer.asker);
            if (one != nullptr && one->state == State::resolving) {
                use_addresses(*one, answer);
            }
        }
    }

    void use_addresses(Connection& one, const Resolved& answer) {
        const std::string& name = one.ask.host.text;
        if (!answer.fault.empty()) {
            return refuse(one, Refusal::unreachable, name + " can't be resolved: " + answer.fault);
        }
        const auto own = own_addresses();
        // This name has no other address (RFC 6761, 6.3), so a rule that says it means it.
        const HostVerdict of_name = judge(rules_, one.ask.host, one.ask.port);
        const bool is_loopback_meant =
            name == "localhost" && of_name.allowed() && of_name.allowed_by->host == name;
        std::string left_out;
        for (const auto& address : answer.addresses) {
            const std::string text = address.text();
            const HostVerdict verdict = judge(rules_, {text, true}, one.ask.port);
            const bool is_own = std::find(own.begin(), own.end(), text) != own.end();
            const bool is_meant = is_loopback_meant && (text == "127.0.0.1" || text == "::1");
            const bool may = verdict.denied_by == nullptr &&
                             (verdict.allowed() || is_meant || (is_public(address) && !is_own));
            if (!may) {
                left_out = text;
            } else if (one.addresses.size() < kMostAddresses) {
                one.addresses.push_back(address);
            }
        }
        if (one.addresses.empty()) {
            return refuse(one, Refusal::not_allowed,
                          name + " has no public address, only such as " + left_out +
                              ": a rule of network.allow for the address itself would allow it");
        }
        connect_next(one);
    }

    // --- the way out

    void connect_next(Connection& one) {
        drop_upstream(one);
        while (!one.addresses.empty()) {
            Address address = one.addresses.front();
            one.addresses.erase(one.addresses.begin());
            address.set_port(one.ask.port);
            one.report.address = address.text();
            UniqueFd out(::socket(address.storage.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
            const int on = 1;
            if (out.valid()) {  // else errno tells why
                ::setsockopt(out.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
            }
            const bool begun =
                out.valid() && (::connect(out.get(), reinterpret_cast<const sockaddr*>(&address.storage),
                                          address.size) == 0 ||
                                errno == EINPROGRESS);
            if (!begun) {
                last_error_ = errno;
                continue;
            }
            one.upstream = std::move(out);
            one.state = State::connecting;
            one.until = Clock::now() + kTimeToConnect;
            loop_.watch(one.upstream.get(), {.writes = true, .hangup = true},
                        [this, number = one.number](auto what) { upstream_ready(number, what); });
            return watch(one);
        }
        refuse(one, Refusal::unreachable,
               text_of(one.ask.host, one.ask.port) + " can't be reached: " + std::strerror(last_error_));
    }

    void upstream_ready(std::uint64_t number, EventLoop::Interest what) {
        Connection* one = find(number);
        if (one == nullptr) {
            return;
        }
        if (one->state == State::connecting) {
            return connected(*one);
        }
        if (what.writes) {
            flush(*one);
            one = find(number);
        }
        if (one != nullptr && (what.reads || what.hangup) && one->to_client.size() < kMostWaiting) {
            read_upstream(*one);  // an end is found behind what it has sent
        }
    }

    void connected(Connection& one) {
        int error = 0;
        socklen_t size = sizeof error;
        if (::getsockopt(one.upstream.get(), SOL_SOCKET, SO_ERROR, &error, &size) != 0 || error != 0) {
            last_error_ = error;
            return connect_next(one);
        }
        if (one.inspection) {
            one.state = State::securing;
            one.until = Clock::now() + kTimeToConnect;
            return apply(one, one.inspection->begin());
        }
        open(one);
    }

    void open(Connection& one) {
        one.state = State::open;
        one.report.allowed = true;
        one.until = Clock::now() + kIdle;
        one.to_client += opened(one.ask.kind);
        pass_up(one, std::exchange(one.early, {}));
    }

    // Carries out a step of an inspected tunnel: sends its bytes, or ends the connection. May erase `one`.
    void apply(Connection& one, const Inspection::Step& step) {
        if (!step.fault.empty()) {
            if (one.state == State::securing) {
                return refuse(
                    one, Refusal::unreachable,
                    text_of(one.ask.host, one.ask.port) + " can't be reached by TLS: " + step.fault);
            }
            one.to_client += step.to_client;  // an alert, perhaps
            (void)send_some(one.client.get(), one.to_client);
            return abort(one, step.fault);
        }
        one.to_client += step.to_client;
        if (!one.inspection->request().empty()) {
            one.report.request = one.inspection->request();
        }
        if (!one.inspection->rule().empty()) {
            one.report.rule = one.inspection->rule();
        }
        if (!step.refused.empty()) {
            one.report.allowed = false;
            one.report.reason = step.refused;
            return close_soon(one);
        }
        one.client_ended = one.client_ended || step.client_over;
        one.upstream_ended = one.upstream_ended || step.over;
        if (one.state == State::securing && one.upstream_ended) {
            return refuse_closed(one);
        }
        if (one.state == State::securing && one.inspection->is_secured()) {
            open_secured(one, step.to_server);
        } else if (step.over && step.to_server.size() > bytes_left()) {
            flush(one);  // TLS's last word to the host is left out, and the answer still arrives whole
        } else {
            send_up(one, step.to_server);
        }
    }

    void refuse_closed(Connection& one) {
        refuse(one, Refusal::unreachable,
               text_of(one.ask.host, one.ask.port) + " can't be reached by TLS: it closed the connection");
    }

    void open_secured(Connection& one, const std::string& to_server) {
        const std::uint64_t number = one.number;
        one.state = State::open;  // the last words of the handshake go out
        send_up(one, to_server);
        if (find(number) != nullptr) {
            open(one);
        }
    }

    void pass_up(Connection& one, std::string_view bytes) {
        if (one.ask.kind == ProxyKind::request) {
            const auto part = one.ask.body.take(bytes);
            if (!part) {
                return abort(one, "its body isn't in chunks, though it says so");
            }
            const std::string piece = std::exchange(one.ask.head, {}) + std::string(bytes.substr(0, *part));
            return send_up(one, piece);
        }
        if (!one.opening) {
            one.opening.emplace(one.ask.host, one.ask.port, one.inspection != nullptr);
        }
        if (one.opening->is_over()) {
            return pass_tunnel(one, bytes);
        }
        take_opening(one, one.opening->from_client(bytes));
    }

    // A step of a tunnel whose first bytes are judged. May erase `one`.
    void take_opening(Connection& one, const TlsOpening::Step& step) {
        if (!step.fault.empty()) {
            return abort(one, step.fault);
        }
        step.to_server.empty() ? flush(one) : pass_tunnel(one, step.to_server);
    }

    void pass_tunnel(Connection& one, std::string_view bytes) {
        one.inspection ? apply(one, one.inspection->from_client(bytes)) : send_up(one, bytes);
    }

    void send_up(Connection& one, std::string_view bytes) {
        if (bytes.size() > bytes_left()) {
            sent_ = rules_.bytes_out;
            return abort(one, budget_spent());
        }
        one.report.sent += bytes.size();
        sent_ += bytes.size();
        one.to_upstream += bytes;
        flush(one);
    }

    void read_upstream(Connection& one) {
        const ssize_t size = ::recv(one.upstream.get(), piece_.data(), piece_.size(), 0);
        if (size < 0 && (errno == EAGAIN || errno == EINTR)) {
            return;
        }
        if (size <= 0) {
            if (one.state == State::securing) {
                return refuse_closed(one);
            }
            one.upstream_ended = true;
            if (one.inspection) {
                one.to_client += one.inspection->server_cut().to_client;
            }
            return flush(one);
        }
        if (one.state == State::open) {
            one.until = Clock::now() + kIdle;
        }
        one.report.received += static_cast<std::size_t>(size);
        received_ += static_cast<std::size_t>(size);
        if (received_ > rules_.bytes_in) {
            return abort(one, budget_spent());
        }
        const std::string_view bytes(piece_.data(), static_cast<std::size_t>(size));
        if (one.inspection) {
            return apply(one, one.inspection->from_server(bytes));
        }
        if (one.ask.kind != ProxyKind::request) {
            one.to_client += bytes;
            return one.opening ? take_opening(one, one.opening->from_server(bytes)) : flush(one);
        }
        const auto passed = one.response.pass(bytes);
        if (!passed) {
            return abort(one, "the host's answer isn't HTTP");
        }
        one.to_client += *passed;
        flush(one);
    }

    // --- what waits goes out

    // False: the other end is gone.
    static bool send_some(int fd, std::string& waiting) {
        std::size_t done = 0;
        while (done < waiting.size()) {
            const ssize_t sent =
                ::send(fd, waiting.data() + done, waiting.size() - done, MSG_NOSIGNAL | MSG_DONTWAIT);
            if (sent < 0 && errno == EINTR) {
                continue;
            }
            if (sent < 0 && errno == EAGAIN) {
                break;
            }
            if (sent <= 0) {
                return false;
            }
            done += static_cast<std::size_t>(sent);
        }
        waiting.erase(0, done);
        return true;
    }

    void flush(Connection& one) {
        if (!send_some(one.client.get(), one.to_client)) {
            return finish(one);
        }
        if ((one.state == State::open || one.state == State::securing) && one.upstream.valid() &&
            !send_some(one.upstream.get(), one.to_upstream)) {
            one.to_upstream.clear();  // it takes no more; what it has sent before is still to be read
        }
        settle(one);
    }

    void settle(Connection& one) {
        const bool told = one.to_client.empty();
        if (one.state == State::closing && told) {
            ::shutdown(one.client.get(), SHUT_WR);
        }
        if (one.state == State::open) {
            if (one.client_ended && one.inspection && !one.inspection->has_request()) {
                return finish(one);  // no host would answer
            }
            const bool all_sent = one.to_upstream.empty() && !(one.opening && one.opening->has_waiting());
            if (one.client_ended && all_sent && !std::exchange(one.upstream_told, true)) {
                if (!one.inspection) {  // TLS's own end is what a server waits for there
                    ::shutdown(one.upstream.get(), SHUT_WR);
                }
                one.until = Clock::now() + kIdleOneSided;
            }
            if (one.upstream_ended && told) {
                return finish(one);
            }
        }
        watch(one);
    }

    void watch(Connection& one) {
        const bool early =
            one.state == State::resolving || one.state == State::connecting || one.state == State::securing;
        const bool wants = !one.client_ended && one.to_client.size() < kMostUnread &&
                           (early ? one.early.size() < kPiece : one.to_upstream.size() < kMostWaiting);
        loop_.set_interest(one.client.get(),
                           {.reads = wants, .writes = !one.to_client.empty(), .hangup = true});
        if (one.upstream.valid() && (one.state == State::open || one.state == State::securing)) {
            const bool reads = !one.upstream_ended && one.to_client.size() < kMostWaiting;
            loop_.set_interest(one.upstream.get(),
                               {.reads = reads, .writes = !one.to_upstream.empty(), .hangup = reads});
        }
    }

    // --- ends

    void drop_upstream(Connection& one) {
        if (one.upstream.valid()) {
            loop_.forget(one.upstream.get());
            one.upstream.reset();
        }
    }

    void close_soon(Connection& one) {
        drop_upstream(one);
        one.state = State::closing;
        one.until = Clock::now() + kTimeToRead;
        tell(one);
        flush(one);
    }

    // The way was open; there is nothing that could be said to the client any more.
    void abort(Connection& one, const std::string& reason) {
        one.report.allowed = false;
        one.report.reason = reason;
        finish(one);
    }

    void finish(Connection& one) {
        resolver_.forget(one.number);
        drop_upstream(one);
        loop_.forget(one.client.get());
        tell(one);
        connections_.erase(one.number);
    }

    void tell(Connection& one) {
        if (!std::exchange(one.told, true)) {
            report_(one.report);
        }
    }

    void end_late() {
        const auto now = Clock::now();
        std::vector<std::uint64_t> late;
        for (const auto& [number, one] : connections_) {
            if (one.until <= now) {
                late.push_back(number);
            }
        }
        for (const std::uint64_t number : late) {
            if (Connection* one = find(number); one != nullptr) {
                end_late(*one);
            }
        }
    }

    void end_late(Connection& one) {
        switch (one.state) {
            case State::resolving:
                return refuse(one, Refusal::unreachable, one.ask.host.text + " can't be resolved in time");
            case State::connecting:
                last_error_ = ETIMEDOUT;
                return connect_next(one);
            case State::securing:
                return refuse(one, Refusal::unreachable,
                              text_of(one.ask.host, one.ask.port) + " doesn't answer by TLS in time");
            case State::asking:
                return abort(one, "it asked for nothing within 10 s");
            case State::open:
                one.report.reason = "nothing moved for too long";  // it was allowed all the same
                return finish(one);
            case State::closing:
                return finish(one);
        }
    }

    NetworkRules rules_;
    Secrets secrets_;
    std::optional<Tls> tls_;
    ClientSource clients_;
    Report report_;
    EventLoop loop_;
    Resolver resolver_;
    std::map<std::uint64_t, Connection> connections_;
    std::uint64_t last_ = 0;
    std::uint64_t sent_ = 0;
    std::uint64_t received_ = 0;
    int last_error_ = 0;
    RateBound pace_{500, 100};  // so that nobody keeps this process busy by connecting
    bool door_closed_ = false;
    Clock::time_point door_opens_;
    std::array<char, kPiece> piece_{};
};

Broker::Broker(BrokerTask task, std::optional<Tls> tls, UniqueFd listener, Report report)
    : work_(std::make_unique<Work>(std::move(task), std::move(tls), std::move(listener), std::move(report))) {
}

Broker::~Broker() = default;

void Broker::serve(int host) {
    work_->serve(host);
}

}  // namespace cellblock::sandbox::network
