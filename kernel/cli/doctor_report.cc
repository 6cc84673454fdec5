#include "kernel/cli/doctor_report.h"

#include <sys/utsname.h>

#include <algorithm>
#include <iomanip>
#include <map>
#include <nlohmann/json.hpp>
#include <sstream>

namespace cellblock::kernel {

namespace {

using namespace sandbox;
using doctor::Ending;
using doctor::Examination;
using doctor::Finding;

constexpr int kGroupWidth = 14;
constexpr int kTriedWidth = 58;

struct Look {
    const char* word;  // one width for all
    const char* colour;
    const char* json;
};

Look look_of(Ending ending) {
    switch (ending) {
        case Ending::stopped:
            return {"stopped", "\x1b[32m", "stopped"};
        case Ending::not_promised:
            return {"open   ", "\x1b[33m", "not_promised"};
        case Ending::reached:
            return {"REACHED", "\x1b[1;31m", "reached"};
        case Ending::not_tried:
            return {"-      ", "\x1b[2m", "not_tried"};
    }
    return {"", "", ""};
}

class Painter {
public:
    explicit Painter(bool on) : on_(on) {}
    [[nodiscard]] std::string paint(const char* colour, const std::string& text) const {
        return on_ ? colour + text + "\x1b[0m" : text;
    }

private:
    bool on_;
};

// What a sandbox says of itself may hold control characters, which would reach the terminal.
std::string one_line(std::string text) {
    std::replace_if(
        text.begin(), text.end(), [](unsigned char c) { return c < 0x20 || c == 0x7f; }, '?');
    return text;
}

bool required(const Policy& policy, Layer layer) {
    const auto& layers = policy.require.layers;
    return std::find(layers.begin(), layers.end(), layer) != layers.end();
}

std::string kernel_name() {
    utsname name{};
    return ::uname(&name) == 0 ? std::string(name.sysname) + " " + name.release + " " + name.machine : "";
}

void print_state(std::ostream& out, const Painter& painter, const Policy& policy, const LayerState& state) {
    std::ostringstream name;
    name << std::left << std::setw(kGroupWidth) << name_of(state.layer);
    if (state.in_force) {
        out << painter.paint("\x1b[1m", name.str()) << painter.paint("\x1b[32m", "stands") << "   "
            << state.detail << "\n";
        return;
    }
    out << painter.paint("\x1b[1m", name.str()) << painter.paint("\x1b[33m", "missing") << "  "
        << state.detail << (required(policy, state.layer) ? "" : " (this policy doesn't require it)") << "\n";
    if (!state.remedy.empty()) {
        out << std::string(kGroupWidth, ' ') << "to get it: " << state.remedy << "\n";
    }
}

void print_findings(std::ostream& out, const Painter& painter, const Examination& examination,
                    const std::string& group) {
    for (const Finding& finding : examination.findings) {
        if (finding.attempt->group != group) {
            continue;
        }
        const Look look = look_of(finding.ending);
        out << "  " << painter.paint(look.colour, look.word) << "  " << std::left << std::setw(kTriedWidth)
            << finding.attempt->tried << "  " << one_line(finding.what) << "\n";
    }
}

// The groups of attempts that belong to no layer, in the order of their attempts.
std::vector<std::string> other_groups(const Examination& examination) {
    std::vector<std::string> groups;
    for (const Finding& finding : examination.findings) {
        const std::string group = finding.attempt->group;
        if (!layer_named(group) && std::find(groups.begin(), groups.end(), group) == groups.end()) {
            groups.push_back(group);
        }
    }
    return groups;
}

std::string other_title(const std::string& group) {
    static const std::map<std::string, std::string> titles{{"disk", "what can be written is bounded"},
                                                           {"host", "nothing is handed over by accident"},
                                                           {"deadline", "every cell ends"}};
    const auto found = titles.find(group);
    return found == titles.end() ? "" : found->second;
}

void print_sum(std::ostream& out, const Painter& painter, const Policy& policy,
               const Examination& examination) {
    std::map<Ending, int> count;
    for (const Finding& finding : examination.findings) {
        ++count[finding.ending];
    }
    out << "\n" << examination.findings.size() << " attempts: " << count[Ending::stopped] << " stopped";
    if (count[Ending::reached] > 0) {
        out << ", " << painter.paint("\x1b[1;31m", std::to_string(count[Ending::reached]) + " got through");
    }
    if (count[Ending::not_promised] > 0) {
        out << ", " << count[Ending::not_promised]
            << " open for want of a layer that the policy doesn't require";
    }
    if (count[Ending::not_tried] > 0) {
        out << ", " << count[Ending::not_tried] << " not tried";
    }
    out << ".\n"
        << (examination.promise_holds()
                ? painter.paint("\x1b[32m", "Policy \"" + policy.name + "\" keeps its promise here.")
                : painter.paint("\x1b[1;31m",
                                "Policy \"" + policy.name + "\" does NOT keep its promise here."))
        << "\n";
}

// Each remedy once, with the layers that it brings, at the end: what was to be done is else lost between the
// attempts.
void print_remedies(std::ostream& out, const std::vector<LayerState>& layers) {
    std::vector<std::pair<std::string, std::string>> remedies;  // and the layers' names
    for (const LayerState& state : layers) {
        if (state.in_force || state.remedy.empty()) {
            continue;
        }
        const auto found = std::find_if(remedies.begin(), remedies.end(),
                                        [&](const auto& one) { return one.first == state.remedy; });
        if (found == remedies.end()) {
            remedies.emplace_back(state.remedy, name_of(state.layer));
        } else {
            found->second += std::string(", ") + name_of(state.layer);
        }
    }
    for (const auto& [remedy, names] : remedies) {
        out << (remedies.front().first == remedy ? "\nStill to be done for every layer to stand:\n" : "")
            << "  " << names << ": " << remedy << "\n";
    }
}

}  // namespace

std::string doctor_table(const Policy& policy, const Examination& examination, bool coloured) {
    const Painter painter(coloured);
    std::ostringstream out;
    out << "policy \"" << policy.name << "\", engine " << policy.engine << ", Python " << examination.python
        << ", " << kernel_name() << "\n";
    if (const std::string words = shares_in_words(policy); !words.empty()) {
        out << "on this machine " << words << "\n";
    }
    out << "\n";
    for (const LayerState& state : examination.layers) {
        print_state(out, painter, policy, state);
        print_findings(out, painter, examination, name_of(state.layer));
    }
    for (const auto& group : other_groups(examination)) {
        std::ostringstream name;
        name << std::left << std::setw(kGroupWidth) << group;
        out << painter.paint("\x1b[1m", name.str()) << other_title(group) << "\n";
        print_findings(out, painter, examination, group);
    }
    print_sum(out, painter, policy, examination);
    print_remedies(out, examination.layers);
    return out.str();
}

std::string doctor_json(const Policy& policy, const Examination& examination) {
    using nlohmann::ordered_json;
    ordered_json layers = ordered_json::array();
    for (const LayerState& state : examination.layers) {
        layers.push_back({{"layer", name_of(state.layer)},
                          {"in_force", state.in_force},
                          {"required", required(policy, state.layer)},
                          {"detail", state.detail},
                          {"remedy", state.remedy}});
    }
    ordered_json attempts = ordered_json::array();
    for (const Finding& finding : examination.findings) {
        attempts.push_back({{"id", finding.attempt->id},
                            {"group", finding.attempt->group},
                            {"tried", finding.attempt->tried},
                            {"ending", look_of(finding.ending).json},
                            {"what", finding.what}});
    }
    const ordered_json all{{"policy", policy.name},
                           {"engine", policy.engine},
                           {"kernel", kernel_name()},
                           {"python", examination.python},
                           {"promise_holds", examination.promise_holds()},
                           {"layers", layers},
                           {"attempts", attempts}};
    return all.dump(2, ' ', false, ordered_json::error_handler_t::replace) + "\n";
}

}  // namespace cellblock::kernel
