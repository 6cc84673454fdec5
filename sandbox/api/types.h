// Requests to a Session, and the events that it gives back.
//
// A client fills a request (ExecuteRequest, CommInput, a Query), gives it to Session, and receives Events
// until the one that ends the request: CellDone for a cell or comm message, QueryReply for a query,
// DebugReply for a debugger's request, FileReply (files.h) for one about files, CommandDone (commands.h) for
// a command. A client that only wants a cell's text:
//
//     ExecuteRequest request;
//     request.code = "print(6 * 7)";
//     session.execute_blocking(std::move(request), [](Event event) {
//         if (auto* stream = std::get_if<StreamOutput>(&event)) {
//             std::cout << stream->text;
//         } else if (auto* display = std::get_if<DisplayOutput>(&event)) {
//             ... display->data: one MimeItem for each MIME type ...
//         }
//     });
//
// A sandbox's message is checked before it becomes an event: text is valid UTF-8 without control sequences
// that act on a terminal, markup obeys OutputRules, RawJson is well-formed JSON of bounded depth, sizes are
// within the policy. Requests come from the client and need not be checked: what is not valid is refused or
// left out.
//
// All types are plain values without shared state. Events are moved to the client, which owns them.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "sandbox/api/commands.h"
#include "sandbox/api/files.h"

namespace cellblock::sandbox {

using CellId = std::uint64_t;   // of a cell or comm message, rising within a Session; 0: none
using QueryId = std::uint64_t;  // of a query, rising within a Session
using DebugId = std::uint64_t;  // of a debugger's request, rising within a Session

// --- requests

// A cell to run: Session::execute().
struct ExecuteRequest {
    std::string code;
    bool silent = false;                  // no output, no number in the history
    bool store_history = true;            // IPython keeps the cell in its history
    bool allow_stdin = false;             // the cell may ask for input (InputRequest)
    int count = 1;                        // the prompt number: In [1]
    std::string user_expressions = "{}";  // JSON object of strings: name to expression
    std::string metadata = "{}";          // JSON object, given to the worker
    std::string parent = {};  // the client's id of this request (msg_id), which ipywidgets' Output refers to
    // Until the cell is stopped: seconds ("0.5"), or a unit with them ("2m"); up to Limits::cell_time_max.
    // nullopt: what the code asks for by %%timeout, else Limits::cell_time.
    std::optional<std::string> time_limit = {};
};

enum class CommKind { open, message, close };

// The type of such a message, in Jupyter's protocol as on the worker's socket.
constexpr const char* message_type(CommKind kind) {
    switch (kind) {
        case CommKind::open:
            return "comm_open";
        case CommKind::message:
            return "comm_msg";
        case CommKind::close:
            break;
    }
    return "comm_close";
}

// A comm message from the client to the sandbox: Session::send_comm().
struct CommInput {
    CommKind kind = CommKind::message;
    std::string comm_id;
    std::string target_name;      // of open
    std::string data = "{}";      // JSON text
    std::string metadata = "{}";  // JSON text
    std::string parent;           // as in ExecuteRequest
    std::vector<std::string> buffers;
};

// Questions to the worker between cells: Session::ask(). Cursors are counted in code points.
struct CompleteQuery {
    std::string code;
    int cursor = 0;
};
struct InspectQuery {
    std::string code;
    int cursor = 0;
    int detail = 0;  // 1: the source too
};
struct IsCompleteQuery {
    std::string code;
};
struct CommInfoQuery {
    std::optional<std::string> target_name;  // nullopt: all targets
};
using Query = std::variant<CompleteQuery, InspectQuery, IsCompleteQuery, CommInfoQuery>;

// --- values

// JSON text that is well-formed and within bounds. Charts and comm data may have been rewritten.
struct RawJson {
    std::string text = "{}";
};

// Binary content that Jupyter's messages carry as base64 (image/png, application/pdf). Here it is not
// encoded.
struct Bytes {
    std::string value;
};

// One representation of an output.
struct MimeItem {
    std::string type;  // "text/plain"
    std::variant<std::string, Bytes, RawJson> value;
};

struct ErrorText {
    std::string ename;
    std::string evalue;
    std::vector<std::string> traceback;  // lines, with ANSI colours
};

// --- output events. `cell` is 0 for output of no cell (code that runs when a worker starts).

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
    int count = 0;  // of execute_result: the prompt number
    std::vector<std::string> buffers;
};

struct ClearOutput {
    CellId cell = 0;
    bool wait = false;  // clear only when the next output comes
};

struct ErrorOutput {
    CellId cell = 0;
    ErrorText error;
};

