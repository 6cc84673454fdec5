// An <svg> element within HTML, see svg.h.
//
// Purpose: for html.cc alone, which has libxml2's tree already.
// Ownership, threads, failure: pure.
#pragma once

#include <libxml/tree.h>

#include <string>

namespace cellblock::sandbox {

// `scope`: see css.h.
void write_svg_element(const xmlNode* element, const std::string& scope, int depth, std::string& out);

}  // namespace cellblock::sandbox
