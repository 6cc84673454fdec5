// Cells and queries.
#include "kernel/xeus/interpreter.h"

#include "kernel/jupyter/message_text.h"
#include "kernel/jupyter/publisher.h"
#include "kernel/server/request_content.h"

namespace cellblock::kernel {

namespace {

constexpr const char* kUnknownVersion = "3";  // until a sandbox has said its Python's

// The kernel leaves while the cell runs.
sandbox::Outcome left_behind() {
    sandbox::Outcome outcome;
    outcome.status = sandbox::CellStatus::killed;
    outcome.rung = sandbox::Rung::sandbox_killed;
    outcome.state = sandbox::Survival::lost;
    outcome.error = sandbox::ErrorText{"KernelShutdown", "the kernel was shut down while this cell ran", {}};
    return outcome;
}

std::string usage_content(const sandbox::CellUsage& usage) {
    return nl::json{{"wall_seconds", usage.wall_seconds},
                    {"cpu_seconds", usage.cpu_seconds},
                    {"peak_memory_bytes", usage.peak_memory_bytes},
                    {"output_bytes", usage.output_bytes}}
        .dump();
}

}  // namespace

std::string execute_reply_content(const sandbox::Outcome& outcome, int count) {
    ObjectText content;
    content.text("status", outcome.error ? "error" : "ok").number("execution_count", count);
    if (outcome.error) {
        content.text("ename", outcome.error->ename)
            .text("evalue", outcome.error->evalue)
            .raw("traceback", json_strings(outcome.error->traceback));
    }
    return content.raw("user_expressions", outcome.user_expressions.text)
        .raw("payload", outcome.payload.text)
        .finish();
}

nl::json Interpreter::execute_request_impl(int, const std::string& code, bool silent, bool store_history,
                                           nl::json user_expressions, bool allow_stdin) {
    const CurrentRequest& current = loop_.current();
    sandbox::ExecuteRequest request;
    request.code = code;
    request.silent = silent;
    request.store_history = store_history;
    request.allow_stdin = allow_stdin;
    request.count = silent ? current.count + 1 : current.count;
    request.user_expressions = user_expressions.dump(-1, ' ', false, nl::json::error_handler_t::replace);
    request.metadata = worker_metadata(current.message);
    const Message& message = current.message;
    request.parent = message.id();
    relay_.execute(std::move(request), Origin{message.header_text, message.id(), message.identities,
                                              current.count, current.stores});
    loop_.run_until([this] { return relay_.finished(); });
    const auto outcome = relay_.take_outcome().value_or(left_behind());
    loop_.set_reply(execute_reply_content(outcome, current.reply_count), usage_content(outcome.usage));
    return {{"status", outcome.error ? "error" : "ok"}};
}

void Interpreter::ask(const sandbox::Query& query, std::string otherwise) {
    relay_.ask(query);
    loop_.run_until([this] { return relay_.finished(); });
    auto reply = relay_.take_reply();
    const bool known = reply && !reply->failed;
    loop_.set_reply(known ? std::move(reply->content.text) : std::move(otherwise));
}

nl::json Interpreter::complete_request_impl(const std::string& code, int cursor) {
    const std::string nothing = ObjectText()
                                    .text("status", "ok")
                                    .raw("matches", "[]")
                                    .number("cursor_start", cursor)
                                    .number("cursor_end", cursor)
                                    .raw("metadata", "{}")
                                    .finish();
    ask(sandbox::CompleteQuery{code, cursor}, nothing);
    return nl::json::object();
}

nl::json Interpreter::inspect_request_impl(const std::string& code, int cursor, int detail) {
    ask(sandbox::InspectQuery{code, cursor, detail},
        R"({"status":"ok","found":false,"data":{},"metadata":{}})");
    return nl::json::object();
}

nl::json Interpreter::is_complete_request_impl(const std::string& code) {
    ask(sandbox::IsCompleteQuery{code}, R"({"status":"unknown"})");
    return nl::json::object();
}

nl::json Interpreter::kernel_info_request_impl() {
    auto& session = relay_.session();
    const std::string python = session.python_version();
    const std::string& policy = session.policy().name;
    std::string banner = "cellblock " CELLBLOCK_VERSION ": Python" + (python.empty() ? "" : " " + python) +
                         " in a sandbox, policy \"" + policy + "\"\n";
    if (const std::string reason = session.unavailable_reason(); !reason.empty()) {
        banner += "No sandbox can be had: " + reason + "\n";
    } else if (const std::string more = session.banner(); !more.empty()) {
        banner += more + (more.ends_with('\n') ? "" : "\n");
    }
    const bool debugger = session.has_debugger().value_or(false);
    return {
        {"status", "ok"},
        {"implementation", "cellblock"},
        {"implementation_version", CELLBLOCK_VERSION},
        {"banner", banner},
        {"debugger", debugger},  // as clients knew it before supported_features
        {"supported_features", debugger ? nl::json{"debugger"} : nl::json::array()},
        {"language_info",
         {{"name", "python"},
          {"version", python.empty() ? kUnknownVersion : python},
          {"mimetype", "text/x-python"},
          {"codemirror_mode", {{"name", "ipython"}, {"version", 3}}},
          {"pygments_lexer", "ipython3"},
          {"nbconvert_exporter", "python"},
          {"file_extension", ".py"}}},
        {"help_links",
         nl::json::array({{{"text", "Python Reference"}, {"url", "https://docs.python.org/3"}},
                          {{"text", "IPython Reference"}, {"url", "https://ipython.readthedocs.io/"}},
                          {{"text", "NumPy Reference"}, {"url", "https://numpy.org/doc/stable/"}},
                          {{"text", "pandas Reference"}, {"url", "https://pandas.pydata.org/docs/"}},
                          {{"text", "Matplotlib Reference"}, {"url", "https://matplotlib.org/stable/"}}})},
    };
}

}  // namespace cellblock::kernel
