// Checks, starts, claims and cleans up by a template.
#include "sandbox/engines/command_engine.h"

#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <filesystem>
#include <sstream>
#include <string_view>
#include <variant>

#include "sandbox/base/background.h"
#include "sandbox/base/files.h"
#include "sandbox/base/resources.h"
#include "sandbox/base/subprocess.h"
#include "sandbox/engines/fill.h"
#include "sandbox/engines/oci_bundle.h"
#include "sandbox/engines/owner.h"
#include "sandbox/engines/pool_client.h"
#include "sandbox/engines/promises.h"
#include "sandbox/engines/start_stamp.h"
#include "sandbox/jail/python_home.h"
#include "sandbox/pool/launch_order.h"
#include "sandbox/relay/command.h"

namespace cellblock::sandbox {

namespace {

using namespace std::chrono_literals;

constexpr auto kTimeToProbe = 20s;
constexpr int kTimeToTry = 20000;  // milliseconds
constexpr auto kTimeToList = 20s;
constexpr auto kTimeToRemove = 30s;

// A runtime keeps what it knows of a container beside the bundle; it must remove it itself.
int clean_bundles(const EngineTemplate& from) {
    int count = 0;
    for (const auto& folder : orphaned_folders()) {
        if (file_text(folder + "/engine") == from.name) {
            Values values;
            values.texts = {{"name", std::filesystem::path(folder).filename().string()},
                            {"bundle", folder},
                            {"state", folder + "/state"}};
            relay::Spec spec;
            spec.kill = fill(from.kill, values);
            spec.cgroup_folders = groups_of_runtime(values.texts["name"]);
            spec.folders = {folder};
            relay::clear_away(spec);
            ++count;
        }
    }
    return count;
}

// What crashed owners left.
void sweep(const EngineTemplate& from) {
    sweep_folders();
    (void)(from.bundle ? clean_bundles(from) : 0);
}

struct Listed {
    std::string name;
    std::string destination;
    bool ended = false;  // of itself, whoever's it was
};

// NAME, DESTINATION/NAME, either with a second word: ended.
Listed read_listed(const std::string& line, const std::string& destination) {
    std::istringstream words(line);
    std::string where;
    std::string state;
    words >> where >> state;
    const auto slash = where.rfind('/');
    if (slash == std::string::npos) {
        return {where, destination, state == "ended"};
    }
    return {where.substr(slash + 1), where.substr(0, slash), state == "ended"};
}

// --- claims

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
    return std::any_of(policy.files.begin(), policy.files.end(), [](const FileRule& rule) {
        return rule.mode != FileMode::empty && !rule.host.starts_with('/');
    });
}

// What depends on this process's working directory (a pyenv's shim may) is settled here.
Result<pool::LaunchOrder> order_for(const Policy& policy, const StartOptions& options,
                                    const EngineTemplate& from) {
    Policy settled = policy;
    if (from.host_files && policy.image.empty() && from.image.empty()) {
        CELLBLOCK_ASSIGN_OR_RETURN(auto python, jail::find_python(policy.python));
        settled.python = python.program;
    }
    const StartOptions known{depends_on_directory(policy) ? options.directory : "/", options.packages};
    const auto worker = python_directory();
    CELLBLOCK_ASSIGN_OR_RETURN(auto stamp, worker ? stamp_of_start(from, settled, known, *worker) : worker);
    return pool::LaunchOrder{from.name,
                             from.file,
                             from.text,
                             policy_to_json(settled),
                             known.directory,
                             known.packages,
                             environment_for(policy, ::environ),
                             std::move(stamp)};
}

// `only_ready`: no other sandbox than one that is ready.
pool::Claim send_claim(const Policy& policy, const StartOptions& options, const EngineTemplate& from,
                       bool only_ready) {
    auto order = order_for(policy, options, from);
    if (!order) {
        return pool::Claim(order.error());
    }
    // With packages it shows a folder that no other session has.
    const pool::Request request{only_ready ? pool::Verb::claim_ready : pool::Verb::claim_launched,
                                {},
                                pool::recipe_for(policy, options.packages.empty())};
    return pool::Claim(policy, request, pool::to_bytes(*order));
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

EngineFacts CommandEngine::facts() const {
    return {template_.description, template_.isolation, template_.enforces, template_.children};
}

Status CommandEngine::check(const Policy& policy) {
    auto cgroup = template_.children ? jail::Cgroup::make(policy.limits) : jail::Cgroup();
    auto kept = check_promises(policy, promises_of(template_), cgroup);
    cgroup.remove();
    if (!kept) {
        return kept;
    }
    const auto argv = fill(template_.probe, values_of(policy, template_));
    const auto probed = output_of(argv, kTimeToProbe);
    if (!probed) {
        return Error{"engine \"" + template_.name + "\"", 0, probed.error().text(), template_.needs};
    }
    return template_.children ? try_start(policy) : Status(Ok{});
}

Status CommandEngine::try_start(const Policy& policy) {
    std::error_code failed;
    const StartOptions options{std::filesystem::current_path(failed).string()};
    CELLBLOCK_ASSIGN_OR_RETURN(auto started, start_cold(policy, options));
    pollfd answer{started->warden_fd(), POLLIN, 0};
    char first = 0;
    const bool told = ::poll(&answer, 1, kTimeToTry) > 0;
    if (told && ::recv(answer.fd, &first, 1, MSG_PEEK | MSG_DONTWAIT) > 0) {
        return Ok{};
    }
    return Error{"engine \"" + template_.name + "\"", 0,
                 told ? started->death_reason() : "it gave no sign of life in time", template_.needs};
}

Result<int> CommandEngine::clean(const std::string& destination) {
    if (template_.bundle) {
        return clean_bundles(template_);
    }
    if (template_.list.empty() || template_.kill.empty()) {
        return 0;
    }
    Policy policy;
    policy.destination = destination;
    Values values = values_of(policy, template_);
    const auto listed = output_of(fill(template_.list, values), kTimeToList);
    if (!listed) {
        return Error{"engine \"" + template_.name + "\"", 0, listed.error().text(), template_.needs};
    }
    std::istringstream lines(*listed);
    int count = 0;
    for (std::string line; std::getline(lines, line);) {
        const Listed one = read_listed(line, destination);
        if (is_orphan(one.name) || (one.ended && is_sandbox_name(one.name))) {
            values.texts["name"] = one.name;
            values.texts["destination"] = one.destination;
            count += output_of(fill(template_.kill, values), kTimeToRemove) ? 1 : 0;
        }
    }
    return count;
}

Result<std::unique_ptr<Sandbox>> CommandEngine::start_cold(const Policy& policy,
                                                           const StartOptions& options) {
    static std::atomic<bool> sweeps = false;
    if (!sweeps.exchange(true)) {  // one at a time
        run_in_background([from = template_] {
            sweep(from);
            sweeps = false;
        });
    }
    return TemplateStart(template_, policy, options).run();
}

Result<TemplateStart::Launch> CommandEngine::prepare(const Policy& policy, const StartOptions& options) {
    sweep(template_);
    return TemplateStart(template_, policy, options).prepare_launch();
}

Result<std::unique_ptr<Sandbox>> CommandEngine::sandbox_of(pool::GivenSandbox given, relay::Spec spec,
                                                           const Policy& policy) const {
    const auto kept = check_promises(policy, promises_of(template_), given.cgroup);
    auto facts = facts_of(template_, given.cgroup);
    relay::RelayProcess relay{given.supervisor, std::move(given.process), std::move(given.control),
                              std::move(given.warden)};
    std::unique_ptr<Sandbox> sandbox =
        std::make_unique<RelayedSandbox>(std::move(relay), std::move(spec), std::move(given.cgroup),
                                         std::move(facts), std::move(given.worker));
    return kept ? Result<std::unique_ptr<Sandbox>>(std::move(sandbox))
                : Result<std::unique_ptr<Sandbox>>(kept.error());
}

class CommandEngine::ClaimedContainer : public ClaimedSandbox {
public:
    ClaimedContainer(CommandEngine& engine, const Policy& policy, StartOptions options, pool::Claim claim,
                     std::unique_ptr<Sandbox> came = nullptr)
        : ClaimedSandbox(std::move(claim), false, std::move(came)),
          engine_(engine),
          policy_(policy),
          options_(std::move(options)) {}

protected:
    Result<std::unique_ptr<Sandbox>> start_cold() override { return engine_.start_cold(policy_, options_); }

    Result<std::unique_ptr<Sandbox>> adopt(pool::GivenSandbox given) override {
        auto spec = relay::spec_from(given.spec);
        return spec ? engine_.sandbox_of(std::move(given), std::move(*spec), policy_)
                    : start_cold_because("ask the daemon: its answer can't be read");
    }

private:
    CommandEngine& engine_;
    const Policy& policy_;
    StartOptions options_;
};

Result<std::unique_ptr<PendingSandbox>> CommandEngine::begin(const Policy& policy,
                                                             const StartOptions& options) {
    if (!pool::wish_of(policy, false).wanted) {
        return std::unique_ptr<PendingSandbox>();
    }
    return std::unique_ptr<PendingSandbox>(std::make_unique<ClaimedContainer>(
        *this, policy, options, send_claim(policy, options, template_, false)));
}

std::unique_ptr<PendingSandbox> CommandEngine::take_ready(const Policy& policy, const StartOptions& options) {
    if (!pool::wish_of(policy, false).wanted) {
        return nullptr;
    }
    auto claim = send_claim(policy, options, template_, true);
    auto answer = take_by_deadline(claim);
    auto* given = answer ? std::get_if<pool::GivenSandbox>(&*answer) : nullptr;
    auto spec = given != nullptr ? relay::spec_from(given->spec) : std::nullopt;
    if (!spec) {
        return nullptr;
    }
    auto sandbox = sandbox_of(std::move(*given), std::move(*spec), policy);
    return sandbox ? std::make_unique<ClaimedContainer>(*this, policy, options, std::move(claim),
                                                        std::move(*sandbox))
                   : nullptr;
}

Result<std::unique_ptr<Sandbox>> CommandEngine::start(const Policy& policy, const StartOptions& options) {
    CELLBLOCK_ASSIGN_OR_RETURN(auto pending, begin(policy, options));
    return pending ? wait_for(*pending) : start_cold(policy, options);
}

}  // namespace cellblock::sandbox
