// The frames of FRAMES.md as C++ types.
//
// The decode_ functions check a frame from a sandbox against the tables of FRAMES.md and give it as a type:
// an event of api/types.h where the frame is an output, or one of the types below. The Error of a frame that
// isn't in the tables is a violation, for which the caller ends the sandbox. The encode_ functions make the
// frames that the host sends. Texts are moved, not copied, in both directions.
//
// Plain functions and values without shared state.
#pragma once

#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "sandbox/api/policy.h"
#include "sandbox/api/types.h"
#include "sandbox/channel/frame.h"

namespace cellblock::sandbox {

// --- worker → host
struct WorkerStarting {
    std::string python;  // "3.11.2"
};
struct WorkerReady {
    std::string python;  // "3.11.2"
    std::string ipython;
    std::string banner;
};
// The worker says that it can't take cells. Its words are printable().
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
    std::string error;                   // why nothing was installed, for people
};
using WorkerMessage = std::variant<WorkerStarting, WorkerReady, WorkerFailed, StreamOutput, DisplayOutput,
                                   ClearOutput, ErrorOutput, InputRequest, HistoryQuestion, InstallRequest,
                                   CommOutput, CellFinished, QueryReply>;

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

Result<WardenMessage> decode_warden_frame(Frame frame);

// --- the worker's debugger → host
struct DebuggerFound {
    bool available = false;
    bool sockets = true;  // false: debugpy can't listen, as the sandbox has no sockets
    std::string python;   // "3.11.2"
};
struct DebugAnswer {
    DebugId request = 0;
    RawJson content;
};
struct DebugNews {
    RawJson content;
};
// The debugger has closed its socket, and the worker lives on.
struct DebuggerGone {};
using DebugMessage = std::variant<DebuggerFound, DebugAnswer, DebugNews, DebuggerGone>;

Result<DebugMessage> decode_debug_frame(Frame frame);

// --- the file agent → host
struct FileAnswer {
    FileReply reply;
    int error = 0;  // errno, of which the reply has no error yet
};
// There is no agent any more; what it was asked stays unanswered.
struct FilesGone {};
using FileMessage = std::variant<FileAnswer, FilesGone>;

Result<FileMessage> decode_file_frame(Frame frame);

// --- host → the file agent
OutgoingFrame encode_file_request(FileId id, FileRequest request);

// --- the command agent → host
struct InputTaken {
    CommandId command = 0;
};
struct CommandExited {
    CommandDone done;
    int error = 0;  // errno, of which `done` has no error yet
};
// There is no agent any more; its commands are lost.
struct CommandsGone {};
using CommandMessage = std::variant<CommandOutput, InputTaken, CommandExited, CommandsGone>;

Result<CommandMessage> decode_command_frame(Frame frame);

// --- host → the command agent. `output_bytes`: the most that the command may write.
OutgoingFrame encode_run(CommandId command, CommandRequest request, std::uint64_t output_bytes);
OutgoingFrame encode_command_input(CommandId command, std::string bytes, bool end);
OutgoingFrame encode_signal(CommandId command, int number);
OutgoingFrame encode_resize(CommandId command, TerminalSize size);

// --- host → the worker's debugger
OutgoingFrame encode_debug_request(DebugId request, std::string content, bool idle);

// --- host → worker
std::string encode_configure(const Policy& policy);
OutgoingFrame encode_trust(const std::string& certificate);
OutgoingFrame encode_execute(CellId cell, ExecuteRequest request);
OutgoingFrame encode_comm(CellId cell, CommInput message);
OutgoingFrame encode_query(QueryId query, Query what);
OutgoingFrame encode_input_reply(std::uint64_t request, std::string value);
OutgoingFrame encode_install_reply(std::uint64_t request, const InstallAnswer& answer);
OutgoingFrame encode_history_reply(std::uint64_t request, HistoryAnswer answer);

// --- host → warden: the command `start_worker`, `interrupt`, `kill_worker`, `start_files` or
// `start_commands`
std::string encode_warden_command(const char* type);

}  // namespace cellblock::sandbox
