// A spec as bytes.
#include "sandbox/relay/spec.h"

#include "sandbox/base/bytes.h"

namespace cellblock::sandbox::relay {

namespace {

template <class Self, class Field>
void fields(Self& self, Field field) {
    field(self.command), field(self.kill), field(self.sweep), field(self.program), field(self.cgroup_procs);
    field(self.cgroup_folders), field(self.folders), field(self.mounts), field(self.user), field(self.group);
}

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
    ByteWriter out;
    fields(spec, [&](const auto& value) { out.add(value); });
    return out.take();
}

std::optional<Spec> spec_from(std::string_view bytes) {
    Spec spec;
    ByteReader in(bytes);
    fields(spec, [&](auto& value) { in.read(value); });
    return in.failed() || !in.at_end() || spec.command.empty() ? std::nullopt : std::optional(spec);
}

}  // namespace cellblock::sandbox::relay
