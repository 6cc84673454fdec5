// HTML that shows and does nothing.
//
// Purpose: tables, text, images and styles as pandas, sympy or IPython make
// them; no script, no event handler, no frame, no form, nothing loaded from
// elsewhere. A real parser makes a tree, allowlists judge it, and it is written
// anew with everything escaped: a browser finds no markup in it but ours.
// Ownership, threads: pure. Failure: an empty text.
#pragma once

#include <string>

namespace cellblock::sandbox {

std::string inert_html(const std::string& html);

}  // namespace cellblock::sandbox
