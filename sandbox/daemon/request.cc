// Requests as bytes.
#include "sandbox/daemon/request.h"

#include "sandbox/base/bytes.h"
#include "sandbox/base/sha256.h"

namespace cellblock::sandbox::daemon {

namespace {

template <class Spec, class Field>
void spec_fields(Spec& spec, Field field) {
    field(spec.program), field(spec.prefixes), field(spec.preload), field(spec.worker);
    field(spec.library), field(spec.environment);
}

std::string spec_bytes(const ZygoteSpec& spec) {
    ByteWriter out;
    spec_fields(spec, [&](const auto& value) { out.add(value); });
    return out.take();
}

bool is_verb(char letter) {
    return std::string_view("cpsx").find(letter) != std::string_view::npos;
}

}  // namespace

std::string to_bytes(const Request& request) {
    return static_cast<char>(request.verb) + spec_bytes(request.spec);
}

std::optional<Request> request_from(std::string_view bytes) {
    if (bytes.empty() || !is_verb(bytes.front())) {
        return std::nullopt;
    }
    Request request;
    request.verb = static_cast<Verb>(bytes.front());
    ByteReader in(bytes.substr(1));
    spec_fields(request.spec, [&](auto& value) { in.read(value); });
    if (in.failed() || !in.at_end()) {
        return std::nullopt;
    }
    return request;
}

std::string key_of(const ZygoteSpec& spec) {
    return sha256(spec_bytes(spec));
}

}  // namespace cellblock::sandbox::daemon
