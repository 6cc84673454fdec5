// SVG that is a drawing and nothing else.
//
// Purpose: elements and attributes by allowlists; no script, no foreign content,
// no animation, no references but to names within, no images but data: ones.
// Written anew from the tree, so that what a browser reads is what was judged.
// Ownership, threads: pure. Failure: nothing where it is no SVG.
#pragma once

#include <optional>
#include <string>

namespace cellblock::sandbox {

std::optional<std::string> inert_svg(const std::string& text);

}  // namespace cellblock::sandbox
