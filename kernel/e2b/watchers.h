// Watchers: clients that want to hear of changes in a folder of a box.
//
// Purpose: the calls WatchDir, CreateWatcher, GetWatcherEvents and RemoveWatcher of filesystem.Filesystem. A
// folder is listed again when its events are asked for, and each second for a client that follows them; what
// has changed since is told. So a file that came and went between two looks isn't told of, and a file that
// was moved is one that is gone and one that came.
//
// Refers to the box's FileRequests, which outlive it. For the loop's thread. Nothing throws.
#pragma once

#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "kernel/e2b/file_requests.h"
#include "kernel/http/message.h"

namespace cellblock::kernel {

class Watchers {
public:
    static constexpr std::size_t kMost = 32;

    explicit Watchers(FileRequests& files) : files_(files) {}

    void follow(const nlohmann::json& message, const std::shared_ptr<HttpReply>& reply);
    void create(const nlohmann::json& message, const std::shared_ptr<HttpReply>& reply);
    void get_events(const nlohmann::json& message, const std::shared_ptr<HttpReply>& reply);
    void remove(const nlohmann::json& message, HttpReply& reply);

    // The box calls this once a second.
    void tick();
    void end(const std::string& reason);

private:
    struct Watcher {
        std::string folder;
        int depth = 1;
        std::map<std::string, FoundFile> seen;  // by their paths
        std::shared_ptr<HttpReply> follower = {};
        bool looks = false;  // an answer is on its way
        int quiet_seconds = 0;
    };
    using Begun = std::function<void(const std::optional<sandbox::Error>&, const std::string& id)>;

    void begin(const nlohmann::json& message, Begun begun);
    void tell(const std::string& id);

    FileRequests& files_;
    std::map<std::string, Watcher> watchers_;
};

}  // namespace cellblock::kernel
