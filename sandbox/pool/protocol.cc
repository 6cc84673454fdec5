// Requests and answers as bytes.
#include "sandbox/pool/protocol.h"

#include <memory>

#include "sandbox/base/bytes.h"
#include "sandbox/base/digests.h"
#include "sandbox/base/socket.h"
#include "sandbox/pool/launch_order.h"

namespace cellblock::sandbox::pool {

namespace {

constexpr const char* kAsk = "ask the daemon";

constexpr auto kSpecMembers = [](auto& spec, auto field) {
    field(spec.program), field(spec.prefixes), field(spec.preload), field(spec.worker);
    field(spec.library), field(spec.environment), field(spec.learns);
};

constexpr auto kRecipeMembers = [](auto& recipe, auto field) {
    field(recipe.configure), field(recipe.debugger), field(recipe.memory_bytes), field(recipe.processes);
    field(recipe.cpus), field(recipe.sources), field(recipe.ready), field(recipe.most);
    field(recipe.patience);
};

constexpr auto kRequestMembers = [](auto& request, auto field) {
    kSpecMembers(request.spec, field);
    kRecipeMembers(request.recipe, field);
    field(request.names);
};

constexpr auto kGivenMembers = [](auto& given, auto field) {
    field(given.supervisor), field(given.cgroup), field(given.spec);
};

bool is_launched(Verb verb) {
    return verb == Verb::claim_launched || verb == Verb::claim_ready || verb == Verb::prepare_launched;
}

bool is_verb(char letter) {
    return std::string_view("cpmrqlsx").find(letter) != std::string_view::npos;
}

}  // namespace

std::string to_bytes(const Request& request) {
    return static_cast<char>(request.verb) + members_to_bytes(request, kRequestMembers);
}

std::optional<Request> request_from(std::string_view bytes) {
    if (bytes.empty() || !is_verb(bytes.front())) {
        return std::nullopt;
    }
    auto request = members_from_bytes<Request>(bytes.substr(1), kRequestMembers);
    if (request) {
        request->verb = static_cast<Verb>(bytes.front());
    }
    return request;
}

std::string key_of(const ZygoteSpec& spec) {
    return sha256(members_to_bytes(spec, kSpecMembers));
}

std::string key_of(const Request& request, std::string_view plan) {
    return sha256(sha256(members_to_bytes(request, kRequestMembers)) + sha256(std::string(plan)));
}

std::string family_of(const Request& request, std::string_view plan) {
    Request rest = request;
    rest.recipe.sources.clear();
    const auto order = is_launched(request.verb) ? launch_order_from(plan) : std::nullopt;
    return sha256(sha256(members_to_bytes(rest, kRequestMembers)) +
                  (order ? family_of(*order) : sha256(std::string(plan))));
}

std::string to_bytes(const Given& given) {
    return members_to_bytes(given, kGivenMembers);
}

std::optional<Given> given_from(std::string_view bytes) {
    return members_from_bytes<Given>(bytes, kGivenMembers);
}

Status send_message(int socket, const std::string& bytes, std::span<const int> descriptors) {
    if (bytes.size() > kMaxMessage || descriptors.size() > kMaxDescriptors) {
        return Error{kAsk, 0, "the request is too large", {}};
    }
    const ssize_t sent = send_with_descriptors(socket, bytes, descriptors);
    return sent == static_cast<ssize_t>(bytes.size()) ? Status(Ok{}) : errno_error(kAsk);
}

Result<Message> receive_message(int socket, std::chrono::milliseconds patience) {
    if (!is_readable(socket, patience)) {
        return Error{kAsk, 0, "it takes too long to answer", {}};
    }
    const auto room = std::make_unique_for_overwrite<char[]>(kMaxMessage);
    Received received = receive_with_descriptors(socket, {room.get(), kMaxMessage});
    if (received.size < 0) {
        return errno_error(kAsk);
    }
    if (received.size == 0 || received.cut) {
        return Error{kAsk, 0, received.size == 0 ? "it is gone" : "a message is too large", {}};
    }
    return Message{std::string(room.get(), static_cast<std::size_t>(received.size)),
                   std::move(received.descriptors)};
}

}  // namespace cellblock::sandbox::pool
