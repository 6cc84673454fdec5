// The bounds that both kinds of charts have before a tree is made of their text.
#include "sandbox/outputs/charts.h"

namespace cellblock::sandbox {

namespace {

using nlohmann::json;

// One pass over the text: depth and number of values, which a tree's size follows from.
bool is_bounded(std::string_view text) {
    int depth = 0;
    std::size_t values = 1;
    bool in_string = false;
    for (std::size_t at = 0; at < text.size(); ++at) {
        const char c = text[at];
        if (in_string) {
            at += c == '\\' ? 1 : 0;
            in_string = c != '"';
            continue;
        }
        in_string = c == '"';
        values += c == ',' || c == '[' || c == '{' ? 1 : 0;
        depth += c == '[' || c == '{' ? 1 : c == ']' || c == '}' ? -1 : 0;
        if (depth > kDeepestChart || values > kMostChartValues) {
            return false;
        }
    }
    return text.size() <= kLongestChart;
}

bool is_vegalite(std::string_view type) {
    return type == "application/vnd.vegalite.v4+json" || type == "application/vnd.vegalite.v5+json" ||
           type == "application/vnd.vegalite.v6+json" || type == "application/vnd.vegalite.v6.json";
}

}  // namespace

bool is_chart(std::string_view type) {
    return type == "application/vnd.plotly.v1+json" || is_vegalite(type);
}

Chart inert_chart(std::string_view type, std::string_view text) {
    if (!is_bounded(text)) {
        return {std::nullopt, "it has more than a million values, or is nested too deep"};
    }
    json figure = json::parse(text, nullptr, /*allow_exceptions=*/false);
    if (!figure.is_object()) {
        return {std::nullopt, "it isn't what its type says"};
    }
    std::string why = is_vegalite(type) ? inert_vegalite(figure) : inert_plotly(figure);
    if (!why.empty()) {
        return {std::nullopt, std::move(why)};
    }
    return {figure.dump(-1, ' ', false, json::error_handler_t::replace), ""};
}

}  // namespace cellblock::sandbox
