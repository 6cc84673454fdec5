#include "kernel/e2b/watchers.h"

#include <cerrno>
#include <utility>

#include "kernel/e2b/connect.h"
#include "sandbox/base/digests.h"

namespace cellblock::kernel {

using namespace sandbox;
using nlohmann::json;

namespace {

constexpr int kDeepest = 8;  // of a folder that is watched with those below it
constexpr int kKeepaliveSeconds = 20;

json event_of(const std::string& folder, const std::string& path, const char* type) {
    return {{"name", path.substr(folder.size() + (folder.ends_with('/') ? 0 : 1))}, {"type", type}};
}

// The changes of a folder since `seen` was noted, which becomes what is there now.
json changes(const std::string& folder, std::map<std::string, FoundFile>& seen,
             std::vector<FoundFile> found) {
    json events = json::array();
    std::map<std::string, FoundFile> now;
    for (auto& file : found) {
        const auto before = seen.find(file.path);
        if (before == seen.end() || before->second.kind != file.kind) {
            events.push_back(event_of(folder, file.path, "EVENT_TYPE_CREATE"));
        } else if (file.kind == FileKind::file && (before->second.size_bytes != file.size_bytes ||
                                                   before->second.modified != file.modified)) {
            events.push_back(event_of(folder, file.path, "EVENT_TYPE_WRITE"));
        }
        std::string path = file.path;
        now.emplace(std::move(path), std::move(file));
    }
    for (const auto& [path, file] : seen) {
        if (!now.contains(path)) {
            events.push_back(event_of(folder, path, "EVENT_TYPE_REMOVE"));
        }
    }
    seen = std::move(now);
    return events;
}

RpcError told(const Error& error) {
    return rpc_error(error.code, error.text());
}

RpcError no_watcher() {
    return {"not_found", "there is no such watcher (any more)"};
}

}  // namespace

void Watchers::begin(const json& message, Begun begun) {
    if (watchers_.size() >= kMost) {
        return begun(Error{{}, EDQUOT, "there are 32 watchers of this sandbox already: remove one", {}}, {});
    }
    const std::string path = text_of(message, "path");
    if (!is_path(path)) {
        return begun(Error{{}, EINVAL, std::string("the message has no path: ") + kPathRule, {}}, {});
    }
    const std::string folder = inside(path);
    const std::string id = random_hex(8);
    Watcher& watcher = watchers_[id];
    watcher.folder = folder;
    watcher.depth = message.value("recursive", json(false)) == json(true) ? kDeepest : 1;
    watcher.looks = true;
    files_.list(folder, watcher.depth,
                [this, id, begun = std::move(begun)](const std::optional<Error>& error,
                                                     std::vector<FoundFile> found) {
                    const auto known = watchers_.find(id);
                    if (known == watchers_.end()) {
                        return begun(Error{{}, ENOENT, no_watcher().message, {}}, {});
                    }
                    if (error) {
                        watchers_.erase(known);
                        return begun(error, {});
                    }
                    changes(known->second.folder, known->second.seen, std::move(found));
                    known->second.looks = false;
                    begun(std::nullopt, id);
                });
}

void Watchers::create(const json& message, const std::shared_ptr<HttpReply>& reply) {
    begin(message, [reply](const std::optional<Error>& error, const std::string& id) {
        error ? refuse_call(*reply, told(*error)) : answer_call(*reply, {{"watcherId", id}});
    });
}

void Watchers::get_events(const json& message, const std::shared_ptr<HttpReply>& reply) {
    const std::string id = text_of(message, "watcherId");
    const auto known = watchers_.find(id);
    if (known == watchers_.end()) {
        return refuse_call(*reply, no_watcher());
    }
    files_.list(
        known->second.folder, known->second.depth,
        [this, id, reply](const std::optional<Error>& error, std::vector<FoundFile> found) {
            const auto still = watchers_.find(id);
            if (error || still == watchers_.end()) {
                return refuse_call(*reply, error ? told(*error) : no_watcher());
            }
            Watcher& watcher = still->second;
            answer_call(*reply, {{"events", changes(watcher.folder, watcher.seen, std::move(found))}});
        });
}

void Watchers::remove(const json& message, HttpReply& reply) {
    if (watchers_.erase(text_of(message, "watcherId")) == 0) {
        return refuse_call(reply, no_watcher());
    }
    answer_call(reply, json::object());
}

void Watchers::follow(const json& message, const std::shared_ptr<HttpReply>& reply) {
    begin(message, [this, reply](const std::optional<Error>& error, const std::string& id) {
        if (error) {
            return refuse_stream(*reply, told(*error));
        }
        watchers_[id].follower = reply;
        reply->begin(200, "application/connect+json");
        reply->write(envelope(R"({"start":{}})"));
        reply->on_closed([this, id] { watchers_.erase(id); });
    });
}

void Watchers::tell(const std::string& id) {
    Watcher& asked = watchers_.at(id);
    asked.looks = true;
    files_.list(asked.folder, asked.depth,
                [this, id](const std::optional<Error>& error, std::vector<FoundFile> found) {
                    const auto known = watchers_.find(id);
                    if (known == watchers_.end()) {
                        return;
                    }
                    Watcher& watcher = known->second;
                    watcher.looks = false;
                    const auto follower = watcher.follower;
                    if (error) {
                        watchers_.erase(known);
                        follower->write(last_envelope(told(*error)));
                        return follower->end();
                    }
                    for (const auto& event : changes(watcher.folder, watcher.seen, std::move(found))) {
                        watcher.quiet_seconds = 0;
                        follower->write(envelope(dumped({{"filesystem", event}})));
                    }
                });
}

void Watchers::tick() {
    std::vector<std::string> due;
    for (auto& [id, watcher] : watchers_) {
        if (watcher.follower && !watcher.looks) {
            due.push_back(id);
            if (++watcher.quiet_seconds >= kKeepaliveSeconds) {
                watcher.quiet_seconds = 0;
                watcher.follower->write(envelope(R"({"keepalive":{}})"));
            }
        }
    }
    for (const auto& id : due) {
        tell(id);
    }
}

void Watchers::end(const std::string& reason) {
    for (const auto& [id, watcher] : std::exchange(watchers_, {})) {
        if (watcher.follower) {
            watcher.follower->write(last_envelope(RpcError{"unavailable", reason}));
            watcher.follower->end();
        }
    }
}

}  // namespace cellblock::kernel
