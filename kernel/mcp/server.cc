#include "kernel/mcp/server.h"

#include <sys/epoll.h>

#include <utility>
#include <vector>

#include "kernel/mcp/tools.h"
#include "sandbox/base/text.h"

namespace cellblock::kernel {

using namespace sandbox;
using nlohmann::json;

namespace {

constexpr const char* kLinks = "2025-06-18";  // the first that has links to resources in a tool's content

constexpr const char* kInstructions =
    "Runs Python in a sandbox. Variables and files last from call to call of a session; describe what "
    "execute_code's description says a cell may do, and work within it.";

json server_info() {
    return {{"name", "cellblock"}, {"title", "cellblock"}, {"version", CELLBLOCK_VERSION}};
}

json capabilities() {
    return {{"tools", json::object()}, {"resources", json::object()}};
}

std::string uri_of(int number) {
    return "cellblock://output/" + std::to_string(number);
}

// The beginning and the end of a text that is too long, each whole characters.
std::string shortened(const std::string& text, const std::string& where) {
    const std::size_t half = McpServer::kLongestText / 2;
    std::size_t tail = text.size() - half;
    while (tail < text.size() && utf8_length(text, tail) == 0) {
        ++tail;
    }
    const std::string_view head = utf8_prefix(text, half);
    return std::string(head) + "\n… " + std::to_string(tail - head.size()) + " bytes are left out here" +
           where + " …\n" + text.substr(tail);
}

}  // namespace

McpServer::McpServer(Policy policy, McpServerOptions options)
    : policy_(std::move(policy)),
      options_(std::move(options)),
      epoll_(UniqueFd(::epoll_create1(EPOLL_CLOEXEC))) {}

std::optional<TimePoint> McpServer::next_deadline() const {
    std::optional<TimePoint> next;
    const auto sooner = [&](std::optional<TimePoint> time) {
        next = time && (!next || *time < *next) ? time : next;
    };
    for (const auto& [name, session] : sessions_) {
        sooner(session->next_deadline());
        if (options_.idle_time && !session->is_busy()) {
            sooner(session->last_used() + *options_.idle_time);
        }
    }
    return next;
}

void McpServer::advance() {
    for (auto& [name, session] : sessions_) {
        session->advance();
    }
    if (options_.idle_time) {
        end_idle_sessions();
    }
}

void McpServer::end_idle_sessions() {
    const auto oldest = Clock::now() - *options_.idle_time;
    std::vector<std::string> idle;
    for (const auto& [name, session] : sessions_) {
        if (!session->is_busy() && session->last_used() <= oldest) {
            idle.push_back(name);
        }
    }
    for (const auto& name : idle) {
        end_session(name, "the session was idle for too long");
    }
}

void McpServer::cancel(const std::string& key) {
    for (auto& [name, session] : sessions_) {
        if (session->cancel(key)) {
            return;
        }
    }
}

void McpServer::end(const std::string& reason) {
    while (!sessions_.empty()) {
        end_session(std::string(sessions_.begin()->first), reason);
    }
}

// --- messages

void McpServer::take(const McpMessage& message, Send send, Notify notify, const std::string& key) {
    Request asked{message.id, key.empty() ? message.id : key, std::move(send), std::move(notify)};
    if (message.error != 0) {
        return refuse(asked, message.error, message.why);
    }
    if (message.id.empty()) {
        const auto id = message.params.find("requestId");
        if (message.method == "notifications/cancelled" && id != message.params.end()) {
            cancel(json_line(*id));
        }
        return;
    }
    if (!message.version.is_null()) {
        if (message.version != kModernVersion) {
            return refuse(asked, kUnsupportedVersion, "this version of the protocol isn't spoken here",
                          unsupported_version(message.version));
        }
        asked.is_modern = true;
    }
    request(asked, message.method, message.params);
}

void McpServer::answer(const Request& request, json result, bool may_be_cached) {
    if (request.is_modern) {
        result["resultType"] = "complete";
        result["_meta"][meta_name("serverInfo")] = server_info();
        if (may_be_cached) {
            result["ttlMs"] = 0;
            result["cacheScope"] = "private";
        }
    }
    request.send(result_text(request.id, result), 0);
}

void McpServer::refuse(const Request& request, int code, const std::string& why, const json& data) {
    request.send(error_text(request.id, code, why, data), code);
}

void McpServer::request(const Request& request, const std::string& method, const json& params) {
    if (method == "initialize" && !request.is_modern) {
        initialize(request, params);
    } else if (method == "server/discover" && request.is_modern) {
        answer(request,
               {{"supportedVersions", json::array({kModernVersion})},
                {"capabilities", capabilities()},
                {"instructions", kInstructions}},
               true);
    } else if (method == "ping" && !request.is_modern) {
        answer(request, json::object());
    } else if (method == "tools/list") {
        answer(request, {{"tools", tool_list(policy_)}}, true);
    } else if (method == "tools/call") {
        call_tool(request, params);
    } else if (method == "resources/list") {
        answer(request, {{"resources", resources()}}, true);
    } else if (method == "resources/templates/list") {
        answer(request, {{"resourceTemplates", json::array()}}, true);
    } else if (method == "resources/read") {
        read_resource(request, params);
    } else {
        refuse(request, kMethodNotFound, "there is no method \"" + printable(method.substr(0, 100)) + "\"");
    }
}

void McpServer::initialize(const Request& request, const json& params) {
    const json wanted = params.value("protocolVersion", json());
    const bool is_known = wanted.is_string() && is_handshake_version(wanted.get_ref<const std::string&>());
    version_ = is_known ? wanted.get<std::string>() : kNewestHandshake;
    answer(request, {{"protocolVersion", version_},
                     {"capabilities", capabilities()},
                     {"serverInfo", server_info()},
                     {"instructions", kInstructions}});
}

// --- tools

void McpServer::call_tool(const Request& request, const json& params) {
    const json name = params.value("name", json());
    const json arguments = params.value("arguments", json::object());
    if (!name.is_string() || !is_tool(name)) {
        return refuse(request, kInvalidParams,
                      "there is no such tool: execute_code, reset, list_files, read_file, write_file");
    }
    if (!arguments.is_object()) {
        return refuse(request, kInvalidParams, "a tool's arguments are an object");
    }
    const std::string tool = name;
    if (const std::string fault = arguments_fault(tool, arguments); !fault.empty()) {
        return tool_is_done(request, {fault, {}, true});
    }
    const std::string named = arguments.value("session", kDefaultSession);
    if (tool == "reset") {
        const bool was_there = end_session(named, "the session was reset");
        return tool_is_done(request,
                            {was_there ? "the session begins anew" : "there was no such session", {}, false});
    }
    ToolSession* const session = session_of(named);
    if (session == nullptr) {
        return tool_is_done(request, {"there are " + std::to_string(sessions_.size()) +
                                          " sessions here, and no room for more: reset one that isn't needed "
                                          "any more",
                                      {},
                                      true});
    }
    ToolProgress progress;
    if (std::string token = progress_token(params); !token.empty()) {
        progress = [notify = request.notify, token](int seconds, const std::string& text) {
            notify(progress_text(token, seconds, text));
        };
    }
    begin_tool(
        tool, arguments, request.key, *session,
        [this, request](ToolResult result) { tool_is_done(request, std::move(result)); },
        std::move(progress));
}

ToolSession* McpServer::session_of(const std::string& name) {
    const auto found = sessions_.find(name);
    if (found != sessions_.end()) {
        return found->second.get();
    }
    if (sessions_.size() >= options_.most_sessions || (options_.has_room && !options_.has_room())) {
        return nullptr;
    }
    auto session = std::make_unique<ToolSession>(policy_, options_.directory);
    epoll_event event{EPOLLIN, {}};
    ::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, session->poll_fd(), &event);
    return sessions_.emplace(name, std::move(session)).first->second.get();
}

