#include "kernel/server/comm_target.h"

#include <algorithm>
#include <utility>

#include "kernel/jupyter/message_text.h"

namespace cellblock::kernel {

using nlohmann::json;

namespace {

std::string text_in(const json& object, const char* name) {
    const auto found = object.find(name);
    return found != object.end() && found->is_string() ? found->get<std::string>() : std::string();
}

}  // namespace

std::string comm_of(const Message& request) {
    return text_in(request.content, "comm_id");
}

json comm_error(const std::string& ename, const std::string& evalue) {
    return {{"status", "error"}, {"ename", ename}, {"evalue", evalue}};
}

bool CommTarget::is_for(const Message& request) const {
    if (request.type() == "comm_open") {
        return text_in(request.content, "target_name") == name_;
    }
    return (request.type() == "comm_msg" || request.type() == "comm_close") && is_open(comm_of(request));
}

bool CommTarget::open_or_close(const Message& request) {
    const std::string comm = comm_of(request);
    if (request.type() == "comm_msg") {
        return false;
    }
    if (request.type() == "comm_close") {
        open_.erase(comm);
    } else if (!comm.empty() && comm.size() <= kMostId && open_.size() < kMostOpen) {
        open_.insert(comm);
    } else {  // as Jupyter does where a comm can't be opened
        publisher_.publish("comm_close", request.header_text,
                           ObjectText().text("comm_id", comm).raw("data", "{}").finish());
    }
    return true;
}

void CommTarget::send(const std::string& comm, const std::string& parent, const json& data,
                      Frames buffers) const {
    publisher_.publish("comm_msg", parent,
                       ObjectText()
                           .text("comm_id", comm)
                           .raw("data", data.dump(-1, ' ', false, json::error_handler_t::replace))
                           .finish(),
                       "{}", std::move(buffers));
}

std::string CommTarget::with_open_comms(std::string content) const {
    json reply = open_.empty() ? json() : json::parse(content, nullptr, /*allow_exceptions=*/false);
    if (!reply.is_object() || !reply["comms"].is_object()) {
        return content;
    }
    for (const auto& comm : open_) {
        reply["comms"][comm] = {{"target_name", name_}};
    }
    return reply.dump(-1, ' ', false, json::error_handler_t::replace);
}

// --- a request's members

std::string CommMembers::id() {
    std::string id = data_.value("id", json()).dump(-1, ' ', true, json::error_handler_t::replace);
    if (id.size() > CommTarget::kMostId) {
        fail("'id' is too long");
        return "null";
    }
    return id;
}

std::string CommMembers::text(const char* name, const std::optional<std::string>& otherwise) {
    const json* const value = any(name);
    if (value == nullptr && otherwise) {
        return *otherwise;
    }
    if (value == nullptr || !value->is_string()) {
        fail(std::string(name) + " must be a text");
        return {};
    }
    return value->get<std::string>();
}

std::optional<std::uint64_t> CommMembers::number(const char* name, std::uint64_t most) {
    const json* const value = any(name);
    if (value == nullptr) {
        return std::nullopt;
    }
    if (!value->is_number_unsigned() || value->get<std::uint64_t>() > most) {
        fail(std::string(name) + " must be a whole number" +
             (most < kMostNumber ? " from 0 to " + std::to_string(most) : " of bytes"));
        return 0;
    }
    return value->get<std::uint64_t>();
}

bool CommMembers::flag(const char* name) {
    const json* const value = any(name);
    if (value != nullptr && !value->is_boolean()) {
        fail(std::string(name) + " must be true or false");
    }
    return value != nullptr && value->is_boolean() && value->get<bool>();
}

std::vector<std::string> CommMembers::texts(const char* name) {
    const json* const value = any(name);
    if (value == nullptr || !value->is_array() ||
        !std::all_of(value->begin(), value->end(), [](const json& one) { return one.is_string(); })) {
        fail(std::string(name) + " must be a list of texts");
        return {};
    }
    return value->get<std::vector<std::string>>();
}

const json* CommMembers::any(const char* name) {
    known_.emplace_back(name);
    const auto found = data_.find(name);
    return found != data_.end() ? &*found : nullptr;
}

std::string CommMembers::fault() {
    for (const auto& [name, value] : data_.items()) {
        if (std::find(known_.begin(), known_.end(), name) == known_.end()) {
            fail("there is no member '" + name.substr(0, 40) + "' for this 'do'");
        }
    }
    return fault_;
}

}  // namespace cellblock::kernel
