// What the user ran, for history requests.
//
// Purpose: this session's lines, and, where a file is given, those of sessions
// before. Session 0 in a request means this one, -1 the one before.
// Ownership: owns the lines and the connection to the file.
// Threads: one. Failure: a file that can't be used is told once, on stderr, and
// done without; a request's odd fields get their defaults.
#pragma once

#include "kernel/history/session_lines.h"
#include "kernel/history/store.h"

namespace cellblock::kernel {

class History {
public:
    static constexpr int kSession = 1;                     // where there is no file
    static constexpr std::size_t kAnswerBytes = 1U << 20;  // of an answer to a sandbox

    History() = default;
    explicit History(const std::string& file);

    void store(int line, std::string input);
    void store_output(int line, std::string text);

    // The value of "history" in a reply: [[session, line, input or [input, output]], ...]
    [[nodiscard]] nlohmann::json answer(const nlohmann::json& request);
    // The same for a cell that asks.
    [[nodiscard]] sandbox::HistoryAnswer answer(const sandbox::HistoryQuestion& question);

private:
    HistoryLines lines(const HistoryRequest& request);
    HistoryLines from_store(const HistoryRequest& request, std::size_t own);
    template <class Value>
    Value use(sandbox::Result<Value> result);
    void give_up(const sandbox::Error& error);

    SessionLines here_;
    std::optional<HistoryStore> store_;
    std::string given_up_;  // why there is no file
};

// Where the policy wants inputs kept; nothing: nowhere.
std::optional<std::string> history_file(const std::string& policy_value);

}  // namespace cellblock::kernel
