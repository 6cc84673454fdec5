// Markdown that brings no HTML, loads nothing and runs nothing.
//
// Front ends turn Markdown into HTML and don't always clean it, and they don't agree on which parts are code
// or a link. So nothing here relies on such a judgement: raw HTML, images, links to places other than http,
// https, mailto and #, and code in languages that a front end draws (Mermaid) are broken wherever they seem
// to begin, and formulas obey latex.h. JupyterLab takes formulas out before it reads Markdown and puts them
// in again unchanged, so neither a link's place nor a code's language may contain one. A pure function.
#pragma once

#include <string>

#include "sandbox/outputs/latex.h"

namespace cellblock::sandbox {

std::string inert_markdown(const std::string& text);

}  // namespace cellblock::sandbox
