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

#include "sandbox/channel/frame.h"
#include "sandbox/events.h"
#include "sandbox/policy/policy.h"
#include "sandbox/session.h"

namespace cellblock::sandbox {

// --- worker → host
struct WorkerReady {
    std::string python;
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
using WorkerMessage = std::variant<WorkerReady, WorkerFailed, StreamOutput, DisplayOutput, ClearOutput,
                                   ErrorOutput, InputRequest, CommOutput, CellFinished, QueryReply>;

Result<WorkerMessage> decode_worker_frame(Frame frame);

// --- warden → host
struct WardenHello {
    std::string python;
};
struct WorkerExited {
    std::optional<int> exit_status;
    std::optional<int> signal;
};
using WardenMessage = std::variant<WardenHello, WorkerExited>;

Result<WardenMessage> decode_warden_frame(const Frame& frame);

// --- host → worker: the bytes of a frame
std::string encode_configure(const Policy& policy);
std::string encode_execute(CellId cell, const ExecuteRequest& request);
std::string encode_comm(CellId cell, const CommInput& message);
std::string encode_query(QueryId query, const Query& what);
std::string encode_input_reply(std::uint64_t request, const std::string& value);

// --- host → warden: `start_worker`, `interrupt`, `kill_worker`
std::string encode_warden_command(const char* type);

}  // namespace cellblock::sandbox
