// What leaves a Session: typed, validated, bounded.
//
// Purpose: the only types through which a client of Session sees what a
// sandbox sent. Text is valid UTF-8; RawJson is well-formed JSON of bounded
// depth; sizes are within the policy.
// Ownership: plain values, moved to the client. Threads: no shared state.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "sandbox/api/engine.h"

namespace cellblock::sandbox {

using CellId = std::uint64_t;   // rising within a Session; 0: no cell
using QueryId = std::uint64_t;  // rising within a Session
using DebugId = std::uint64_t;  // rising within a Session

// JSON text that was checked and is passed on to the letter.
struct RawJson {
    std::string text = "{}";
};

// Bytes that the Jupyter world writes as base64 (image/png, application/pdf …).
struct Bytes {
    std::string value;
};

struct MimeItem {
    std::string type;
    std::variant<std::string, Bytes, RawJson> value;
};

enum class StreamName { standard_output, standard_error };
enum class DisplayKind { display_data, execute_result, update_display_data };

struct StreamOutput {
    CellId cell = 0;
    StreamName name = StreamName::standard_output;
    std::string text;
};

struct DisplayOutput {
    CellId cell = 0;
    DisplayKind kind = DisplayKind::display_data;
    std::vector<MimeItem> data;
    RawJson metadata;
    std::optional<std::string> display_id;
    int count = 0;  // of execute_result
    std::vector<std::string> buffers;
};

struct ClearOutput {
    CellId cell = 0;
    bool wait = false;
};

struct ErrorText {
    std::string ename;
    std::string evalue;
    std::vector<std::string> traceback;
};

struct ErrorOutput {
    CellId cell = 0;
    ErrorText error;
};

// Answer with Session::answer_input(); the cell's clock stands still meanwhile.
struct InputRequest {
    CellId cell = 0;
    std::uint64_t request = 0;
    std::string prompt;
    bool password = false;
};

// A cell waits for a sandbox that takes its time. Shown only until it starts;
// then comes the same with an empty text.
struct StartNotice {
    CellId cell = 0;
    std::string text;
};

// A cell asks for inputs of this session and of earlier ones. Answered at once, by Session's HistorySource.
struct HistoryQuestion {
    enum class Kind { tail, range, search };
    CellId cell = 0;
    std::uint64_t request = 0;
    Kind kind = Kind::tail;
    std::optional<std::uint32_t> n;  // how many, of tail and search
    std::int64_t session = 0;        // of range: 0 this one, below 0 counted back from it
    std::int64_t start = 1;
    std::optional<std::int64_t> stop;
    std::string pattern;  // of search
    bool unique = false;
};

struct HistoryAnswer {
    std::string lines = "[]";  // JSON: [[session, line, input], ...], the oldest first
    std::string error;         // why there are none; for people
};

enum class CommKind { open, message, close };

struct CommOutput {
    CellId cell = 0;
    CommKind kind = CommKind::message;
    std::string comm_id;
    std::string target_name;                   // of open
    std::optional<std::string> target_module;  // of open
    RawJson data;
    RawJson metadata;
    std::vector<std::string> buffers;
};

// How a cell ended. `unavailable`: no sandbox was to be had; nothing ran.
enum class CellStatus { ok, error, timeout, interrupted, killed, unavailable };
// The rung of the deadline ladder that was needed.
enum class Rung { none, interrupt, worker_killed, sandbox_killed };
// What is left of the session's variables.
enum class Survival { intact, lost };

struct CellUsage {
    double wall_seconds = 0;
    double cpu_seconds = 0;
    std::uint64_t peak_memory_bytes = 0;
    std::uint64_t output_bytes = 0;
};

struct Outcome {
    CellStatus status = CellStatus::ok;
    Rung rung = Rung::none;
    Survival state = Survival::intact;
    std::optional<ErrorText> error;  // set unless ok
    RawJson user_expressions;
    RawJson payload{"[]"};
    CellUsage usage;
};

// The last event before a cell counts as finished. Where the outcome has an
// error, an ErrorOutput came before this (unless the cell was silent).
struct CellDone {
    CellId cell = 0;
    Outcome outcome;
};

// The answer to ask(). Failed: the worker was not there to answer.
struct QueryReply {
    QueryId query = 0;
    bool failed = false;
    RawJson content;
};

// Messages of the Debug Adapter Protocol, as JSON text. Each request of
// Session::debug() gets one reply, made here where the worker gives none.
struct DebugReply {
    DebugId request = 0;
    RawJson content;
};
struct DebugEvent {
    RawJson content;
};

using Event = std::variant<StreamOutput, DisplayOutput, ClearOutput, ErrorOutput, InputRequest, StartNotice,
                           CommOutput, CellDone, QueryReply, DebugReply, DebugEvent>;

}  // namespace cellblock::sandbox
