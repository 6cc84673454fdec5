// Comms (Jupyter widgets' messaging protocol 2).
#include "sandbox/outputs/comms.h"

#include <algorithm>
#include <nlohmann/json.hpp>

namespace cellblock::sandbox {

namespace {

using nlohmann::json;

constexpr const char* kWidgetTarget = "jupyter.widget";
constexpr const char* kControlTarget = "jupyter.widget.control";

}  // namespace

bool CommRules::allows(const std::string& target) const {
    return std::find(rules_.comms.begin(), rules_.comms.end(), target) != rules_.comms.end();
}

CommRules::Kind CommRules::kind_of(const std::string& target) const {
    return !allows(target)            ? Kind::refused
           : target == kWidgetTarget  ? Kind::widget
           : target == kControlTarget ? Kind::control
                                      : Kind::other;
}

void CommRules::opened_by_client(const std::string& comm_id, const std::string& target) {
    if (open_.size() < kMostComms) {
        open_[comm_id] = kind_of(target);
    }
}

void CommRules::forget() {
    open_.clear();
    widgets_.forget();
}

std::optional<std::string> CommRules::open(CommOutput& message) {
    const Kind kind = kind_of(message.target_name);
    if (kind == Kind::refused) {
        return "a comm was not opened, for its target isn't named in the key outputs.comms";
    }
    if (open_.size() >= kMostComms) {
        return "a comm was not opened: " + std::to_string(kMostComms) + " are open";
    }
    // A module of JavaScript that the front end would load.
    message.target_module.reset();
    if (kind == Kind::widget) {
        json data = json::parse(message.data.text, nullptr, /*allow_exceptions=*/false);
        const json before = data;
        if (auto why = widgets_.open(message.comm_id, data)) {
            open_.erase(message.comm_id);
            return why;
        }
        if (data != before) {
            message.data.text = data.dump();
        }
    } else {
        clean(message, kind);
    }
    open_[message.comm_id] = kind;
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
        widgets_.close(message.comm_id);
    }
    return std::nullopt;
}

void CommRules::leave_out_views(std::vector<MimeItem>& data) const {
    std::erase_if(data, [this](const MimeItem& item) {
        const auto* raw = std::get_if<RawJson>(&item.value);
        if (item.type != "application/vnd.jupyter.widget-view+json" || raw == nullptr) {
            return false;
        }
        const json view = json::parse(raw->text, nullptr, /*allow_exceptions=*/false);
        const json id = view.is_object() ? view.value("model_id", json()) : json();
        return !id.is_string() || !widgets_.is_open(id.get_ref<const std::string&>());
    });
}

void CommRules::clean(CommOutput& message, Kind kind) {
    if (kind == Kind::other || kind == Kind::refused) {
        return;
    }
    json data = json::parse(message.data.text, nullptr, /*allow_exceptions=*/false);
    const json before = data;
    kind == Kind::widget ? widgets_.update(message.comm_id, data) : widgets_.update_many(data);
    if (data != before) {  // else the text stays to the letter
        message.data.text = data.dump();
    }
}

}  // namespace cellblock::sandbox
