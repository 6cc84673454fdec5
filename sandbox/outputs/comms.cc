// Comms and widgets' states (Jupyter widgets' messaging protocol 2).
#include "sandbox/outputs/comms.h"

#include <algorithm>
#include <array>

#include "sandbox/outputs/css.h"
#include "sandbox/outputs/html.h"
#include "sandbox/outputs/replies.h"

namespace cellblock::sandbox {

namespace {

using nlohmann::json;

constexpr const char* kWidgetTarget = "jupyter.widget";
constexpr std::string_view kInteractClass = "widget-interact";  // that of interact(): a margin, no more

bool is_known_module(const json& name) {
    constexpr auto kModules = std::to_array<std::string_view>(
        {"@jupyter-widgets/base", "@jupyter-widgets/controls", "@jupyter-widgets/output",
         "jupyter-js-widgets", "jupyter-matplotlib"});
    return name.is_null() ||
           (name.is_string() && std::find(kModules.begin(), kModules.end(),
                                          name.get_ref<const std::string&>()) != kModules.end());
}

// {"state": {…}}; ipywidgets before 7 opened with the state itself.
json* state_in(json& data) {
    if (!data.is_object()) {
        return nullptr;
    }
    const auto state = data.find("state");
    if (state == data.end()) {
        return data.contains("_model_module") ? &data : nullptr;
    }
    return state->is_object() ? &*state : nullptr;
}

bool has_known_modules(const json& state) {
    return is_known_module(state.value("_model_module", json())) &&
           is_known_module(state.value("_view_module", json()));
}

}  // namespace

bool CommRules::allows(const std::string& target) const {
    return std::find(rules_.comms.begin(), rules_.comms.end(), target) != rules_.comms.end();
}

void CommRules::opened_by_client(const std::string& comm_id, const std::string& target) {
    if (open_.size() < kMostComms) {
        open_[comm_id] = !allows(target)           ? Kind::refused
                         : target == kWidgetTarget ? Kind::widget
                                                   : Kind::other;
    }
}

std::optional<std::string> CommRules::open(CommOutput& message) {
    if (!allows(message.target_name)) {
        return "a comm was not opened, for its target isn't named in the key outputs.comms";
    }
    if (open_.size() >= kMostComms) {
        return "a comm was not opened: " + std::to_string(kMostComms) + " are open";
    }
    // A module of JavaScript that the front end would load.
    message.target_module.reset();
    Kind kind = Kind::other;
    if (message.target_name == kWidgetTarget) {
        json data = json::parse(message.data.text, nullptr, /*allow_exceptions=*/false);
        const json* state = state_in(data);
        if (state == nullptr || !has_known_modules(*state)) {
            return "a widget was left out, for its code isn't one of Jupyter's own widgets'";
        }
        const json name = state->value("_model_name", json(""));
        kind = name == "HTMLModel" || name == "HTMLMathModel" ? Kind::html_widget
               : name == "OutputModel"                        ? Kind::output_widget
                                                              : Kind::widget;
    }
    open_[message.comm_id] = kind;
    clean(message, kind);
    return std::nullopt;
}

std::optional<std::string> CommRules::refuse(CommOutput& message) {
    if (message.kind == CommKind::open) {
        return open(message);
    }
    const auto found = open_.find(message.comm_id);
    if (found == open_.end() || (found->second == Kind::refused && message.kind == CommKind::message)) {
        return "";
    }
    clean(message, found->second);
    if (message.kind == CommKind::close) {
        open_.erase(found);
    }
    return std::nullopt;
}

void CommRules::clean(CommOutput& message, Kind kind) const {
    if (kind == Kind::other || kind == Kind::refused) {
        return;
    }
    json data = json::parse(message.data.text, nullptr, /*allow_exceptions=*/false);
    json* state = state_in(data);
    if (state != nullptr && clean_state(*state, kind)) {
        message.data.text = data.dump();
    }
}

// True if anything was changed: else the text stays to the letter.
bool CommRules::clean_state(json& state, Kind kind) const {
    bool changed = false;
    if (!has_known_modules(state)) {  // of an update: a model can't become another
        changed = state.erase("_model_module") + state.erase("_view_module") > 0;
    }
    if (state.value("format", json()) == "url") {  // an image's value would be an address to load
        changed = state.erase("format") > 0;
    }
    if (const auto names = state.find("_dom_classes"); names != state.end() && names->is_array()) {
        for (auto& name : *names) {
            if (name != json(kInteractClass)) {
                name = name.is_string() ? prefixed_name(name.get_ref<const std::string&>()) : std::string();
                changed = true;
            }
        }
    }
    if (rules_.html != HtmlRule::trust) {
        if (state.value("description_allow_html", json(false)) != false) {
            state["description_allow_html"] = false;
            changed = true;
        }
        const auto value = state.find("value");
        if (kind == Kind::html_widget && value != state.end()) {
            const bool shown = value->is_string() && rules_.html == HtmlRule::sanitize;
            *value = shown ? inert_html(value->get_ref<const std::string&>()) : std::string();
            changed = true;
        }
    }
    if (const auto outputs = state.find("outputs"); kind == Kind::output_widget && outputs != state.end()) {
        changed = clean_outputs(*outputs) || changed;
    }
    return changed;
}

bool CommRules::clean_outputs(json& outputs) const {
    if (!outputs.is_array()) {
        return false;
    }
    bool changed = false;
    for (auto& output : outputs) {
        if (!output.is_object()) {
            output = json::object();
            changed = true;
            continue;
        }
        if (const auto data = output.find("data"); data != output.end()) {
            changed = bundles_.admit(*data) || changed;
        }
        for (const char* key : {"text", "ename", "evalue", "traceback"}) {
            const auto found = output.find(key);
            changed = (found != output.end() && clean_strings(*found)) || changed;
        }
    }
    return changed;
}

}  // namespace cellblock::sandbox
