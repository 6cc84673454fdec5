// McpHttpService: the Model Context Protocol over HTTP ("Streamable HTTP"), at one path of an HTTP server.
//
// Purpose: checks where a request comes from and what it says of itself, finds the McpServer that it belongs
// to, and gives that server's answer in an HTTP reply. A client that begins with `initialize` gets a server
// of its own, named by the header Mcp-Session-Id; requests of the version 2026-07-28 share one, where their
// argument `session` tells sandboxes apart. A client that closes its connection has cancelled its call.
//
//     McpHttpService service(loop, policy, options);
//     if (McpHttpService::is_mine(request)) {
//         service.handle(std::move(request), reply);
//     }
//
// Owns its servers; their sandboxes end with it. For the loop's thread. Nothing throws.
#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <string>

#include "kernel/http/loop.h"
#include "kernel/http/message.h"
#include "kernel/mcp/server.h"
#include "sandbox/api/policy.h"

namespace cellblock::kernel {

struct McpHttpOptions {
    std::string token;      // that clients must have; empty: none
    std::string directory;  // StartOptions::directory of the sandboxes
    std::size_t most_sandboxes = 100;
    std::size_t most_sessions = 32;  // that `initialize` begins
    // A session, or a sandbox that clients share, ends when nothing was asked of it for so long.
    std::chrono::seconds idle_time{30 * 60};
};

class McpHttpService {
public:
    McpHttpService(Loop& loop, sandbox::Policy policy, McpHttpOptions options);
    ~McpHttpService();
    McpHttpService(const McpHttpService&) = delete;
    McpHttpService& operator=(const McpHttpService&) = delete;

    [[nodiscard]] static bool is_mine(const HttpRequest& request);
    void handle(const HttpRequest& request, const std::shared_ptr<HttpReply>& reply);
    [[nodiscard]] std::uint64_t body_limit(const HttpRequest& head) const;

private:
    class Exchange;
    class Session;
    using ReplyPtr = std::shared_ptr<HttpReply>;

    void handle_modern(const HttpRequest& request, const McpMessage& message, const ReplyPtr& reply);
    void handle_session(const HttpRequest& request, const McpMessage& message, const ReplyPtr& reply);
    void begin_session(const HttpRequest& request, const McpMessage& message, const ReplyPtr& reply);
    void end_session(const HttpRequest& request, HttpReply& reply);
    void pass_on(Session& session, const HttpRequest& request, const McpMessage& message,
                 const ReplyPtr& reply, const HttpReply::Headers& more);
    [[nodiscard]] std::unique_ptr<Session> make_session(std::size_t most_sandboxes);
    [[nodiscard]] bool make_room();
    [[nodiscard]] bool has_room() const;
    void end_idle_sessions();

    Loop& loop_;
    sandbox::Policy policy_;
    McpHttpOptions options_;
    std::unique_ptr<Session> shared_;  // of requests of the version 2026-07-28
    std::map<std::string, std::unique_ptr<Session>> sessions_;
    std::unique_ptr<Watch> clock_;
};

}  // namespace cellblock::kernel
