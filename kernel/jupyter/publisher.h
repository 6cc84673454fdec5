// Everything that the kernel sends: status, outputs, replies, questions.
//
// Purpose: the one place where headers are made (one session, rising message
// ids, six-digit dates) and messages are signed and sent. Contents are JSON
// text, so that what a sandbox gave as JSON goes out to the letter.
// Ownership: refers to sockets and wire, which outlive it. Threads: one.
// Failure: none that a caller could mend.
#pragma once

#include <string>
#include <vector>

#include "kernel/jupyter/sockets.h"
#include "kernel/jupyter/wire.h"

namespace cellblock::kernel {

// What the kernel says of itself in every header.
class Headers {
public:
    explicit Headers(const std::string& username);
    // Header text and the id in it.
    std::string make(const std::string& type);
    [[nodiscard]] const std::string& session() const { return session_; }
    [[nodiscard]] std::string last_id() const;

private:
    std::string session_;
    std::string fixed_;  // session, username, version
    std::uint64_t count_ = 0;
};

inline constexpr const char* kProtocolVersion = "5.3";

class Publisher {
public:
    Publisher(Sockets& sockets, const Wire& wire, Headers headers)
        : sockets_(sockets), wire_(wire), headers_(std::move(headers)) {}

    // On iopub. `parent`: the header text of the request, or "{}".
    void publish(const std::string& type, const std::string& parent, std::string content,
                 std::string metadata = "{}", Frames buffers = {});
    void status(const std::string& state, const std::string& parent);
    // To the client that asked.
    void reply(Channel channel, const Message& request, const std::string& type, std::string content,
               std::string metadata = "{}");
    // To those identities on stdin; whatever waited there unread was for no question. Gives the message's id.
    std::string ask_input(const Frames& identities, const std::string& parent, const std::string& prompt,
                          bool password);
    // The answer to a subscription.
    void welcome(const std::string& topic);

    // What is published waits until release(), or the next reply. So a request is on its way to the sandbox
    // before anybody is told that it is, and `busy` and `execute_input` go out as one.
    void hold() { holding_ = true; }
    void release();

private:
    // Before the first message or after the first welcome: so a client that subscribes first hears it.
    void tell_starting();

    Sockets& sockets_;
    const Wire& wire_;
    Headers headers_;
    std::vector<Frames> held_;
    bool holding_ = false;
    bool told_starting_ = false;
};

// {"status": "error", ...}
std::string error_content(const std::string& ename, const std::string& evalue,
                          const std::vector<std::string>& traceback = {});

}  // namespace cellblock::kernel
