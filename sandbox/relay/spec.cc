// A spec as bytes.
#include "sandbox/relay/spec.h"

#include "sandbox/base/bytes.h"

namespace cellblock::sandbox::relay {

namespace {

constexpr auto kMembers = [](auto& spec, auto field) {
    field(spec.command), field(spec.kill), field(spec.sweep), field(spec.program), field(spec.cgroup_files);
    field(spec.cgroup_folders), field(spec.folders), field(spec.mounts), field(spec.connections);
    field(spec.user), field(spec.group);
};

}  // namespace

Spec for_clearing(const Spec& spec) {
    Spec part;
    part.command = {spec.command.front()};
    part.kill = spec.kill;
    part.cgroup_folders = spec.cgroup_folders;
    part.folders = spec.folders;
    return part;
}

std::string to_bytes(const Spec& spec) {
    return members_to_bytes(spec, kMembers);
}

std::optional<Spec> spec_from(std::string_view bytes) {
    auto spec = members_from_bytes<Spec>(bytes, kMembers);
    return spec && !spec->command.empty() ? std::move(spec) : std::nullopt;
}

}  // namespace cellblock::sandbox::relay
