// What the frames of FRAMES.md mean, as types.
//
// Purpose: the one place where a frame's schema is checked. Decoding gives the
// events of events.h where a frame is one, so that nothing unchecked goes on.
// Ownership: plain values. Threads: no shared state.
// Failure: a frame that isn't in FRAMES.md's tables is an Error; the caller
// ends the sandbox that sent it.
#pragma once

#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "sandbox/api/policy.h"
#include "sandbox/api/session.h"
#include "sandbox/api/types.h"
#include "sandbox/channel/frame.h"

namespace cellblock::sandbox {

// --- worker → host
struct WorkerReady {
    std::string python;  // "3.11.2"
    std::string ipython;
    std::string banner;
};
struct WorkerFailed {
    std::string message;
};
struct CellFinished {
    CellId cell = 0;
    std::optional<ErrorText> error;
    RawJson user_expressions;
    RawJson payload;
};
// A cell asks for packages; answered once, by `install_reply`.
struct InstallRequest {
    CellId cell = 0;
    std::uint64_t request = 0;
    std::vector<std::string> requirements;
    bool upgrade = false;
};
struct InstallAnswer {
    std::vector<std::string> installed;  // "name==version"
    std::vector<std::string> present;    // was there already
    std::string error;                   // why not; for people
};
using WorkerMessage =
    std::variant<WorkerReady, WorkerFailed, StreamOutput, DisplayOutput, ClearOutput, ErrorOutput,
                 InputRequest, HistoryQuestion, InstallRequest, CommOutput, CellFinished, QueryReply>;

Result<WorkerMessage> decode_worker_frame(Frame frame);

// --- warden → host
struct WardenHello {};
struct WorkerExited {
    std::optional<int> exit_status;
    std::optional<int> signal;
};
// The warden killed a process for the sake of limits.memory; worker_exited follows if it was the worker.
struct MemoryKill {};
using WardenMessage = std::variant<WardenHello, MemoryKill, WorkerExited>;

Result<WardenMessage> decode_warden_frame(const Frame& frame);

// --- the worker's debugger → host
struct DebuggerFound {
    bool available = false;
    bool sockets = true;  // or else it's for want of these
    std::string python;   // "3.11.2"
};
struct DebugAnswer {
    DebugId request = 0;
    RawJson content;
};
struct DebugNews {
    RawJson content;
};
// Its socket is closed, and the worker lives on.
struct DebuggerGone {};
using DebugMessage = std::variant<DebuggerFound, DebugAnswer, DebugNews, DebuggerGone>;

Result<DebugMessage> decode_debug_frame(Frame frame);

// --- host → the worker's debugger
std::string encode_debug_request(DebugId request, const std::string& content, bool idle);

// --- host → worker: the bytes of a frame
std::string encode_configure(const Policy& policy);
std::string encode_execute(CellId cell, const ExecuteRequest& request);
std::string encode_comm(CellId cell, const CommInput& message);
std::string encode_query(QueryId query, const Query& what);
std::string encode_input_reply(std::uint64_t request, const std::string& value);
std::string encode_install_reply(std::uint64_t request, const InstallAnswer& answer);
std::string encode_history_reply(std::uint64_t request, const HistoryAnswer& answer);

// --- host → warden: `start_worker`, `interrupt`, `kill_worker`
std::string encode_warden_command(const char* type);

}  // namespace cellblock::sandbox
