// Trees of HTML and XML, and text that goes back into markup.
//
// The only place that knows libxml2's ways: nothing is loaded, no entity is declared, errors are silent. What
// it parses was made tidy and bounded before (tidy.h). A Tree owns its nodes and belongs to one thread. Null:
// no tree.
#pragma once

#include <libxml/tree.h>

#include <memory>
#include <string>
#include <string_view>

namespace cellblock::sandbox {

struct FreeTree {
    void operator()(xmlDoc* tree) const { xmlFreeDoc(tree); }
};
using Tree = std::unique_ptr<xmlDoc, FreeTree>;

constexpr int kDeepestElement = 200;

Tree parse_html(std::string_view text);
// No document type of its own, no entities but XML's five.
Tree parse_xml(std::string_view text);

std::string_view name_of(const xmlNode* element);  // without namespace
std::string text_of(const xmlNode* node);          // of a text node or of an attribute
std::string all_text_of(const xmlNode* element);

// For the content of an element, and of an attribute in double quotes.
std::string escaped(std::string_view text);

// ` name="value"`
std::string attribute_text(std::string_view name, std::string_view value);

}  // namespace cellblock::sandbox
