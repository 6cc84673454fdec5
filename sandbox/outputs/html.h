// HTML that shows and does nothing.
//
// Kept are tables, text, images and styles as pandas, scikit-learn or IPython make them, check boxes that
// fold and unfold their own output, and sound and video whose bytes are in the page. Scripts, event handlers,
// frames, forms and everything that is loaded from elsewhere are gone. A real parser makes a tree, allowlists
// judge it, and it is written anew with everything escaped, so that a browser finds no markup in it but ours:
//
//     inert_html("<b onclick=\"x()\">hi</b><script>y()</script>")   // "<b>hi</b>"
//
// Pure functions. Nothing that may be shown gives an empty text.
#pragma once

#include <string>
#include <vector>

#include "sandbox/outputs/notices.h"

namespace cellblock::sandbox {

struct InertHtml {
    std::string text;
    bool shows = false;         // whether a person would see anything
    std::vector<LeftOut> lost;  // what was left out, one of each kind
};

InertHtml clean_html(const std::string& html);
// clean_html(html).text
std::string inert_html(const std::string& html);

}  // namespace cellblock::sandbox
