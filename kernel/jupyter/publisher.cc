#include "kernel/jupyter/publisher.h"

#include "kernel/jupyter/message_text.h"
#include "sandbox/base/digests.h"

namespace cellblock::kernel {

Headers::Headers(const std::string& username) : session_(sandbox::random_hex(16)) {
    fixed_ = R"(,"session":")" + session_ + R"(","username":)" + json_string(username) + R"(,"version":")" +
             kProtocolVersion + "\"}";
}

std::string Headers::last_id() const {
    return session_ + "_" + std::to_string(count_);
}

std::string Headers::make(const std::string& type) {
    ++count_;
    return R"({"msg_id":")" + last_id() + R"(","msg_type":)" + json_string(type) + R"(,"date":")" +
           iso_date_now() + "\"" + fixed_;
}

void Publisher::publish(const std::string& type, const std::string& parent, std::string content,
                        std::string metadata, Frames buffers) {
    tell_starting();
    Outgoing message;
    message.identities = {"kernel." + headers_.session() + "." + type};
    message.header = headers_.make(type);
    message.parent_header = parent;
    message.metadata = std::move(metadata);
    message.content = std::move(content);
    message.buffers = std::move(buffers);
    held_.push_back(wire_.serialise(std::move(message)));
    if (!holding_) {
        release();
    }
}

void Publisher::release() {
    holding_ = false;
    for (auto& frames : held_) {
        sockets_.send(Channel::iopub, std::move(frames));
    }
    held_.clear();
}

void Publisher::tell_starting() {
    if (!told_starting_) {
        told_starting_ = true;
        status("starting", "{}");
    }
}

void Publisher::status(const std::string& state, const std::string& parent) {
    publish("status", parent, ObjectText().text("execution_state", state).finish());
}

void Publisher::reply(Channel channel, const Message& request, const std::string& type, std::string content,
                      std::string metadata) {
    release();
    Outgoing message;
    message.identities = request.identities;
    message.header = headers_.make(type);
    message.parent_header = request.header_text;
    message.metadata = std::move(metadata);
    message.content = std::move(content);
    sockets_.send(channel, wire_.serialise(std::move(message)));
}

std::string Publisher::ask_input(const Frames& identities, const std::string& parent,
                                 const std::string& prompt, bool password) {
    while (sockets_.receive(Channel::input)) {
    }
    Outgoing message;
    message.identities = identities;
    message.header = headers_.make("input_request");
    message.parent_header = parent;
    message.content = ObjectText().text("prompt", prompt).flag("password", password).finish();
    sockets_.send(Channel::input, wire_.serialise(std::move(message)));
    return headers_.last_id();
}

void Publisher::welcome(const std::string& topic) {
    Outgoing message;
    message.identities = {topic};
    message.header = headers_.make("iopub_welcome");
    message.content = ObjectText().text("subscription", topic).finish();
    sockets_.send(Channel::iopub, wire_.serialise(std::move(message)));
    tell_starting();
}

std::string error_content(const std::string& ename, const std::string& evalue,
                          const std::vector<std::string>& traceback) {
    return ObjectText()
        .text("status", "error")
        .text("ename", ename)
        .text("evalue", evalue)
        .raw("traceback", json_strings(traceback))
        .finish();
}

}  // namespace cellblock::kernel
