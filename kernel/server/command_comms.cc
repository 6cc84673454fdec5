#include "kernel/server/command_comms.h"

#include <csignal>
#include <limits>
#include <utility>

namespace cellblock::kernel {

using namespace sandbox;
using nlohmann::json;

namespace {

constexpr std::uint64_t kMostSignal = 64;
constexpr std::uint64_t kMostSize = std::numeric_limits<std::uint16_t>::max();
constexpr double kLongest = 1e9;  // s
constexpr const char* kNoneRuns = "no command of that 'id' runs";

TerminalSize read_size(CommMembers& members) {
    const auto rows = members.number("rows", kMostSize);
    const auto columns = members.number("columns", kMostSize);
    if (rows.value_or(0) == 0 || columns.value_or(0) == 0) {
        members.fail("a terminal's size are 'rows' and 'columns', above 0");
    }
    return {static_cast<std::uint16_t>(rows.value_or(0)), static_cast<std::uint16_t>(columns.value_or(0))};
}

CommandRequest read_request(CommMembers& members) {
    CommandRequest request;
    if (members.has("argv") == members.has("line")) {
        members.fail("what is to be run comes as 'argv', a list, or as 'line', a text for the shell");
    }
    request.argv = members.has("argv") ? members.texts("argv") : shell_line(members.text("line", ""));
    if (members.has("directory")) {
        request.directory = members.text("directory");
    }
    if (const json* const variables = members.any("environment"); variables != nullptr) {
        for (const auto& [name, value] : variables->items()) {
            if (!variables->is_object() || !value.is_string()) {
                members.fail("environment must be an object of texts");
                break;
            }
            request.environment[name] = value.get<std::string>();
        }
    }
    request.has_input = members.flag("input");
    if (members.flag("terminal")) {
        request.terminal = read_size(members);
    }
    if (const json* const limit = members.any("timeout"); limit != nullptr) {
        const double seconds = limit->is_number() ? limit->get<double>() : -1.0;
        if (!(seconds >= 0 && seconds <= kLongest)) {
            members.fail("timeout must be a number of seconds; 0 is none");
        } else {
            request.time_limit =
                std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::duration<double>(seconds));
        }
    }
    return request;
}

}  // namespace

void CommandComms::begin(const Message& request) {
    publisher_.status("busy", request.header_text);
    if (is_over_after(request)) {
        publisher_.status("idle", request.header_text);
    }
}

bool CommandComms::is_over_after(const Message& request) {
    Running asked{comm_of(request), request.header_text, "null"};
    if (target_.open_or_close(request)) {
        for (const auto& [command, running] : running_) {
            if (running.comm == asked.comm && !target_.is_open(asked.comm)) {
                session_.signal_command(command, SIGKILL);
            }
        }
        return true;
    }
    const json data = request.content.value("data", json());
    if (!data.is_object()) {
        tell(asked, comm_error("ValueError", "'data' must be an object"));
        return true;
    }
    CommMembers members(data);
    asked.id = members.id();
    const std::string deed = members.text("do", "");
    const CommandId known = find(asked.comm, asked.id);
    std::string fault;
    if (deed == "run") {
        if (asked.id == "null" || known != 0) {
            members.fail("'id' must be one that no command of this comm has that runs");
        }
        if (!request.buffers.empty()) {
            members.fail("only 'input' takes a buffer");
        }
        fault = run(members, asked);
        if (fault.empty()) {
            return false;
        }
    } else {
        fault = give(members, deed, known, request.buffers);
    }
    if (!fault.empty()) {
        tell(asked, comm_error(fault == kNoneRuns ? "ProcessLookupError" : "ValueError", fault));
    }
    return true;
}

// Empty: it has begun.
std::string CommandComms::run(CommMembers& members, const Running& asked) {
    CommandRequest request = read_request(members);
    std::string fault = members.fault();
    if (fault.empty()) {
        running_.emplace(session_.run_command(std::move(request)), asked);
    }
    return fault;
}

// Empty: it was done.
std::string CommandComms::give(CommMembers& members, const std::string& deed, CommandId command,
                               const Frames& buffers) {
    const bool is_input = deed == "input";
    const bool ends = is_input && members.flag("end");
    std::optional<std::uint64_t> number;
    TerminalSize size;
    if (deed == "signal") {
        number = members.number("signal", kMostSignal);
    } else if (deed == "resize") {
        size = read_size(members);
    } else if (!is_input) {
        members.fail("'do' must be run, input, signal or resize");
    }
    if (buffers.size() > (is_input ? 1 : 0)) {
        members.fail("only 'input' takes a buffer, and one");
    }
    std::string fault = members.fault();
    if (!fault.empty()) {
        return fault;
    }
    if (command == 0) {
        return kNoneRuns;
    }
    if (is_input) {
        const bool taken =
            session_.command_input(command, buffers.empty() ? std::string() : buffers.front(), ends);
        return taken ? "" : "the command takes no more input, or 16 MiB wait for it";
    }
    if (number) {
        session_.signal_command(command, static_cast<int>(*number));
    } else {
        session_.resize_command(command, size);
    }
    return {};
}

CommandId CommandComms::find(const std::string& comm, const std::string& id) const {
    for (const auto& [command, running] : running_) {
        if (running.comm == comm && running.id == id) {
            return command;
        }
    }
    return 0;
}

void CommandComms::on(CommandOutput output) {
    const auto found = running_.find(output.command);
    if (found != running_.end()) {
        Frames buffers;
        buffers.push_back(std::move(output.bytes));
        tell(found->second, {{"event", output.is_error ? "stderr" : "stdout"}}, std::move(buffers));
    }
}

void CommandComms::on(const CommandWantsInput& wants) {
    const auto found = running_.find(wants.command);
    if (found != running_.end()) {
        tell(found->second, {{"event", "wants_input"}});
    }
}

void CommandComms::on(const CommandDone& done) {
    const auto found = running_.find(done.command);
    if (found == running_.end()) {
        return;
    }
    const Running command = std::move(found->second);
    running_.erase(found);
    json data = done.error ? comm_error("OSError", done.error->text()) : json{{"status", "ok"}};
    data["event"] = "done";
    data["exit_code"] = done.exit_code();
    data["signal"] = done.signal ? json(*done.signal) : json(nullptr);
    data["timed_out"] = done.timed_out;
    data["cut"] = done.cut;
    tell(command, std::move(data));
    publisher_.status("idle", command.parent);
}

void CommandComms::tell(const Running& command, json data, Frames buffers) const {
    data["id"] = json::parse(command.id);
    target_.send(command.comm, command.parent, data, std::move(buffers));
}

}  // namespace cellblock::kernel
