// The firewall's rules for comms: who may open one, and what a widget may carry.
//
// Purpose: comms that the policy's `outputs.comms` doesn't name are not opened;
// messages for comms that aren't open go nowhere. A widget's state is read:
// models come from well-known modules only (a front end would fetch others from
// the network), HTML in it obeys `outputs.html`, outputs in it the bundle's rules.
// Ownership: remembers the comms that are open, at most kMostComms.
// Threads: one. Failure: none.
#pragma once

#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>

#include "sandbox/events.h"
#include "sandbox/outputs/bundle.h"
#include "sandbox/policy/policy.h"

namespace cellblock::sandbox {

constexpr std::size_t kMostComms = 20'000;

class CommRules {
public:
    explicit CommRules(const OutputRules& rules) : rules_(rules), bundles_(rules) {}

    // Nothing: it may pass, made inert. Otherwise why it may not: one of few texts, or empty where
    // that was told when the comm was opened.
    std::optional<std::string> refuse(CommOutput& message);

    // A client opened one, so the cell's code may answer on it.
    void opened_by_client(const std::string& comm_id, const std::string& target);
    // All are gone: the worker was.
    void forget() { open_.clear(); }

private:
    // refused: a client opened it for a target that isn't allowed; it may only be closed.
    enum class Kind { other, widget, html_widget, output_widget, refused };

    [[nodiscard]] bool allows(const std::string& target) const;
    std::optional<std::string> open(CommOutput& message);
    void clean(CommOutput& message, Kind kind) const;
    bool clean_state(nlohmann::json& state, Kind kind) const;
    bool clean_outputs(nlohmann::json& outputs) const;

    OutputRules rules_;
    BundleRules bundles_;
    std::map<std::string, Kind> open_;
};

}  // namespace cellblock::sandbox
