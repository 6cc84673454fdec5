// The Jupyter server: one event loop over the sockets, the session, and the process's signals.
//
// Purpose: reads and checks messages, queues the requests on shell, and gives each to the dispatcher or to
// the core (core.h). While a request waits for the sandbox, the same loop runs one level deeper (loop.h);
// control requests are served there, too.
//
//     JupyterServer server({sockets, wire, publisher, bridge, dispatcher, history, watch});
//     serve_with_xeus(server);  // until the kernel is to leave
//
// Refers to the parts in ServerParts, which must live longer. Main thread only. A bad message is dropped with
// a line on stderr; a request that makes the kernel fail gets an error reply.
#pragma once

#include <chrono>
#include <deque>
#include <functional>
#include <string>

#include "kernel/history/history.h"
#include "kernel/jupyter/drop_log.h"
#include "kernel/jupyter/publisher.h"
#include "kernel/server/core.h"
#include "kernel/server/execution.h"
#include "kernel/server/loop.h"
#include "kernel/server/process_watch.h"
#include "kernel/server/request_dispatcher.h"
#include "kernel/server/session_bridge.h"

namespace cellblock::kernel {

struct ServerParts {
    Sockets& sockets;
    Wire& wire;
    Publisher& publisher;
    SessionBridge& bridge;
    RequestDispatcher& dispatcher;
    History& history;
    ProcessWatch& watch;
};

class JupyterServer final : public Loop, public CoreServices {
public:
    explicit JupyterServer(const ServerParts& parts);

    // --- Loop
    void run_until(const std::function<bool()>& done) override;
    void stop() override { stopping_ = true; }
    [[nodiscard]] bool stopping() const override { return stopping_; }

    // --- CoreServices
    void serve(RequestCore& core) override;
    ReplyText execute() override;
    [[nodiscard]] nlohmann::json kernel_info() const override;
    void publish_status(Channel channel, const std::string& state) override;
    void publish_execute_input() override;
    void reply(Channel channel, const std::string& type, ReplyText reply) override;
    void abort_queued_cells() override;

private:
    // Bounds of the queue of requests on shell. Further requests wait in ZMQ, and then at the client.
    static constexpr std::size_t kMaxQueued = 10'000;
    static constexpr std::size_t kMaxQueuedBytes = std::size_t{256} << 20;

    // A request that the core handles, and what was sent for it so far.
    struct Handled {  // NOLINT(bugprone-exception-escape): as Message
        Message request;
        bool replied = false;
        bool idle = false;
    };

    // --- the loop
    void turn(bool may_wait);
    void wait_and_read(std::chrono::milliseconds longest);
    [[nodiscard]] std::chrono::milliseconds time_to_sleep() const;
    void read_requests(Channel channel, std::deque<Message>& queue);
    void read_stdin();
    void read_subscriptions();
    void heed(Notice notice);

    // --- requests
    [[nodiscard]] bool has_room() const {
        return shell_queue_.size() < kMaxQueued && shell_queue_bytes_ < kMaxQueuedBytes;
    }
    [[nodiscard]] bool may_serve(const Message& request) const;
    void serve_shell();
    void serve_control();
    void give_to_core(Message request, Channel channel);
    void begin_cell(nlohmann::json& content);
    void await_followers();
    [[nodiscard]] Handled& handled(Channel channel) {
        return channel == Channel::control ? control_handled_ : shell_handled_;
    }

    ServerParts parts_;
    RequestCore* core_ = nullptr;  // set while serve() runs
    Execution execution_;
    DropLog drop_log_;
    std::deque<Message> shell_queue_;
    std::deque<Message> control_queue_;
    std::size_t shell_queue_bytes_ = 0;
    Handled shell_handled_;
    Handled control_handled_;
    bool session_has_news_ = true;
    bool stopping_ = false;
    std::chrono::steady_clock::time_point version_deadline_;
};

}  // namespace cellblock::kernel
