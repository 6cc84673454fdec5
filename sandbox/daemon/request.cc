// Requests and answers as bytes.
#include "sandbox/daemon/request.h"

#include "sandbox/base/bytes.h"
#include "sandbox/base/sha256.h"
#include "sandbox/daemon/order.h"

namespace cellblock::sandbox::daemon {

namespace {

// `field` is called with each member, in an order that both ways share.
template <class Spec, class Field>
void spec_fields(Spec& spec, Field field) {
    field(spec.program), field(spec.prefixes), field(spec.preload), field(spec.worker);
    field(spec.library), field(spec.environment);
}

template <class Recipe, class Field>
void recipe_fields(Recipe& recipe, Field field) {
    field(recipe.configure), field(recipe.debugger), field(recipe.memory_bytes), field(recipe.processes);
    field(recipe.cpus), field(recipe.sources), field(recipe.ready), field(recipe.most),
        field(recipe.patience);
}

template <class Given, class Field>
void given_fields(Given& given, Field field) {
    field(given.supervisor), field(given.cgroup), field(given.spec);
}

std::string spec_bytes(const ZygoteSpec& spec) {
    ByteWriter out;
    spec_fields(spec, [&](const auto& value) { out.add(value); });
    return out.take();
}

std::string recipe_bytes(const Recipe& recipe) {
    ByteWriter out;
    recipe_fields(recipe, [&](const auto& value) { out.add(value); });
    return out.take();
}

bool is_of_made(Verb verb) {
    return verb == Verb::claim_made || verb == Verb::claim_ready || verb == Verb::prepare_made;
}

bool is_verb(char letter) {
    return std::string_view("cpmrqsx").find(letter) != std::string_view::npos;
}

}  // namespace

std::string to_bytes(const Request& request) {
    return static_cast<char>(request.verb) + spec_bytes(request.spec) + recipe_bytes(request.recipe);
}

std::optional<Request> request_from(std::string_view bytes) {
    if (bytes.empty() || !is_verb(bytes.front())) {
        return std::nullopt;
    }
    Request request;
    request.verb = static_cast<Verb>(bytes.front());
    ByteReader in(bytes.substr(1));
    spec_fields(request.spec, [&](auto& value) { in.read(value); });
    recipe_fields(request.recipe, [&](auto& value) { in.read(value); });
    if (in.failed() || !in.at_end()) {
        return std::nullopt;
    }
    return request;
}

std::string key_of(const ZygoteSpec& spec) {
    return sha256(spec_bytes(spec));
}

std::string key_of(const Request& request, std::string_view plan) {
    return sha256(sha256(spec_bytes(request.spec)) + sha256(recipe_bytes(request.recipe)) +
                  sha256(std::string(plan)));
}

std::string family_of(const Request& request, std::string_view plan) {
    Recipe recipe = request.recipe;
    recipe.sources.clear();
    const auto order = is_of_made(request.verb) ? order_from(plan) : std::nullopt;
    return sha256(sha256(spec_bytes(request.spec)) + sha256(recipe_bytes(recipe)) +
                  (order ? family_of(*order) : sha256(std::string(plan))));
}

std::string to_bytes(const Given& given) {
    ByteWriter out;
    given_fields(given, [&](const auto& value) { out.add(value); });
    return out.take();
}

std::optional<Given> given_from(std::string_view bytes) {
    Given given;
    ByteReader in(bytes);
    given_fields(given, [&](auto& value) { in.read(value); });
    return in.failed() || !in.at_end() ? std::nullopt : std::optional(given);
}

}  // namespace cellblock::sandbox::daemon
