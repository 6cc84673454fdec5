// Widgets' states: tables of models and of attributes.
#include "sandbox/outputs/widgets.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <unordered_map>
#include <unordered_set>

#include "sandbox/base/text.h"
#include "sandbox/outputs/css.h"
#include "sandbox/outputs/data_url.h"
#include "sandbox/outputs/html.h"
#include "sandbox/outputs/latex.h"
#include "sandbox/outputs/replies.h"
#include "sandbox/outputs/terminal_text.h"

namespace cellblock::sandbox {

namespace {

using nlohmann::json;

constexpr std::size_t kMostLinked = 20'000;
constexpr std::string_view kInteractClass = "widget-interact";  // that of interact(): a margin, no more
constexpr std::string_view kBreak = "\xe2\x80\x8b";             // U+200B

using Names = std::unordered_set<std::string_view>;

// clang-format off
// Their view is named as they are, if it isn't named here.
const std::unordered_map<std::string_view, std::string_view>& odd_views() {
    static const std::unordered_map<std::string_view, std::string_view> views{
        {"BoundedFloatText", "FloatText"}, {"BoundedIntText", "IntText"}, {"FloatProgress", "Progress"},
        {"IntProgress", "Progress"}, {"NaiveDatetime", "Datetime"}, {"NumbersInputBase", "TagsInput"},
        {"PlaceProxy", "Proxy"}, {"Proxy", "Proxy"}, {"ButtonStyle", "Style"}, {"CheckboxStyle", "Style"},
        {"DescriptionStyle", "Style"}, {"HTMLMathStyle", "Style"}, {"HTMLStyle", "Style"}, {"LabelStyle", "Style"},
        {"ProgressStyle", "Style"}, {"SliderStyle", "Style"}, {"StringStyle", "Style"}, {"TextStyle", "Style"},
        {"ToggleButtonStyle", "Style"}, {"ToggleButtonsStyle", "Style"}, {"RadioButtonsStyle", "Style"},
    };
    return views;
}

// Numbers, choices and texts that the page keeps in fields: what links may set.
const Names& inputs() {
    static const Names names{
        "Bool", "BoundedFloatText", "BoundedIntText", "Checkbox", "ColorPicker", "Combobox", "ControllerAxis",
        "ControllerButton", "DatePicker", "Datetime", "Dropdown", "FloatLogSlider", "FloatProgress",
        "FloatRangeSlider", "FloatSlider", "FloatText", "IntProgress", "IntRangeSlider", "IntSlider", "IntText",
        "NaiveDatetime", "Password", "Play", "Progress", "RadioButtons", "Select", "SelectMultiple", "SelectionRangeSlider",
        "SelectionSlider", "Text", "Textarea", "Time", "ToggleButton", "ToggleButtons", "Valid", "Accordion", "Tab",
        "Stack",
    };
    return names;
}

const Names& other_models() {
    static const Names names{
        "DOMWidget", "Widget", "Layout", "Style", "Audio", "Box", "Button", "ColorsInput", "Controller",
        "Description", "DirectionalLink", "FileUpload", "FlexBox", "FloatsInput", "GridBox", "HBox", "HTML",
        "HTMLMath", "Image", "IntsInput", "Label", "Link", "NumbersInputBase", "Output", "String", "TagsInput",
        "TagsInputBase", "VBox", "Video", "CoreWidget", "LabeledDOMWidget", "PlaceProxy", "Proxy",
        "ButtonStyle", "CheckboxStyle", "DescriptionStyle", "HTMLMathStyle", "HTMLStyle", "LabelStyle",
        "ProgressStyle", "SliderStyle", "StringStyle", "TextStyle", "ToggleButtonStyle", "ToggleButtonsStyle",
        "RadioButtonsStyle", "MPLCanvas", "Toolbar",
    };
    return names;
}

enum class Rule {
    plain,      // numbers, choices, and texts of fields
    label,      // texts that are shown: as text, or as a formula
    style,      // a value of CSS
    place,      // a value of CSS that may not lead out of the widget
    word,       // a choice, or a name of a symbol
    reference,  // other models
    format, html, value, classes, outputs, link, data_url, cursor,
};

const std::unordered_map<std::string_view, Rule>& attributes() {
    static const auto made = [] {
        std::unordered_map<std::string_view, Rule> rules{
            {"_dom_classes", Rule::classes}, {"description_allow_html", Rule::html}, {"format", Rule::format},
            {"readout_format", Rule::format}, {"value", Rule::value}, {"outputs", Rule::outputs},
            {"source", Rule::link}, {"target", Rule::link}, {"_data_url", Rule::data_url}, {"_cursor", Rule::cursor},
        };
        for (const auto& [rule, names] : std::vector<std::pair<Rule, std::vector<std::string_view>>>{
                 {Rule::plain, {"max", "min", "step", "base", "index", "interval", "timestamp", "rows", "mapping", "name",
                                "accept", "msg_id", "_size", "_page", "_view_count", "_counter", "axes_values"}},
                 {Rule::label, {"description", "_options_labels", "options", "titles", "_titles", "tooltip", "tooltips",
                                "description_tooltip", "placeholder", "readout", "error", "allowed_tags", "_figure_label",
                                "_message", "toolitems", "_options_values"}},
                 {Rule::style, {"align_content", "align_items", "align_self", "background", "background_color", "bar_color",
                                "border", "border_bottom", "border_left", "border_right", "border_top", "border_color",
                                "border_radius", "border_style", "border_width", "button_color", "button_width", "color",
                                "description_width", "display", "flex", "flex_flow", "font_family", "font_size", "font_style",
                                "font_variant", "font_weight", "grid_area", "grid_auto_columns", "grid_auto_flow",
                                "grid_auto_rows", "grid_column", "grid_gap", "grid_row", "grid_template_areas",
                                "grid_template_columns", "grid_template_rows", "handle_color", "height", "justify_content",
                                "justify_items", "max_height", "max_width", "min_height", "min_width", "object_fit",
                                "object_position", "order", "overflow", "overflow_x", "overflow_y", "padding", "text_color",
                                "text_decoration", "visibility", "width"}},
                 {Rule::place, {"margin", "left", "top", "right", "bottom"}},
                 {Rule::word, {"icon", "icons", "bar_style", "box_style", "button_style", "tag_style", "behavior",
                               "orientation", "slider_color", "_current_action", "_image_mode", "toolbar_position",
                               "toolbar_visible", "selector", "pack", "align", "toolbar_visible"}},
                 {Rule::reference, {"layout", "style", "children", "widget", "axes", "buttons", "toolbar", "child"}}}) {
            for (const auto name : names) {
                rules.emplace(name, rule);
            }
        }
        return rules;
    }();
    return made;
}
// clang-format on

bool is_known_module(std::string_view name) {
    constexpr auto kModules = std::to_array<std::string_view>(
        {"@jupyter-widgets/base", "@jupyter-widgets/controls", "@jupyter-widgets/output",
         "jupyter-js-widgets", "jupyter-matplotlib"});
    return std::find(kModules.begin(), kModules.end(), name) != kModules.end();
}

// "HTML" of "HTMLModel"; empty if it isn't known.
std::string_view kind_of(std::string_view model) {
    constexpr std::string_view kEnd = "Model";
    if (!model.ends_with(kEnd)) {
        return {};
    }
    const std::string_view kind = model.substr(0, model.size() - kEnd.size());
    return inputs().count(kind) + other_models().count(kind) > 0 ? kind : std::string_view();
}

bool is_view_of(std::string_view kind, std::string_view view) {
    const auto odd = odd_views().find(kind);
    return view.ends_with("View") &&
           view.substr(0, view.size() - 4) == (odd == odd_views().end() ? kind : odd->second);
}

bool has_only(std::string_view text, std::string_view others, std::size_t most) {
    return text.size() <= most && std::all_of(text.begin(), text.end(), [others](char c) {
               return std::isalnum(static_cast<unsigned char>(c)) != 0 ||
                      others.find(c) != std::string_view::npos;
           });
}

// A text, or nothing where there is none (null too).
std::optional<std::string> text_at(const json& object, const char* key) {
    const auto found = object.find(key);
    if (found == object.end() || found->is_null()) {
        return "";
    }
    return found->is_string() ? std::optional(found->get<std::string>()) : std::nullopt;
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

constexpr std::string_view kReference = "IPY_MODEL_";

// "IPY_MODEL_…", a list of such, or null.
bool is_reference(const json& value) {
    const auto one = [](const json& name) {
        return name.is_null() ||
               (name.is_string() && name.get_ref<const std::string&>().starts_with(kReference));
    };
    return value.is_array() ? std::all_of(value.begin(), value.end(), one) : one(value);
}

// Buffers become values at these places: those of files and pictures.
void clean_buffer_paths(json& data, std::size_t before) {
    const auto paths = data.find("buffer_paths");
    if (paths == data.end()) {
        return;
    }
    const auto good = [before](const json& path) {
        if (!path.is_array() || path.size() <= before || path[before] != "value" ||
            (before == 2 && (!path[0].is_string() || path[0] == "__proto__" || path[1] != "state"))) {
            return false;
        }
        return std::all_of(path.begin() + static_cast<std::ptrdiff_t>(before) + 1, path.end(),
                           [](const json& part) { return part.is_number_unsigned() || part == "content"; });
    };
    if (!paths->is_array() || !std::all_of(paths->begin(), paths->end(), good)) {
        *paths = json::array();
    }
}

bool clean_style(json& value, bool stays) {
    if (!value.is_string()) {
        return value.is_null() || value.is_number();
    }
    const auto& text = value.get_ref<const std::string&>();
    std::string good = inert_value(text);
    if (stays && good.find_first_of("-(") != std::string::npos) {
        good.clear();
    }
    if (good.empty() && !text.empty()) {
        return false;
    }
    value = std::move(good);
    return true;
}

bool is_word(const json& value) {
    if (value.is_array()) {
        return std::all_of(value.begin(), value.end(),
                           [](const json& one) { return !one.is_array() && is_word(one); });
    }
    return !value.is_object() &&
           (!value.is_string() || has_only(value.get_ref<const std::string&>(), " _-", 60));
}

bool is_format(std::string_view kind, const json& value) {
    if (!value.is_string()) {
        return value.is_null();
    }
    const std::string name = lower(value.get_ref<const std::string&>());
    if (kind == "Image") {
        return name == "png" || name == "jpeg" || name == "jpg" || name == "gif" || name == "webp" ||
               name == "svg+xml" || name == "bmp";
    }
    // "url" would make an address of the value.
    return name.find("url") == std::string::npos && has_only(name, ".,+$ <>^=#%~-", 20);
}

bool is_cursor(const json& value) {
    return !value.is_string() ? value.is_number() || value.is_null()
                              : has_only(value.get_ref<const std::string&>(), "-", 20);
}

// Members for which `bad` is true go.
template <class Bad>
void erase_members(json& object, const Bad& bad) {
    for (auto item = object.begin(); item != object.end();) {
        if (bad(item.key(), *item)) {
            item = object.erase(item);
        } else {
            ++item;
        }
    }
}

// Addresses and texts are no part of what is kept of attributes that aren't known.
bool is_number(const json& value) {
    return value.is_null() || value.is_boolean() || value.is_number();
}

void clean_classes(json& names) {
    if (!names.is_array()) {
        names = json::array();
    }
    for (auto& name : names) {
        if (name != json(kInteractClass)) {
            name = name.is_string() ? prefixed_name(name.get_ref<const std::string&>()) : std::string();
        }
    }
    std::erase_if(names.get_ref<json::array_t&>(), [](const json& name) { return name == ""; });
}

}  // namespace

std::optional<std::string> WidgetModels::open(const std::string& id, json& data) {
    json* state = state_in(data);
    const auto module = state == nullptr ? std::nullopt : text_at(*state, "_model_module");
    const auto name = state == nullptr ? std::nullopt : text_at(*state, "_model_name");
    const auto view_module = state == nullptr ? std::nullopt : text_at(*state, "_view_module");
    const auto view = state == nullptr ? std::nullopt : text_at(*state, "_view_name");
    if (!module || !name || !view_module || !view) {
        return "a widget was left out, for it doesn't say in texts what it is";
    }
    const std::string_view kind = kind_of(*name);
    const bool known = is_known_module(*module) && (view_module->empty() || is_known_module(*view_module));
    const bool nothing = name->empty() && view->empty();  // which no front end makes anything of
    if (!known || (kind.empty() && !nothing) || !(view->empty() || is_view_of(kind, *view))) {
        return !known
                   ? "a widget was left out, for its code is in the module \"" +
                         terminal_text(is_known_module(*module) ? *view_module : *module).substr(0, 100) +
                         "\", which isn't one of Jupyter's own widgets'"
                   : "a widget was left out, for it isn't one of Jupyter's own, or has the view of another";
    }
    if (linked_.count(id) != 0 && inputs().count(kind) == 0) {
        return "a widget was left out, for a link sets the value of what had its name before";
    }
    Model model{*name, *view, *module};
    clean_state(model, *state);
    if (kind.ends_with("Link") && !(state->contains("source") && state->contains("target"))) {
        return "a link between widgets was left out, for it would set what is shown as markup, a style or a "
               "picture";
    }
    clean_buffer_paths(data, 0);
    open_[id] = std::move(model);
    return std::nullopt;
}

void WidgetModels::update(const std::string& id, json& data) {
    const auto model = open_.find(id);
    if (model == open_.end() || !data.is_object()) {
        data = json::object();
        return;
    }
    if (json* state = state_in(data); state != nullptr) {
        clean_state(model->second, *state);
    } else {
        data.erase("state");
    }
    clean_message(model->second, data);
    clean_buffer_paths(data, 0);
}

void WidgetModels::update_many(json& data) {
    if (!data.is_object()) {
        data = json::object();
        return;
    }
    clean_buffer_paths(data, 2);
    const auto states = data.find("states");
    if (states == data.end()) {
        return;
    }
    if (!states->is_object()) {
        *states = json::object();
    }
    erase_members(*states, [this](const std::string& id, json& one) {
        const auto model = open_.find(id);
        if (model == open_.end() || !one.is_object() ||
            one.value("model_name", json()) != model->second.name ||
            one.value("model_module", json()) != model->second.module || !one.contains("state") ||
            !one["state"].is_object()) {
            return true;
        }
        clean_state(model->second, one["state"]);
        return false;
    });
}

void WidgetModels::forget() {
    open_.clear();
    linked_.clear();
}

// In place; what isn't good goes.
void WidgetModels::clean_state(const Model& model, json& state) {
    erase_members(state, [&](const std::string& key, json& value) {
        // What it is stays as it was: a model can't become another, nor get another's view.
        if (key == "_model_name" || key == "_view_name") {
            const std::string& own = key == "_model_name" ? model.name : model.view;
            return own.empty() ? !value.is_null() : value != own;
        }
        if (key == "_model_module" || key == "_view_module") {
            return !(value.is_null() ||
                     (value.is_string() && is_known_module(value.get_ref<const std::string&>())));
        }
        if (key == "_model_module_version" || key == "_view_module_version") {
            return !value.is_string() || !has_only(value.get_ref<const std::string&>(), ".^~*+- ", 30);
        }
        return !clean_attribute(model, key, value);
    });
}

bool WidgetModels::clean_attribute(const Model& model, const std::string& key, json& value) {
    const std::string_view kind = kind_of(model.name);
    const auto found = attributes().find(key);
    if (found == attributes().end()) {
        return is_number(value);
    }
    switch (found->second) {
        case Rule::plain:
            return true;
        case Rule::label:
            clean_labels(value);
            return true;
        case Rule::style:
            return clean_style(value, false);
        case Rule::place:
            return clean_style(value, true);
        case Rule::word:
            return is_word(value);
        case Rule::reference:
            return is_reference(value);
        case Rule::format:
            return is_format(kind, value);
        case Rule::html:
            return html_ == HtmlRule::trust || value == false;
        case Rule::classes:
            clean_classes(value);
            return true;
        case Rule::outputs:
            return clean_outputs(value);
        case Rule::link:
            return kind.ends_with("Link") && good_link_end(value);
        case Rule::cursor:
            return is_cursor(value);
        case Rule::data_url: {
            const auto url =
                value.is_string() ? inert_image_url(value.get_ref<const std::string&>()) : std::nullopt;
            value = url.value_or("");
            return true;
        }
        case Rule::value:
            break;
    }
    if (kind == "HTML" || kind == "HTMLMath") {
        if (html_ != HtmlRule::trust) {
            const bool shown = value.is_string() && html_ == HtmlRule::sanitize;
            value = shown ? inert_html(value.get_ref<const std::string&>()) : std::string();
        }
    } else if (kind == "Label" || kind == "String") {
        clean_labels(value);
    }
    return true;
}

// ["IPY_MODEL_…", "value"]: of a model that is open and can't be closed and opened as another.
bool WidgetModels::good_link_end(json& value) {
    constexpr auto kAttributes = std::to_array<std::string_view>(
        {"value", "min", "max", "step", "index", "selected_index", "disabled", "playing", "pressed"});
    if (!value.is_array() || value.size() != 2 || !value[0].is_string() || !value[1].is_string()) {
        return false;
    }
    const auto& name = value[0].get_ref<const std::string&>();
    const auto& attribute = value[1].get_ref<const std::string&>();
    const auto model =
        name.starts_with(kReference) ? open_.find(name.substr(kReference.size())) : open_.end();
    const bool good = model != open_.end() && inputs().count(kind_of(model->second.name)) != 0 &&
                      std::find(kAttributes.begin(), kAttributes.end(), attribute) != kAttributes.end() &&
                      (linked_.size() < kMostLinked || linked_.count(model->first) != 0);
    if (good) {
        linked_.insert(model->first);
    }
    return good;
}

bool WidgetModels::clean_outputs(json& outputs) const {
    if (!outputs.is_array()) {
        return false;
    }
    for (auto& output : outputs) {
        if (!output.is_object()) {
            output = json::object();
            continue;
        }
        if (const auto data = output.find("data"); data != output.end()) {
            bundles_.admit(*data);
        }
        if (const auto metadata = output.find("metadata"); metadata != output.end()) {
            *metadata = json::parse(inert_metadata(RawJson{metadata->dump()}).text, nullptr, false);
        }
        for (const char* key : {"text", "ename", "evalue", "traceback"}) {
            if (const auto found = output.find(key); found != output.end()) {
                clean_strings(*found);
            }
        }
    }
    return true;
}

// ipywidgets 8 shows it as text; 7 and 6 as HTML. Both look for formulas in it.
std::string WidgetModels::label(const std::string& text) const {
    if (html_ == HtmlRule::trust) {
        return text;
    }
    std::string out;
    for (const char c : text) {
        out += c;
        if (c == '<') {
            out += kBreak;
        }
    }
    return may_have_formulas(out) || out.find('&') != std::string::npos ? inert_latex(out) : out;
}

void WidgetModels::clean_labels(json& value) const {  // NOLINT(misc-no-recursion): its depth was checked
    if (value.is_string()) {
        value = label(value.get_ref<const std::string&>());
    } else if (value.is_array()) {
        for (auto& one : value) {
            clean_labels(one);
        }
    } else if (value.is_object()) {
        value = nullptr;
    }
}

// "custom" messages. ipympl's carry JSON in a text: a picture's way, a cursor, a label.
void WidgetModels::clean_message(const Model& model, json& data) const {
    const auto content = data.find("content");
    if (content == data.end() || model.module != "jupyter-matplotlib") {
        return;
    }
    const json text = content->is_object() ? content->value("data", json()) : json();
    json message =
        text.is_string() ? json::parse(text.get_ref<const std::string&>(), nullptr, false) : json();
    if (!message.is_object()) {
        *content = json::object();
        return;
    }
    erase_members(message, [this](const std::string& key, json& value) {
        clean_labels(value);
        return (key == "cursor" && !is_cursor(value)) ||
               (value.is_string() && value.get_ref<const std::string&>().find("://") != std::string::npos);
    });
    (*content)["data"] = message.dump();
}

}  // namespace cellblock::sandbox
