// Asking, starting and cleaning by a template.
#include "sandbox/engines/command_engine.h"

#include <poll.h>
#include <sys/socket.h>

#include <atomic>
#include <chrono>
#include <filesystem>
#include <sstream>
#include <variant>

#include "sandbox/base/background.h"
#include "sandbox/base/files.h"
#include "sandbox/base/subprocess.h"
#include "sandbox/engines/bundle.h"
#include "sandbox/engines/claimed_start.h"
#include "sandbox/engines/fill.h"
#include "sandbox/engines/owner.h"
#include "sandbox/engines/promises.h"
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

}  // namespace

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
    auto started = start_cold(policy, options);
    if (!started) {
        return started.error();
    }
    pollfd answer{(*started)->warden_fd(), POLLIN, 0};
    char first = 0;
    const bool told = ::poll(&answer, 1, kTimeToTry) > 0;
    if (told && ::recv(answer.fd, &first, 1, MSG_PEEK | MSG_DONTWAIT) > 0) {
        return Ok{};
    }
    return Error{"engine \"" + template_.name + "\"", 0,
                 told ? (*started)->death_reason() : "it gave no sign of life in time", template_.needs};
}

Result<int> CommandEngine::clean(const std::string& destination) {
    if (template_.bundle) {
        return clean_bundles(template_);
    }
    if (template_.list.empty() || template_.kill.empty()) {
        return 0;
    }
    Values values;
    values.texts["destination"] = destination;
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
        beside([from = template_] {
            sweep(from);
            sweeps = false;
        });
    }
    return TemplateStart(template_, policy, options).run();
}

Result<TemplateStart::Made> CommandEngine::make(const Policy& policy, const StartOptions& options) {
    sweep(template_);
    return TemplateStart(template_, policy, options).make();
}

Result<std::unique_ptr<Sandbox>> CommandEngine::sandbox_of(pool::MadeSandbox made,
                                                           const Policy& policy) const {
    const auto kept = check_promises(policy, promises_of(template_), made.cgroup);
    auto facts = facts_of(template_, made.cgroup);
    std::unique_ptr<Sandbox> sandbox =
        std::make_unique<RelayedSandbox>(std::move(made.relay), std::move(made.spec), std::move(made.cgroup),
                                         std::move(facts), std::move(made.worker));
    return kept ? Result<std::unique_ptr<Sandbox>>(std::move(sandbox))
                : Result<std::unique_ptr<Sandbox>>(kept.error());
}

class CommandEngine::Claimed : public ClaimedStart {
public:
    Claimed(CommandEngine& engine, const Policy& policy, StartOptions options, pool::Claim claim)
        : ClaimedStart(std::move(claim)), engine_(engine), policy_(policy), options_(std::move(options)) {}

protected:
    Result<std::unique_ptr<Sandbox>> start_cold() override { return engine_.start_cold(policy_, options_); }

    Result<std::unique_ptr<Sandbox>> use(pool::GivenSandbox given) override {
        auto made = pool::made_of(std::move(given));
        return made ? engine_.sandbox_of(std::move(*made), policy_) : go_cold(made.error().text());
    }

private:
    CommandEngine& engine_;
    const Policy& policy_;
    StartOptions options_;
};

Result<std::unique_ptr<Coming>> CommandEngine::begin(const Policy& policy, const StartOptions& options) {
    if (!pool::is_wanted(policy)) {
        return std::unique_ptr<Coming>();
    }
    return std::unique_ptr<Coming>(std::make_unique<Claimed>(
        *this, policy, options, pool::claim_made(policy, options, template_, pool::Wanted::any)));
}

std::unique_ptr<Sandbox> CommandEngine::take_ready(const Policy& policy, const StartOptions& options) {
    if (!pool::is_wanted(policy)) {
        return nullptr;
    }
    auto claim = pool::claim_made(policy, options, template_, pool::Wanted::ready);
    auto answer = pool::answer_to(claim);
    auto* given = std::get_if<pool::GivenSandbox>(&answer);
    if (given == nullptr) {
        return nullptr;
    }
    auto made = pool::made_of(std::move(*given));
    auto sandbox = made ? sandbox_of(std::move(*made), policy) : made.error();
    return sandbox ? std::move(*sandbox) : nullptr;
}

Result<std::unique_ptr<Sandbox>> CommandEngine::start(const Policy& policy, const StartOptions& options) {
    auto coming = begin(policy, options);
    if (!coming) {
        return coming.error();
    }
    return *coming ? arrival_of(**coming) : start_cold(policy, options);
}

}  // namespace cellblock::sandbox
