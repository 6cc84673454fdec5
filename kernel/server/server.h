// The Jupyter server: one event loop over the sockets, the session and the process's signals.
//
// Purpose: an xserver of our own for xeus's core. It reads and checks messages,
// queues those of shell, hands the core one at a time, and sends what the core
// says with our headers, parents and counts. Waiting for a cell runs the same
// loop one level deeper (run_until).
// Ownership: refers to the parts of ServerParts, which outlive it.
// Threads: the main thread alone.
// Failure: a bad message is dropped with a line on stderr; the kernel lives.
#pragma once

#include <zmq.h>
#include <array>
#include <chrono>
#include <deque>
#include <functional>
#include <optional>
#include <xeus/xserver.hpp>

#include "kernel/history/history.h"
#include "kernel/jupyter/drop_log.h"
#include "kernel/jupyter/publisher.h"
#include "kernel/server/loop.h"
#include "kernel/server/process_watch.h"
#include "kernel/server/request_dispatcher.h"
#include "kernel/server/session_bridge.h"

namespace cellblock::kernel {

struct ServerParts {
    Sockets& sockets;
    Wire& wire;
    Publisher& publisher;
    SessionRelay& relay;
    XeusGaps& gaps;
    History& history;
    ProcessWatch& watch;
};

class JupyterServer final : public xeus::xserver, public Loop {
public:
    explicit JupyterServer(const ServerParts& parts);

    void run_until(const std::function<bool()>& done) override;
    void stop() override { stopping_ = true; }
    [[nodiscard]] bool stopping() const override { return stopping_; }
    [[nodiscard]] const CurrentRequest& current() const override { return current_; }
    void set_reply(std::string content, std::string usage) override {
        reply_content_ = std::move(content);
        reply_usage_ = std::move(usage);
    }

private:
    // Of requests on shell; more wait in ZMQ, and then at the client's side.
    static constexpr std::size_t kMaxQueued = 10'000;
    static constexpr std::size_t kMaxQueuedBytes = std::size_t{256} << 20;

    // --- the loop
    void turn(bool may_wait);
    void wait_and_read(std::chrono::milliseconds longest);
    [[nodiscard]] std::chrono::milliseconds time_to_sleep() const;
    void read_requests(Channel channel, std::deque<Message>& queue);
    void read_stdin();
    void read_subscriptions();
    void serve_control();
    [[nodiscard]] bool has_room() const {
        return shell_queue_.size() < kMaxQueued && shell_queue_bytes_ < kMaxQueuedBytes;
    }
    void heed(Notice notice);

    // --- requests (server_requests.cc)
    [[nodiscard]] bool may_serve(const Message& request) const;
    void serve_shell();
    void give_to_core(Message request, Channel channel);
    void prepare_execute(const nlohmann::json& content);
    void await_followers();

    // --- xeus::xserver
    xeus::xcontrol_messenger& get_control_messenger_impl() override { return messenger_; }
    void send_shell_impl(xeus::xmessage message) override;
    void send_control_impl(xeus::xmessage message) override;
    void send_stdin_impl(xeus::xmessage) override {}  // SessionRelay asks
    void publish_impl(xeus::xpub_message message, xeus::channel channel) override;
    void start_impl(xeus::xpub_message message) override;
    void abort_queue_impl(const listener& abort, long polling_interval) override;
    void stop_impl() override { stop(); }
    void update_config_impl(xeus::xconfiguration&) const override {}

    class Messenger final : public xeus::xcontrol_messenger {
        nl::json send_to_shell_impl(const nl::json&) override { return nl::json::object(); }
    };

    ServerParts parts_;
    Messenger messenger_;
    DropLog drop_log_;
    std::deque<Message> shell_queue_;
    std::deque<Message> control_queue_;
    std::size_t shell_queue_bytes_ = 0;
    CurrentRequest current_;
    Message control_request_;
    std::optional<std::string> reply_content_;
    std::string reply_usage_;
    bool replied_ = false;
    bool session_has_news_ = true;
    bool stopping_ = false;
    int execution_count_ = 0;
    std::chrono::steady_clock::time_point version_deadline_;
};

}  // namespace cellblock::kernel
