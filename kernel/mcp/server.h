// McpServer: the Model Context Protocol's methods, in both of its eras, for whoever shares its sessions.
//
// Clients of before 2026-07-28 begin with `initialize`; those of that version name it in each request's
// `_meta`. Tools: execute_code, reset, list_files, read_file, write_file (their table is in tools.cc). A
// session begins with the first call that names it.
//
//     McpServer server(policy, {.directory = "/home/me/project"});
//     server.take(read_message(line), [](const std::string& answer, int) { write_line(answer); },
//     &write_line);
//     ... poll server.poll_fd() until server.next_deadline(), then server.advance() ...
//
// Owns its sessions; their sandboxes end with it. For one thread. Nothing throws: what can't be understood is
// answered with JSON-RPC's error. Functions that answers are sent by must not call the server.
#pragma once

#include <chrono>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>

#include "kernel/mcp/message.h"
#include "kernel/mcp/tool_session.h"
#include "sandbox/api/policy.h"
#include "sandbox/api/unique_fd.h"

namespace cellblock::kernel {

struct McpServerOptions {
    std::string directory;  // StartOptions::directory of the sandboxes
    std::size_t most_sessions = 8;
    // Whether a session more may begin; empty: most_sessions alone decides.
    std::function<bool()> has_room;
    // A session that nothing was asked of for so long ends; nullopt: none does.
    std::optional<std::chrono::seconds> idle_time;
};

class McpServer {
public:
    static constexpr std::size_t kLongestMessage = 32U << 20;
    // A text that a tool gives back; of a longer one its middle is left out and kept as a resource.
    static constexpr std::size_t kLongestText = 50'000;
    static constexpr std::size_t kMostKept = 20;
    static constexpr std::size_t kMostKeptBytes = 64U << 20;

    // The answer to a request, as JSON text; `error` is its error's code, or 0.
    using Send = std::function<void(const std::string& answer, int error)>;

    // A notification that belongs to a request, as JSON text, before its answer.
    using Notify = std::function<void(const std::string& notification)>;

    McpServer(sandbox::Policy policy, McpServerOptions options);

    // Calls `send` once if the message is to be answered, now or later; not for a call that is cancelled.
    // Calls `notify` once a second while code runs, if the message has a token for its progress. `key` names
    // the request for cancel(); empty: the request's id does, as JSON text.
    void take(const McpMessage& message, Send send, Notify notify, const std::string& key = {});
    // A cell that waits is forgotten, one that runs is interrupted; anything else goes on.
    void cancel(const std::string& key);
    // Answers every call with this reason; the server is to be destroyed then.
    void end(const std::string& reason);

    [[nodiscard]] int poll_fd() const { return epoll_.get(); }
    [[nodiscard]] std::optional<sandbox::TimePoint> next_deadline() const;
    void advance();
    [[nodiscard]] std::size_t session_count() const { return sessions_.size(); }

private:
    // A request that is to be answered.
    struct Request {
        std::string id;  // JSON text
        std::string key;
        Send send;
        Notify notify;
        bool is_modern = false;  // of the version 2026-07-28
    };

    static void answer(const Request& request, nlohmann::json result, bool may_be_cached = false);
    static void refuse(const Request& request, int code, const std::string& why,
                       const nlohmann::json& data = nullptr);
    void request(const Request& request, const std::string& method, const nlohmann::json& params);
    void initialize(const Request& request, const nlohmann::json& params);
    void call_tool(const Request& request, const nlohmann::json& params);
    void read_resource(const Request& request, const nlohmann::json& params) const;
    [[nodiscard]] nlohmann::json resources() const;
    void tool_is_done(const Request& request, ToolResult result);
    ToolSession* session_of(const std::string& name);
    bool end_session(const std::string& name, const std::string& reason);
    void end_idle_sessions();
    [[nodiscard]] bool knows_links() const;

    sandbox::Policy policy_;
    McpServerOptions options_;
    sandbox::UniqueFd epoll_;  // all sessions' descriptors
    std::string version_;      // that `initialize` has settled
    std::map<std::string, std::unique_ptr<ToolSession>> sessions_;
    struct Kept {
        int number = 0;
        std::string text;
    };
    std::deque<Kept> kept_;
    std::size_t kept_bytes_ = 0;
    int last_kept_ = 0;
};

}  // namespace cellblock::kernel
