#include "kernel/e2b/service.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <string_view>
#include <utility>

#include "kernel/e2b/connect.h"
#include "kernel/http/server.h"
#include "kernel/http/token.h"
#include "sandbox/base/base64.h"
#include "sandbox/base/digests.h"
#include "sandbox/base/json_text.h"
#include "sandbox/base/text.h"

namespace cellblock::kernel {

using namespace sandbox;
using nlohmann::json;
using std::chrono::seconds;

namespace {

constexpr JsonBounds kBounds{32, 10'000};
// Clients of newer protocols than this are told what isn't there by their own library.
constexpr const char* kEnvdVersion = "0.6.1";
constexpr const char* kClient = "cellblock";
constexpr const char* kTemplates[] = {"code-interpreter-v1", "base"};
constexpr std::string_view kJupyterPort = "49999";
constexpr std::string_view kFilesystem = "/filesystem.Filesystem/";
constexpr std::string_view kProcess = "/process.Process/";
constexpr std::string_view kStreamInput = "/process.Process/StreamInput";
constexpr std::string_view kContexts = "/contexts";
constexpr std::int64_t kDefaultSeconds = 300;  // E2B's own, of a request without a timeout
constexpr std::size_t kMostVariables = 64;
constexpr std::size_t kLongestName = 256;
constexpr std::size_t kLongestValue = 16U << 10;
constexpr std::uint64_t kBytesOfRequest = 1U << 20;   // of any that carries neither code nor a file
constexpr std::uint64_t kBytesOfStream = 256U << 20;  // of a command's input, in all
constexpr std::size_t kMostListed = 100;

void answer(HttpReply& reply, int status, const json& content) {
    reply.send(status, "application/json", dumped(content));
}

std::string date_of(std::chrono::system_clock::time_point time) {
    return utc_text(time, 3);
}

std::int64_t unix_seconds(std::chrono::system_clock::time_point time) {
    return std::chrono::duration_cast<seconds>(time.time_since_epoch()).count();
}

// An object of texts, at most 64; false: `value` is none.
bool read_texts(const json& value, std::map<std::string, std::string>& out) {
    if (value.is_null()) {
        return true;
    }
    if (!value.is_object() || value.size() > kMostVariables) {
        return false;
    }
    for (const auto& [name, text] : value.items()) {
        if (!text.is_string() || name.empty() || name.size() > kLongestName ||
            name.find('=') != std::string::npos ||
            text.get_ref<const std::string&>().size() > kLongestValue) {
            return false;
        }
        out[name] = text.get<std::string>();
    }
    return true;
}

bool is_empty(const json& value) {
    return value.is_null() || value == json(false) || (value.is_structured() && value.empty());
}

// A request for a sandbox may ask for something that isn't there: a text that says so, or empty.
std::string not_there(const json& request) {
    for (const char* name : {"autoPause", "mcp", "iam", "volumeMounts", "secrets"}) {
        if (const auto found = request.find(name); found != request.end() && !is_empty(*found)) {
            return std::string("\"") + name + "\" isn't there in cellblock";
        }
    }
    const json network = request.value("network", json());
    if (network.is_object() && std::any_of(network.begin(), network.end(), [](const json& value) {
            return !is_empty(value) && value != json(true);
        })) {
        return "which hosts a sandbox may reach is the server's policy, not a client's choice";
    }
    return {};
}

// A body that is an object; an empty body is an empty object.
Result<json> body_of(const HttpRequest& request) {
    return request.body.empty() ? Result<json>(json::object()) : parse_json_object(request.body, kBounds);
}

std::string box_of(const HttpRequest& request) {
    if (const auto id = request.header("e2b-sandbox-id"); !id.empty()) {
        return std::string(id);
    }
    // PORT-ID.domain
    const auto host = request.header("host");
    const auto dash = host.find('-');
    const auto dot = host.find('.');
    const bool is_named = dash != std::string_view::npos && dot != std::string_view::npos && dash < dot &&
                          host.find_first_not_of("0123456789") == dash;
    return is_named ? std::string(host.substr(dash + 1, dot - dash - 1)) : std::string();
}

// The names and values that a list asks for. Clients encode each of them once more than a query does.
bool read_metadata(const std::string& text, std::map<std::string, std::string>& out) {
    HttpRequest query;
    if (!read_target("/?" + text, query)) {
        return false;
    }
    return std::all_of(query.query.begin(), query.query.end(), [&](const auto& one) {
        std::string name;
        std::string value;
        const bool is_good = decode_url(one.first, false, name) && decode_url(one.second, false, value);
        out[name] = value;
        return is_good;
    });
}

// A signed address stands for the access token, for one path and one operation, until its time is over.
bool is_signed(const HttpRequest& request, const std::string& access_token) {
    constexpr std::string_view kStart = "v1_";
    const auto text_of = [&](const char* name) {
        const auto found = request.query.find(name);
        return found == request.query.end() ? std::string() : found->second;
    };
    const std::string given = text_of("signature");
    const std::string expires = text_of("signature_expiration");
    if (!given.starts_with(kStart)) {
        return false;
    }
    std::int64_t last = 0;
    if (!expires.empty()) {
        const char* const end = expires.data() + expires.size();
        const auto read = std::from_chars(expires.data(), end, last);
        if (read.ec != std::errc() || read.ptr != end ||
            last < unix_seconds(std::chrono::system_clock::now())) {
            return false;
        }
    }
    const auto digest = decode_base64(std::string_view(given).substr(kStart.size()));
    const std::string operation = request.method == "POST" ? "write" : "read";
    const std::string wanted = sha256(text_of("path") + ":" + operation + ":" + text_of("username") + ":" +
                                      access_token + (expires.empty() ? "" : ":" + expires));
    return digest && is_same_secret(hex(*digest), wanted);
}

// The rest of a path that begins with `start`.
std::optional<std::string> behind(const std::string& path, std::string_view start) {
    return path.starts_with(start) ? std::optional(path.substr(start.size())) : std::nullopt;
}

bool is_of_boxes(const std::string& path) {
    return path == "/health" || path == "/files" || path == "/execute" || path.starts_with(kContexts) ||
           path.starts_with(kFilesystem) || path.starts_with(kProcess);
}

// A request needs a token; which one depends on its path.
bool has_access(const HttpRequest& request, const BoxFacts& box) {
    return is_same_secret(request.header("x-access-token"), box.access_token) ||
           (request.path.starts_with(kContexts) &&
            is_same_secret(request.header("e2b-traffic-access-token"), box.traffic_token)) ||
           (request.path == "/files" && is_signed(request, box.access_token));
}

}  // namespace

E2bService::E2bService(Loop& loop, Policy policy, E2bOptions options)
    : loop_(loop), policy_(std::move(policy)), options_(std::move(options)) {
    show_data(policy_);
    clock_ = loop_.watch(-1, [this] { remove_old(); });
    clock_->until(Clock::now() + seconds(1));
}

E2bService::~E2bService() {
    // Callers that wait for a box are told by its end, and may ask for the box once more.
    const auto boxes = std::exchange(boxes_, {});
}

// Bodies are read only of requests whose tokens are right.
bool E2bService::may_send(const HttpRequest& head) const {
    if (!is_of_boxes(head.path)) {
        return has_token(head, options_.token);
    }
    const auto found = boxes_.find(named_by(head));
    return found != boxes_.end() && has_access(head, found->second->facts());
}

std::uint64_t E2bService::body_limit(const HttpRequest& head) const {
    if (!may_send(head)) {
        return 0;
    }
    if (head.path == "/files") {
        return policy_.limits.disk_bytes + kBytesOfRequest;
    }
    if (head.path == "/execute") {
        // Code as JSON text: a character may take six.
        return policy_.limits.code_bytes * 6 + kBytesOfRequest;
    }
    if (head.path == kStreamInput) {
        return kBytesOfStream;
    }
    if (head.path.starts_with(kProcess)) {
        return 4 * kBytesOfRequest;
    }
    return kBytesOfRequest;
}

bool E2bService::comes_in_pieces(const HttpRequest& head) const {
    return head.path == kStreamInput && may_send(head);
}

void E2bService::handle(HttpRequest request, const ReplyPtr& reply) {
    if (is_of_boxes(request.path)) {
        handle_box(std::move(request), reply);
    } else {
        handle_api(request, reply);
    }
}

// --- creating and keeping boxes

void E2bService::handle_api(const HttpRequest& request, const ReplyPtr& reply) {
    if (!has_token(request, options_.token)) {
        return refuse(*reply, 401, "the API key is not this server's token");
    }
    std::string path = request.path;
    if (path.starts_with("/v2/")) {
        path.erase(0, 3);
    }
    const auto rest = behind(path, "/sandboxes");
    if (!rest || (!rest->empty() && rest->front() != '/')) {
        return refuse(*reply, 404, "there is no such path here: " + printable(request.path.substr(0, 200)));
    }
    if (rest->empty() || *rest == "/") {
        return request.method == "POST"  ? create(request, reply)
               : request.method == "GET" ? list(request, *reply)
                                         : refuse(*reply, 405, "POST creates a sandbox, GET lists them");
    }
    const auto slash = rest->find('/', 1);
    const std::string id = rest->substr(1, slash - 1);
    const std::string verb = slash == std::string::npos ? "" : rest->substr(slash + 1);
    const auto found = boxes_.find(id);
    if (found == boxes_.end()) {
        return refuse(*reply, 404, "Sandbox \"" + printable(id.substr(0, 64)) + "\" was not found");
    }
    if (verb.empty() && request.method == "DELETE") {
        remove(id);
        return reply->send(204, "", "");
    }
    act_on(*found->second, verb, request, *reply);
}

void E2bService::act_on(Box& box, const std::string& verb, const HttpRequest& request, HttpReply& reply) {
    if (verb.empty() && request.method == "GET") {
        return answer(reply, 200, details_of(box));
    }
    if (verb == "metrics" && request.method == "GET") {
        return answer(reply, 200, json::array({metrics_of(box)}));
    }
    if (request.method == "POST" && verb == "timeout") {
        return set_timeout(box, request, reply, "timeout", false);
    }
    if (request.method == "POST" && verb == "refreshes") {
        return set_timeout(box, request, reply, "duration", true);
    }
    if (request.method == "POST" && (verb == "connect" || verb == "resume")) {
        return set_timeout(box, request, reply, "timeout", true);
    }
    const bool is_known =
        verb == "pause" || verb == "fork" || verb == "snapshots" || verb == "network" || verb == "logs";
    refuse(reply, is_known ? 501 : 404,
           is_known ? "\"" + verb + "\" isn't there in cellblock" : "there is no such path here");
}

void E2bService::set_timeout(Box& box, const HttpRequest& request, HttpReply& reply, const char* member,
                             bool only_longer) {
    auto body = body_of(request);
    if (!body) {
        return refuse(reply, 400, body.error().text());
    }
    const json time = body->value(member, json(kDefaultSeconds));
    if (!time.is_number_integer() || time < 0 || time > options_.longest_life.count()) {
        return refuse(reply, 400,
                      "a timeout is 0 to " + std::to_string(options_.longest_life.count()) + " seconds");
    }
    const auto ends = Clock::now() + seconds(time.get<std::int64_t>());
    box.facts().ends = only_longer ? std::max(box.facts().ends, ends) : ends;
    if (std::string_view(member) == "timeout" && only_longer) {
        return answer(reply, 200, access_to(box));
    }
    reply.send(204, "", "");
}

void E2bService::create(const HttpRequest& request, const ReplyPtr& reply) {
    auto body = body_of(request);
    if (!body) {
        return refuse(*reply, 400, body.error().text());
    }
    BoxFacts facts;
    const json name = body->value("templateID", json(kTemplates[0]));
    const bool is_known =
        std::find(std::begin(kTemplates), std::end(kTemplates), name) != std::end(kTemplates);
    if (!name.is_string() || (!is_known && name != policy_.name)) {
        return refuse(*reply, 404,
                      "there is no such template here: code-interpreter-v1 and base are the server's policy");
    }
    const json time = body->value("timeout", json(kDefaultSeconds));
    if (!time.is_number_integer() || time < 1 || time > options_.longest_life.count()) {
        return refuse(*reply, 400,
                      "a timeout is 1 to " + std::to_string(options_.longest_life.count()) + " seconds");
    }
    std::map<std::string, std::string> metadata;
    if (!read_texts(body->value("metadata", json()), metadata) ||
        !read_texts(body->value("envVars", json()), facts.environment)) {
        return refuse(*reply, 400, "metadata and envVars are objects of at most 64 texts");
    }
    if (const std::string fault = not_there(*body); !fault.empty()) {
        return refuse(*reply, 400, fault);
    }
    if (boxes_.size() >= options_.most_boxes) {
        return refuse(*reply, 429,
                      "there are " + std::to_string(options_.most_boxes) +
                          " sandboxes already: kill one, or start "
                          "the server with a higher --sandboxes");
    }
    const json internet = body->value("allow_internet_access", json());
    Policy policy = policy_;
    if (internet == json(false)) {
        policy.network = {};
    }
    facts.environment.emplace("HOME", kHome);
    facts.id = "i" + random_hex(10);
    facts.access_token = random_hex(32);
    facts.traffic_token = random_hex(32);
    facts.template_name = name;
    facts.metadata = metadata;
    facts.started = std::chrono::system_clock::now();
    facts.ends = Clock::now() + seconds(time.get<std::int64_t>());
    const std::string id = facts.id;
    boxes_[id] =
        std::make_unique<Box>(loop_, policy, options_.directory, std::move(facts),
                              [this, id, reply](const std::string& fault) { is_ready(id, fault, *reply); });
    reply->on_closed([this, id] { remove(id); });
}

void E2bService::is_ready(const std::string& id, const std::string& fault, HttpReply& reply) {
    const auto found = boxes_.find(id);
    if (!fault.empty() || found == boxes_.end()) {
        refuse(reply, 503, "no sandbox can be had: " + fault);
        return remove(id);
    }
    answer(reply, 201, access_to(*found->second));
}

void E2bService::remove(const std::string& id) {
    // The box may be the one that calls: it goes once that is over.
    if (auto box = boxes_.extract(id)) {
        loop_.post([kept = std::shared_ptr<Box>(std::move(box.mapped()))]() mutable { kept.reset(); });
    }
}

void E2bService::remove_old() {
    std::vector<std::string> old;
    for (const auto& [id, box] : boxes_) {
        if (box->facts().ends <= Clock::now()) {
            old.push_back(id);
        }
    }
    for (const auto& id : old) {
        remove(id);
    }
    clock_->until(Clock::now() + seconds(1));
}

json E2bService::access_to(Box& box) const {
    const BoxFacts& facts = box.facts();
    return {{"templateID", facts.template_name},
            {"sandboxID", facts.id},
            {"clientID", kClient},
            {"envdVersion", kEnvdVersion},
            {"envdAccessToken", facts.access_token},
            {"trafficAccessToken", facts.traffic_token}};
}

json E2bService::details_of(Box& box) const {
    const BoxFacts& facts = box.facts();
    const auto left = facts.ends - Clock::now();
    const auto ends = std::chrono::system_clock::now() +
                      std::chrono::duration_cast<std::chrono::system_clock::duration>(left);
    constexpr std::uint64_t kMebi = 1U << 20;
    return {{"templateID", facts.template_name},
            {"sandboxID", facts.id},
            {"clientID", kClient},
            {"startedAt", date_of(facts.started)},
            {"endAt", date_of(ends)},
            {"envdVersion", kEnvdVersion},
            {"envdAccessToken", facts.access_token},
            {"cpuCount", std::max(1, static_cast<int>(std::ceil(policy_.limits.cpus)))},
            {"memoryMB", policy_.limits.memory_bytes / kMebi},
            {"diskSizeMB", policy_.limits.disk_bytes / kMebi},
            {"state", "running"},
            {"metadata", facts.metadata}};
}

json E2bService::metrics_of(Box& box) const {
    const auto now = std::chrono::system_clock::now();
    const SandboxUsage usage = box.usage();
    const std::chrono::duration<double> life = now - box.facts().started;
    const double share = usage.cpu_seconds / std::max(life.count(), 0.001);
    return {{"timestamp", date_of(now)},
            {"timestampUnix", unix_seconds(now)},
            {"cpuCount", std::max(1, static_cast<int>(std::ceil(policy_.limits.cpus)))},
            {"cpuUsedPct", std::round(share * 10'000) / 100},
            {"memUsed", usage.memory_bytes},
            {"memTotal", policy_.limits.memory_bytes},
            {"memCache", 0},
            {"diskUsed", 0},
            {"diskTotal", policy_.limits.disk_bytes}};
}

void E2bService::list(const HttpRequest& request, HttpReply& reply) const {
    std::map<std::string, std::string> wanted;
    if (const auto found = request.query.find("metadata"); found != request.query.end()) {
        if (!read_metadata(found->second, wanted)) {
            return refuse(reply, 400, "metadata is name=value&name=value");
        }
    }
    std::size_t most = kMostListed;
    if (const auto found = request.query.find("limit"); found != request.query.end()) {
        const std::string& text = found->second;
        const auto read = std::from_chars(text.data(), text.data() + text.size(), most);
        if (read.ec != std::errc() || most == 0 || most > kMostListed) {
            return refuse(reply, 400, "limit is 1 to 100");
        }
    }
    const auto state = request.query.find("state");
    const bool wants_running =
        state == request.query.end() || state->second.find("running") != std::string::npos;
    const auto after = request.query.find("nextToken");
    json all = json::array();
    HttpReply::Headers more;
    for (const auto& [id, box] : boxes_) {
        if (!wants_running || (after != request.query.end() && id <= after->second)) {
            continue;
        }
        const json& metadata = box->facts().metadata;
        const bool fits = std::all_of(wanted.begin(), wanted.end(), [&](const auto& one) {
            return metadata.value(one.first, json()) == one.second;
        });
        if (!fits) {
            continue;
        }
        if (all.size() == most) {
            more.emplace_back("X-Next-Token", all.back()["sandboxID"].template get<std::string>());
            break;
        }
        all.push_back(details_of(*box));
        all.back().erase("envdAccessToken");
    }
    reply.send(200, "application/json", dumped(all), more);
}

// --- what goes to one box

std::string E2bService::named_by(const HttpRequest& request) const {
    std::string id = box_of(request);
    if (!id.empty() || request.path != "/files" || !request.query.contains("signature")) {
        return id;
    }
    // A browser that follows a signed address sends no headers of the protocol.
    const auto found = std::find_if(boxes_.begin(), boxes_.end(), [&](const auto& one) {
        return is_signed(request, one.second->facts().access_token);
    });
    return found == boxes_.end() ? id : found->first;
}

void E2bService::handle_box(HttpRequest request, const ReplyPtr& reply) {
    const std::string id = named_by(request);
    const bool asks_health = request.path == "/health";
    if (asks_health && id.empty()) {
        return reply->send(200, "text/plain", "OK");
    }
    const auto found = boxes_.find(id);
    if (found == boxes_.end()) {
        return reply->send(502, "application/json",
                           dumped({{"sandboxId", printable(id.substr(0, 64))},
                                   {"message", "The sandbox was not found"},
                                   {"code", 502}}));
    }
    Box& box = *found->second;
    if (asks_health) {
        const bool is_jupyter = request.header("e2b-sandbox-port") == kJupyterPort;
        return is_jupyter ? reply->send(200, "application/json", "\"OK\"") : reply->send(204, "", "");
    }
    if (!has_access(request, box.facts())) {
        return refuse(*reply, 401, "this sandbox's access token is missing or wrong");
    }
    const bool is_post = request.method == "POST";
    if (request.path == "/files" && (is_post || request.method == "GET")) {
        const auto most = std::min(body_limit(request), HttpServer::kLongestBody);
        return is_post ? box.files().write(std::move(request), reply, most)
                       : box.files().read(request, reply);
    }
    if (request.path.starts_with(kContexts)) {
        return handle_contexts(box, request, reply);
    }
    if (!is_post) {
        return refuse(*reply, 405, "this path takes POST");
    }
    if (const auto method = behind(request.path, kFilesystem)) {
        return box.files().call(*method, request, reply);
    }
    if (const auto method = behind(request.path, kProcess)) {
        return box.processes().call(*method, request, reply);
    }
    auto body = body_of(request);
    body ? box.executions().execute(*body, reply) : refuse(*reply, 400, body.error().text());
}

void E2bService::handle_contexts(Box& box, const HttpRequest& request, const ReplyPtr& reply) {
    constexpr std::string_view kRestart = "/restart";
    std::string rest = request.path.substr(kContexts.size());
    if (rest.empty() || rest == "/") {
        if (request.method == "GET") {
            return box.executions().list_contexts(*reply);
        }
        auto body = body_of(request);
        return request.method != "POST" ? refuse(*reply, 405, "GET lists contexts, POST makes one")
               : body                   ? box.executions().make_context(*body, *reply)
                                        : refuse(*reply, 400, body.error().text());
    }
    if (rest.front() != '/') {
        return refuse(*reply, 404, "there is no such path here");
    }
    rest.erase(0, 1);
    if (request.method == "DELETE") {
        return box.executions().remove_context(rest, *reply);
    }
    if (request.method == "POST" && rest.ends_with(kRestart)) {
        return box.executions().restart_context(rest.substr(0, rest.size() - kRestart.size()), *reply);
    }
    refuse(*reply, 405, "DELETE removes a context, POST /contexts/ID/restart begins it anew");
}

}  // namespace cellblock::kernel
