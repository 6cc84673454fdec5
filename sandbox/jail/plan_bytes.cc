// A plan as bytes. One list of members serves both ways.
#include "sandbox/jail/plan_bytes.h"

#include <sys/stat.h>
#include <unistd.h>

#include "sandbox/base/bytes.h"
#include "sandbox/base/text.h"

namespace cellblock::sandbox::jail {

namespace {

constexpr std::uint32_t kFormat = 5;
constexpr std::size_t kBytesOfStep = 40;  // at least

// `field` is called with each member, in an order that both ways share.
template <class Step, class Field>
void step_fields(Step& step, Field field) {
    field(step.target), field(step.source), field(step.text), field(step.optional), field(step.is_file);
    field(step.device), field(step.give_owner), field(step.outside);
    field(step.user_map), field(step.group_map);
    field(step.mode), field(step.overlay_number), field(step.label);
}

template <class Identity, class Field>
void identity_fields(Identity& identity, Field field) {
    field(identity.privileged), field(identity.mapped_by_attendant);
    field(identity.user), field(identity.group);
    field(identity.first_user_map), field(identity.first_group_map);
    field(identity.last_user_map), field(identity.last_group_map);
}

template <class Plan, class Field>
void plain_fields(Plan& plan, Field field) {
    identity_fields(plan.identity, field);
    field(plan.overlay_options), field(plan.scratch_options), field(plan.working_directory);
    field(plan.nested), field(plan.host_network), field(plan.listens), field(plan.shows_changes),
        field(plan.cgroup_files), field(plan.cgroup_folders);
    field(plan.landlock.abi), field(plan.landlock.handled), field(plan.landlock.scoped);
    field(plan.landlock.network), field(plan.landlock.ports);
    field(plan.filter_options.memory_is_limited), field(plan.filter_options.namespaces);
    field(plan.filter_options.own_user), field(plan.filter_options.builder);
    field(plan.filter_options.makes_jails);
    field(plan.arguments), field(plan.environment);
}

void read_files(ByteReader& in, JailPlan& plan) {
    plan.files.resize(in.count(kBytesOfStep));
    for (auto& step : plan.files) {
        std::int32_t kind = 0;
        in.read(kind);
        step.kind = static_cast<FileStepKind>(kind);
        step_fields(step, [&](auto& value) { in.read(value); });
    }
    plan.sources.assign(plan.files.size(), -1);
    plan.cgroup_descriptors.assign(plan.cgroup_files.size(), -1);
}

void read_rules(ByteReader& in, JailPlan& plan) {
    plan.limits.resize(in.count(sizeof(rlim_t)));
    for (auto& limit : plan.limits) {
        in.read(limit.resource);
        in.read(limit.value);
    }
    plan.landlock.rules.resize(in.count(sizeof(std::uint64_t)));
    for (auto& rule : plan.landlock.rules) {
        in.read(rule.path);
        in.read(rule.rights);
    }
    plan.filter.resize(in.count(sizeof(sock_filter)));
    for (auto& line : plan.filter) {
        in.read(line.code);
        in.read(line.jt);
        in.read(line.jf);
        in.read(line.k);
    }
}

}  // namespace

std::string plan_to_bytes(const JailPlan& plan) {
    ByteWriter out;
    out.add(kFormat);
    plain_fields(plan, [&](const auto& value) { out.add(value); });
    out.add(static_cast<std::uint32_t>(plan.files.size()));
    for (const auto& step : plan.files) {
        out.add(static_cast<std::int32_t>(step.kind));
        step_fields(step, [&](const auto& value) { out.add(value); });
    }
    out.add(static_cast<std::uint32_t>(plan.limits.size()));
    for (const auto& limit : plan.limits) {
        out.add(limit.resource);
        out.add(limit.value);
    }
    out.add(static_cast<std::uint32_t>(plan.landlock.rules.size()));
    for (const auto& rule : plan.landlock.rules) {
        out.add(rule.path);
        out.add(rule.rights);
    }
    out.add(static_cast<std::uint32_t>(plan.filter.size()));
    for (const auto& line : plan.filter) {
        out.add(line.code);
        out.add(line.jt);
        out.add(line.jf);
        out.add(line.k);
    }
    return out.take();
}

std::unique_ptr<JailPlan> plan_from_bytes(std::string_view bytes) {
    ByteReader in(bytes);
    std::uint32_t format = 0;
    in.read(format);
    if (format != kFormat) {
        return nullptr;
    }
    auto plan = std::make_unique<JailPlan>();
    plain_fields(*plan, [&](auto& value) { in.read(value); });
    read_files(in, *plan);
    read_rules(in, *plan);
    if (in.failed() || !in.at_end() || plan->arguments.empty()) {
        return nullptr;
    }
    plan->argv = pointers(plan->arguments);
    plan->envp = pointers(plan->environment);
    return plan;
}

std::string plan_bytes_in(int fd) {
    struct stat info {};
    if (::fstat(fd, &info) != 0 || info.st_size <= 0 || info.st_size > static_cast<off_t>(kMaxPlanBytes)) {
        return {};
    }
    std::string bytes(static_cast<std::size_t>(info.st_size), '\0');
    const ssize_t size = ::pread(fd, bytes.data(), bytes.size(), 0);
    return size == static_cast<ssize_t>(bytes.size()) ? bytes : std::string();
}

}  // namespace cellblock::sandbox::jail
