// CSS that styles its own output, loads nothing and covers nothing.
//
// Properties, functions in values, selectors and @media go by allowlists that contain what a pandas Styler or
// a drawing needs. Names of classes and ids get a prefix, as those of their elements do, so that no name of
// the page is meant, and every selector is bound to the output's own root element. Positions, layers, shadows
// and transforms are allowed only within a root that paints nothing outside of itself; negative margins and
// what is fixed to the window never are. A declaration with an escape, a comment inside of a value, or '<' is
// left out. Pure functions.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace cellblock::sandbox {

// In front of every class and id that leaves a sandbox.
inline constexpr std::string_view kNamePrefix = "cb-";

// "name" → "cb-name"; names that have the prefix keep it. Empty if it is no name.
std::string prefixed_name(std::string_view name);
// Of several names, parted by blanks.
std::string prefixed_names(std::string_view names);

// Whether what is styled stands in a root with `contain: paint`, which holds layers, and what is
// placed absolutely, within its own box.
enum class Placing { refused, within_root };

// The content of a style attribute: "color: red; width: 3px".
std::string inert_declarations(std::string_view css, Placing placing = Placing::refused);

// The content of a <style> element. `scope`: a selector of the output's root,
// such as ".cb-0123abcd". Within a root, ":root" is that one.
std::string inert_stylesheet(std::string_view css, std::string_view scope,
                             Placing placing = Placing::refused);

// A name for the root of one output, to which its styles are bound: a class that is the same for the same
// content (FNV-1a).
inline std::string scope_of(std::string_view content) {
    std::uint64_t hash = 0xcbf29ce484222325;
    for (const char c : content) {
        hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3;
    }
    std::string name = "cb-scope-";
    for (int i = 0; i < 12; ++i, hash >>= 4U) {
        name += "0123456789abcdef"[hash & 15U];
    }
    return name;
}

// One value of a property or of an SVG attribute of that name; empty: refused.
// References to url(#name) are kept, with the prefix.
std::string inert_value(std::string_view value);

}  // namespace cellblock::sandbox
