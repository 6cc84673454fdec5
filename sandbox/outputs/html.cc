// HTML, by allowlists.
#include "sandbox/outputs/html.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <unordered_set>

#include "sandbox/base/text.h"
#include "sandbox/outputs/css.h"
#include "sandbox/outputs/data_url.h"
#include "sandbox/outputs/latex.h"
#include "sandbox/outputs/markup.h"
#include "sandbox/outputs/svg.h"

namespace cellblock::sandbox {

namespace {

using Names = std::unordered_set<std::string_view>;

// clang-format off
const Names& elements() {
    static const Names names{
        "a", "abbr", "address", "article", "aside", "b", "bdi", "bdo", "big", "blockquote", "br", "caption",
        "center", "cite", "code", "col", "colgroup", "dd", "del", "details", "dfn", "div", "dl", "dt", "em",
        "figcaption", "figure", "font", "footer", "h1", "h2", "h3", "h4", "h5", "h6", "header", "hr", "i", "img",
        "input", "ins", "kbd", "label", "li", "main", "mark", "meter", "nav", "ol", "p", "pre", "progress", "q", "rp", "rt", "ruby",
        "s", "samp", "section", "small", "span", "strike", "strong", "sub", "summary", "sup", "table", "tbody",
        "td", "tfoot", "th", "thead", "time", "tr", "tt", "u", "ul", "var", "wbr",
    };
    return names;
}

// Gone with all that is in them; of what is unknown only the tags go.
const Names& dropped() {
    static const Names names{
        "script", "noscript", "iframe", "frame", "frameset", "noframes", "object", "embed", "applet", "noembed",
        "template", "textarea", "title", "xmp", "plaintext", "listing", "math", "source", "track",
        "canvas", "select", "option", "datalist", "meta", "link", "base", "basefont", "bgsound", "portal", "slot",
        "dialog", "map", "area", "marquee", "isindex", "keygen", "param", "foreignobject",
    };
    return names;
}

const Names& without_end() {
    static const Names names{"br", "hr", "img", "wbr", "col", "input"};
    return names;
}

// Numbers, colours, keywords: no addresses, no code.
const Names& plain_attributes() {
    static const Names names{
        "align", "valign", "width", "height", "colspan", "rowspan", "span", "border", "cellpadding",
        "cellspacing", "bgcolor", "color", "face", "size", "scope", "start", "type", "value", "min", "max", "low",
        "high", "optimum", "open", "loop", "muted", "reversed", "datetime", "lang", "dir", "abbr", "rules", "frame", "nowrap", "hidden", "checked",
        "disabled", "tabindex", "aria-hidden", "aria-expanded",
    };
    return names;
}

const Names& text_attributes() {
    static const Names names{"title", "alt", "aria-label"};
    return names;
}
// clang-format on

bool is_plain_value(std::string_view value) {
    return value.size() <= 100 && std::all_of(value.begin(), value.end(), [](char c) {
               return std::isalnum(static_cast<unsigned char>(c)) != 0 ||
                      std::string_view(" .,:#%+-_").find(c) != std::string_view::npos;
           });
}

// As a browser does before it looks at the scheme: blanks and controls are passed over.
std::string squeezed(std::string_view url) {
    std::string out(url);
    std::erase_if(out, [](char c) {
        const auto byte = static_cast<unsigned char>(c);
        return byte <= 0x20 || byte == 0x7f;
    });
    return out;
}

std::string link(std::string_view value) {
    const std::string url = squeezed(value);
    if (url.starts_with('#')) {
        const std::string name = prefixed_name(std::string_view(url).substr(1));
        return name.empty() ? "" : attribute_text("href", "#" + name);
    }
    const std::string start = lower(std::string_view(url).substr(0, 8));
    if (url.size() > 4096 ||
        !(start.starts_with("http://") || start == "https://" || start.starts_with("mailto:"))) {
        return {};
    }
    return attribute_text("href", url) + R"( target="_blank" rel="noopener noreferrer nofollow")";
}

// Names of other elements, by which one is meant.
bool names_elements(std::string_view element, std::string_view name) {
    return (name == "for" && element == "label") || name == "aria-controls" || name == "aria-labelledby" ||
           name == "aria-describedby";
}

// Boxes to tick belong to no form: they fold and unfold what a style sheet binds to them.
bool is_tick_box(std::string_view type) {
    return type == "checkbox" || type == "radio";
}

// scikit-learn's script would choose one of two palettes; without any of them lines have no colour.
std::string with_palette(std::string_view given, const std::string& names) {
    const bool asks = given.find("sk-global") != std::string_view::npos;
    const bool has =
        given.find("light") != std::string_view::npos || given.find("dark") != std::string_view::npos;
    return asks && !has ? names + " " + prefixed_name("light") : names;
}

std::string attribute(const std::string& element, const std::string& name, const std::string& value) {
    if (name == "class" || names_elements(element, name)) {
        const std::string own = prefixed_names(value);
        return own.empty() ? "" : attribute_text(name, name == "class" ? with_palette(value, own) : own);
    }
    if (name == "id" || (name == "name" && element == "input")) {
        const std::string own = prefixed_name(value);
        return own.empty() ? "" : attribute_text(name, own);
    }
    if (name == "style") {
        const std::string own = inert_declarations(value, Placing::within_root);
        return own.empty() ? "" : attribute_text(name, own);
    }
    if (name == "href" && element == "a") {
        return link(value);
    }
    if (name == "src" && element == "img") {
        const auto image = inert_image_url(value);
        return image ? attribute_text(name, *image) : "";
    }
    if (text_attributes().count(name) != 0) {
        return attribute_text(name, value.substr(0, 2000));
    }
    const bool plain = plain_attributes().count(name) != 0 && is_plain_value(value);
    return plain ? attribute_text(name, value) : "";
}

// Whose script it is, by its beginning, as far as it matters for a notice.
std::string library_of(std::string_view script) {
    constexpr auto kMarks =
        std::to_array<std::pair<std::string_view, const char*>>({{"vega-embed", "altair"},
                                                                 {"vegaEmbed", "altair"},
                                                                 {"Plotly", "plotly"},
                                                                 {"Bokeh", "bokeh"},
                                                                 {"echarts", "pyecharts"}});
    for (const auto& [mark, name] : kMarks) {
        if (script.find(mark) != std::string_view::npos) {
            return name;
        }
    }
    return {};
}

// "example.org" of an address; empty if it has none.
std::string host_of(std::string_view url) {
    const std::size_t start = url.find("//");
    if (start == std::string_view::npos || start > 8) {
        return {};
    }
    const std::string_view rest = url.substr(start + 2, 200);
    const auto is_host = [](char c) {
        return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '.' || c == '-';
    };
    return std::string(rest.begin(), std::find_if_not(rest.begin(), rest.end(), is_host));
}

// Where an element's contents are, as LeftOut's detail has it.
std::string origin_of(std::string_view url) {
    return lower(std::string(url.substr(0, 5))) == LeftOut::kWithin ? LeftOut::kWithin : host_of(url);
}

std::string value_of(const xmlNode* element, std::string_view wanted) {
    for (const xmlAttr* one = element->properties; one != nullptr; one = one->next) {
        if (lower(reinterpret_cast<const char*>(one->name)) == wanted) {
            std::string value;
            for (const xmlNode* part = one->children; part != nullptr; part = part->next) {
                value += text_of(part);
            }
            return value;
        }
    }
    return {};
}

bool is_frame(std::string_view name) {
    return name == "iframe" || name == "frame" || name == "object" || name == "embed" || name == "portal";
}

bool is_blank(std::string_view text) {
    return text.find_first_not_of(" \t\r\n\f\xc2\xa0") == std::string_view::npos;  // U+00A0 too
}

class HtmlWriter {
public:
    explicit HtmlWriter(std::string scope) : scope_(std::move(scope)) {}

