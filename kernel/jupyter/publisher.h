// Sends everything that the kernel says: status, outputs, replies, and questions to the user.
//
// Purpose: the one place that makes headers (one session id, rising message ids, dates with six digits), and
// that signs and sends messages. Contents are JSON text, so that JSON from a sandbox goes out as it came.
//
//     publisher.status("busy", request.header_text);
//     publisher.reply(Channel::shell, request, "connect_reply", content);
//
// Refers to sockets and wire, which must live longer. One thread. A message that can't be sent is reported on
// stderr.
#pragma once

#include <string>
#include <vector>

#include "kernel/jupyter/sockets.h"
#include "kernel/jupyter/wire.h"

namespace cellblock::kernel {

// Makes the headers of one kernel's messages.
class Headers {
public:
    explicit Headers(const std::string& username);
    // A new header as JSON text. Its id is last_id().
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

    // Publishes on iopub. `parent`: the header text of the request that it belongs to, or "{}".
    void publish(const std::string& type, const std::string& parent, std::string content,
                 std::string metadata = "{}", Frames buffers = {});
    // Publishes a status: "busy", "idle" or "starting".
    void status(const std::string& state, const std::string& parent);
    // Sends the reply to the client that sent `request`; whatever was held goes out before it.
    void reply(Channel channel, const Message& request, const std::string& type, std::string content,
               std::string metadata = "{}");
    // Sends an input_request on stdin to the client with `identities`, and returns the message's id. Messages
    // that wait unread on stdin are dropped first, because they were sent before there was a question.
    std::string ask_input(const Frames& identities, const std::string& parent, const std::string& prompt,
                          bool password);
    // Answers a subscription with iopub_welcome.
    void welcome(const std::string& topic);

    // Published messages wait until release() or the next reply. So a cell is on its way to the sandbox
    // before the client's thread and ZMQ's wake up, and `busy` and `execute_input` wake them once.
    void hold() { holding_ = true; }
    void release();

private:
    // Publishes `starting` before the first message, but after the first welcome, so that a client that
    // subscribes first receives it.
    void tell_starting();

    Sockets& sockets_;
    const Wire& wire_;
    Headers headers_;
    std::vector<Frames> held_;
    bool holding_ = false;
    bool told_starting_ = false;
};

// The content of a reply that tells of an error.
std::string error_content(const std::string& ename, const std::string& evalue,
                          const std::vector<std::string>& traceback = {});

}  // namespace cellblock::kernel
