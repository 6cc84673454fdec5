// plotly.js 2 and 3: what in a figure loads, links, or is markup.
#include <algorithm>
#include <array>
#include <cctype>

#include "sandbox/base/text.h"
#include "sandbox/outputs/charts.h"
#include "sandbox/outputs/css.h"
#include "sandbox/outputs/data_url.h"
#include "sandbox/outputs/latex.h"

namespace cellblock::sandbox {

namespace {

using nlohmann::json;

// Kinds of traces that load tiles, styles or outlines of countries.
constexpr auto kMaps =
    std::to_array<std::string_view>({"scattermapbox", "choroplethmapbox", "densitymapbox", "scattermap",
                                     "choroplethmap", "densitymap", "scattergeo", "choropleth"});

// Of `config` what says how it looks and is handled.
constexpr auto kConfig = std::to_array<std::string_view>(
    {"displayModeBar", "displaylogo", "responsive", "scrollZoom", "staticPlot", "doubleClick", "showTips",
     "showAxisDragHandles", "showAxisRangeEntryBoxes", "autosizable", "fillFrame", "doubleClickDelay"});

constexpr auto kPowers =
    std::to_array<std::string_view>({"topojsonURL", "plotlyServerURL", "accesstoken", "sourcetype",
                                     "sourcelayer", "href", "xlink:href", "url", "src"});

template <class List>
bool has(const List& list, std::string_view name) {
    return std::find(list.begin(), list.end(), name) != list.end();
}

bool is_map_part(std::string_view name) {
    for (const std::string_view part : {"mapbox", "map", "geo"}) {
        if (name.starts_with(part) &&
            name.find_first_not_of("0123456789", part.size()) == std::string_view::npos) {
            return true;
        }
    }
    return false;
}

bool is_of_prototype(std::string_view name) {
    return name.find("__proto__") != std::string_view::npos || name == "constructor" || name == "prototype";
}

// "images[0].source" → "source": attributes may be written as paths.
std::string_view last_part(std::string_view name) {
    if (const std::size_t dot = name.find_last_of('.'); dot != std::string_view::npos) {
        name.remove_prefix(dot + 1);
    }
    return name.substr(0, name.find('['));
}

bool is_path_into_map(std::string_view path) {
    return path.find_first_of(".[") != std::string_view::npos &&
           is_map_part(path.substr(0, path.find_first_of(".[")));
}

// Maps that nothing is drawn on stand in every template.
void erase_maps(json& object) {
    for (auto item = object.begin(); item != object.end();) {
        item = is_map_part(item.key()) || has(kMaps, item.key()) ? object.erase(item) : std::next(item);
    }
}

void erase_idle_maps(json& layout) {
    if (!layout.is_object()) {
        return;
    }
    erase_maps(layout);
    const auto layout_template = layout.find("template");
    if (layout_template == layout.end() || !layout_template->is_object()) {
        return;
    }
    for (const char* part : {"data", "layout"}) {
        if (const auto found = layout_template->find(part);
            found != layout_template->end() && found->is_object()) {
            erase_maps(*found);
        }
    }
}

void reduce_config(json& figure) {
    const auto config = figure.find("config");
    if (config == figure.end()) {
        return;
    }
    if (!config->is_object()) {
        *config = json::object();
        return;
    }
    json kept = json::object();
    for (const auto& [name, value] : config->items()) {
        const bool word = value.is_string() && value.get_ref<const std::string&>().size() < 40;
        if (has(kConfig, name) && (value.is_boolean() || value.is_number() || word)) {
            kept[name] = value;
        }
    }
    *config = std::move(kept);
}

// The whole of a figure, value by value.
class FigureReader {
public:
    // Why it is refused; empty: it is good.
    std::string read(json& value) {
        walk(value, "", false);
        return why_;
    }

private:
    void refuse(const char* why) {
        if (why_.empty()) {
            why_ = why;
        }
    }

    // `path`: the name of what it is the value of; `call`: among the arguments of a button.
    void walk(json& value, std::string_view path, bool call) {  // NOLINT(misc-no-recursion): bounded depth
        if (value.is_object()) {
            for (auto item = value.begin(); item != value.end() && why_.empty(); ++item) {
                name(item.key(), item.value());
                walk(item.value(), item.key(),
                     call || last_part(item.key()) == "args" || last_part(item.key()) == "args2");
            }
        } else if (value.is_array()) {
            for (auto& one : value) {
                walk(one, path, call);
            }
        } else if (value.is_string()) {
            text(value, last_part(path), call);
        }
    }

    void name(const std::string& name, const json& value) {
        if (is_of_prototype(name)) {
            refuse("it has names that JavaScript's objects have for themselves");
        } else if (has(kPowers, last_part(name))) {
            refuse("it names an address to load or to go to");
        } else if (is_path_into_map(name) || (is_map_part(name) && value.is_object())) {
            refuse("it is a map, which would be loaded from elsewhere");
        } else if (name.find('<') != std::string::npos && inert_plotly_text(name) != name) {
            refuse("it has markup for a name");
        }
    }

