// SVG that is a drawing and nothing else.
//
// Elements and attributes go by allowlists: no script, no foreign content, no animation, no references but to
// names within, no images but data: URLs. The drawing is written anew from its tree, so that a browser reads
// what was judged. Pure functions; nullopt: the text is no SVG.
#pragma once

#include <optional>
#include <string>

#include "sandbox/outputs/css.h"

// libxml2's xmlNode; its header is for those who have a tree.
struct _xmlNode;  // NOLINT(bugprone-reserved-identifier,clang-diagnostic-reserved-identifier)

namespace cellblock::sandbox {

std::optional<std::string> inert_svg(const std::string& text);

// Writes an <svg> element that stands within HTML. `scope`, `placing`: as in css.h. `depth`: of the element
// in its tree.
void write_svg_element(const _xmlNode* element, const std::string& scope, Placing placing, int depth,
                       std::string& out);

}  // namespace cellblock::sandbox
