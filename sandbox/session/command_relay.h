// CommandRelay: a session's commands, from the request to their end.
//
// Each command gets exactly one CommandDone, behind its output, whatever the sandbox does; in time, where it
// has a time limit. What waits is bounded in number and bytes. A message of a command that doesn't run is a
// violation.
//
// Refers to the queue that events go to and to the host, which must outlive it. For one thread. The Error of
// take() is a violation by the sandbox, for which the caller ends it.
#pragma once

#include <chrono>
#include <deque>
#include <functional>
#include <map>
#include <optional>
#include <string>

#include "sandbox/api/session.h"
#include "sandbox/audit/log.h"
#include "sandbox/channel/messages.h"
#include "sandbox/session/sandbox_host.h"

namespace cellblock::sandbox {

class CommandRelay {
public:
    static constexpr std::size_t kMostArguments = 1U << 20;  // bytes, with the environment
    static constexpr std::size_t kMostInput = 16U << 20;     // bytes that wait for a command
    static constexpr std::size_t kMostPiece = 64U << 10;     // of input, in one message
    // For a command that was killed for its time to end; then its agent is given up.
    static constexpr std::chrono::seconds kTimeToEnd{2};

    // `recorded` is called at the end of each command that was started, before its end is told; where it
    // fails, so does the command.
    using Recorded = std::function<Status(const CommandReport&, const CommandDone&)>;

    CommandRelay(std::deque<Event>& events, SandboxHost& host, Recorded recorded)
        : events_(events), host_(host), recorded_(std::move(recorded)) {}

    void begin(CommandId id, CommandRequest request);
    // Ends one that wasn't begun.
    void refuse(CommandId id, Error error);
    // False: no such command takes input any more, or too much waits.
    bool input(CommandId id, const std::string& bytes, bool end);
    void signal(CommandId id, int number);
    void resize(CommandId id, TerminalSize size);
    // Starts what can be started now, and kills what has had its time.
    void advance(TimePoint now);
    Status take(CommandMessage message, TimePoint now);
    // Ends every command with this reason: no sandbox can be had.
    void fail_all(const std::string& reason);
    // When advance() has something to do.
    [[nodiscard]] std::optional<TimePoint> next_deadline() const;

private:
    struct Command {
        std::string step;  // "run wc -l", for errors
        CommandReport report;
        TimePoint begun_at{};
        OutgoingFrame frame;  // until it is sent
        bool sent = false;
        std::optional<TerminalSize> resized;                 // before it was sent
        std::optional<std::chrono::nanoseconds> time_limit;  // nullopt: none
        std::optional<TimePoint> deadline;
        bool timed_out = false;
        std::uint64_t output_left = 0;
        bool cut = false;
        bool has_input = false;
        bool input_ends = false;   // no more comes
        bool input_waits = false;  // the agent hasn't taken the last piece
        std::string input;
    };

    void end(CommandId id, CommandDone done);
    void send(OutgoingFrame frame);
    void send_input(CommandId id, Command& command);
    void lose_sent(const std::string& reason);
    void overdue(CommandId id, Command& command, TimePoint now);

    std::deque<Event>& events_;
    SandboxHost& host_;
    Recorded recorded_;
    TimePoint now_{};  // of the last call that told it
    std::map<CommandId, Command> commands_;
};

}  // namespace cellblock::sandbox
