// Filesystem: the files of one box, as E2B's clients reach them: /files and filesystem.Filesystem.
//
// Purpose: paths are the sandbox's own, relative to the working directory or absolute. Large files travel in
// pieces; a file of several pieces is written beside its place and moved there.
//
// Refers to the box's session, which outlives it. For the loop's thread. Nothing throws.
#pragma once

#include <cstdint>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>

#include "kernel/e2b/file_requests.h"
#include "kernel/e2b/port.h"
#include "kernel/e2b/watchers.h"
#include "kernel/http/message.h"
#include "sandbox/api/types.h"

namespace cellblock::kernel {

class Filesystem {
public:
    explicit Filesystem(SessionPort port) : requests_(std::move(port)), watchers_(requests_) {}

    // GET /files
    void read(const HttpRequest& request, const std::shared_ptr<HttpReply>& reply);
    // POST /files. A compressed file may have so many bytes; a longer one is refused with 413, and a broken
    // one with 400, before anything is written.
    void write(HttpRequest request, const std::shared_ptr<HttpReply>& reply, std::uint64_t most_inflated);
    // A call of filesystem.Filesystem: "ListDir", "Stat" ….
    void call(const std::string& method, const HttpRequest& request, const std::shared_ptr<HttpReply>& reply);

    void on(sandbox::Event& event) { requests_.on(event); }
    void tick() { watchers_.tick(); }
    void end(const std::string& reason) {
        watchers_.end(reason);
        requests_.end(reason);
    }

private:
    using ReplyPtr = std::shared_ptr<HttpReply>;

    void list(const nlohmann::json& message, const ReplyPtr& reply);
    void stat(const nlohmann::json& message, const ReplyPtr& reply);
    void make(const nlohmann::json& message, const ReplyPtr& reply);
    void move(const nlohmann::json& message, const ReplyPtr& reply);
    void remove(const nlohmann::json& message, const ReplyPtr& reply);
    // Answers with the entry of what lies at a path.
    void answer_with(const std::string& path, const ReplyPtr& reply);

    FileRequests requests_;
    Watchers watchers_;
};

}  // namespace cellblock::kernel
