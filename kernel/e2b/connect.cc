#include "kernel/e2b/connect.h"

#include <algorithm>
#include <array>
#include <cerrno>

namespace cellblock::kernel {

using nlohmann::json;

namespace {

constexpr char kLast = 2;  // the flag of a stream's end
constexpr std::size_t kHead = 5;

struct Status {
    std::string_view code;
    int status;
};
constexpr std::array kStatuses{
    Status{"invalid_argument", 400}, Status{"not_found", 404},          Status{"already_exists", 409},
    Status{"unauthenticated", 401},  Status{"permission_denied", 403},  Status{"unimplemented", 501},
    Status{"unavailable", 503},      Status{"resource_exhausted", 429}, Status{"failed_precondition", 400},
};

std::string enclosed(char flags, const std::string& text) {
    const auto size = static_cast<std::uint32_t>(text.size());
    std::string out{flags, static_cast<char>(size >> 24), static_cast<char>(size >> 16),
                    static_cast<char>(size >> 8), static_cast<char>(size)};
    return out + text;
}

json told(const RpcError& error) {
    return {{"code", error.code}, {"message", error.message}};
}

}  // namespace

std::string dumped(const json& value) {
    return value.dump(-1, ' ', false, json::error_handler_t::replace);
}

std::string envelope(const std::string& text) {
    return enclosed(0, text);
}

std::string last_envelope(const std::optional<RpcError>& error) {
    return enclosed(kLast, error ? dumped({{"error", told(*error)}}) : "{}");
}

std::uint64_t envelope_size(std::string_view body) {
    if (body.size() < kHead) {
        return 0;
    }
    std::uint64_t size = 0;
    for (std::size_t i = 1; i < kHead; ++i) {
        size = size << 8 | static_cast<unsigned char>(body[i]);
    }
    return kHead + size;
}

std::optional<std::string_view> first_envelope(std::string_view body) {
    const std::uint64_t size = envelope_size(body);
    const bool is_there = size > 0 && size <= body.size() && body[0] == 0;
    return is_there ? std::optional(body.substr(kHead, size - kHead)) : std::nullopt;
}

std::optional<std::string_view> take_envelope(std::string_view& body) {
    const auto text = first_envelope(body);
    body.remove_prefix(text ? kHead + text->size() : 0);
    return text;
}

void answer_call(HttpReply& reply, const json& message) {
    reply.send(200, "application/json", dumped(message));
}

void refuse_call(HttpReply& reply, const RpcError& error) {
    const auto found = std::find_if(kStatuses.begin(), kStatuses.end(),
                                    [&](const Status& one) { return one.code == error.code; });
    reply.send(found == kStatuses.end() ? 500 : found->status, "application/json", dumped(told(error)));
}

void answer_stream(HttpReply& reply, const json& message) {
    reply.send(200, "application/connect+json", envelope(dumped(message)) + last_envelope());
}

void refuse_stream(HttpReply& reply, const RpcError& error) {
    reply.send(200, "application/connect+json", last_envelope(error));
}

void refuse(HttpReply& reply, int status, const std::string& why) {
    reply.send(status, "application/json", dumped({{"code", status}, {"message", why}}));
}

std::string text_of(const json& object, const char* name) {
    const auto found = object.find(name);
    return found != object.end() && found->is_string() ? found->get<std::string>() : std::string();
}

RpcError rpc_error(int code, const std::string& message) {
    switch (code) {
        case ENOENT:
            return {"not_found", message};
        case EACCES:
        case EPERM:
        case EROFS:
            return {"permission_denied", message};
        case ENOSPC:
        case EDQUOT:
            return {"resource_exhausted", message};
        case 0:
            return {"unavailable", message};
        default:
            return {"invalid_argument", message};
    }
}

}  // namespace cellblock::kernel
