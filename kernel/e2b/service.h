// E2bService: the service of E2B's protocol: sandboxes by HTTP, for E2B's own client libraries.
//
// Purpose: routes requests, checks their tokens, and keeps the boxes: create, list, time out, kill. Which
// paths there are is written in README.md here. One port serves all: a request belongs to the box that its
// header E2b-Sandbox-Id names.
//
//     E2bService service(loop, policy, options);
//     HttpServer server(loop, [&](auto request, auto reply) { service.handle(std::move(request), reply); },
//                       [&](const HttpRequest& head) { return service.body_limit(head); },
//                       [&](const HttpRequest& head) { return service.comes_in_pieces(head); });
//
// Owns its boxes; their sandboxes end with it. For the loop's thread. Nothing throws.
#pragma once

#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>

#include "kernel/e2b/box.h"
#include "kernel/http/loop.h"
#include "kernel/http/message.h"
#include "sandbox/api/policy.h"

namespace cellblock::kernel {

struct E2bOptions {
    std::string token;      // that clients must have to create and see boxes; empty: none
    std::string directory;  // StartOptions::directory of the sandboxes
    std::size_t most_boxes = 100;
    std::chrono::seconds longest_life{24 * 3600};
};

class E2bService {
public:
    E2bService(Loop& loop, sandbox::Policy policy, E2bOptions options);
    ~E2bService();
    E2bService(const E2bService&) = delete;
    E2bService& operator=(const E2bService&) = delete;

    void handle(HttpRequest request, const std::shared_ptr<HttpReply>& reply);
    [[nodiscard]] std::uint64_t body_limit(const HttpRequest& head) const;
    [[nodiscard]] bool comes_in_pieces(const HttpRequest& head) const;

private:
    using ReplyPtr = std::shared_ptr<HttpReply>;

    [[nodiscard]] bool may_send(const HttpRequest& head) const;
    void handle_api(const HttpRequest& request, const ReplyPtr& reply);
    // The id of the box that a request is for; empty: there is none.
    [[nodiscard]] std::string named_by(const HttpRequest& request) const;
    void handle_box(HttpRequest request, const ReplyPtr& reply);
    void handle_contexts(Box& box, const HttpRequest& request, const ReplyPtr& reply);
    void create(const HttpRequest& request, const ReplyPtr& reply);
    void list(const HttpRequest& request, HttpReply& reply) const;
    void act_on(Box& box, const std::string& verb, const HttpRequest& request, HttpReply& reply);
    void is_ready(const std::string& id, const std::string& fault, HttpReply& reply);
    void set_timeout(Box& box, const HttpRequest& request, HttpReply& reply, const char* member,
                     bool only_longer);
    void remove(const std::string& id);
    void remove_old();
    [[nodiscard]] nlohmann::json access_to(Box& box) const;
    [[nodiscard]] nlohmann::json details_of(Box& box) const;
    [[nodiscard]] nlohmann::json metrics_of(Box& box) const;

    Loop& loop_;
    sandbox::Policy policy_;
    E2bOptions options_;
    std::map<std::string, std::unique_ptr<Box>> boxes_;
    std::unique_ptr<Watch> clock_;
};

}  // namespace cellblock::kernel