    void children(const xmlNode* node, int depth) {
        for (const xmlNode* child = node->children; child != nullptr; child = child->next) {
            one(child, depth);
        }
    }

    void one(const xmlNode* child, int depth) {
        if (child->type == XML_TEXT_NODE || child->type == XML_CDATA_SECTION_NODE) {
            const std::string text = text_of(child);
            shows_ = shows_ || (hidden_ == 0 && !is_blank(text));
            out_ += escaped(text);
        } else if (child->type == XML_ELEMENT_NODE && depth < kDeepestElement) {
            element(child, depth + 1);
        }
    }

    // The parser was given a <div> around all of it, which is not written.
    void top(const xmlNode* body) {
        const xmlNode* first = body->children;
        if (first == nullptr || first->type != XML_ELEMENT_NODE || name_of(first) != "div") {
            return children(body, 0);
        }
        children(first, 0);
        for (const xmlNode* child = first->next; child != nullptr; child = child->next) {
            one(child, 0);
        }
    }

    // Bound to a root of its own that nothing painted leaves.
    [[nodiscard]] InertHtml finish() const {
        InertHtml done{out_, shows_, lost_};
        if (styled_) {
            done.text =
                "<div class=\"" + scope_ + "\" style=\"contain:paint;overflow:auto\">" + out_ + "</div>";
        }
        return done;
    }

private:
    void element(const xmlNode* node, int depth) {
        const std::string name = lower(name_of(node));
        if (dropped().count(name) != 0) {
            return drop(node, name);
        }
        if (name == "svg") {
            styled_ = true;
            shows_ = shows_ || hidden_ == 0;
            return write_svg_element(node, scope_, Placing::within_root, depth, out_);
        }
        if (name == "style") {
            return style(node);
        }
        if (name == "audio" || name == "video") {
            return media(node, name);
        }
        if (elements().count(name) == 0) {
            return children(node, depth);
        }
        if (name == "input" && !is_tick_box(lower(value_of(node, "type")))) {
            return lose(LeftOut::Why::other, "");
        }
        const std::string attributes = attributes_of(node, name);
        if (name == "img" && attributes.find(" src=") == std::string::npos) {
            return lose(LeftOut::Why::image, origin_of(value_of(node, "src")));
        }
        const bool hides = attributes.find("display:none") != std::string::npos;
        hidden_ += hides ? 1 : 0;
        shows_ = shows_ || (hidden_ == 0 && is_drawn(name, attributes));
        out_ += "<" + name + attributes + ">";
        if (without_end().count(name) == 0) {
            children(node, depth);
            out_ += "</" + name + ">";
        }
        hidden_ -= hides ? 1 : 0;
    }