bool McpServer::end_session(const std::string& name, const std::string& reason) {
    auto old = sessions_.extract(name);
    if (old) {
        ::epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, old.mapped()->poll_fd(), nullptr);
        old.mapped()->end(reason);
    }
    return !old.empty();
}

bool McpServer::knows_links() const {
    return version_ >= kLinks;
}

void McpServer::tool_is_done(const Request& request, ToolResult result) {
    json content = json::array();
    json link;
    if (result.text.size() > kLongestText) {
        const std::string uri = uri_of(++last_kept_);
        const bool links = request.is_modern || knows_links();
        kept_bytes_ += result.text.size();
        std::string text = shortened(result.text, links ? "; the whole is the resource " + uri : "");
        kept_.push_back({last_kept_, std::move(result.text)});
        while (kept_.size() > kMostKept || kept_bytes_ > kMostKeptBytes) {
            kept_bytes_ -= kept_.front().text.size();
            kept_.pop_front();
        }
        result.text = std::move(text);
        if (links) {
            link = {{"type", "resource_link"}, {"uri", uri}, {"name", "output"}, {"mimeType", "text/plain"}};
        }
    }
    if (!result.text.empty() || result.more.empty()) {
        content.push_back({{"type", "text"}, {"text", result.text.empty() ? "(no output)" : result.text}});
    }
    for (auto& one : result.more) {
        content.push_back(std::move(one));
    }
    if (!link.is_null()) {
        content.push_back(std::move(link));
    }
    answer(request, {{"content", std::move(content)}, {"isError", result.is_error}});
}

// --- resources: long outputs

json McpServer::resources() const {
    json list = json::array();
    for (const auto& one : kept_) {
        list.push_back({{"uri", uri_of(one.number)},
                        {"name", "output " + std::to_string(one.number)},
                        {"mimeType", "text/plain"},
                        {"size", one.text.size()}});
    }
    return list;
}

void McpServer::read_resource(const Request& request, const json& params) const {
    const json uri = params.value("uri", json());
    for (const auto& one : kept_) {
        if (uri == uri_of(one.number)) {
            json contents = json::array();
            contents.push_back({{"uri", uri}, {"mimeType", "text/plain"}, {"text", one.text}});
            return answer(request, {{"contents", std::move(contents)}}, true);
        }
    }
    refuse(request, request.is_modern ? kInvalidParams : kNoSuchResource,
           "there is no such resource (any more); the last " + std::to_string(kMostKept) + " are kept");
}

}  // namespace cellblock::kernel
