#include "kernel/server/execution.h"

#include <utility>

#include "kernel/jupyter/message_text.h"
#include "kernel/server/kept_files.h"
#include "kernel/server/request_content.h"
#include "sandbox/base/outcome_names.h"

namespace cellblock::kernel {

using nlohmann::json;

namespace {

// The kernel leaves while the cell runs.
sandbox::Outcome left_behind() {
    sandbox::Outcome outcome;
    outcome.status = sandbox::CellStatus::killed;
    outcome.escalation = sandbox::EscalationStep::sandbox_killed;
    outcome.state = sandbox::Survival::lost;
    outcome.error = sandbox::ErrorText{"KernelShutdown", "the kernel was shut down while this cell ran", {}};
    return outcome;
}

// How the cell ended, which an error's name doesn't say for certain, as a cell may raise what it likes; and
// its cost.
std::string ending_content(const sandbox::Outcome& outcome) {
    const sandbox::CellUsage& usage = outcome.usage;
    return json{{"status", name_of(outcome.status)},
                {"state", name_of(outcome.state)},
                {"wall_seconds", usage.wall_seconds},
                {"cpu_seconds", usage.cpu_seconds},
                {"peak_memory_bytes", usage.peak_memory_bytes},
                {"output_bytes", usage.output_bytes}}
        .dump();
}

// Nothing where there is nothing to tell, as in ipykernel's replies.
void add_files(ObjectText& metadata, const sandbox::Outcome& outcome) {
    for (const auto& [key, list] :
         {std::pair("files", kept_files(outcome)), std::pair("files_not_kept", files_not_kept(outcome))}) {
        if (!list.empty()) {
            metadata.raw(key, list.dump(-1, ' ', false, json::error_handler_t::replace));
        }
    }
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

void Execution::begin(json& content, const Message& request) {
    started_ = iso_date_now();
    stops_on_error_ = content["stop_on_error"];
    sandbox::ExecuteRequest cell;
    cell.code = std::move(content["code"].get_ref<std::string&>());
    cell.silent = content["silent"];
    cell.store_history = content["store_history"];
    cell.allow_stdin = content["allow_stdin"];
    cell.user_expressions = content["user_expressions"].dump(-1, ' ', false, json::error_handler_t::replace);
    cell.metadata = worker_metadata(request);
    cell.time_limit = requested_time(cell.metadata);
    cell.parent = request.id();

    const bool blank = cell.code.find_first_not_of(" \t\n\v\f\r") == std::string::npos;
    stores_ = cell.store_history && !blank;
    count_ = last_count_ + (cell.silent ? 0 : 1);
    reply_count_ = blank ? last_count_ : count_;  // as ipykernel's
    cell.count = cell.silent ? count_ + 1 : count_;
    std::string input;
    if (stores_) {
        last_count_ = count_;
        input = cell.code;
    }

    bridge_.execute(std::move(cell),
                    Origin{request.header_text, request.id(), request.identities, count_, stores_});
    is_running_ = true;
    if (stores_) {
        history_.store(count_, std::move(input));
    }
}

std::string Execution::input_content(const Message& request) const {
    const std::string code = member_text(request.content_text, "code").value_or("\"\"");
    return ObjectText(code.size() + 64).raw("code", code).number("execution_count", count_).finish();
}

ReplyText Execution::finish(Loop& loop) {
    is_running_ = false;
    loop.run_until([this] { return bridge_.finished(); });
    const auto outcome = bridge_.take_outcome().value_or(left_behind());
    ObjectText metadata;
    metadata.text("started", started_).raw("cellblock", ending_content(outcome));
    add_files(metadata, outcome);
    return {outcome.error.has_value(), execute_reply_content(outcome, reply_count_), metadata.finish()};
}

}  // namespace cellblock::kernel
