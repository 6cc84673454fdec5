#include "kernel/mcp/http_service.h"

#include <algorithm>
#include <cctype>
#include <utility>
#include <vector>

#include "kernel/http/token.h"
#include "kernel/jupyter/message_text.h"
#include "sandbox/base/base64.h"
#include "sandbox/base/digests.h"

namespace cellblock::kernel {

using namespace sandbox;
using nlohmann::json;

namespace {

constexpr const char* kPath = "/mcp";
constexpr const char* kSessionHeader = "Mcp-Session-Id";
constexpr const char* kVersionHeader = "MCP-Protocol-Version";
constexpr std::string_view kJson = "application/json";
constexpr std::string_view kEvents = "text/event-stream";
constexpr std::uint64_t kBytesOfStranger = 64U << 10;  // of a body that is refused anyway
constexpr std::size_t kSharedSessions = 32;
constexpr std::size_t kOwnSessions = 8;
constexpr std::size_t kBytesOfId = 32;
constexpr int kCancelled = -32800;  // the code that LSP has for this; the protocol has none
// A reply that isn't there after so long begins, and says something as often: clients and proxies give up on
// a connection that is silent.
constexpr std::chrono::seconds kSilence{15};
constexpr std::chrono::seconds kTick{1};

std::string lowered(std::string_view text) {
    std::string out(text);
    std::transform(out.begin(), out.end(), out.begin(),
                   [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    return out;
}

void refuse(HttpReply& reply, int status, int code, const std::string& why, const json& data = nullptr,
            const std::string& id = "null", const HttpReply::Headers& more = {}) {
    reply.send(status, kJson, error_text(id, code, why, data), more);
}

// "localhost:8080" → "localhost", "[::1]:8080" → "[::1]"
std::string_view without_port(std::string_view host) {
    const auto colon = host.rfind(':');
    const bool has_port = colon != std::string_view::npos &&
                          (host.front() != '[' || host[colon - 1] == ']') &&
                          host.find_first_not_of("0123456789", colon + 1) == std::string_view::npos;
    return has_port ? host.substr(0, colon) : host;
}

bool is_of_this_machine(std::string_view host) {
    const std::string name = lowered(without_port(host));
    return name == "localhost" || name == "127.0.0.1" || name == "[::1]";
}

bool is_origin_of_this_machine(const std::string& origin) {
    for (const std::string_view scheme : {"http://", "https://"}) {
        if (lowered(origin).starts_with(scheme)) {
            return is_of_this_machine(std::string_view(origin).substr(scheme.size()));
        }
    }
    return false;
}

// A web page may have sent the request, of a site that isn't this machine's: by the page's origin, or by a
// name that was made to lead here.
bool is_from_a_foreign_page(const HttpRequest& request, bool has_token) {
    const auto [begin, end] = request.headers.equal_range("origin");
    return std::any_of(begin, end, [](const auto& one) { return !is_origin_of_this_machine(one.second); }) ||
           (!has_token && !is_of_this_machine(request.header("host")));
}

struct Accepted {
    bool is_json = false;
    bool is_events = false;
};

Accepted accepted_types(const HttpRequest& request) {
    const auto [begin, end] = request.headers.equal_range("accept");
    Accepted accepted;
    for (auto one = begin; one != end; ++one) {
        const std::string types = lowered(one->second);
        const bool is_any = types.find("*/*") != std::string::npos;
        accepted.is_json = accepted.is_json || is_any || types.find(kJson) != std::string::npos ||
                           types.find("application/*") != std::string::npos;
        accepted.is_events = accepted.is_events || is_any || types.find(kEvents) != std::string::npos;
    }
    return begin == end ? Accepted{true, false} : accepted;
}

// A header's value, which is in base64 where it couldn't be a header's otherwise: "=?base64?w6k=?=".
std::string header_value(std::string_view value) {
    constexpr std::string_view kBegin = "=?base64?";
    constexpr std::string_view kEnd = "?=";
    if (value.size() < kBegin.size() + kEnd.size() || !value.starts_with(kBegin) || !value.ends_with(kEnd)) {
        return std::string(value);
    }
    value.remove_prefix(kBegin.size());
    value.remove_suffix(kEnd.size());
    const auto decoded = decode_base64(value);
    return decoded && base64(*decoded) == value ? *decoded : "";
}

// Which of a modern request's headers doesn't say what its body says; empty: they agree.
std::string header_fault(const HttpRequest& request, const McpMessage& message) {
    for (const char* name : {kVersionHeader, "Mcp-Method", "Mcp-Name"}) {
        if (request.headers.count(std::string(name)) > 1) {
            return std::string("there are several headers ") + name;
        }
    }
    if (!message.version.is_string() || message.version != request.header(kVersionHeader)) {
        return "MCP-Protocol-Version isn't the version in the request's _meta";
    }
    if (request.header("mcp-method") != message.method) {
        return "Mcp-Method isn't the request's method";
    }
    const char* const member = message.method == "tools/call" || message.method == "prompts/get" ? "name"
                               : message.method == "resources/read"                              ? "uri"
                                                                                                 : nullptr;
    if (member != nullptr && message.params.contains(member) &&
        message.params[member] != header_value(request.header("mcp-name"))) {
        return std::string("Mcp-Name isn't the request's ") + member;
    }
    return {};
}

// How a modern request's error shows in HTTP.
int modern_status(int error) {
    return error == kMethodNotFound ? 404 : error == 0 ? 200 : 400;
}

bool is_modern(const HttpRequest& request, const McpMessage& message) {
    const auto version = request.header(kVersionHeader);
    return (!version.empty() && !is_handshake_version(version)) ||
           (message.version.is_string() && !is_handshake_version(message.version.get<std::string>()));
}

}  // namespace

// One request, and its reply.
class McpHttpService::Exchange {
public:
    Exchange(Loop& loop, ReplyPtr reply, std::string id, bool is_modern, Accepted accepted)
        : loop_(loop),
          reply_(std::move(reply)),
          id_(std::move(id)),
          is_modern_(is_modern),
          accepts_events_(accepted.is_events),
          sends_events_(!accepted.is_json) {}

    void set_headers(HttpReply::Headers more) { more_ = std::move(more); }
    [[nodiscard]] const std::string& id() const { return id_; }
    [[nodiscard]] bool is_done() const { return reply_ == nullptr; }

    void answer(const std::string& text, int error) {
        if (is_done()) {
            return;
        }
        clock_.reset();
        const auto reply = std::exchange(reply_, nullptr);
        std::string body = sends_events_ ? event_of(text) : text;
        if (!has_begun_) {
            return reply->send(is_modern_ ? modern_status(error) : 200, type(), std::move(body), more_);
        }
        reply->write(std::move(body));
        reply->end();
    }

    // A notification needs a stream of events: of a client that takes none it is dropped.
    void notify(const std::string& text) {
        if (is_done() || !(has_begun_ ? sends_events_ : accepts_events_)) {
            return;
        }
        sends_events_ = true;
        say(event_of(text));
    }

    // The answer takes its time: the connection isn't left silent.
    void wait() {
        // A comment, or white space before the JSON.
        clock_ = loop_.watch(-1, [this] { say(sends_events_ ? ":\n\n" : "\n"); });
        clock_->until(Clock::now() + kSilence);
    }

    void drop() {
        clock_.reset();
        reply_.reset();
    }

private:
    [[nodiscard]] std::string_view type() const { return sends_events_ ? kEvents : kJson; }
    static std::string event_of(const std::string& text) { return "event: message\ndata: " + text + "\n\n"; }

    void say(std::string piece) {
        if (!has_begun_) {
            has_begun_ = true;
            reply_->begin(200, type());
        }
        reply_->write(std::move(piece));
        clock_->until(Clock::now() + kSilence);
    }

    Loop& loop_;
    ReplyPtr reply_;
    std::string id_;
    HttpReply::Headers more_;
    std::unique_ptr<Watch> clock_;
    bool is_modern_;
    bool accepts_events_;
    bool sends_events_;
    bool has_begun_ = false;
};

// An McpServer in the loop, and the requests that it hasn't answered.
class McpHttpService::Session {
public:
    Session(Loop& loop, const Policy& policy, McpServerOptions options)
        : server_(policy, std::move(options)), watch_(loop.watch(server_.poll_fd(), [this] {
              server_.advance();
              settle();
          })) {}

    ~Session() {
        server_.end("the session was ended");
        for (const auto& [key, exchange] : std::exchange(waiting_, {})) {
            exchange->answer(error_text(exchange->id(), kInternalError, "the session was ended"),
                             kInternalError);
        }
    }
    Session(const Session&) = delete;
    Session& operator=(const Session&) = delete;

    void take(const McpMessage& message, const ReplyPtr& reply, const std::shared_ptr<Exchange>& exchange) {
        last_used_ = Clock::now();
        const std::string key = std::to_string(++last_key_);
        waiting_[key] = exchange;
        server_.take(
            message,
            [this, key, exchange](const std::string& text, int error) {
                exchange->answer(text, error);
                is_over(key);
            },
            [exchange](const std::string& text) { exchange->notify(text); }, key);
        settle();
        if (!exchange->is_done()) {
            exchange->wait();
            reply->on_closed([this, key, alive = std::weak_ptr<bool>(alive_)] {
                if (!alive.expired()) {
                    client_has_gone(key);
                }
            });
        }
    }

    // By the id that the client has given.
    void cancel(const std::string& id) {
        const auto found = std::find_if(waiting_.begin(), waiting_.end(),
                                        [&](const auto& one) { return one.second->id() == id; });
        if (found != waiting_.end()) {
            const auto [key, exchange] = *found;
            server_.cancel(key);
            settle();
            exchange->answer(error_text(id, kCancelled, "the call was cancelled"), kCancelled);
            is_over(key);
        }
    }

    [[nodiscard]] bool is_idle_since(TimePoint time) const { return waiting_.empty() && last_used_ <= time; }
    [[nodiscard]] TimePoint last_used() const { return last_used_; }
    [[nodiscard]] std::size_t sandboxes() const { return server_.session_count(); }
    [[nodiscard]] bool is_spare() const { return waiting_.empty() && sandboxes() == 0; }
    void touch() { last_used_ = Clock::now(); }

private:
    void settle() { watch_->until(server_.next_deadline()); }

    void is_over(const std::string& key) {
        waiting_.erase(key);
        last_used_ = Clock::now();
    }

    void client_has_gone(const std::string& key) {
        if (auto gone = waiting_.extract(key)) {
            gone.mapped()->drop();
            server_.cancel(key);
            settle();
        }
    }

    McpServer server_;
    std::unique_ptr<Watch> watch_;
    std::map<std::string, std::shared_ptr<Exchange>> waiting_;
    std::uint64_t last_key_ = 0;
    TimePoint last_used_ = Clock::now();
    std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

McpHttpService::McpHttpService(Loop& loop, Policy policy, McpHttpOptions options)
    : loop_(loop), policy_(std::move(policy)), options_(std::move(options)) {
    shared_ = make_session(kSharedSessions);
    clock_ = loop_.watch(-1, [this] { end_idle_sessions(); });
    clock_->until(Clock::now() + kTick);
}

McpHttpService::~McpHttpService() = default;

bool McpHttpService::is_mine(const HttpRequest& request) {
    return request.path == kPath || request.path == std::string(kPath) + "/";
}

std::uint64_t McpHttpService::body_limit(const HttpRequest& head) const {
    return has_token(head, options_.token) ? McpServer::kLongestMessage : kBytesOfStranger;
}

void McpHttpService::handle(const HttpRequest& request, const ReplyPtr& reply) {
    if (is_from_a_foreign_page(request, !options_.token.empty())) {
        return refuse(*reply, 403, kInvalidRequest, "the request comes from a page of another machine");
    }
    if (!has_token(request, options_.token)) {
        return refuse(*reply, 401, kInvalidRequest, "the server's token is missing or wrong", nullptr, "null",
                      {{"WWW-Authenticate", "Bearer realm=\"cellblock\""}});
    }
    if (request.method == "DELETE" && request.header(kVersionHeader) != kModernVersion) {
        return end_session(request, *reply);
    }
    if (request.method != "POST") {
        return refuse(*reply, 405, kInvalidRequest,
                      "POST sends a message, DELETE ends a session; the server sends nothing unasked, so "
                      "there is no GET",
                      nullptr, "null", {{"Allow", "POST, DELETE"}});
    }
    if (!lowered(request.header("content-type")).starts_with(kJson)) {
        return refuse(*reply, 415, kInvalidRequest, "a message's Content-Type is application/json");
    }
    if (const auto accepted = accepted_types(request); !accepted.is_json && !accepted.is_events) {
        return refuse(*reply, 406, kInvalidRequest, "answers are application/json or text/event-stream");
    }
    const McpMessage message = read_message(request.body);
    if (message.error != 0) {
        return refuse(*reply, 400, message.error, message.why, nullptr, message.id);
    }
    is_modern(request, message) ? handle_modern(request, message, reply)
                                : handle_session(request, message, reply);
}

void McpHttpService::handle_modern(const HttpRequest& request, const McpMessage& message,
                                   const ReplyPtr& reply) {
    const std::string version(request.header(kVersionHeader));
    const bool names_none = message.version.is_null();
    if (message.method.empty()) {
        return refuse(*reply, 400, kInvalidRequest, "nothing was asked of the client");
    }
    if (version != kModernVersion && !version.empty() && names_none) {
        return refuse(*reply, 400, kUnsupportedVersion, "this version of the protocol isn't spoken here",
                      unsupported_version(version), message.id.empty() ? "null" : message.id);
    }
    if (message.id.empty()) {
        return reply->send(202, "", "");  // a notification: there is none that means anything here
    }
    if (names_none || meta_of(message.params, "clientCapabilities").is_null()) {
        return refuse(
            *reply, 400, kInvalidParams,
            "params._meta needs " + meta_name("protocolVersion") + " and " + meta_name("clientCapabilities"),
            nullptr, message.id);
    }
    if (const std::string fault = header_fault(request, message); !fault.empty()) {
        return refuse(*reply, 400, kHeaderMismatch, fault, nullptr, message.id);
    }
    pass_on(*shared_, request, message, reply, {});
}

// --- sessions that `initialize` has begun

void McpHttpService::handle_session(const HttpRequest& request, const McpMessage& message,
                                    const ReplyPtr& reply) {
    const auto id = request.header(kSessionHeader);
    if (id.empty()) {
        return message.method == "initialize" && !message.id.empty()
                   ? begin_session(request, message, reply)
                   : refuse(*reply, 400, kInvalidRequest,
                            "the header Mcp-Session-Id is missing: begin with initialize", nullptr,
                            message.id.empty() ? "null" : message.id);
    }
    const auto found = sessions_.find(std::string(id));
    if (found == sessions_.end()) {
        return refuse(*reply, 404, kInvalidRequest,
                      "there is no such session (any more): begin anew with initialize", nullptr,
                      message.id.empty() ? "null" : message.id);
    }
    Session& session = *found->second;
    if (!message.id.empty()) {
        return pass_on(session, request, message, reply, {});
    }
    session.touch();
    if (const auto call = message.params.find("requestId");
        message.method == "notifications/cancelled" && call != message.params.end()) {
        session.cancel(json_line(*call));
    }
    reply->send(202, "", "");
}

void McpHttpService::begin_session(const HttpRequest& request, const McpMessage& message,
                                   const ReplyPtr& reply) {
    if (!make_room()) {
        return refuse(*reply, 503, kInternalError,
                      "there are " + std::to_string(options_.most_sessions) +
                          " sessions already: end one by DELETE; one that is idle for " +
                          std::to_string(options_.idle_time.count()) + " seconds ends by itself",
                      nullptr, message.id);
    }
    const std::string id = random_hex(kBytesOfId);
    auto& session = sessions_[id] = make_session(kOwnSessions);
    pass_on(*session, request, message, reply, {{kSessionHeader, id}});
}

void McpHttpService::end_session(const HttpRequest& request, HttpReply& reply) {
    const auto id = request.header(kSessionHeader);
    if (id.empty()) {
        return refuse(reply, 400, kInvalidRequest, "the header Mcp-Session-Id is missing");
    }
    if (sessions_.erase(std::string(id)) == 0) {
        return refuse(reply, 404, kInvalidRequest, "there is no such session (any more)");
    }
    reply.send(204, "", "");
}

void McpHttpService::pass_on(Session& session, const HttpRequest& request, const McpMessage& message,
                             const ReplyPtr& reply, const HttpReply::Headers& more) {
    auto exchange = std::make_shared<Exchange>(loop_, reply, message.id, !message.version.is_null(),
                                               accepted_types(request));
    exchange->set_headers(more);
    session.take(message, reply, exchange);
}

std::unique_ptr<McpHttpService::Session> McpHttpService::make_session(std::size_t most_sandboxes) {
    McpServerOptions options;
    options.directory = options_.directory;
    options.most_sessions = most_sandboxes;
    options.has_room = [this] { return has_room(); };
    options.idle_time = options_.idle_time;
    return std::make_unique<Session>(loop_, policy_, std::move(options));
}

bool McpHttpService::has_room() const {
    std::size_t count = shared_->sandboxes();
    for (const auto& [id, session] : sessions_) {
        count += session->sandboxes();
    }
    return count < options_.most_sandboxes;
}

// Many clients never end their session: one that has no sandbox, the longest idle, makes room for another.
bool McpHttpService::make_room() {
    if (sessions_.size() < options_.most_sessions) {
        return true;
    }
    auto oldest = sessions_.end();
    for (auto one = sessions_.begin(); one != sessions_.end(); ++one) {
        if (one->second->is_spare() &&
            (oldest == sessions_.end() || one->second->last_used() < oldest->second->last_used())) {
            oldest = one;
        }
    }
    if (oldest == sessions_.end()) {
        return false;
    }
    sessions_.erase(oldest);
    return true;
}

void McpHttpService::end_idle_sessions() {
    const auto oldest = Clock::now() - options_.idle_time;
    std::erase_if(sessions_, [&](const auto& one) { return one.second->is_idle_since(oldest); });
    clock_->until(Clock::now() + kTick);
}

}  // namespace cellblock::kernel
