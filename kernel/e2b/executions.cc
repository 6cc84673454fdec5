#include "kernel/e2b/executions.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <string_view>
#include <utility>

#include "kernel/e2b/connect.h"
#include "kernel/jupyter/message_text.h"
#include "sandbox/base/digests.h"
#include "sandbox/base/json_text.h"
#include "sandbox/base/text.h"

namespace cellblock::kernel {

using namespace sandbox;
using nlohmann::json;

namespace {

constexpr int kKeepaliveSeconds = 5;
constexpr std::size_t kLongestPath = 4096;
constexpr std::size_t kMostVariables = 64;
// The types that clients' models of charts know: of a chart, and of several charts.
constexpr std::array kChartTypes{"line", "scatter", "bar", "pie", "box_and_whisker", "unknown"};
constexpr std::string_view kSuperchart = "superchart";

// The member of a result for each MIME type.
struct Member {
    std::string_view mime;
    std::string_view name;
};
constexpr std::array kMembers{
    Member{"text/plain", "text"},        Member{"text/html", "html"},
    Member{"text/markdown", "markdown"}, Member{"image/svg+xml", "svg"},
    Member{"image/png", "png"},          Member{"image/jpeg", "jpeg"},
    Member{"application/pdf", "pdf"},    Member{"text/latex", "latex"},
    Member{"application/json", "json"},  Member{"application/javascript", "javascript"},
    Member{kDataType, "data"},           Member{kChartType, "chart"},
};
// Data and charts that are longer, deeper or of more values are left out.
constexpr std::size_t kMostDataBytes = 4U << 20;
constexpr JsonBounds kDataBounds{16, 250'000};

std::int64_t now_nanoseconds() {
    return std::chrono::duration_cast<std::chrono::nanoseconds>(
               std::chrono::system_clock::now().time_since_epoch())
        .count();
}

// A text's repr without its quotes, as these clients show a text.
std::string_view unquoted(std::string_view text) {
    const bool is_quoted =
        text.size() >= 2 && (text.front() == '\'' || text.front() == '"') && text.back() == text.front();
    return is_quoted ? text.substr(1, text.size() - 2) : text;
}

void add(ObjectText& object, std::string_view name, const MimeItem& item, bool is_main) {
    if (const auto* text = std::get_if<std::string>(&item.value)) {
        object.text(name, is_main && item.type == "text/plain" ? unquoted(*text) : *text);
    } else if (const auto* bytes = std::get_if<Bytes>(&item.value)) {
        object.base64(name, bytes->value);
    } else {
        object.raw(name, std::get<RawJson>(item.value).text);
    }
}

bool shows(const Policy& policy, std::string_view type) {
    const auto& types = policy.outputs.mime;
    return std::find(types.begin(), types.end(), type) != types.end();
}

bool is_chart(const json& value, bool may_have_parts) {
    if (!value.is_object() || !value.contains("type") || !value.contains("title")) {
        return false;
    }
    const auto elements = value.find("elements");
    if (elements == value.end() || !elements->is_array()) {
        return false;
    }
    if (value["type"] != kSuperchart) {
        return std::any_of(kChartTypes.begin(), kChartTypes.end(),
                           [&type = value["type"]](const char* one) { return type == one; });
    }
    return may_have_parts && std::all_of(elements->begin(), elements->end(),
                                         [](const json& one) { return is_chart(one, false); });
}

// An item is what its type says. A cell can give any JSON at all for a table or a chart.
bool is_good(const MimeItem& item) {
    if (item.type != kDataType && item.type != kChartType) {
        return true;
    }
    const auto* const raw = std::get_if<RawJson>(&item.value);
    if (raw == nullptr || raw->text.size() > kMostDataBytes) {
        return false;
    }
    const auto object = parse_json_object(raw->text, kDataBounds);
    return object && (item.type == kDataType || is_chart(*object, true));
}

bool is_known(std::string_view language) {
    return language.empty() || language == "python" || language == "python3";
}

}  // namespace

void show_data(Policy& policy) {
    if (shows(policy, "application/json")) {
        policy.outputs.mime.emplace_back(kDataType);
        policy.outputs.mime.emplace_back(kChartType);
    }
}

Executions::Executions(SessionPort port) : port_(std::move(port)), default_(random_hex(16)) {
    contexts_[default_] = {"", kHome};
}

// --- contexts

void Executions::list_contexts(HttpReply& reply) const {
    json list = json::array();
    for (const auto& [id, context] : contexts_) {
        list.push_back({{"id", id}, {"language", "python"}, {"cwd", context.directory}});
    }
    reply.send(200, "application/json", dumped(list));
}

void Executions::make_context(const json& request, HttpReply& reply) {
    const std::string language = text_of(request, "language");
    std::string directory = text_of(request, "cwd");
    if (!is_known(language)) {
        return refuse(reply, 400,
                      "contexts are of Python alone here, not of " + printable(language.substr(0, 50)));
    }
    if (contexts_.size() >= kMostContexts) {
        return refuse(reply, 429,
                      "there are " + std::to_string(kMostContexts) + " contexts already: remove one");
    }
    if (directory.empty()) {
        directory = kHome;
    }
    if (directory.front() != '/' || directory.size() > kLongestPath) {
        return refuse(reply, 400, "a context's cwd is an absolute path");
    }
    const std::string id = random_hex(16);
    contexts_[id] = {"c" + std::to_string(++last_name_), directory};
    reply.send(200, "application/json", dumped({{"id", id}, {"language", "python"}, {"cwd", directory}}));
}

void Executions::restart_context(const std::string& id, HttpReply& reply) {
    if (Context* const context = end_context(id, reply)) {
        *context = {"c" + std::to_string(++last_name_), context->directory};
        reply.send(200, "application/json", "{}");
    }
}

void Executions::remove_context(const std::string& id, HttpReply& reply) {
    if (end_context(id, reply) != nullptr) {
        contexts_.erase(id);
        reply.send(204, "", "");
    }
}

Executions::Context* Executions::end_context(const std::string& id, HttpReply& reply) {
    const auto found = contexts_.find(id);
    if (found == contexts_.end()) {
        refuse(reply, 404, "Context " + printable(id) + " not found");
        return nullptr;
    }
    interrupt_in(id);
    forget(found->second);
    return &found->second;
}

void Executions::forget(const Context& context) {
    if (context.count > 0) {  // else the worker has never heard of it
        gone_.push_back(context.name);
    }
}

void Executions::interrupt_in(const std::string& context) {
    for (std::size_t i = executions_.size(); i-- > 0;) {
        if (executions_[i].context != context) {
            continue;
        }
        if (i == 0 && running_) {
            executions_[i].is_abandoned = true;
            port_.session.interrupt();
            port_.settle();
        } else {
            const auto reply = executions_[i].reply;
            reply->write(dumped({{"type", "error"},
                                 {"name", "ContextGone"},
                                 {"value", "the context was restarted or removed before this ran"},
                                 {"traceback", ""}}) +
                         "\n{\"type\":\"end_of_execution\"}\n");
            reply->end();
            executions_.erase(executions_.begin() + static_cast<std::ptrdiff_t>(i));
        }
    }
}

// --- executions

void Executions::execute(const json& request, const std::shared_ptr<HttpReply>& reply) {
    const json code = request.value("code", json());
    std::string context = text_of(request, "context_id");
    const std::string language = text_of(request, "language");
    json environment = request.value("env_vars", json());
    if (!code.is_string()) {
        return refuse(*reply, 400, "the request has no text \"code\"");
    }
    if (!context.empty() && !language.empty()) {
        return refuse(*reply, 400, "give a context or a language, not both");
    }
    if (!is_known(language)) {
        return refuse(*reply, 400, "code is Python here, not " + printable(language.substr(0, 50)));
    }
    if (context.empty()) {
        context = default_;
    }
    if (!contexts_.contains(context)) {
        return refuse(*reply, 404, "Context " + printable(context.substr(0, 64)) + " not found");
    }
    if (environment.is_null()) {
        environment = json::object();
    }
    const bool is_good = environment.is_object() && environment.size() <= kMostVariables &&
                         std::all_of(environment.begin(), environment.end(),
                                     [](const json& value) { return value.is_string(); });
    if (!is_good) {
        return refuse(*reply, 400, "env_vars is an object of at most 64 texts");
    }
    if (executions_.size() >= kMostWaiting) {
        return refuse(*reply, 429, "too many executions wait for this sandbox; nothing was run");
    }
    reply->begin(200, "application/json");
    executions_.push_back({reply, code, context, std::move(environment)});
    reply->on_closed([this, one = reply.get()] { abandon(one); });
    begin_next();
}

void Executions::abandon(const HttpReply* reply) {
    const auto found = std::find_if(executions_.begin(), executions_.end(),
                                    [&](const Execution& one) { return one.reply.get() == reply; });
    if (found == executions_.end()) {
        return;
    }
    if (found == executions_.begin() && running_) {
        found->is_abandoned = true;
        port_.session.interrupt();
        port_.settle();
    } else {
        executions_.erase(found);
    }
}

void Executions::begin_next() {
    if (running_ || executions_.empty() || port_.session.busy()) {
        return;
    }
    Execution& execution = executions_.front();
    Context& context = contexts_[execution.context];
    json environment = port_.environment;
    environment.update(execution.environment);
    ExecuteRequest request;
    request.code = std::exchange(execution.code, {});
    request.count = ++context.count;
    request.metadata = dumped({{"cellblock_context",
                                {{"name", context.name},
                                 {"directory", context.directory},
                                 {"environment", std::move(environment)},
                                 {"gone", std::exchange(gone_, {})},
                                 {"e2b_results", shows(port_.session.policy(), kDataType)}}}});
    say(R"({"type":"number_of_executions","execution_count":)" + std::to_string(context.count) + "}");
    running_ = port_.session.execute(std::move(request));
    port_.settle();
}

void Executions::say(const std::string& line) {
    executions_.front().quiet_seconds = 0;
    executions_.front().reply->write(as_one_line(line) + "\n");
}

void Executions::on(const Event& event) {
    if (!running_) {
        return;
    }
    if (const auto* stream = std::get_if<StreamOutput>(&event);
        stream != nullptr && stream->cell == *running_) {
        say(ObjectText()
                .text("type", stream->name == StreamName::standard_output ? "stdout" : "stderr")
                .text("text", stream->text)
                .number("timestamp", now_nanoseconds())
                .finish());
    } else if (const auto* display = std::get_if<DisplayOutput>(&event)) {
        on_display(*display);
    } else if (const auto* done = std::get_if<CellDone>(&event); done != nullptr && done->cell == *running_) {
        on_done(done->outcome);
    }
}

void Executions::on_display(const DisplayOutput& output) {
    if (output.cell != *running_ || output.kind == DisplayKind::update_display_data) {
        return;
    }
    const bool is_main = output.kind == DisplayKind::execute_result;
    ObjectText line;
    line.text("type", "result");
    std::vector<const MimeItem*> more;
    for (const auto& item : output.data) {
        if (!is_good(item)) {
            continue;
        }
        const auto known = std::find_if(kMembers.begin(), kMembers.end(),
                                        [&](const Member& one) { return one.mime == item.type; });
        if (known == kMembers.end()) {
            more.push_back(&item);
        } else {
            add(line, known->name, item, is_main);
        }
    }
    if (!more.empty()) {
        line.begin("extra");
        for (const MimeItem* const item : more) {
            add(line, item->type, *item, false);
        }
        line.end();
    }
    say(line.flag("is_main_result", is_main).finish());
}

void Executions::on_done(const Outcome& outcome) {
    if (outcome.error) {
        std::string trace;
        for (const auto& text : outcome.error->traceback) {
            trace += (trace.empty() ? "" : "\n") + text;
        }
        say(ObjectText()
                .text("type", "error")
                .text("name", outcome.error->ename)
                .text("value", outcome.error->evalue)
                .text("traceback", trace)
                .finish());
    }
    say(R"({"type":"end_of_execution"})");
    running_.reset();
    const auto reply = executions_.front().reply;
    executions_.pop_front();
    reply->end();
}

void Executions::tick() {
    for (auto& execution : executions_) {
        if (++execution.quiet_seconds >= kKeepaliveSeconds) {
            execution.quiet_seconds = 0;
            execution.reply->write("{\"type\":\"keepalive\"}\n");
        }
    }
    if (running_ && executions_.front().is_abandoned) {
        port_.session.interrupt();  // once the grace time is over, this kills
        port_.settle();
    }
}

void Executions::end() {
    // A reply without its end closes the connection. Clients then look for the sandbox, and say that it was
    // killed.
    const auto gone = std::exchange(executions_, {});
    running_.reset();
}

}  // namespace cellblock::kernel
