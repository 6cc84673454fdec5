// SVG, by allowlists (SVG 1.1 and 2 without scripting, animation, filters and foreign objects).
#include "sandbox/outputs/svg.h"

#include <algorithm>
#include <cctype>
#include <unordered_map>
#include <unordered_set>

#include "sandbox/base/text.h"
#include "sandbox/outputs/css.h"
#include "sandbox/outputs/data_url.h"
#include "sandbox/outputs/markup.h"

namespace cellblock::sandbox {

namespace {

using Names =
    std::unordered_map<std::string_view, std::string_view>;  // as HTML's parser gives it → as SVG has it

// clang-format off
const Names& elements() {
    static const Names names{
        {"svg", "svg"}, {"g", "g"}, {"defs", "defs"}, {"symbol", "symbol"}, {"use", "use"}, {"path", "path"},
        {"rect", "rect"}, {"circle", "circle"}, {"ellipse", "ellipse"}, {"line", "line"},
        {"polyline", "polyline"}, {"polygon", "polygon"}, {"text", "text"}, {"tspan", "tspan"},
        {"textpath", "textPath"}, {"lineargradient", "linearGradient"}, {"radialgradient", "radialGradient"},
        {"stop", "stop"}, {"clippath", "clipPath"}, {"mask", "mask"}, {"pattern", "pattern"},
        {"marker", "marker"}, {"image", "image"}, {"style", "style"},
    };
    return names;
}

// Their values are numbers, units, path and transform commands, or a keyword.
const Names& attributes() {
    static const Names names{
        {"x", "x"}, {"y", "y"}, {"x1", "x1"}, {"y1", "y1"}, {"x2", "x2"}, {"y2", "y2"}, {"cx", "cx"},
        {"cy", "cy"}, {"r", "r"}, {"rx", "rx"}, {"ry", "ry"}, {"dx", "dx"}, {"dy", "dy"}, {"fx", "fx"},
        {"fy", "fy"}, {"fr", "fr"}, {"d", "d"}, {"points", "points"}, {"width", "width"}, {"height", "height"},
        {"viewbox", "viewBox"}, {"preserveaspectratio", "preserveAspectRatio"}, {"transform", "transform"},
        {"rotate", "rotate"}, {"textlength", "textLength"}, {"lengthadjust", "lengthAdjust"},
        {"startoffset", "startOffset"}, {"offset", "offset"}, {"gradientunits", "gradientUnits"},
        {"gradienttransform", "gradientTransform"}, {"spreadmethod", "spreadMethod"},
        {"clippathunits", "clipPathUnits"}, {"maskunits", "maskUnits"}, {"maskcontentunits", "maskContentUnits"},
        {"patternunits", "patternUnits"}, {"patterncontentunits", "patternContentUnits"},
        {"patterntransform", "patternTransform"}, {"markerwidth", "markerWidth"},
        {"markerheight", "markerHeight"}, {"markerunits", "markerUnits"}, {"refx", "refX"}, {"refy", "refY"},
        {"orient", "orient"}, {"version", "version"}, {"pathlength", "pathLength"},
    };
    return names;
}

// Properties that are written as attributes.
const std::unordered_set<std::string_view>& presentation() {
    static const std::unordered_set<std::string_view> names{
        "color", "fill", "fill-opacity", "fill-rule", "stroke", "stroke-dasharray", "stroke-dashoffset",
        "stroke-linecap", "stroke-linejoin", "stroke-miterlimit", "stroke-opacity", "stroke-width", "stop-color",
        "stop-opacity", "opacity", "clip-path", "clip-rule", "mask", "marker", "marker-start", "marker-mid",
        "marker-end", "font-family", "font-size", "font-style", "font-variant", "font-weight", "font-stretch",
        "text-anchor", "text-decoration", "letter-spacing", "word-spacing", "dominant-baseline",
        "alignment-baseline", "baseline-shift", "shape-rendering", "text-rendering", "image-rendering",
        "paint-order", "vector-effect", "visibility", "display", "writing-mode", "direction",
    };
    return names;
}
// clang-format on

// Numbers, words, and of functions only those of a transform.
bool is_geometry(std::string_view value) {
    static const std::unordered_set<std::string_view> functions{"matrix", "translate", "scale",
                                                                "rotate", "skewX",     "skewY"};
    std::size_t word = 0;  // where the word that ends here began
    for (std::size_t at = 0; at < value.size(); ++at) {
        if (std::isalpha(static_cast<unsigned char>(value[at])) != 0) {
            continue;
        }
        const std::string_view before = value.substr(word, at - word);
        const bool good = value[at] == '(' ? functions.count(before) != 0 || before.empty()
                                           : std::string_view("0123456789 \t\r\n+-.,%)").find(value[at]) !=
                                                 std::string_view::npos;
        if (!good) {
            return false;
        }
        word = at + 1;
    }
    return true;
}

std::string reference(std::string_view element, std::string_view value) {
    if (element == "image") {
        const auto image = inert_image_url(value);
        return image ? attribute_text("href", *image) : "";
    }
    const std::string name = value.starts_with('#') ? prefixed_name(value.substr(1)) : "";
    return name.empty() ? "" : attribute_text("href", "#" + name);
}

std::string attribute(std::string_view element, const std::string& name, const std::string& value,
                      Placing placing) {
    if (name == "id") {
        const std::string own = prefixed_name(value);
        return own.empty() ? "" : attribute_text("id", own);
    }
    if (name == "style") {
        const std::string own = inert_declarations(value, placing);
        return own.empty() ? "" : attribute_text("style", own);
    }
    if (name == "href") {
        return reference(element, value);
    }
    if (const auto known = attributes().find(name); known != attributes().end()) {
        return is_geometry(value) ? attribute_text(known->second, value) : "";
    }
    if (presentation().count(name) != 0) {
        const std::string own = inert_value(value);
        return own.empty() ? "" : attribute_text(name, own);
    }
    return {};
}

class SvgWriter {
public:
    SvgWriter(const std::string& scope, Placing placing, std::string& out)
        : scope_(scope), placing_(placing), out_(out) {}

