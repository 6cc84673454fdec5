// Plans and requests on their way to a warm Python.
#include <cstdlib>
#include <filesystem>

#include "sandbox/jail/plan_bytes.h"
#include "tests/unit/catch.h"

namespace {

using namespace cellblock::sandbox;
namespace fs = std::filesystem;

std::unique_ptr<jail::JailPlan> real_plan() {
    Policy policy = builtin_policy();
    policy.files.push_back({"/usr/share", "/data", FileMode::overlay});
    policy.environment.push_back({"GREETING", "hello = \"world\""});
    auto plan =
        jail::build_plan(policy, {"/"}, {"/usr/bin/python3", {}, {}}, {"/usr/share", "/usr/bin/env"}, false);
    REQUIRE(plan.ok());
    REQUIRE(jail::complete_filter(**plan).ok());
    return std::move(*plan);
}

}  // namespace

TEST_CASE("a plan is the same after its way as bytes") {
    auto plan = real_plan();
    if (plan->without_namespaces) {
        return;
    }
    plan->cgroup_files = {"/sys/fs/cgroup/a/cgroup.procs"};
    plan->cgroup_folders = {"/sys/fs/cgroup/a"};
    const std::string bytes = jail::plan_to_bytes(*plan);
    REQUIRE(bytes.size() < jail::kMaxPlanBytes);
    const auto copy = jail::plan_from_bytes(bytes);
    REQUIRE(copy != nullptr);
    CHECK(jail::plan_to_bytes(*copy) == bytes);
    CHECK(copy->files.size() == plan->files.size());
    CHECK(copy->files.back().target == plan->files.back().target);
    CHECK(copy->sources == std::vector<int>(plan->files.size(), -1));
    CHECK(copy->filter.size() == plan->filter.size());
    CHECK(copy->identity.last_user_map == plan->identity.last_user_map);
    CHECK(copy->overlay_options == plan->overlay_options);
    CHECK(copy->landlock.rules.size() == plan->landlock.rules.size());
    CHECK(copy->limits.size() == plan->limits.size());
    REQUIRE(copy->argv.size() == plan->argv.size());
    CHECK(copy->argv[0] == copy->arguments[0].data());
    CHECK(std::string(copy->argv[0]) == jail::kWardenInside);
    CHECK(copy->arguments == plan->arguments);
    CHECK(copy->argv.back() == nullptr);
    CHECK(copy->envp.size() == plan->environment.size() + 1);
}

TEST_CASE("a part of a plan, or one with something behind it, is no plan") {
    const std::string bytes = jail::plan_to_bytes(*real_plan());
    for (std::size_t size = 0; size < bytes.size(); size += size < 600 ? 1 : 97) {
        CHECK(jail::plan_from_bytes(std::string_view(bytes).substr(0, size)) == nullptr);
    }
    CHECK(jail::plan_from_bytes(bytes + "x") == nullptr);
    CHECK(jail::plan_from_bytes(std::string(64, '\xff')) == nullptr);
}

TEST_CASE("counts that can't be true give no memory away") {
    std::string bytes = jail::plan_to_bytes(*real_plan());
    for (std::size_t at = 0; at + 4 <= bytes.size() && at < 4000; ++at) {
        std::string wrong = bytes;
        wrong.replace(at, 4, "\xff\xff\xff\x7f");
        (void)jail::plan_from_bytes(wrong);  // whatever it says: it comes back
    }
    SUCCEED();
}
