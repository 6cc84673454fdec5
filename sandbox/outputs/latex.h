// Formulas that are mathematics and nothing else.
//
// Front ends give what looks like TeX to MathJax 2 or 3, or to KaTeX, whose commands can carry styles, links,
// classes, pictures, definitions and code. latex.cc lists the commands that are let through, with what their
// arguments may be. The backslash of any other command is parted from its name, so that the command is shown
// and not obeyed. Pure functions.
#pragma once

#include <string>
#include <string_view>

namespace cellblock::sandbox {

// For a text/latex, which is a formula as a whole, and for text in which there may be formulas.
std::string inert_latex(const std::string& text);

// The same for Markdown, whose renderers take a backslash from two of them before TeX is read.
std::string inert_latex_in_markdown(const std::string& text);

// For a page that html.h has written, where two texts may have become one because the tag between them was
// left out. A page without formulas stays as it is, with its paths and regular expressions.
std::string inert_latex_in_page(const std::string& page);

// Tells whether a front end could find a formula in that text.
bool may_have_formulas(std::string_view text);

}  // namespace cellblock::sandbox
