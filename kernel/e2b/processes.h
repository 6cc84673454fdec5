// Processes: the commands of one box, as E2B's clients start and follow them (process.Process).
//
// Purpose: a command's events go to each client that has started it or connected to it. A client that goes
// leaves the command running; its time limit (the header Connect-Timeout-Ms) and the box's end bound it. The
// number by which clients name a command is the session's, not the process's own.
// A stream of input is read as fast as its command reads.
//
// Refers to the box's session, which outlives it. For the loop's thread. Nothing throws.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "kernel/e2b/connect.h"
#include "kernel/e2b/port.h"
#include "kernel/http/message.h"
#include "sandbox/api/types.h"

namespace cellblock::kernel {

class Processes {
public:
    explicit Processes(SessionPort port) : port_(std::move(port)) {}

    // A call of process.Process: "Start", "SendInput" ….
    void call(const std::string& method, const HttpRequest& request, const std::shared_ptr<HttpReply>& reply);

    void on(const sandbox::Event& event);
    void tick();
    void end(const std::string& reason);

private:
    struct Process {
        nlohmann::json config;
        std::string tag;
        bool has_terminal = false;
        std::vector<std::shared_ptr<HttpReply>> clients;
    };

    // A client's stream of input for a command.
    struct InputStream {
        std::shared_ptr<HttpReply> reply;
        sandbox::CommandId command = 0;  // 0: the stream hasn't named it yet
        std::size_t given = 0;           // bytes that the command may not have read
        int seconds = 0;                 // that the stream has been without a command
    };

    void start(const nlohmann::json& message, const HttpRequest& request,
               const std::shared_ptr<HttpReply>& reply);
    void connect(const nlohmann::json& message, const std::shared_ptr<HttpReply>& reply);
    void follow(sandbox::CommandId id, Process& process, const std::shared_ptr<HttpReply>& reply);
    void list(HttpReply& reply) const;
    void send_input(const nlohmann::json& message, HttpReply& reply);
    void stream_input(const std::shared_ptr<HttpReply>& reply);
    // Takes the messages that are whole off a stream's body, while the command has room for their input;
    // gives whether there is room for more.
    bool take_input(const HttpReply* reply, std::string& body, bool is_whole);
    std::optional<RpcError> take_message(InputStream& stream, std::string_view text);
    // The command has read all input, or has ended: its streams need not wait for it.
    void read_on(sandbox::CommandId id);
    // Refuses the streams of input for which this is true.
    void end_streams(const std::function<bool(InputStream&)>& is_to_end, const RpcError& error);
    // Writes a message's input to a command, and adds its bytes to `given`; nullopt: this is done.
    std::optional<RpcError> feed(sandbox::CommandId id, const nlohmann::json& message, std::size_t& given);
    void send_signal(const nlohmann::json& message, HttpReply& reply);
    void update(const nlohmann::json& message, HttpReply& reply);
    // The command that a message names; 0: there is none (any more).
    [[nodiscard]] sandbox::CommandId named(const nlohmann::json& message) const;
    void tell(Process& process, const std::string& bytes);
    void on_done(const sandbox::CommandDone& done);

    SessionPort port_;
    std::map<sandbox::CommandId, Process> processes_;
    std::map<const HttpReply*, InputStream> streams_;
    int seconds_ = 0;
};

}  // namespace cellblock::kernel
