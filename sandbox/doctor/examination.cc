// One Session, one cell for each attempt.
#include "sandbox/doctor/examination.h"

#include <algorithm>
#include <memory>
#include <nlohmann/json.hpp>

#include "sandbox/api/session.h"
#include "sandbox/doctor/traps.h"

namespace cellblock::sandbox::doctor {

namespace {

using nlohmann::json;
using namespace std::chrono_literals;

constexpr std::uint64_t kMostMemory = 512ULL << 20;
constexpr std::uint64_t kMostDisk = 256ULL << 20;

// The policy's walls with limits that are soon reached: a promise of 64 GiB is
// kept by the same means as one of 512 MiB. Where it allows hosts, it allows the doctor's own too.
Policy quick(Policy policy, const Traps& traps) {
    traps.allow_own_hosts(policy.network);
    policy.limits.memory_bytes = std::min(policy.limits.memory_bytes, kMostMemory);
    policy.limits.disk_bytes = std::min(policy.limits.disk_bytes, kMostDisk);
    policy.limits.cell_time = 30s;
    policy.limits.cell_time_max = 30s;
    policy.limits.grace_time = std::min<std::chrono::milliseconds>(policy.limits.grace_time, 1s);
    policy.limits.code_bytes = std::max<std::uint64_t>(policy.limits.code_bytes, 64ULL << 10);
    policy.limits.output_bytes = std::max<std::uint64_t>(policy.limits.output_bytes, 64ULL << 10);
    return policy;
}

class Examiner {
public:
    Examiner(const Policy& policy, std::unique_ptr<Traps> traps)
        : policy_(quick(policy, *traps)),
          traps_(std::move(traps)),
          session_(policy_, make_engine(policy_), StartOptions{traps_->shown_folder()}) {}

    std::optional<Error> begin() {
        const Outcome outcome = run("pass");
        if (outcome.status != CellStatus::ok) {
            return Error{
                "start a sandbox", 0, outcome.error ? outcome.error->evalue : "no reason is known", {}};
        }
        layers_ = session_.layers();
        return std::nullopt;
    }

    Finding attempt(const Attempt& attempt) {
        printed_.clear();
        // Each brings the prologue: an earlier one may have cost the worker its life.
        const bool endless = std::string_view(attempt.group) == "deadline";
        const Outcome outcome =
            run((endless ? "%%timeout 1\n" : "") + prologue(traps_->facts(policy_)) + cell_of(attempt));
        Finding finding = judge(attempt, outcome);
        if (auto touched = traps_->touched()) {
            finding.ending = Ending::reached;
            finding.what = *touched;
        }
        if (finding.ending == Ending::reached && !stands(attempt.group)) {
            finding.ending = Ending::not_promised;
        }
        return finding;
    }

    [[nodiscard]] const std::vector<LayerState>& layers() const { return layers_; }
    [[nodiscard]] std::string python() const { return session_.python_version(); }

private:
    Outcome run(std::string code) {
        ExecuteRequest request;
        request.code = std::move(code);
        request.silent = false;
        return session_.execute_blocking(std::move(request), [this](const Event& event) {
            const auto* output = std::get_if<StreamOutput>(&event);
            if (output != nullptr && output->name == StreamName::standard_output && printed_.size() < 65536) {
                printed_ += output->text;
            }
        });
    }

    // Without its layer in force, what got through was never promised.
    [[nodiscard]] bool stands(std::string_view group) const {
        // All that can be written lies in the root's one filesystem of limited size.
        group = group == "disk" ? name_of(Layer::root) : group;
        const auto state = std::find_if(layers_.begin(), layers_.end(),
                                        [&](const LayerState& one) { return name_of(one.layer) == group; });
        return state == layers_.end() || state->in_force;
    }

    Finding judge(const Attempt& attempt, const Outcome& outcome) const {
        if (outcome.status == CellStatus::unavailable) {
            return {&attempt, Ending::not_tried, "the sandbox was gone"};
        }
        if (outcome.status == CellStatus::timeout || outcome.status == CellStatus::killed) {
            const auto ending = attempt.may_end_it ? Ending::stopped : Ending::not_tried;
            return {&attempt, ending, outcome.error ? first_line(outcome.error->evalue) : "it was ended"};
        }
        const auto line = printed_.rfind("\n{");
        const json told = json::parse(line == std::string::npos ? "" : printed_.substr(line), nullptr,
                                      /*exceptions=*/false);
        if (!told.is_object() || !told.contains("outcome") || !told.contains("what")) {
            return {&attempt, Ending::not_tried,
                    outcome.error ? first_line(outcome.error->ename + ": " + outcome.error->evalue)
                                  : "the sandbox said nothing"};
        }
        const auto ending = told["outcome"] == "stopped"   ? Ending::stopped
                            : told["outcome"] == "reached" ? Ending::reached
                                                           : Ending::not_tried;
        return {&attempt, ending,
                first_line(told["what"].is_string() ? told["what"].get<std::string>() : told["what"].dump())};
    }

    static std::string first_line(const std::string& text) { return text.substr(0, text.find('\n')); }

    Policy policy_;
    std::unique_ptr<Traps> traps_;
    Session session_;
    std::vector<LayerState> layers_;
    std::string printed_;
};

}  // namespace

bool Examination::promise_holds() const {
    return std::none_of(findings.begin(), findings.end(),
                        [](const Finding& finding) { return finding.ending == Ending::reached; });
}

Result<Examination> examine(const Policy& policy, const std::function<bool(const Finding&)>& go_on) {
    CELLBLOCK_ASSIGN_OR_RETURN(auto traps, Traps::plant());
    Examiner examiner(policy, std::move(traps));
    if (auto failed = examiner.begin()) {
        return *failed;
    }
    Examination examination;
    examination.python = examiner.python();
    examination.layers = examiner.layers();
    for (const Attempt& attempt : attempts()) {
        examination.findings.push_back(examiner.attempt(attempt));
        if (!go_on(examination.findings.back())) {
            break;
        }
    }
    return examination;
}

}  // namespace cellblock::sandbox::doctor
