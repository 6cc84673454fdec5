// Markdown and LaTeX that bring no HTML, load nothing and run nothing.
//
// Purpose: front ends turn Markdown into HTML and don't always clean it. Which
// parts are code, or a link, they don't agree on, so nothing here relies on
// such a judgement for safety: raw HTML, images and links to other places than
// http, https, mailto and # are broken wherever they seem to begin.
// Ownership, threads: pure. Failure: none.
#pragma once

#include <string>

namespace cellblock::sandbox {

std::string inert_markdown(const std::string& text);

// Formulas: commands that carry links, styles or code are broken. For text/latex
// and for all text that a front end looks for formulas in.
std::string inert_latex(const std::string& text);

}  // namespace cellblock::sandbox
