#include "kernel/server/debug_requests.h"

#include <utility>

namespace cellblock::kernel {

void DebugRequests::begin(const Message& request, Channel channel) {
    publisher_.status("busy", request.header_text);
    parent_ = request.header_text;
    const sandbox::DebugId id = session_.debug(request.content_text);
    Pending pending{request, channel};
    pending.request.content = nullptr;
    pending.request.content_text.clear();
    pending.request.buffers.clear();
    pending_.emplace(id, std::move(pending));
}

void DebugRequests::on(sandbox::DebugReply reply) {
    const auto found = pending_.find(reply.request);
    if (found == pending_.end()) {
        return;
    }
    const Message& request = found->second.request;
    publisher_.reply(found->second.channel, request, "debug_reply", std::move(reply.content.text));
    publisher_.status("idle", request.header_text);
    pending_.erase(found);
}

void DebugRequests::on(sandbox::DebugEvent event) {
    publisher_.publish("debug_event", parent_, std::move(event.content.text));
}

}  // namespace cellblock::kernel