    void text(json& value, std::string_view name, bool call) {
        auto& text = value.get_ref<std::string&>();
        if (has(kMaps, text)) {
            return refuse("it is a map, which would be loaded from elsewhere");
        }
        if (is_of_prototype(text) && text != "constructor" && text != "prototype") {
            return refuse("it has names that JavaScript's objects have for themselves");
        }
        if ((name == "source" && !text.empty()) ||
            (call &&
             (last_part(text) == "source" || has(kPowers, last_part(text)) || is_path_into_map(text)))) {
            const auto image = inert_image_url(text);
            if (!image) {
                return refuse("it has a picture that would be loaded from elsewhere");
            }
            text = *image;
            return;
        }
        std::string clean = inert_plotly_text(text);
        if (clean != text) {
            text = std::move(clean);
        }
    }

    std::string why_;
};

// The elements that plotly knows, and that a hover's text knows.
bool is_element(std::string_view name) {
    constexpr auto kElements =
        std::to_array<std::string_view>({"b", "i", "em", "u", "s", "sub", "sup", "br", "span", "extra"});
    return has(kElements, name);
}

// Between '<' and '>'; nothing: it goes.
std::optional<std::string> element(std::string_view inner) {
    const bool closes = inner.starts_with('/');
    std::string_view rest = inner.substr(closes ? 1 : 0);
    const auto end = std::find_if_not(rest.begin(), rest.end(), [](char c) {
        return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_' || c == '.' || c == '-';
    });
    const std::string name = lower(rest.substr(0, static_cast<std::size_t>(end - rest.begin())));
    rest.remove_prefix(name.size());
    if (name == "a") {
        return std::nullopt;
    }
    const bool bare = rest.find_first_not_of(" /") == std::string_view::npos;
    if (bare) {
        return "<" + std::string(inner) + ">";  // <b>, <br/>, and words such as <NA>
    }
    if (name.empty() && rest.starts_with(' ') && rest.find_first_of("=(\"'") == std::string_view::npos) {
        return "<" + std::string(inner) + ">";  // a < b > c
    }
    if (!is_element(name) || closes) {
        return std::nullopt;
    }
    // As plotly finds it: style="…" or '…'.
    const std::string small = lower(rest);
    const std::size_t style = small.find("style");
    const std::size_t quote = style == std::string::npos ? style : rest.find_first_of("\"'", style);
    const std::size_t close = quote == std::string_view::npos ? quote : rest.find(rest[quote], quote + 1);
    const std::string css =
        close == std::string_view::npos ? "" : inert_declarations(rest.substr(quote + 1, close - quote - 1));
    const bool plain = !css.empty() && css.find_first_of("\"'<>(&%") == std::string::npos;
    return "<" + name + (plain ? " style=\"" + css + "\"" : "") + ">";
}

// Nothing: an element went, and that it did may have put others together. `strict`: none can be.
std::optional<std::string> write_text(const std::string& text, bool strict) {
    std::string out;
    for (std::size_t at = 0; at < text.size();) {
        const std::size_t open = text.find('<', at);
        out.append(text, at, open - at);
        if (open == std::string::npos) {
            break;
        }
        const std::size_t end = text.find_first_of("<>", open + 1);
        if (end == std::string::npos || text[end] == '<') {
            // What plotly puts together out of several texts mustn't become an element either.
            const char next = open + 1 < text.size() ? text[open + 1] : '\0';
            const bool harmless = !strict && (next == ' ' || next == '=' ||
                                              std::isdigit(static_cast<unsigned char>(next)) != 0);
            out += harmless ? "<" : "&lt;";
            at = open + 1;
            continue;
        }
        const auto kept = element(std::string_view(text).substr(open + 1, end - open - 1));
        if (!kept && !strict) {
            return std::nullopt;
        }
        out += kept.value_or("");
        at = end + 1;
    }
    return out;
}

}  // namespace

std::string inert_plotly_text(const std::string& source) {
    std::string text = source.find('$') == std::string::npos ? source : inert_latex(source);
    if (text.find('<') == std::string::npos) {
        return text;
    }
    auto written = write_text(text, /*strict=*/false);
    // What was around an element that goes mustn't become one.
    return written ? *written : *write_text(text, /*strict=*/true);
}

std::string inert_plotly(json& figure) {
    for (auto item = figure.begin(); item != figure.end();) {
        const bool known = item.key() == "data" || item.key() == "layout" || item.key() == "frames" ||
                           item.key() == "config";
        item = known ? std::next(item) : figure.erase(item);
    }
    if (!figure.contains("data") || !figure["data"].is_array()) {
        return "it has no data";
    }
    reduce_config(figure);
    if (figure.contains("layout")) {
        erase_idle_maps(figure["layout"]);
    }
    return FigureReader().read(figure);
}

}  // namespace cellblock::sandbox
