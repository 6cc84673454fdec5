// McpServer: the Model Context Protocol's methods over one connection, in both of its eras.
//
// Clients of before 2026-07-28 begin with `initialize`; those of that version name it in each request's
// `_meta`. Tools: execute_code, reset, list_files, read_file, write_file (their table is in tools.cc). A
// session begins with the first call that names it.
//
//     McpServer server(policy, "/home/me/project", [](const std::string& line) { write_line(line); });
//     server.take(line);   // one JSON-RPC message
//     ... poll each of server.poll_fds() until server.next_deadline(), then server.advance() ...
//
// Owns its sessions; their sandboxes end with it. For one thread. Nothing throws: what can't be understood is
// answered with JSON-RPC's error.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "kernel/mcp/tool_session.h"
#include "sandbox/api/policy.h"

namespace cellblock::kernel {

class McpServer {
public:
    static constexpr std::size_t kMostSessions = 8;
    static constexpr std::size_t kLongestMessage = 32U << 20;
    // A text that a tool gives back; of a longer one its middle is left out and kept as a resource.
    static constexpr std::size_t kLongestText = 50'000;
    static constexpr std::size_t kMostKept = 20;
    static constexpr std::size_t kMostKeptBytes = 64U << 20;

    using Send = std::function<void(const std::string&)>;

    McpServer(sandbox::Policy policy, std::string directory, Send send);

    void take(std::string_view message);
    [[nodiscard]] std::vector<int> poll_fds() const;
    [[nodiscard]] std::optional<sandbox::TimePoint> next_deadline() const;
    void advance();

private:
    // A request that is to be answered.
    struct Request {
        std::string id;          // JSON text
        bool is_modern = false;  // of the version 2026-07-28
    };

    void answer(const Request& request, nlohmann::json result, bool may_be_cached = false) const;
    void refuse(const std::string& id, int code, const std::string& why, nlohmann::json data = nullptr) const;
    void request(const Request& request, const std::string& method, const nlohmann::json& params);
    void notice(const std::string& method, const nlohmann::json& params);
    void initialize(const Request& request, const nlohmann::json& params);
    void call_tool(const Request& request, const nlohmann::json& params);
    void read_resource(const Request& request, const nlohmann::json& params) const;
    [[nodiscard]] nlohmann::json resources() const;
    void tool_is_done(const Request& request, ToolResult result);
    ToolSession* session_of(const std::string& name);
    [[nodiscard]] bool knows_links() const;

    sandbox::Policy policy_;
    std::string directory_;
    Send send_;
    std::string version_;  // that `initialize` has settled
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
