// The inputs that the user has run, for history requests of clients and cells.
//
// Purpose: joins this session's lines and, where a file is given, the inputs of earlier sessions. In a
// request the session 0 means this session, -1 the one before.
//
//     History history(file);
//     history.store(1, "x = 2");
//     reply(history.answer(request.content));
//
// Owns the lines and the connection to the file. One thread. A file that can't be used is reported once on
// stderr, and the session goes on without it. Odd fields of a request get their defaults.
#pragma once

#include "kernel/history/session_lines.h"
#include "kernel/history/store.h"

namespace cellblock::kernel {

class History {
public:
    static constexpr int kSession = 1;                     // this session's number where there is no file
    static constexpr std::size_t kAnswerBytes = 1U << 20;  // of an answer to a sandbox

    History() = default;
    explicit History(const std::string& file);

    // Adds a cell's input, and later the text of its result. `line`: the execution count.
    void store(int line, std::string input);
    void store_output(int line, std::string text);

    // The value of "history" in a reply: [[session, line, input or [input, output]], ...]
    [[nodiscard]] nlohmann::json answer(const nlohmann::json& request);
    // The same for a cell that asks, bounded in bytes.
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

// The file that the policy's key "history" names, or nothing if inputs aren't to be kept.
std::optional<std::string> history_file(const std::string& policy_value);

}  // namespace cellblock::kernel
