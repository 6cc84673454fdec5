// CSS that styles its own output, loads nothing and covers nothing.
//
// Purpose: what a pandas Styler or a drawing needs, by allowlists: properties,
// functions in values, selectors, @media. Names of classes and ids get a prefix
// (their elements get it too), so that none of the page's is meant; every
// selector is bound to the output's own root element. Positions, layers,
// shadows and transforms pass only within a root that paints nothing outside of
// itself; negative margins and what is fixed to the window never do.
// Escapes, comments inside of values and '<' make a declaration fall away.
// Ownership, threads: pure. Failure: none; what isn't understood is left out.
#pragma once

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

// One value of a property or of an SVG attribute of that name; empty: refused.
// References to url(#name) are kept, with the prefix.
std::string inert_value(std::string_view value);

}  // namespace cellblock::sandbox
