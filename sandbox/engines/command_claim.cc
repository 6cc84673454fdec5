// Claiming what a maker has made.
#include "sandbox/engines/command_claim.h"

#include <unistd.h>

#include <algorithm>
#include <string_view>

#include "sandbox/base/resources.h"
#include "sandbox/engines/start_stamp.h"
#include "sandbox/jail/python_home.h"

namespace cellblock::sandbox::pool {

namespace {

// Two sessions of one user that differ in these alone get the same sandboxes. Names that end in _ stand for
// all that begin so.
constexpr std::string_view kOfOneSession[] = {"_",
                                              "PWD",
                                              "OLDPWD",
                                              "SHLVL",
                                              "TERM",
                                              "COLORTERM",
                                              "COLUMNS",
                                              "LINES",
                                              "WINDOWID",
                                              "SSH_CLIENT",
                                              "SSH_CONNECTION",
                                              "SSH_TTY",
                                              "JPY_",
                                              "VSCODE_",
                                              "TERM_",
                                              "XDG_SESSION_ID",
                                              "INVOCATION_ID",
                                              "JOURNAL_STREAM",
                                              "MEMORY_PRESSURE_",
                                              "PYTEST_CURRENT_TEST",
                                              "CELLBLOCK_DAEMON"};

bool is_of_one_session(std::string_view name) {
    return std::any_of(std::begin(kOfOneSession), std::end(kOfOneSession), [&](std::string_view one) {
        return name == one || (one.size() > 1 && one.ends_with('_') && name.starts_with(one));
    });
}

bool is_passed_on(const Policy& policy, std::string_view name) {
    return std::any_of(policy.environment.begin(), policy.environment.end(),
                       [&](const EnvironmentRule& rule) { return rule.name == name && !rule.value; });
}

bool depends_on_directory(const Policy& policy) {
    return std::any_of(policy.files.begin(), policy.files.end(),
                       [](const FileRule& rule) { return !rule.host.starts_with('/'); });
}

// What depends on this process's working directory (a pyenv's shim may) is settled here.
Result<Order> order_for(const Policy& policy, const StartOptions& options, const EngineTemplate& from) {
    Policy settled = policy;
    if (from.host_files && policy.image.empty() && from.image.empty()) {
        auto python = jail::find_python(policy.python);
        if (!python) {
            return python.error();
        }
        settled.python = python->program;
    }
    const StartOptions known{depends_on_directory(policy) ? options.directory : "/", options.packages};
    const auto worker = python_directory();
    auto stamp = worker ? stamp_of_start(from, settled, known, *worker) : worker;
    if (!stamp) {
        return stamp.error();
    }
    return Order{from.name,
                 from.file,
                 from.text,
                 policy_to_json(settled),
                 known.directory,
                 known.packages,
                 environment_for(policy, ::environ),
                 std::move(*stamp)};
}

}  // namespace

std::vector<std::string> environment_for(const Policy& policy, char* const* all) {
    std::vector<std::string> kept;
    for (; *all != nullptr; ++all) {
        const std::string_view variable = *all;
        const std::string_view name = variable.substr(0, variable.find('='));
        if (!is_of_one_session(name) || is_passed_on(policy, name)) {
            kept.emplace_back(variable);
        }
    }
    std::sort(kept.begin(), kept.end());
    return kept;
}

Claim claim_made(const Policy& policy, const StartOptions& options, const EngineTemplate& from,
                 Wanted wanted) {
    auto order = order_for(policy, options, from);
    if (!order) {
        return Claim(order.error());
    }
    // With packages it shows a folder that no other session has.
    const Request request{wanted == Wanted::ready ? Verb::claim_ready : Verb::claim_made,
                          {},
                          recipe_for(policy, options.packages.empty())};
    return Claim(policy, request, to_bytes(*order));
}

Result<MadeSandbox> made_of(GivenSandbox given) {
    auto spec = relay::spec_from(given.spec);
    if (!spec) {
        return Error{"ask the daemon", 0, "its answer can't be read", {}};
    }
    return MadeSandbox{
        {given.supervisor, std::move(given.process), std::move(given.control), std::move(given.warden)},
        std::move(*spec),
        std::move(given.cgroup),
        std::move(given.worker)};
}

}  // namespace cellblock::sandbox::pool
