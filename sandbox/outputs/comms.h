// CommRules: which comms may be opened, and what their messages may carry.
//
// Comms for targets that `outputs.comms` doesn't name are not opened, and messages for comms that aren't open
// go nowhere. Widgets obey widgets.h, whichever message makes or changes them. Remembers at most kMostComms
// open comms. For one thread. Nothing fails.
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

    // Makes the message harmless. nullopt: it may pass; otherwise the reason why not, for the user, which is
    // empty if it was told when the comm was opened.
    std::optional<std::string> refuse(CommOutput& message);

    // Leaves out views of widgets that aren't open: they would show "Loading widget…" for ever.
    void leave_out_views(std::vector<MimeItem>& data) const;

    // A client has opened a comm, so the cell's code may answer on it.
    void opened_by_client(const std::string& comm_id, const std::string& target);
    // The worker has ended, and all comms with it.
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
