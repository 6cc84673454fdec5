#include "kernel/mcp/server.h"

#include <algorithm>
#include <array>
#include <utility>

#include "kernel/mcp/tools.h"
#include "sandbox/base/json_text.h"
#include "sandbox/base/text.h"

namespace cellblock::kernel {

using namespace sandbox;
using nlohmann::json;

namespace {

constexpr const char* kModern = "2026-07-28";
// Versions whose clients begin with `initialize`.
constexpr std::array kVersions{"2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25"};
constexpr const char* kLinks = "2025-06-18";  // the first that has links to resources in a tool's content
constexpr const char* kMeta = "io.modelcontextprotocol/";
constexpr JsonBounds kBounds{64, 100'000};
constexpr std::size_t kLongestId = 200;

// JSON-RPC's, and the protocol's own.
constexpr int kParseError = -32700;
constexpr int kInvalidRequest = -32600;
constexpr int kMethodNotFound = -32601;
constexpr int kInvalidParams = -32602;
constexpr int kNoSuchResource = -32002;
constexpr int kUnsupportedVersion = -32022;

constexpr const char* kInstructions =
    "Runs Python in a sandbox. Variables and files last from call to call of a session; describe what "
    "execute_code's description says a cell may do, and work within it.";

json server_info() {
    return {{"name", "cellblock"}, {"title", "cellblock"}, {"version", CELLBLOCK_VERSION}};
}

json capabilities() {
    return {{"tools", json::object()}, {"resources", json::object()}};
}

std::string dumped(const json& value) {
    return value.dump(-1, ' ', false, json::error_handler_t::replace);
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

McpServer::McpServer(Policy policy, std::string directory, Send send)
    : policy_(std::move(policy)), directory_(std::move(directory)), send_(std::move(send)) {}

std::vector<int> McpServer::poll_fds() const {
    std::vector<int> fds;
    for (const auto& [name, session] : sessions_) {
        fds.push_back(session->poll_fd());
    }
    return fds;
}

std::optional<TimePoint> McpServer::next_deadline() const {
    std::optional<TimePoint> next;
    for (const auto& [name, session] : sessions_) {
        if (const auto one = session->next_deadline(); one && (!next || *one < *next)) {
            next = one;
        }
    }
    return next;
}

void McpServer::advance() {
    for (auto& [name, session] : sessions_) {
        session->advance();
    }
}

// --- messages

void McpServer::take(std::string_view message) {
    auto parsed = parse_json_object(message, kBounds);
    if (!parsed) {
        const bool is_batch = message.find_first_not_of(" \t\r") == message.find('[');
        return is_batch
                   ? refuse("null", kInvalidRequest, "batches aren't taken: send one message on each line")
                   : refuse("null", kParseError, parsed.error().text());
    }
    const json& object = *parsed;
    const auto method = object.find("method");
    const auto params = object.find("params");
    const bool has_params = params != object.end() && params->is_object();
    const json id = object.value("id", json());
    if (method == object.end()) {
        return;  // an answer; nothing was asked
    }
    if (!method->is_string() || object.value("jsonrpc", json()) != "2.0" ||
        (params != object.end() && !has_params)) {
        return refuse(dumped(id.is_structured() ? json() : id), kInvalidRequest,
                      "no message of JSON-RPC 2.0 with an object as its params");
    }
    const json given = has_params ? *params : json::object();
    if (!object.contains("id")) {
        return notice(method->get<std::string>(), given);
    }
    if ((!id.is_string() && !id.is_number_integer()) || dumped(id).size() > kLongestId) {
        return refuse("null", kInvalidRequest, "an id is a text or a whole number");
    }
    Request asked{dumped(id)};
    if (const auto meta = given.find("_meta"); meta != given.end() && meta->is_object()) {
        if (const auto version = meta->find(std::string(kMeta) + "protocolVersion"); version != meta->end()) {
            if (*version != kModern) {
                return refuse(asked.id, kUnsupportedVersion, "this version of the protocol isn't spoken here",
                              {{"supported", json::array({kModern})}, {"requested", *version}});
            }
            asked.is_modern = true;
        }
    }
    request(asked, method->get<std::string>(), given);
}

void McpServer::answer(const Request& request, json result, bool may_be_cached) const {
    if (request.is_modern) {
        result["resultType"] = "complete";
        result["_meta"][std::string(kMeta) + "serverInfo"] = server_info();
        if (may_be_cached) {
            result["ttlMs"] = 0;
            result["cacheScope"] = "private";
        }
    }
    send_(R"({"jsonrpc":"2.0","id":)" + request.id + R"(,"result":)" + dumped(result) + "}");
}

void McpServer::refuse(const std::string& id, int code, const std::string& why, json data) const {
    json error{{"code", code}, {"message", why}};
    if (!data.is_null()) {
        error["data"] = std::move(data);
    }
    send_(R"({"jsonrpc":"2.0","id":)" + id + R"(,"error":)" + dumped(error) + "}");
}

void McpServer::notice(const std::string& method, const json& params) {
    const auto id = params.find("requestId");
    if (method != "notifications/cancelled" || id == params.end()) {
        return;
    }
    for (auto& [name, session] : sessions_) {
        if (session->cancel(dumped(*id))) {
            return;
        }
    }
}

void McpServer::request(const Request& request, const std::string& method, const json& params) {
    if (method == "initialize") {
        initialize(request, params);
    } else if (method == "server/discover" && request.is_modern) {
        answer(request,
               {{"supportedVersions", json::array({kModern})},
                {"capabilities", capabilities()},
                {"instructions", kInstructions}},
               true);
    } else if (method == "ping") {
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
        refuse(request.id, kMethodNotFound,
               "there is no method \"" + printable(method.substr(0, 100)) + "\"");
    }
}

void McpServer::initialize(const Request& request, const json& params) {
    const json wanted = params.value("protocolVersion", json());
    const auto known = std::find_if(kVersions.begin(), kVersions.end(),
                                    [&](const char* version) { return wanted == version; });
    version_ = known != kVersions.end() ? *known : kVersions.back();
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
        return refuse(request.id, kInvalidParams,
                      "there is no such tool: execute_code, reset, list_files, read_file, write_file");
    }
    if (!arguments.is_object()) {
        return refuse(request.id, kInvalidParams, "a tool's arguments are an object");
    }
    const std::string tool = name;
    if (const std::string fault = arguments_fault(tool, arguments); !fault.empty()) {
        return tool_is_done(request, {fault, {}, true});
    }
    const std::string named = arguments.value("session", kDefaultSession);
    if (tool == "reset") {
        auto old = sessions_.extract(named);
        if (old) {
            old.mapped()->end("the session was reset");
        }
        return tool_is_done(request,
                            {old ? "the session begins anew" : "there was no such session", {}, false});
    }
    ToolSession* const session = session_of(named);
    if (session == nullptr) {
        return tool_is_done(request, {"there are " + std::to_string(kMostSessions) +
                                          " sessions already: reset one that isn't needed any more",
                                      {},
                                      true});
    }
    begin_tool(tool, arguments, request.id, *session,
               [this, request](ToolResult result) { tool_is_done(request, std::move(result)); });
}

ToolSession* McpServer::session_of(const std::string& name) {
    const auto found = sessions_.find(name);
    if (found != sessions_.end()) {
        return found->second.get();
    }
    if (sessions_.size() >= kMostSessions) {
        return nullptr;
    }
    return sessions_.emplace(name, std::make_unique<ToolSession>(policy_, directory_)).first->second.get();
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
    refuse(request.id, request.is_modern ? kInvalidParams : kNoSuchResource,
           "there is no such resource (any more); the last " + std::to_string(kMostKept) + " are kept");
}

}  // namespace cellblock::kernel
