// Makes markup plain before a parser reads it, so that parsing takes time in proportion to its size.
//
// Parsers of HTML and XML compare each attribute of a tag with all before it, walk all open elements at an
// end tag, and expand what a document type declares. A reader that looks at each byte once removes the cause:
// tags are balanced; their nesting, their number and their attributes are bounded; entities are decoded;
// comments, instructions and document types are gone. What may be shown is judged later, from the parser's
// tree. Pure functions.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace cellblock::sandbox {

// No real output is near these.
constexpr std::size_t kDeepestNesting = 256;
constexpr std::size_t kMostElements = 250'000;
constexpr std::size_t kMostAttributesOfTag = 128;
constexpr std::size_t kMostAttributes = 1'000'000;

// The same page, past the bounds: without what is nested too deep, without a tag's surplus
// attributes, cut after so many elements.
std::string tidy_html(std::string_view html);

// Without namespaces: elements by their own names, of attributes with a prefix only xlink:href.
std::optional<std::string> tidy_xml(std::string_view xml);

}  // namespace cellblock::sandbox
