// Formulas that are mathematics and nothing else.
//
// Purpose: front ends give what looks like TeX to MathJax 2 or 3, or to KaTeX, and these know commands
// that carry styles, links, classes, pictures, definitions and code. Here is the list of those that
// are let through, with what their arguments may be; of any other command the backslash is parted
// from its name, so that it is shown and not obeyed.
// Ownership, threads: pure. Failure: none.
#pragma once

#include <string>
#include <string_view>

namespace cellblock::sandbox {

// A text/latex, which is a formula as a whole; or text in which there may be formulas.
std::string inert_latex(const std::string& text);

// The same for Markdown, whose renderers take a backslash from two of them before TeX is read.
std::string inert_latex_in_markdown(const std::string& text);

// For a page that was written by html.h: of text that had nothing to part it but a tag which was left
// out, a browser makes one. Where there is no formula at all, paths and regular expressions stay.
std::string inert_latex_in_page(const std::string& page);

// Whether a front end could find a formula in that text.
bool may_have_formulas(std::string_view text);

}  // namespace cellblock::sandbox
