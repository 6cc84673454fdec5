// WidgetModels: what Jupyter's widgets (ipywidgets 6 to 8, ipympl) may be, and what may be in their states.
//
// A front end makes an object of a widget's state and goes on changing it: by updates, by states that it
// asked for, by links between objects. So a model must be one of a list, with a view of its own and known
// attributes. A text that becomes markup, a formula, a style or an address obeys html.h, latex.h, css.h and
// data_url.h, whichever message brought it. Links lead only from and to attributes that become none of these.
// Remembers what each open model is. For one thread. Nothing fails.
#pragma once

#include <cstddef>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <string>

#include "sandbox/api/policy.h"
#include "sandbox/outputs/bundle.h"

namespace cellblock::sandbox {

class WidgetModels {
public:
    explicit WidgetModels(const OutputRules& rules) : html_(rules.html), bundles_(rules) {}

    // `data` of a comm_open, changed in place. Nothing: it is open. Otherwise why it may not be.
    std::optional<std::string> open(const std::string& id, nlohmann::json& data);

    // `data` of a message for an open model, changed in place.
    void update(const std::string& id, nlohmann::json& data);

    // `data` of the answer to "request_states": states of many models.
    void update_many(nlohmann::json& data);

    void close(const std::string& id) { open_.erase(id); }
    void forget();

    [[nodiscard]] bool is_open(const std::string& id) const { return open_.count(id) != 0; }

private:
    struct Model {
        std::string name;
        std::string view;  // empty: it has none
        std::string module;
    };

    void clean_state(const Model& model, nlohmann::json& state);
    bool clean_attribute(const Model& model, const std::string& key, nlohmann::json& value);
    [[nodiscard]] bool good_link_end(nlohmann::json& value);
    [[nodiscard]] bool clean_outputs(nlohmann::json& outputs) const;
    [[nodiscard]] std::string label(const std::string& text) const;
    void clean_labels(nlohmann::json& value) const;
    void clean_message(const Model& model, nlohmann::json& data) const;

    HtmlRule html_;
    BundleRules bundles_;
    std::map<std::string, Model> open_;
    std::set<std::string>
        linked_;  // those that links name: what is made by such a name later is an input too
};

}  // namespace cellblock::sandbox
