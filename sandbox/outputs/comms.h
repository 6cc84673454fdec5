// The firewall's rules for comms: who may open one, and what a widget may carry.
//
// Purpose: comms that the policy's `outputs.comms` doesn't name are not opened;
// messages for comms that aren't open go nowhere. Widgets obey widgets.h, by
// whichever message they are made, changed or told anew.
// Ownership: remembers the comms that are open, at most kMostComms.
// Threads: one. Failure: none.
#pragma once

#include <map>
#include <optional>
#include <string>

#include "sandbox/api/policy.h"
#include "sandbox/api/types.h"
#include "sandbox/outputs/widgets.h"

namespace cellblock::sandbox {

constexpr std::size_t kMostComms = 20'000;

class CommRules {
public:
    explicit CommRules(const OutputRules& rules) : rules_(rules), widgets_(rules) {}

    // Nothing: it may pass, made inert. Otherwise why it may not: one of few texts, or empty where
    // that was told when the comm was opened.
    std::optional<std::string> refuse(CommOutput& message);

    // The view of a widget that isn't open would be "Loading widget…" for ever. Why the widget was left
    // out was told then.
    void leave_out_views(std::vector<MimeItem>& data) const;

    // A client opened one, so the cell's code may answer on it.
    void opened_by_client(const std::string& comm_id, const std::string& target);
    // All are gone: the worker was.
    void forget();

private:
    // control: it carries states of many widgets.
    // refused: a client opened it for a target that isn't allowed; it may only be closed.
    enum class Kind { other, widget, control, refused };

    [[nodiscard]] bool allows(const std::string& target) const;
    [[nodiscard]] Kind kind_of(const std::string& target) const;
    std::optional<std::string> open(CommOutput& message);
    void clean(CommOutput& message, Kind kind);

    OutputRules rules_;
    WidgetModels widgets_;
    std::map<std::string, Kind> open_;
};

}  // namespace cellblock::sandbox
