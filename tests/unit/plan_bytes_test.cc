// Plans and requests on their way to a warm Python.
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <set>
#include <string>

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

TEST_CASE("a nested jail takes from the warm Python's what that shows too, and the rest comes from outside") {
    auto plan = real_plan();
    if (plan->without_namespaces) {
        return;
    }
    const jail::IdBlock block{{0x70000000, 65536}, {0x70010000, 65536}};
    for (const bool as_root : {true, false}) {
        const auto outer =
            jail::build_zygote_plan({"/usr/bin/env", "pass", {"A=1"}, as_root ? block : jail::IdBlock{}},
                                    {"/usr/bin/python3", {}, {}}, {"/usr/lib", "/usr/bin/env"});
        REQUIRE(outer.ok());
        CHECK((*outer)->nested);
        CHECK((*outer)->landlock.abi == 0);
        auto inner = jail::plan_from_bytes(jail::plan_to_bytes(*plan));
        jail::nest(*inner, **outer);
        jail::renew_identity(*inner, as_root ? block : jail::IdBlock{});
        CHECK(inner->nested);
        CHECK(inner->cgroup_folders.empty());
        CHECK_FALSE(inner->identity.privileged);
        CHECK(inner->identity.mapped_by_attendant == as_root);
        for (const auto& step : inner->files) {
            INFO(step.target);
            if (step.target == "usr" || step.target == "dev/null") {
                CHECK_FALSE(step.outside);
                CHECK(step.source == "/" + step.target);
            }
            if (step.target == "data") {
                CHECK(step.outside);
                CHECK(step.source == "/usr/share");
            }
            if (step.target == jail::kWardenInside + 1) {
                CHECK(step.outside == as_root);  // shown with another owner in each
            }
        }
        REQUIRE(inner->overlay_options.size() == 1);
        CHECK(inner->overlay_options.front().ends_with(",userxattr"));
        const auto again = jail::plan_from_bytes(jail::plan_to_bytes(*inner));
        REQUIRE(again != nullptr);
        CHECK(jail::plan_to_bytes(*again) == jail::plan_to_bytes(*inner));
    }
}

TEST_CASE("each nested jail is another user of the block, and none is the warm Python's") {
    const jail::IdBlock block{{0x70000000, 1024}, {0x70010000, 1024}};
    std::set<uid_t> users;
    for (int i = 0; i < 5000; ++i) {
        const auto identity = jail::choose_nested_identity(block);
        users.insert(identity.user);
        CHECK(identity.user - 0x70000000U == identity.group - 0x70010000U);
        CHECK(identity.first_user_map == "1000 " + std::to_string(identity.user - 0x70000000U) + " 1\n");
    }
    CHECK(users.size() > 900);
    CHECK(*users.begin() > 0x70000000U);
    CHECK(*users.rbegin() < 0x70000000U + 1024);
    CHECK(users.count(0x70000000U + 1000) == 0);
    CHECK(jail::identity_of_keeper(block).user == 0x70000000U + 1000);
    CHECK(jail::identity_of_keeper(block).first_user_map == "0 1879048192 1024\n");
    // A host that has none to give: all have the caller's own.
    CHECK(jail::identity_of_keeper({}).user == ::geteuid());
    CHECK_FALSE(jail::choose_nested_identity({}).mapped_by_attendant);
}
