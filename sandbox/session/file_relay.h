// FileRelay: requests for a sandbox's files on their way to its file agent, and the answers.
//
// Each request gets exactly one reply, in the order of the requests, within a time, whatever the sandbox
// does. What waits is bounded in number and bytes. A reply to what wasn't asked is a violation.
//
// Refers to the queue that events go to, to the host and to the keeper (which doesn't take for a cell's what
// a client has written); they must outlive it. For one thread. The Error of take() is a violation by the
// sandbox, for which the caller ends it.
#pragma once

#include <chrono>
#include <deque>
#include <optional>
#include <string>

#include "sandbox/api/session.h"
#include "sandbox/channel/messages.h"
#include "sandbox/files/keeper.h"
#include "sandbox/session/sandbox_host.h"

namespace cellblock::sandbox {

class FileRelay {
public:
    static constexpr std::size_t kMostPending = 64;
    static constexpr std::size_t kMostBytes = 128U << 20;
    static constexpr std::chrono::seconds kTime{30};  // for an answer, once it is asked

    FileRelay(std::deque<Event>& events, SandboxHost& host, files::Keeper& keeper)
        : events_(events), host_(host), keeper_(keeper) {}

    void begin(FileId id, FileRequest request);
    // Asks what can be asked now, and gives up on what has taken too long.
    void advance(TimePoint now);
    Status take(FileMessage message, TimePoint now);
    // Answers every request with this reason: no sandbox can be had.
    void fail_all(const std::string& reason);
    // When advance() has something to do.
    [[nodiscard]] std::optional<TimePoint> next_deadline() const { return deadline_; }

private:
    struct Pending {
        FileId id = 0;
        std::string step;     // "read data.csv"
        std::string written;  // of WriteFile: its path
        OutgoingFrame frame;  // until it is sent
        std::size_t bytes = 0;
        bool sent = false;
    };

    void answer(FileReply reply);
    void fail_first(Error error);
    void fail_sent(const std::string& reason);
    void set_deadline(TimePoint now);

    std::deque<Event>& events_;
    SandboxHost& host_;
    files::Keeper& keeper_;
    std::deque<Pending> pending_;  // those that were sent come first
    std::size_t bytes_ = 0;        // of their frames
    std::optional<TimePoint> deadline_;
};

}  // namespace cellblock::sandbox
