// ToolSession: one named session of an MCP server, and what its tools' calls come to.
//
// Cells run one after another; a call that comes while another runs waits for it. Requests for files are
// answered beside them. Each call gets one answer, unless it was cancelled.
//
//     ToolSession session(policy, "/home/me/project");
//     session.execute("7", {.code = "6 * 7"}, [](ToolResult result) { ... });
//     ... poll session.poll_fd() until session.next_deadline(), then session.advance() ...
//
// Owns its Session. For one thread. No function throws; what goes wrong is an answer with is_error.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "sandbox/api/session.h"

namespace cellblock::kernel {

// A tool's result: its text, and its pictures, each an object of MCP's `content`.
struct ToolResult {
    std::string text;
    std::vector<nlohmann::json> more;
    bool is_error = false;
};

using ToolAnswer = std::function<void(ToolResult)>;
// Called once a second while a call waits or runs, with the seconds since it came and the last line that its
// code has printed, or what it does without any. Must not call the session.
using ToolProgress = std::function<void(int seconds, const std::string& message)>;
using FileAnswer = std::function<void(const sandbox::FileReply&)>;

class ToolSession {
public:
    static constexpr std::size_t kMostWaiting = 64;

    ToolSession(const sandbox::Policy& policy, const std::string& directory);

    // `key`: the call's, for cancel(). `progress` may be empty.
    void execute(const std::string& key, sandbox::ExecuteRequest request, ToolAnswer answer,
                 ToolProgress progress);
    void file(sandbox::FileRequest request, FileAnswer answer);
    // Answers every call with this reason; the session is to be destroyed then.
    void end(const std::string& reason);
    // A call that waits is forgotten, one that runs is interrupted. False: there is no such call.
    bool cancel(const std::string& key);

    [[nodiscard]] int poll_fd() const { return session_.poll_fd(); }
    [[nodiscard]] std::optional<sandbox::TimePoint> next_deadline() const;
    void advance();
    // Whether a call waits or runs, and when the session was last asked for something, or answered.
    [[nodiscard]] bool is_busy() const { return !calls_.empty() || !files_.empty(); }
    [[nodiscard]] sandbox::TimePoint last_used() const { return last_used_; }

private:
    struct Call {
        std::string key;
        sandbox::ExecuteRequest request;
        ToolAnswer answer;
        ToolProgress progress;
        int seconds_told = 0;  // by `progress`, since it came
        sandbox::TimePoint came = sandbox::Clock::now();
        bool cancelled = false;

        // When its client is to be told next; nullopt: it doesn't want to be.
        [[nodiscard]] std::optional<sandbox::TimePoint> progress_due() const;
    };

    void begin_next();
    void tell_progress();
    void take(sandbox::Event event);
    void on(const sandbox::DisplayOutput& output);
    void on(const sandbox::Outcome& outcome);

    sandbox::Session session_;
    std::deque<Call> calls_;  // the first one runs
    bool runs_ = false;
    sandbox::TimePoint last_used_ = sandbox::Clock::now();
    int count_ = 0;
    ToolResult gathered_;  // of the call that runs
    std::map<sandbox::FileId, FileAnswer> files_;
};

// A picture as MCP has it: {"type": "image", …}.
nlohmann::json image_content(const std::string& mime, const std::string& bytes);

}  // namespace cellblock::kernel