    // Seen without any text in it.
    static bool is_drawn(std::string_view name, std::string_view attributes) {
        return name == "img" || name == "hr" || name == "input" || name == "meter" || name == "progress" ||
               attributes.find("background") != std::string_view::npos ||
               attributes.find("border") != std::string_view::npos ||
               attributes.find("bgcolor") != std::string_view::npos;
    }

    void drop(const xmlNode* node, const std::string& name) {
        using Why = LeftOut::Why;
        if (name == "script") {
            lose(Why::script, library_of(all_text_of(node)));
        } else if (is_frame(name)) {
            lose(Why::frame, origin_of(value_of(node, name == "object" ? "data" : "src")));
        } else if (name != "meta" && name != "link" && name != "title" && name != "noscript") {
            lose(Why::other, "");
        }
    }

    // The first of each kind is told.
    void lose(LeftOut::Why why, const std::string& detail) {
        const auto known =
            std::find_if(lost_.begin(), lost_.end(), [&](const LeftOut& one) { return one.why == why; });
        if (known == lost_.end()) {
            lost_.push_back({"text/html", why, detail});
        } else if (known->detail.empty()) {
            known->detail = detail;
        }
    }

    // With its bytes in it, controls, and no way to begin by itself.
    void media(const xmlNode* node, const std::string& name) {
        std::vector<std::string> addresses{value_of(node, "src")};
        // A <source> that was left open has the next one in it.
        for (const xmlNode* child = node->children; child != nullptr;) {
            const bool source = child->type == XML_ELEMENT_NODE && lower(name_of(child)) == "source";
            if (source) {
                addresses.push_back(value_of(child, "src"));
            }
            child = source && child->children != nullptr ? child->children : child->next;
        }
        for (const auto& address : addresses) {
            if (const auto good = inert_media_url(name, address); good) {
                out_ += "<" + name + attributes_of(node, name) + attribute_text("src", *good) +
                        R"( controls="" preload="metadata"></)" + name + ">";
                shows_ = shows_ || hidden_ == 0;
                return;
            }
        }
        const auto far = std::find_if(addresses.begin(), addresses.end(),
                                      [](const std::string& address) { return !origin_of(address).empty(); });
        lose(name == "audio" ? LeftOut::Why::sound : LeftOut::Why::video,
             far == addresses.end() ? "" : origin_of(*far));
    }

    void style(const xmlNode* node) {
        const std::string css = inert_stylesheet(all_text_of(node), "." + scope_, Placing::within_root);
        lose(LeftOut::Why::styles, "");
        if (!css.empty()) {
            styled_ = true;
            out_ += "<style>" + css + "</style>";
        }
    }

    std::string attributes_of(const xmlNode* node, const std::string& element) {
        std::string out;
        std::unordered_set<std::string> seen;
        for (const xmlAttr* one = node->properties; one != nullptr; one = one->next) {
            const std::string name = lower(reinterpret_cast<const char*>(one->name));
            std::string value;
            for (const xmlNode* part = one->children; part != nullptr; part = part->next) {
                value += text_of(part);
            }
            if (seen.insert(name).second) {
                const std::string kept = attribute(element, name, value);
                styled_ = styled_ || (name == "style" && !kept.empty());
                out += kept;
            }
        }
        return out;
    }

    std::string scope_;
    std::string out_;
    std::vector<LeftOut> lost_;
    int hidden_ = 0;  // elements around that aren't displayed
    bool styled_ = false;
    bool shows_ = false;
};

}  // namespace

InertHtml clean_html(const std::string& html) {
    const Tree tree = parse_html(html);
    const xmlNode* root = tree ? xmlDocGetRootElement(tree.get()) : nullptr;
    if (root == nullptr) {
        return {};
    }
    HtmlWriter writer(scope_of(html));
    for (const xmlNode* part = root->children; part != nullptr; part = part->next) {
        if (part->type == XML_ELEMENT_NODE) {  // a <head> of theirs, <body>
            writer.top(part);
        }
    }
    InertHtml out = writer.finish();
    out.text = inert_latex_in_page(out.text);
    return out;
}

std::string inert_html(const std::string& html) {
    return clean_html(html).text;
}

}  // namespace cellblock::sandbox
