// Every notice's text.
#include "sandbox/outputs/notices.h"

#include <algorithm>
#include <array>

#include "sandbox/outputs/terminal_text.h"

namespace cellblock::sandbox {

namespace {

constexpr std::size_t kLongestName = 100;

// A library's or a format's name for its outputs.
struct Thing {
    std::string_view type;  // or what it begins with, if it ends in '*'
    std::string_view name;
    bool is_script = false;  // the front end would run it
};

constexpr auto kThings = std::to_array<Thing>({
    {"application/vnd.bokehjs*", "bokeh figure", true},
    {"application/vnd.holoviews*", "HoloViews figure", true},
    {"application/vnd.plotly.*", "plotly figure"},
    {"application/vnd.vegalite.*", "altair (vega-lite) chart"},
    {"application/vnd.vega.*", "vega chart"},
    {"application/vnd.jupyter.widget-view+json", "widget"},
    {"application/vnd.dataresource+json", "interactive table"},
    {"application/geo+json", "map"},
    {"application/pdf", "PDF document"},
    {"text/vnd.mermaid", "mermaid diagram"},
    {"video/*", "video"},
    {"audio/*", "sound"},
    {"image/svg+xml", "SVG drawing"},
    {"image/*", "picture"},
    {"text/html", "HTML"},
    {"text/markdown", "Markdown"},
    {"text/latex", "formula"},
    {"text/plain", "text"},
    {"application/javascript", "JavaScript", true},
    {"text/javascript", "JavaScript", true},
});

const Thing* thing_of(std::string_view type) {
    const auto* found = std::find_if(kThings.begin(), kThings.end(), [&](const Thing& one) {
        return one.type.ends_with('*') ? type.starts_with(one.type.substr(0, one.type.size() - 1))
                                       : type == one.type;
    });
    return found == kThings.end() ? nullptr : found;
}

std::string short_text(std::string_view text) {
    return terminal_text(std::string(text.substr(0, kLongestName)));
}

// "plotly figure", "output of type application/x-own".
std::string name_of(const LeftOut& what) {
    const Thing* thing = thing_of(what.type);
    return thing != nullptr ? std::string(thing->name) : "output of type " + short_text(what.type);
}

std::string quoted(std::string_view policy) {
    return "policy \"" + std::string(policy) + "\"";
}

std::string not_listed(const LeftOut& what, std::string_view policy) {
    const std::string type = short_text(what.type);
    const Thing* thing = thing_of(what.type);
    if (what.type == "application/vnd.jupyter.widget-view+json") {
        return "this widget isn't shown: " + quoted(policy) +
               " lets cells open no widgets; it needs jupyter.widget in outputs.comms, as in policy "
               "\"notebook\"";
    }
    if (thing != nullptr && thing->is_script) {
        const std::string remedy =
            thing->name == "JavaScript" ? "" : "; plotly, altair and matplotlib draw without it";
        return "this " + name_of(what) + " isn't shown: it is JavaScript, which " + quoted(policy) +
               " doesn't let run in your page" + remedy + " (" + type + " isn't in outputs.mime)";
    }
    return "this " + name_of(what) + " isn't shown: " + quoted(policy) + " doesn't list " + type +
           "; add it to " + "outputs.mime in a copy of the policy";
}

// How each of them draws without a script of its own.
std::string remedy_of_script(std::string_view library) {
    if (library == "altair") {
        return "alt.renderers.enable(\"mimetype\") has JupyterLab draw it";
    }
    if (library == "plotly") {
        return "plotly.io.renderers.default = \"plotly_mimetype\" has JupyterLab draw it";
    }
    return {};
}

std::string script(const LeftOut& what, std::string_view policy) {
    const std::string remedy = remedy_of_script(what.detail);
    const std::string name = what.detail.empty() ? "HTML" : what.detail + " figure's HTML";
    return "this " + name + " isn't shown: it is JavaScript, which " + quoted(policy) +
           " doesn't let run in your page (outputs.html)" + (remedy.empty() ? "" : "; " + remedy);
}

std::string not_within(std::string_view name, const LeftOut& what, std::string_view policy,
                       std::string_view remedy) {
    if (what.detail == LeftOut::kWithin) {
        return "this " + std::string(name) + " isn't shown: " + quoted(policy) +
               " doesn't let through what its " + "data: address holds (outputs.html)";
    }
    const std::string from = what.detail.empty() ? "from elsewhere" : "from " + short_text(what.detail);
    std::string out = "this " + std::string(name) + " isn't shown: it would be loaded " + from +
                      ", and with " + quoted(policy) + " outputs load nothing (outputs.html)";
    return remedy.empty() ? out : out.append("; ").append(remedy);
}

int rank(const LeftOut& what) {
    const Thing* thing = thing_of(what.type);
    if (what.why == LeftOut::Why::styles) {
        return 3;
    }
    if (thing == nullptr) {
        return 1;
    }
    return thing->name == "JavaScript" || what.type == "text/html" ? 2 : 0;
}

}  // namespace

std::string notice(const LeftOut& what, std::string_view policy) {
    using Why = LeftOut::Why;
    switch (what.why) {
        case Why::not_listed:
            return not_listed(what, policy);
        case Why::html_dropped:
            return "this " + name_of(what) + " isn't shown: " + quoted(policy) +
                   " drops HTML and SVG; outputs.html: \"sanitize\" shows it made inert";
        case Why::not_what_it_says:
            return "this " + name_of(what) + " isn't shown: it isn't what its type " + short_text(what.type) +
                   " says, or too large to be drawn";
        case Why::refused:
            return "this " + name_of(what) + " isn't shown: " + terminal_text(what.detail.substr(0, 300)) +
                   ", which " + quoted(policy) + " doesn't let through; outputs.html: \"trust\" would";
        case Why::script:
            return script(what, policy);
        case Why::frame:
            return not_within("frame", what, policy, "");
        case Why::image:
            return not_within("picture", what, policy, "Image(…, embed=True) puts it into the output");
        case Why::sound:
            return not_within("sound", what, policy, "Audio(…, embed=True) puts it into the output");
        case Why::video:
            return not_within("video", what, policy, "Video(…, embed=True) puts it into the output");
        case Why::styles:
            return "these styles change nothing: with " + quoted(policy) +
                   " an output's styles reach no further than the output itself (outputs.html)";
        case Why::other:
            break;
    }
    return "this HTML isn't shown: " + quoted(policy) + " lets none of its elements through (outputs.html)";
}

const LeftOut* most_telling(const std::vector<LeftOut>& left_out) {
    const auto found = std::min_element(left_out.begin(), left_out.end(),
                                        [](const LeftOut& a, const LeftOut& b) { return rank(a) < rank(b); });
    return found == left_out.end() ? nullptr : &*found;
}

}  // namespace cellblock::sandbox