    void element(const xmlNode* node, int depth, bool root) {
        const std::string name = lower(name_of(node));
        const auto known = elements().find(name);
        if (known == elements().end() || depth > kDeepestElement) {
            return;  // with all that is in it
        }
        if (name == "style") {
            // In SVG it would be read as markup were it not for the lack of '<' and '&' in it.
            const std::string css = inert_stylesheet(all_text_of(node), "." + scope_, placing_);
            if (!css.empty() && css.find('&') == std::string::npos) {
                out_ += "<style>" + css + "</style>";
            }
            return;
        }
        out_ += "<" + std::string(known->second) + start(node, name, root) + ">";
        children(node, depth);
        out_ += "</" + std::string(known->second) + ">";
    }

private:
    std::string start(const xmlNode* node, const std::string& name, bool root) const {
        std::string classes = root ? scope_ : "";
        std::string out = root ? R"( xmlns="http://www.w3.org/2000/svg")" : "";
        std::unordered_set<std::string> seen;
        for (const xmlAttr* one = node->properties; one != nullptr; one = one->next) {
            const std::string key = lower(name_of(reinterpret_cast<const xmlNode*>(one)));
            std::string value;
            for (const xmlNode* part = one->children; part != nullptr; part = part->next) {
                value += text_of(part);
            }
            if (!seen.insert(key).second) {
                continue;
            }
            if (key == "class") {
                classes += (classes.empty() ? "" : " ") + prefixed_names(value);
            } else {
                out += attribute(name, key, value, placing_);
            }
        }
        return classes.empty() ? out : out + attribute_text("class", classes);
    }

    void children(const xmlNode* node, int depth) {
        for (const xmlNode* child = node->children; child != nullptr; child = child->next) {
            if (child->type == XML_ELEMENT_NODE) {
                element(child, depth + 1, false);
            } else if (child->type == XML_TEXT_NODE || child->type == XML_CDATA_SECTION_NODE) {
                out_ += escaped(text_of(child));
            }
        }
    }

    const std::string& scope_;
    Placing placing_;
    std::string& out_;
};

}  // namespace

void write_svg_element(const xmlNode* element, const std::string& scope, Placing placing, int depth,
                       std::string& out) {
    SvgWriter(scope, placing, out).element(element, depth, true);
}

std::optional<std::string> inert_svg(const std::string& text) {
    const Tree tree = parse_xml(text);
    const xmlNode* root = tree ? xmlDocGetRootElement(tree.get()) : nullptr;
    if (root == nullptr || lower(name_of(root)) != "svg") {
        return std::nullopt;
    }
    std::string out;
    write_svg_element(root, scope_of(text), Placing::refused, 0, out);
    return out;
}

}  // namespace cellblock::sandbox
