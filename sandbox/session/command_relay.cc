// Commands on their way to their agent, and what comes back.
#include "sandbox/session/command_relay.h"

#include <algorithm>
#include <cerrno>
#include <utility>
#include <vector>

#include "sandbox/base/digests.h"
#include "sandbox/base/text.h"

namespace cellblock::sandbox {

namespace {

constexpr std::size_t kMostPath = 4095;
constexpr std::size_t kMostStep = 200;
constexpr int kMostSignal = 64;
constexpr int kKill = 9;

bool is_text(const std::string& text) {
    return text.find('\0') == std::string::npos && is_utf8(text);
}

std::string fault_of(const CommandRequest& request) {
    std::size_t bytes = 0;
    bool texts = !request.argv.empty() && !request.argv.front().empty();
    for (const auto& word : request.argv) {
        bytes += word.size() + 1;
        texts = texts && is_text(word);
    }
    for (const auto& [name, value] : request.environment) {
        bytes += name.size() + value.size() + 2;
        texts =
            texts && is_text(name) && is_text(value) && !name.empty() && name.find('=') == std::string::npos;
    }
    if (!texts) {
        return "a command is a program's name and its arguments, in UTF-8 without NUL";
    }
    if (bytes > CommandRelay::kMostArguments) {
        return "a command's arguments and environment may have 1 MiB together: write a file, or its input";
    }
    if (request.directory && (request.directory->empty() || request.directory->size() > kMostPath ||
                              !is_text(*request.directory))) {
        return "a directory's path has 1 to 4095 bytes of UTF-8 without NUL";
    }
    if (request.terminal && (request.terminal->rows == 0 || request.terminal->columns == 0)) {
        return "a terminal has rows and columns";
    }
    return {};
}

std::string remedy_for(int error) {
    switch (error) {
        case EAGAIN:
            return "The policy's key limits.processes bounds a sandbox's processes";
        case ENOMEM:
            return "The policy's key limits.memory bounds the sandbox's memory";
        default:
            return {};
    }
}

CommandDone lost(CommandId id, Error error) {
    CommandDone done{id};
    done.error = std::move(error);
    return done;
}

}  // namespace

int CommandDone::exit_code() const {
    constexpr int kTimedOut = 124;
    constexpr int kNoSandbox = 125;
    constexpr int kNotExecutable = 126;
    constexpr int kNotFound = 127;
    constexpr int kSignal = 128;
    if (timed_out) {
        return kTimedOut;
    }
    if (error) {
        return error->code == ENOENT ? kNotFound : error->code != 0 ? kNotExecutable : kNoSandbox;
    }
    return signal ? kSignal + *signal : status.value_or(0);
}

void CommandRelay::begin(CommandId id, CommandRequest request) {
    const Policy& policy = host_.policy();
    Command command;
    std::string words = "run";
    for (const auto& word : request.argv) {
        words += " " + word.substr(0, kMostStep);
        if (words.size() > kMostStep) {
            break;
        }
    }
    command.step = printable(utf8_prefix(words, kMostStep));
    std::string fault = fault_of(request);
    if (fault.empty() && commands_.size() >= kMostCommands) {
        fault = "too many commands run: " + std::to_string(kMostCommands) + " at a time";
    }
    const auto most = policy.limits.cell_time_max;
    if (fault.empty() && request.time_limit && *request.time_limit > most) {
        fault = "its time limit is above " + format_duration(most) + " (policy \"" + policy.name +
                "\", key limits.cell_time_max); 0 is none";
    }
    if (!fault.empty()) {
        return refuse(id, Error{command.step, EINVAL, fault, {}});
    }
    if (!request.time_limit) {
        command.time_limit = policy.limits.cell_time;
    } else if (request.time_limit->count() > 0) {
        command.time_limit = request.time_limit;
    }
    command.output_left = policy.limits.output_bytes;
    command.has_input = request.has_input || request.terminal;
    request.has_input = command.has_input;
    const std::string argv =
        nlohmann::json(request.argv).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
    command.report = {sha256(argv), argv.size()};
    command.frame = encode_run(id, std::move(request), command.output_left);
    commands_.emplace(id, std::move(command));
}

void CommandRelay::refuse(CommandId id, Error error) {
    events_.emplace_back(lost(id, std::move(error)));
}

bool CommandRelay::input(CommandId id, const std::string& bytes, bool end) {
    const auto found = commands_.find(id);
    if (found == commands_.end()) {
        return false;
    }
    Command& command = found->second;
    if (!command.has_input || command.input_ends || command.input.size() + bytes.size() > kMostInput) {
        return false;
    }
    command.input += bytes;
    command.input_ends = end;
    send_input(id, command);
    return true;
}

void CommandRelay::signal(CommandId id, int number) {
    const auto found = commands_.find(id);
    if (found == commands_.end() || number < 1 || number > kMostSignal) {
        return;
    }
    if (found->second.sent) {
        send(encode_signal(id, number));
    } else {
        CommandDone done{id};
        done.signal = number;
        end(id, std::move(done));
    }
}

void CommandRelay::resize(CommandId id, TerminalSize size) {
    const auto found = commands_.find(id);
    if (found == commands_.end() || size.rows == 0 || size.columns == 0) {
        return;
    }
    if (found->second.sent) {
        send(encode_resize(id, size));
    } else {
        found->second.resized = size;
    }
}

// An agent that takes no more has ended, which its end of file tells.
void CommandRelay::send(OutgoingFrame frame) {
    (void)host_.send_to_commands(std::move(frame));
}

void CommandRelay::send_input(CommandId id, Command& command) {
    if (!command.sent || command.input_waits || (command.input.empty() && !command.input_ends)) {
        return;
    }
    std::string piece = command.input.substr(0, kMostPiece);
    command.input.erase(0, piece.size());
    const bool last = command.input_ends && command.input.empty();
    if (last) {
        command.has_input = false;
        command.input_ends = false;
    }
    command.input_waits = true;
    send(encode_command_input(id, std::move(piece), last));
}

void CommandRelay::advance(TimePoint now) {
    now_ = now;
    std::vector<CommandId> ids;
    for (const auto& [id, command] : commands_) {
        if (!command.sent ? host_.ready() : command.deadline && now >= *command.deadline) {
            ids.push_back(id);
        }
    }
    for (const CommandId id : ids) {
        const auto found = commands_.find(id);
        if (found == commands_.end()) {
            continue;  // lost with the others
        }
        Command& command = found->second;
        if (command.sent) {
            overdue(id, command, now);
            continue;
        }
        command.sent = true;
        command.begun_at = now;
        if (command.time_limit) {
            command.deadline = now + *command.time_limit;
        }
        if (const auto sent = host_.send_to_commands(std::exchange(command.frame, {})); !sent) {
            host_.drop_commands();
            lose_sent(sent.error().text());
            continue;
        }
        if (command.resized) {
            send(encode_resize(id, *command.resized));
        }
        send_input(id, command);
    }
}

void CommandRelay::overdue(CommandId id, Command& command, TimePoint now) {
    if (command.timed_out) {
        host_.drop_commands();
        lose_sent("the process that runs commands doesn't answer");
        return;
    }
    command.timed_out = true;
    command.deadline = now + kTimeToEnd;
    send(encode_signal(id, kKill));
}

Status CommandRelay::take(CommandMessage message, TimePoint now) {
    now_ = now;
    if (std::holds_alternative<CommandsGone>(message)) {
        lose_sent(
            "the process that runs commands ended: it was killed with a cell or by one, or limits.processes "
            "or limits.memory leaves no room for it. Try again");
        return Ok{};
    }
    const CommandId id = std::visit(
        [](const auto& one) -> CommandId {
            if constexpr (requires { one.command; }) {
                return one.command;
            } else if constexpr (requires { one.done; }) {
                return one.done.command;
            } else {
                return 0;
            }
        },
        message);
    const auto found = commands_.find(id);
    if (found == commands_.end() || !found->second.sent) {
        return Error{"frame", 0, "a message of a command that doesn't run", {}};
    }
    Command& command = found->second;
    if (auto* output = std::get_if<CommandOutput>(&message)) {
        const std::size_t kept = std::min<std::uint64_t>(output->bytes.size(), command.output_left);
        command.cut = command.cut || kept < output->bytes.size();
        command.output_left -= kept;
        command.report.output_bytes += kept;
        output->bytes.resize(kept);
        if (kept > 0) {
            events_.emplace_back(std::move(*output));
        }
    } else if (std::holds_alternative<InputTaken>(message)) {
        if (!std::exchange(command.input_waits, false)) {
            return Error{"frame", 0, "a command has taken input that it wasn't given", {}};
        }
        send_input(id, command);
        if (command.has_input && !command.input_waits) {
            events_.emplace_back(CommandWantsInput{id});
        }
    } else if (auto* exited = std::get_if<CommandExited>(&message)) {
        if (exited->error != 0) {
            exited->done.error = Error{command.step, exited->error, {}, remedy_for(exited->error)};
        }
        end(id, std::move(exited->done));
    }
    return Ok{};
}

void CommandRelay::end(CommandId id, CommandDone done) {
    const auto found = commands_.find(id);
    done.timed_out = found->second.timed_out;
    done.cut = done.cut || found->second.cut;
    Command command = std::move(found->second);
    commands_.erase(found);
    if (command.sent) {
        command.report.wall_seconds = std::chrono::duration<double>(now_ - command.begun_at).count();
        if (const auto recorded = recorded_(command.report, done); !recorded) {
            done.error = recorded.error();
        }
    }
    events_.emplace_back(std::move(done));
}

void CommandRelay::lose_sent(const std::string& reason) {
    std::vector<CommandId> ids;
    for (const auto& [id, command] : commands_) {
        if (command.sent) {
            ids.push_back(id);
        }
    }
    for (const CommandId id : ids) {
        end(id, lost(id, Error{commands_.at(id).step, 0, reason, {}}));
    }
}

void CommandRelay::fail_all(const std::string& reason) {
    while (!commands_.empty()) {
        const auto& [id, command] = *commands_.begin();
        end(id, lost(id, Error{command.step, 0, reason, {}}));
    }
}

std::optional<TimePoint> CommandRelay::next_deadline() const {
    std::optional<TimePoint> next;
    for (const auto& [id, command] : commands_) {
        if (command.deadline && (!next || *command.deadline < *next)) {
            next = command.deadline;
        }
    }
    return next;
}

}  // namespace cellblock::sandbox
