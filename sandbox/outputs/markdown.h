// Markdown that brings no HTML, loads nothing and runs nothing.
//
// Purpose: front ends turn Markdown into HTML and don't always clean it. Which
// parts are code, or a link, they don't agree on, so nothing here relies on
// such a judgement for safety: raw HTML, images, links to other places than
// http, https, mailto and #, and code in languages that a front end draws
// (Mermaid) are broken wherever they seem to begin; formulas obey latex.h.
// JupyterLab takes formulas out before it reads Markdown and puts them in again,
// as they are: no link's place and no code's language may have one in it.
// Ownership, threads: pure. Failure: none.
#pragma once

#include <string>

#include "sandbox/outputs/latex.h"

namespace cellblock::sandbox {

std::string inert_markdown(const std::string& text);

}  // namespace cellblock::sandbox
