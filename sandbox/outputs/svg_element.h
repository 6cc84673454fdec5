// An <svg> element within HTML, see svg.h.
//
// Purpose: for html.cc alone, which has libxml2's tree already.
// Ownership, threads, failure: pure.
#pragma once

#include <libxml/tree.h>

#include <string>

#include "sandbox/outputs/css.h"

namespace cellblock::sandbox {

// `scope`, `placing`: see css.h.
void write_svg_element(const xmlNode* element, const std::string& scope, Placing placing, int depth,
                       std::string& out);

}  // namespace cellblock::sandbox
