// HTML that shows and does nothing.
//
// Purpose: tables, text, images and styles as pandas, scikit-learn or IPython
// make them; no script, no event handler, no frame, no form (boxes to tick, which
// fold and unfold their own output, belong to none), nothing loaded from
// elsewhere; sound and video where their bytes are within. A real parser makes a
// tree, allowlists judge it, and it is written anew with everything escaped: a
// browser finds no markup in it but ours.
// Ownership, threads: pure. Failure: an empty text.
#pragma once

#include <string>
#include <vector>

#include "sandbox/outputs/notices.h"

namespace cellblock::sandbox {

struct InertHtml {
    std::string text;
    bool shows = false;         // anything that a person would see
    std::vector<LeftOut> lost;  // one of each kind
};

InertHtml clean_html(const std::string& html);
// Its text.
std::string inert_html(const std::string& html);

}  // namespace cellblock::sandbox