// The cell waits for input. Answer with Session::answer_input(); the cell's clock stands still meanwhile.
struct InputRequest {
    CellId cell = 0;
    std::uint64_t request = 0;
    std::string prompt;
    bool password = false;
};

// A text to show while the cell waits for a sandbox that starts slowly. A second StartNotice with an empty
// text tells that the wait is over.
struct StartNotice {
    CellId cell = 0;
    std::string text;
};

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

// --- the end of a request

// How a cell ended. `unavailable`: there was no sandbox, and nothing ran.
enum class CellStatus { ok, error, timeout, interrupted, killed, unavailable };
// How far a cell had to be pushed until it ended.
enum class EscalationStep { none, interrupt, worker_killed, sandbox_killed };
// The state of the session's variables.
enum class Survival { intact, lost };

// The memory and time that a cell used. Zero where the host doesn't measure. The peak is that of the sandbox
// so far, earlier cells included.
struct CellUsage {
    double wall_seconds = 0;
    double cpu_seconds = 0;
    std::uint64_t peak_memory_bytes = 0;
    std::uint64_t output_bytes = 0;
};

// A file of the cell's that the host has kept.
struct KeptFile {
    std::string name;  // below the working directory, as the cell has it: "out/a.csv"
    std::string path;  // on the host, absolute; another name where that was somebody else's
    std::uint64_t size_bytes = 0;
    std::string mime;    // by the name's ending
    std::string sha256;  // of the bytes that were kept, in hexadecimal
};

// Why a file wasn't kept, or (without a name) why no more were looked at. For people.
struct FileNotKept {
    std::string name;
    std::string reason;
};

// A connection of a cell's that the broker carried or refused (the policy's key `network`).
struct ConnectionReport {
    std::string host;  // empty: it never said
    std::uint16_t port = 0;
    std::string address;       // that was dialled; empty: none
    std::string rule;          // the policy's, by which it was allowed or denied; empty: none
    std::string request = {};  // "GET /v1/models", where the rules look at requests; empty: unknown
    std::uint64_t sent = 0;
    std::uint64_t received = 0;
    bool allowed = false;
    std::string reason;  // why not, or why it ended before its time
};

struct Outcome {
    CellStatus status = CellStatus::ok;
    EscalationStep escalation = EscalationStep::none;
    Survival state = Survival::intact;
    std::optional<ErrorText> error;  // set unless the status is ok
    RawJson user_expressions;
    RawJson payload{"[]"};
    CellUsage usage;
    std::vector<KeptFile> files;        // what the policy keeps of what the cell made or changed
    std::vector<FileNotKept> not_kept;  // at most 20
};

// Lines for people: which of the cell's files were kept and which weren't. Empty: there is nothing to tell.
std::string files_note(const Outcome& outcome);

// The last event of a cell or comm message. If the outcome has an error, an ErrorOutput with the same error
// came before, except for silent cells.
struct CellDone {
    CellId cell = 0;
    Outcome outcome;
};

// The answer to Session::ask(). `failed`: the worker ended or was too late, and `content` is empty.
struct QueryReply {
    QueryId query = 0;
    bool failed = false;
    RawJson content;  // the content of Jupyter's reply
};

// Messages of the Debug Adapter Protocol, as JSON text. Every Session::debug() gets exactly one reply; where
// the worker gives none, Session makes one that says why.
struct DebugReply {
    DebugId request = 0;
    RawJson content;
};
struct DebugEvent {
    RawJson content;
};

using Event = std::variant<StreamOutput, DisplayOutput, ClearOutput, ErrorOutput, InputRequest, StartNotice,
                           CommOutput, CellDone, QueryReply, DebugReply, DebugEvent, FileReply, CommandOutput,
                           CommandWantsInput, CommandDone>;

// --- what a Session asks its client's HistorySource

// A cell asks for inputs of this session or of earlier ones.
struct HistoryQuestion {
    enum class Kind { tail, range, search };
    CellId cell = 0;
    std::uint64_t request = 0;
    Kind kind = Kind::tail;
    std::optional<std::uint32_t> n;  // of tail and search: how many inputs
    std::int64_t session = 0;        // of range: 0 is this session; below 0 is counted back from it
    std::int64_t start = 1;          // of range
    std::optional<std::int64_t> stop;
    std::string pattern;  // of search
    bool unique = false;  // of search
};

struct HistoryAnswer {
    std::string lines = "[]";  // JSON: [[session, line, input], ...], the oldest first
    std::string error;         // why there is no answer, for people; empty if there is one
};

}  // namespace cellblock::sandbox
