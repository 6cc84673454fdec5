#include "kernel/e2b/processes.h"

#include <algorithm>
#include <charconv>
#include <chrono>
#include <csignal>
#include <cstring>
#include <optional>
#include <string_view>
#include <utility>

#include "kernel/e2b/connect.h"
#include "kernel/jupyter/message_text.h"
#include "sandbox/base/base64.h"
#include "sandbox/base/json_text.h"

namespace cellblock::kernel {

using namespace sandbox;
using nlohmann::json;

namespace {

constexpr JsonBounds kBounds{16, 10'000};
constexpr std::string_view kCut =
    "\ncellblock: the rest of the output was cut at the policy's limits.output\n";
constexpr int kKeepaliveSeconds = 20;
constexpr std::size_t kMostArguments = 4096;
constexpr std::size_t kMostVariables = 256;
constexpr std::size_t kLongestMessage = 4U << 20;  // of a stream of input
constexpr std::size_t kMostGiven = 64U << 10;  // bytes of input beyond which a stream waits for its command
constexpr int kSecondsAlone = 30;  // for a stream of input to name its command, or to end after the command

std::string event(const char* kind, const std::string& content) {
    return envelope(std::string(R"({"event":{")") + kind + "\":" + content + "}}");
}

std::string start_event(CommandId id) {
    return event("start", R"({"pid":)" + std::to_string(id) + "}");
}

// A terminal's size, or none.
std::optional<TerminalSize> size_of(const json& message) {
    const auto size_at = [&](const char* name, std::uint16_t otherwise) {
        const json value = message["pty"].value("size", json::object()).value(name, json(otherwise));
        return value.is_number_unsigned() && value <= 10'000 ? value.get<std::uint16_t>() : otherwise;
    };
    if (!message.contains("pty") || !message["pty"].is_object() ||
        !message["pty"].value("size", json::object()).is_object()) {
        return std::nullopt;
    }
    return TerminalSize{size_at("rows", 24), size_at("cols", 80)};
}

bool are_texts(const json& values, std::size_t most) {
    return values.size() <= most &&
           std::all_of(values.begin(), values.end(), [](const json& value) { return value.is_string(); });
}

// Reads the process that a client wants. The text is the fault in it, for people, or empty.
std::string read_process(const json& config, CommandRequest& request) {
    if (!config.is_object() || !config.contains("cmd") || !config["cmd"].is_string()) {
        return "the message has no process with a text \"cmd\"";
    }
    const json arguments = config.value("args", json::array());
    const json variables = config.value("envs", json::object());
    const json directory = config.value("cwd", json(""));
    if (!arguments.is_array() || !are_texts(arguments, kMostArguments) || !variables.is_object() ||
        !are_texts(variables, kMostVariables) || !directory.is_string()) {
        return "args is a list of texts, envs an object of texts, and cwd a text";
    }
    request.argv = {config["cmd"].get<std::string>()};
    request.argv.insert(request.argv.end(), arguments.begin(), arguments.end());
    for (const auto& [name, value] : variables.items()) {
        request.environment[name] = value.get<std::string>();
    }
    if (!directory.get_ref<const std::string&>().empty()) {
        request.directory = directory.get<std::string>();
    }
    return {};
}

// Zero: none.
std::chrono::milliseconds time_limit_of(const HttpRequest& request) {
    const std::string_view text = request.header("connect-timeout-ms");
    std::int64_t milliseconds = 0;
    const auto read = std::from_chars(text.data(), text.data() + text.size(), milliseconds);
    constexpr std::int64_t kDay = 24LL * 3600 * 1000;
    return std::chrono::milliseconds(read.ec == std::errc() ? std::clamp<std::int64_t>(milliseconds, 0, kDay)
                                                            : 0);
}

}  // namespace

void Processes::call(const std::string& method, const HttpRequest& request,
                     const std::shared_ptr<HttpReply>& reply) {
    const bool is_stream = method == "Start" || method == "Connect";
    if (method == "StreamInput") {
        return stream_input(reply);
    }
    std::optional<std::string_view> text = request.body;
    if (is_stream) {
        text = first_envelope(request.body);
    }
    auto message = parse_json_object(text.value_or(""), kBounds);
    if (!message) {
        const RpcError error{"invalid_argument", "the request's message: " + message.error().text()};
        return is_stream ? refuse_stream(*reply, error) : refuse_call(*reply, error);
    }
    if (method == "Start") {
        start(*message, request, reply);
    } else if (method == "Connect") {
        connect(*message, reply);
    } else if (method == "List") {
        list(*reply);
    } else if (method == "SendInput") {
        send_input(*message, *reply);
    } else if (method == "CloseStdin") {
        const CommandId id = named(*message);
        if (id == 0 || !port_.session.command_input(id, "", true)) {
            return refuse_call(*reply, {"not_found", "there is no such process that takes input"});
        }
        port_.settle();
        answer_call(*reply, json::object());
    } else if (method == "SendSignal") {
        send_signal(*message, *reply);
    } else if (method == "Update") {
        update(*message, *reply);
    } else {
        refuse_call(*reply, {"unimplemented", "process.Process has no such call here"});
    }
}

void Processes::start(const json& message, const HttpRequest& request,
                      const std::shared_ptr<HttpReply>& reply) {
    CommandRequest command;
    command.environment = port_.environment;
    const json config = message.value("process", json());
    if (const std::string fault = read_process(config, command); !fault.empty()) {
        return refuse_stream(*reply, {"invalid_argument", fault});
    }
    command.terminal = size_of(message);
    const json takes_input = message.value("stdin", json(true));
    command.has_input = command.terminal || takes_input != json(false);
    command.time_limit = time_limit_of(request);
    if (command.terminal) {
        command.environment.emplace("TERM", "xterm-256color");
    }
    Process process{config, {}, command.terminal.has_value(), {}};
    if (const json tag = message.value("tag", json()); tag.is_string()) {
        process.tag = tag;
    }
    if (processes_.size() >= kMostCommands) {
        return refuse_stream(*reply, {"resource_exhausted", "there are " + std::to_string(kMostCommands) +
                                                                " commands in this sandbox already"});
    }
    const CommandId id = port_.session.run_command(std::move(command));
    Process& kept = processes_.emplace(id, std::move(process)).first->second;
    follow(id, kept, reply);
    port_.settle();
}

void Processes::connect(const json& message, const std::shared_ptr<HttpReply>& reply) {
    const CommandId id = named(message);
    if (id == 0) {
        return refuse_stream(*reply, {"not_found", "there is no such process (any more)"});
    }
    follow(id, processes_.at(id), reply);
}

void Processes::follow(CommandId id, Process& process, const std::shared_ptr<HttpReply>& reply) {
    reply->begin(200, "application/connect+json");
    reply->write(start_event(id));
    process.clients.push_back(reply);
    reply->on_closed([this, id, one = reply.get()] {
        if (const auto found = processes_.find(id); found != processes_.end()) {
            std::erase_if(found->second.clients, [&](const auto& client) { return client.get() == one; });
        }
    });
}

void Processes::list(HttpReply& reply) const {
    json all = json::array();
    for (const auto& [id, process] : processes_) {
        json one{{"pid", id}, {"config", process.config}};
        if (!process.tag.empty()) {
            one["tag"] = process.tag;
        }
        all.push_back(std::move(one));
    }
    answer_call(reply, {{"processes", std::move(all)}});
}

std::optional<RpcError> Processes::feed(CommandId id, const json& message, std::size_t& given) {
    const json input = message.value("input", json::object());
    json text = input.is_object() ? input.value("stdin", input.value("pty", json())) : json();
    const auto bytes = text.is_string() ? decode_base64(text.get_ref<const std::string&>()) : std::nullopt;
    if (!bytes) {
        return RpcError{"invalid_argument", "the message has no input in base64"};
    }
    if (id == 0 || !processes_.contains(id)) {
        return RpcError{"not_found", "there is no such process (any more)"};
    }
    if (!port_.session.command_input(id, *bytes)) {
        return RpcError{"resource_exhausted", "the process takes no more input at present"};
    }
    given += bytes->size();
    port_.settle();
    return std::nullopt;
}

void Processes::send_input(const json& message, HttpReply& reply) {
    std::size_t given = 0;
    const auto fault = feed(named(message), message, given);
    fault ? refuse_call(reply, *fault) : answer_call(reply, json::object());
}

void Processes::stream_input(const std::shared_ptr<HttpReply>& reply) {
    const HttpReply* const key = reply.get();
    streams_[key] = {reply};
    reply->on_closed([this, key] { streams_.erase(key); });
    reply->on_body([this, key](std::string& body, bool is_whole) { return take_input(key, body, is_whole); });
}

bool Processes::take_input(const HttpReply* reply, std::string& body, bool is_whole) {
    InputStream& stream = streams_.at(reply);
    std::optional<RpcError> fault;
    std::string_view rest = body;
    while (!fault && stream.given < kMostGiven) {
        const std::uint64_t size = envelope_size(rest);
        if (size > kLongestMessage) {
            fault = {"resource_exhausted", "a message of a stream has at most 4 MiB"};
        } else if (size == 0 || size > rest.size()) {
            break;
        } else {
            fault = take_message(stream, take_envelope(rest).value_or(""));
        }
    }
    body.erase(0, body.size() - rest.size());
    const bool has_room = stream.given < kMostGiven;
    if (!fault && is_whole && has_room && !body.empty()) {
        fault = {"invalid_argument", "the stream ends within a message"};
    }
    if (!fault && is_whole && has_room && stream.command == 0) {
        fault = {"not_found", "the stream has named no process that is there"};
    }
    if (fault || (is_whole && has_room)) {
        const auto ended = std::move(streams_.extract(reply).mapped().reply);
        fault ? refuse_stream(*ended, *fault) : answer_stream(*ended, json::object());
    }
    return has_room;
}

// The first message names the process, each other one has some input.
std::optional<RpcError> Processes::take_message(InputStream& stream, std::string_view text) {
    auto message = parse_json_object(text, kBounds);
    if (!message) {
        return RpcError{"invalid_argument", "the request's message: " + message.error().text()};
    }
    if (const json start = message->value("start", json()); start.is_object()) {
        stream.command = named(start);
    }
    const json data = message->value("data", json());
    return data.is_object() ? feed(stream.command, data, stream.given) : std::nullopt;
}

void Processes::read_on(CommandId id) {
    for (auto& [reply, stream] : streams_) {
        if (stream.command == id && std::exchange(stream.given, 0) >= kMostGiven) {
            stream.reply->read_on();
        }
    }
}

void Processes::end_streams(const std::function<bool(InputStream&)>& is_to_end, const RpcError& error) {
    for (auto one = streams_.begin(); one != streams_.end();) {
        if (is_to_end(one->second)) {
            refuse_stream(*one->second.reply, error);
            one = streams_.erase(one);
        } else {
            ++one;
        }
    }
}

void Processes::send_signal(const json& message, HttpReply& reply) {
    const CommandId id = named(message);
    const json wanted = message.value("signal", json());
    const int number = wanted == "SIGNAL_SIGKILL" || wanted == SIGKILL   ? SIGKILL
                       : wanted == "SIGNAL_SIGTERM" || wanted == SIGTERM ? SIGTERM
                                                                         : 0;
    if (number == 0) {
        return refuse_call(reply, {"invalid_argument", "a signal is SIGNAL_SIGTERM or SIGNAL_SIGKILL"});
    }
    if (id == 0) {
        return refuse_call(reply, {"not_found", "there is no such process (any more)"});
    }
    port_.session.signal_command(id, number);
    port_.settle();
    answer_call(reply, json::object());
}

void Processes::update(const json& message, HttpReply& reply) {
    const CommandId id = named(message);
    const auto size = size_of(message);
    if (id == 0 || !size) {
        return refuse_call(reply, {id == 0 ? "not_found" : "invalid_argument",
                                   "this changes the size of a process's terminal"});
    }
    port_.session.resize_command(id, *size);
    port_.settle();
    answer_call(reply, json::object());
}

CommandId Processes::named(const json& message) const {
    const json process = message.value("process", json());
    if (!process.is_object()) {
        return 0;
    }
    if (const json pid = process.value("pid", json()); pid.is_number_unsigned()) {
        return processes_.contains(pid) ? pid.get<CommandId>() : 0;
    }
    const json tag = process.value("tag", json());
    const auto found = std::find_if(processes_.begin(), processes_.end(), [&](const auto& one) {
        return !one.second.tag.empty() && tag == one.second.tag;
    });
    return found == processes_.end() ? 0 : found->first;
}

void Processes::tell(Process& process, const std::string& bytes) {
    const auto clients = process.clients;  // one that goes is taken out of the list
    for (const auto& client : clients) {
        client->write(bytes);
    }
}

void Processes::on(const Event& event_of_session) {
    if (const auto* output = std::get_if<CommandOutput>(&event_of_session)) {
        if (const auto found = processes_.find(output->command); found != processes_.end()) {
            const char* const stream = found->second.has_terminal ? "pty"
                                       : output->is_error         ? "stderr"
                                                                  : "stdout";
            tell(found->second, event("data", ObjectText().base64(stream, output->bytes).finish()));
        }
    } else if (const auto* wants = std::get_if<CommandWantsInput>(&event_of_session)) {
        read_on(wants->command);
    } else if (const auto* done = std::get_if<CommandDone>(&event_of_session)) {
        on_done(*done);
    }
}

void Processes::on_done(const CommandDone& done) {
    auto known = processes_.extract(done.command);
    if (!known) {
        return;
    }
    std::string bytes;
    if (done.error) {
        bytes = last_envelope(rpc_error(done.error->code, done.error->text()));
    } else if (done.timed_out) {
        bytes = last_envelope(RpcError{"deadline_exceeded", "the command was killed for its time limit"});
    } else {
        json end{{"exited", !done.signal.has_value()}};
        if (done.signal) {
            end["exitCode"] = -1;
            end["status"] = std::string("signal: ") + ::strsignal(*done.signal);
            end["error"] = end["status"];
        } else {
            end["exitCode"] = done.status.value_or(0);
            end["status"] = "exit status " + std::to_string(done.status.value_or(0));
        }
        bytes = event("end", dumped(end)) + last_envelope();
    }
    if (done.cut) {
        bytes.insert(0, event("data", ObjectText().base64("stderr", kCut).finish()));
    }
    for (const auto& client : known.mapped().clients) {
        client->write(bytes);
        client->end();
    }
    read_on(done.command);
}

void Processes::tick() {
    if (++seconds_ % kKeepaliveSeconds == 0) {
        for (auto& [id, process] : processes_) {
            tell(process, event("keepalive", "{}"));
        }
    }
    end_streams(
        [&](InputStream& one) { return !processes_.contains(one.command) && ++one.seconds > kSecondsAlone; },
        {"not_found", "the stream goes on without a process that is there"});
}

void Processes::end(const std::string& reason) {
    for (auto& [id, process] : std::exchange(processes_, {})) {
        for (const auto& client : process.clients) {
            client->write(last_envelope(RpcError{"unavailable", reason}));
            client->end();
        }
    }
    end_streams([](InputStream&) { return true; }, {"unavailable", reason});
}

}  // namespace cellblock::kernel
