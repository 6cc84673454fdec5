// Figures of plotly and vega-lite (altair), which a front end draws from JSON.
//
// Such a figure is a program for a large piece of JavaScript. Everything in it that could load an address,
// become markup or be run as an expression is known here by kind, and a figure with any of it is refused as a
// whole, with the words for a notice. Texts that plotly reads as markup are written anew. Pure functions; a
// Chart without `json` is refused.
#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>

namespace cellblock::sandbox {

constexpr std::size_t kLongestChart = 32U << 20;
constexpr std::size_t kMostChartValues = 1'000'000;
constexpr int kDeepestChart = 64;

struct Chart {
    std::optional<std::string> json;
    std::string why;  // "it would load …", where there is none
};

// Tells whether a MIME type has a filter here.
bool is_chart(std::string_view type);
Chart inert_chart(std::string_view type, std::string_view json);

// Changed in place; why not, or empty. `inert_chart` has parsed and bounded them.
std::string inert_plotly(nlohmann::json& figure);
std::string inert_vegalite(nlohmann::json& spec);

// A text that plotly reads as markup: its own few elements, a colour or size of a <span>, no links.
std::string inert_plotly_text(const std::string& text);
// Of vega's expressions: numbers, texts, what is in `datum`, operators, known functions.
bool is_safe_expression(std::string_view expression);
// {"embed_options": …} in an output's metadata: how it looks stays. True if anything was changed.
bool inert_embed_options(nlohmann::json& metadata);

}  // namespace cellblock::sandbox
