// A small reader of CSS (css-syntax-3), strict: in doubt it leaves out.
#include "sandbox/outputs/css.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <optional>
#include <unordered_set>
#include <vector>

#include "sandbox/base/text.h"

namespace cellblock::sandbox {

namespace {

constexpr std::size_t kLongestValue = 4096;
constexpr std::size_t kLongestSelector = 4096;
constexpr std::size_t kMostRules = 100'000;

bool is_name_char(char c) {
    const auto byte = static_cast<unsigned char>(c);
    return std::isalnum(byte) != 0 || c == '-' || c == '_' || byte >= 0x80;
}

bool is_blank(char c) {
    return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f';
}

std::string_view trimmed(std::string_view text) {
    while (!text.empty() && is_blank(text.front())) {
        text.remove_prefix(1);
    }
    while (!text.empty() && is_blank(text.back())) {
        text.remove_suffix(1);
    }
    return text;
}

using Names = std::unordered_set<std::string_view>;

// clang-format off
const Names& properties() {
    static const Names names{
        // colours and text
        "color", "background", "background-color", "opacity", "visibility", "font", "font-family", "font-size",
        "font-style", "font-variant", "font-variant-numeric", "font-weight", "font-stretch", "line-height",
        "letter-spacing", "word-spacing", "word-break", "word-wrap", "overflow-wrap", "hyphens", "white-space",
        "text-align", "text-align-last", "text-anchor", "text-decoration", "text-decoration-color",
        "text-decoration-line", "text-decoration-style", "text-overflow", "text-transform", "text-wrap",
        "text-rendering", "vertical-align", "direction", "writing-mode", "tab-size", "quotes", "content",
        "accent-color", "color-scheme", "color-adjust", "print-color-adjust",
        // boxes
        "display", "width", "height", "min-width", "min-height", "max-width", "max-height", "box-sizing",
        "overflow", "overflow-x", "overflow-y", "float", "clear", "padding", "padding-top", "padding-right",
        "padding-bottom", "padding-left", "margin", "margin-top", "margin-right", "margin-bottom", "margin-left",
        "border", "border-top", "border-right", "border-bottom", "border-left", "border-color", "border-style",
        "border-width", "border-radius", "border-collapse", "border-spacing", "border-top-color",
        "border-right-color", "border-bottom-color", "border-left-color", "border-top-style",
        "border-right-style", "border-bottom-style", "border-left-style", "border-top-width",
        "border-right-width", "border-bottom-width", "border-left-width", "border-top-left-radius",
        "border-top-right-radius", "border-bottom-left-radius", "border-bottom-right-radius", "aspect-ratio",
        "object-fit", "resize",
        // tables and lists
        "table-layout", "caption-side", "empty-cells", "list-style", "list-style-type", "list-style-position",
        // flex and grid
        "flex", "flex-basis", "flex-direction", "flex-flow", "flex-grow", "flex-shrink", "flex-wrap", "order",
        "align-content", "align-items", "align-self", "justify-content", "justify-items", "justify-self",
        "gap", "row-gap", "column-gap", "grid", "grid-area", "grid-auto-columns", "grid-auto-flow",
        "grid-auto-rows", "grid-column", "grid-column-end", "grid-column-start", "grid-row", "grid-row-end",
        "grid-row-start", "grid-template", "grid-template-areas", "grid-template-columns",
        "grid-template-rows", "columns", "column-count", "column-width", "break-inside", "page-break-inside",
        // SVG
        "fill", "fill-opacity", "fill-rule", "stroke", "stroke-dasharray", "stroke-dashoffset",
        "stroke-linecap", "stroke-linejoin", "stroke-miterlimit", "stroke-opacity", "stroke-width",
        "stop-color", "stop-opacity", "clip-path", "clip-rule", "mask", "marker", "marker-start", "marker-mid",
        "marker-end", "dominant-baseline", "alignment-baseline", "baseline-shift", "shape-rendering",
        "image-rendering", "paint-order", "vector-effect", "mix-blend-mode",
        // pictures of gradients, and the mouse
        "background-image", "background-size", "background-repeat", "background-position", "background-clip",
        "background-origin", "cursor", "user-select", "pointer-events", "text-underline-offset",
    };
    return names;
}

// What leaves its place, but not a root that paints nothing outside of itself and contains its layers.
const Names& placing_properties() {
    static const Names names{
        "position", "top", "right", "bottom", "left", "inset", "z-index", "clip", "transform", "transform-origin",
        "box-shadow", "text-shadow", "outline", "outline-offset", "outline-color", "outline-style",
        "outline-width", "transition", "scrollbar-width",
    };
    return names;
}

// What a sheet may say of the root itself, which stands in the page.
const Names& root_properties() {
    static const Names names{
        "color", "background-color", "font-family", "font-size", "font-style", "font-weight", "line-height",
        "text-align", "accent-color",
    };
    return names;
}

const Names& functions() {
    static const Names names{
        "rgb", "rgba", "hsl", "hsla", "hwb", "lab", "lch", "oklab", "oklch", "color", "color-mix", "light-dark",
        "calc", "min", "max", "clamp", "minmax", "repeat", "fit-content", "var", "linear-gradient",
        "radial-gradient", "conic-gradient", "repeating-linear-gradient", "repeating-radial-gradient",
        // shapes to clip by, and transforms; their properties are the ones that understand them
        "inset", "circle", "ellipse", "polygon", "rect", "translate", "translatex", "translatey", "rotate",
        "scale", "scalex", "scaley", "skew", "cubic-bezier", "steps",
    };
    return names;
}

const Names& pseudo_classes() {
    static const Names names{
        "hover", "first-child", "last-child", "only-child", "first-of-type", "last-of-type", "only-of-type",
        "empty", "checked", "link", "visited", "before", "after", "first-line", "first-letter", "marker",
        "nth-child", "nth-last-child", "nth-of-type", "nth-last-of-type", "not", "is", "where", "enabled",
        "disabled", "indeterminate", "focus", "focus-visible", "focus-within", "active",
    };
    return names;
}

// Attributes that a selector may ask for: those that html.cc lets through.
const Names& asked_attributes() {
    static const Names names{
        "type", "checked", "disabled", "hidden", "open", "class", "id", "for", "name", "href", "title",
        "align", "valign", "colspan", "rowspan", "scope", "start", "value", "dir", "lang", "width", "height",
        "tabindex", "aria-hidden", "aria-label", "aria-expanded", "aria-controls",
    };
    return names;
}
// clang-format on

// Strings stay whole: from a quote to the next one, with nothing odd within.
std::optional<std::size_t> end_of_string(std::string_view text, std::size_t at) {
    const char quote = text[at];
    for (std::size_t i = at + 1; i < text.size(); ++i) {
        if (text[i] == quote) {
            return i;
        }
        if (text[i] == '\n' || text[i] == '\r' || text[i] == '\f') {
            break;
        }
    }
    return std::nullopt;
}

// Where the text's odd characters are such that no reader could take it for something else.
bool has_only_plain_characters(std::string_view text) {
    return std::none_of(text.begin(), text.end(), [](char c) {
        const auto byte = static_cast<unsigned char>(c);
        return c == '\\' || c == '<' || c == '{' || c == '}' || c == '@' || c == '`' || byte == 0x7f ||
               (byte < 0x20 && !is_blank(c));
    });
}

// "#name", quoted or not, as the argument of url().
std::string local_reference(std::string_view argument) {
    argument = trimmed(argument);
    if (argument.size() > 1 && (argument.front() == '"' || argument.front() == '\'') &&
        argument.back() == argument.front()) {
        argument = argument.substr(1, argument.size() - 2);
    }
    if (!argument.starts_with('#')) {
        return {};
    }
    const std::string name = prefixed_name(argument.substr(1));
    return name.empty() ? "" : "url(#" + name + ")";
}

// Copies a value and checks it on the way.
class ValueReader {
public:
    explicit ValueReader(std::string_view value) : value_(value) {}

    // Empty: refused.
    std::string read() {
        while (good_ && at_ < value_.size()) {
            step();
        }
        return good_ && depth_ == 0 ? out_ : std::string();
    }

private:
    void step() {
        const char c = value_[at_];
        if (c == '"' || c == '\'') {
            return copy_string();
        }
        if (is_name_char(c)) {
            return copy_word();
        }
        if (c == '(') {
            ++depth_;  // brackets of calc
        } else if (c == ')') {
            good_ = --depth_ >= 0;
        } else if (c == '!') {
            good_ = lower(value_.substr(at_)) == "!important";
        } else {
            const bool comment = value_.substr(at_).starts_with("/*");
            good_ = !comment && std::string_view(" \t\n\r\f,/%+*.#[]").find(c) != std::string_view::npos;
        }
        out_ += c == '\n' || c == '\r' || c == '\f' ? ' ' : c;
        ++at_;
    }

    // "url(" in a string means nothing to a browser, but tools that look for it by pattern
    // are misled.
    void copy_string() {
        const auto end = end_of_string(value_, at_);
        const std::string_view text = end ? value_.substr(at_, *end + 1 - at_) : "";
        good_ = end.has_value() && lower(text).find("url(") == std::string::npos;
        out_ += text;
        at_ += text.size();
    }

    void copy_word() {
        const std::size_t start = at_;
        while (at_ < value_.size() && is_name_char(value_[at_])) {
            ++at_;
        }
        const std::string_view word = value_.substr(start, at_ - start);
        const bool called = at_ < value_.size() && value_[at_] == '(';
        if (called && lower(word) == "url") {
            const std::size_t end = value_.find(')', at_);
            const std::string local =
                end == std::string_view::npos ? "" : local_reference(value_.substr(at_ + 1, end - at_ - 1));
            good_ = !local.empty();
            out_ += local;
            at_ = end == std::string_view::npos ? value_.size() : end + 1;
            return;
        }
        good_ = !called || functions().count(lower(word)) != 0;
        out_ += word;
    }

    std::string_view value_;
    std::string out_;
    std::size_t at_ = 0;
    int depth_ = 0;
    bool good_ = true;
};

// A margin that pulls, by a sign or by what can't be told from here, leads out of the output.
bool may_be_negative(std::string_view value) {
    return value.find('-') != std::string_view::npos || value.find('(') != std::string_view::npos;
}

// Not `fixed`: a root that something turns into less than it is would no longer hold it.
bool is_position(const std::string& value) {
    const std::string word = lower(value.substr(0, value.find_first_of(" !")));
    return word == "relative" || word == "absolute" || word == "static" || word == "sticky";
}

std::string declaration(std::string_view text, Placing placing) {
    const std::size_t colon = text.find(':');
    if (colon == std::string_view::npos) {
        return {};
    }
    const std::string name = lower(trimmed(text.substr(0, colon)));
    const std::string value = inert_value(text.substr(colon + 1));
    const bool own = name.size() > 2 && name.starts_with("--") &&
                     std::all_of(name.begin(), name.end(), [](char c) { return is_name_char(c) && c > 0; });
    const bool placed = placing == Placing::within_root && placing_properties().count(name) != 0;
    if (value.empty() || (!own && !placed && properties().count(name) == 0)) {
        return {};
    }
    if (name.starts_with("margin") && may_be_negative(value)) {
        return {};
    }
    if (name == "position" && !is_position(value)) {
        return {};
    }
    // Strings in the text of ::before are text; what reads attributes is a function and was refused.
    return name + ":" + value;
}

// Splits at `separator` outside of strings and brackets.
std::vector<std::string_view> split(std::string_view text, char separator) {
    std::vector<std::string_view> parts;
    std::size_t start = 0;
    int depth = 0;
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (text[i] == '"' || text[i] == '\'') {
            const auto end = end_of_string(text, i);
            if (!end) {
                return parts;  // nothing behind an open string can be judged
            }
            i = *end;
        } else if (text[i] == '(') {
            ++depth;
        } else if (text[i] == ')') {
            --depth;
        } else if (text[i] == separator && depth <= 0) {
            parts.push_back(text.substr(start, i - start));
            start = i + 1;
        }
    }
    parts.push_back(text.substr(start));
    return parts;
}

// One complex selector: names get their prefix. Empty: refused.
class SelectorReader {
public:
    explicit SelectorReader(std::string_view selector) : text_(selector) {}

    std::string read() {
        while (good_ && at_ < text_.size()) {
            step();
        }
        return good_ && depth_ == 0 ? out_ : std::string();
    }

private:
    void step() {
        const char c = text_[at_];
        if (c == '[') {
            attribute();
        } else if (c == '.' || c == '#') {
            ++at_;
            const std::string name = prefixed_name(word());
            good_ = !name.empty();
            out_ += c + name;
        } else if (c == ':') {
            pseudo();
        } else if (is_name_char(c)) {
            out_ += lower(word());
        } else if (c == '(' || c == ')') {
            depth_ += c == '(' ? 1 : -1;
            good_ = depth_ >= 0 && c == ')';  // only a pseudo-class opens one
            out_ += c;
            ++at_;
        } else {
            good_ = std::string_view(" \t\n\r\f>+~*,").find(c) != std::string_view::npos &&
                    (c != ',' || depth_ > 0);
            out_ += is_blank(c) ? ' ' : c;
            ++at_;
        }
    }

    // [name], [name="value"] with any of the comparisons; names of elements in it get their prefix.
    void attribute() {
        const std::size_t end = text_.find(']', at_);
        good_ = end != std::string_view::npos;
        if (!good_) {
            return;
        }
        const std::string_view inner = trimmed(text_.substr(at_ + 1, end - at_ - 1));
        const std::size_t split = std::min(inner.find_first_of("=~|^$* "), inner.size());
        const std::string name = lower(inner.substr(0, split));
        const std::string compared = comparison(name, trimmed(inner.substr(split)));
        good_ = asked_attributes().count(name) != 0 && (split == inner.size() || !compared.empty());
        out_ += "[" + name + compared + "]";
        at_ = end + 1;
    }

    // `="value"`; empty: refused.
    static std::string comparison(std::string_view name, std::string_view text) {
        const std::size_t equals = text.find('=');
        if (equals > 1 || text.size() < equals + 2) {
            return {};
        }
        std::string_view value = trimmed(text.substr(equals + 1));
        if (value.size() > 1 && (value.front() == '"' || value.front() == '\'') &&
            value.back() == value.front()) {
            value = value.substr(1, value.size() - 2);
        }
        const bool plain = !value.empty() && std::all_of(value.begin(), value.end(), [](char c) {
            return is_name_char(c) || std::string_view(" .:/#").find(c) != std::string_view::npos;
        });
        if (!plain ||
            (equals == 1 && std::string_view("~|^$*").find(text.front()) == std::string_view::npos)) {
            return {};
        }
        const bool named = name == "class" || name == "id" || name == "for" || name == "name";
        const bool from_start =
            equals == 0 || text.front() == '^' || text.front() == '~' || text.front() == '|';
        const std::string wanted = named && from_start ? prefixed_name(value) : std::string(value);
        return wanted.empty() ? "" : std::string(text.substr(0, equals + 1)) + "\"" + wanted + "\"";
    }

    void pseudo() {
        const std::size_t start = at_;
        while (at_ < text_.size() && text_[at_] == ':' && at_ - start < 2) {
            ++at_;
        }
        const std::string name = lower(word());
        good_ = pseudo_classes().count(name) != 0;
        out_ += std::string(text_.substr(start, at_ - start).starts_with("::") ? "::" : ":") + name;
        if (at_ >= text_.size() || text_[at_] != '(') {
            return;
        }
        if (name.starts_with("nth-")) {
            const std::size_t end = text_.find(')', at_);
            good_ = good_ && end != std::string_view::npos &&
                    text_.substr(at_ + 1, end - at_ - 1).find_first_not_of("0123456789nN+- oddevODEV") ==
                        std::string_view::npos;
            if (good_) {
                out_ += text_.substr(at_, end + 1 - at_);
                at_ = end + 1;
            }
            return;
        }
        good_ = good_ && (name == "not" || name == "is" || name == "where");
        ++depth_;
        out_ += '(';
        ++at_;
    }

    std::string_view word() {
        const std::size_t start = at_;
        while (at_ < text_.size() && is_name_char(text_[at_])) {
            ++at_;
        }
        return text_.substr(start, at_ - start);
    }

    std::string_view text_;
    std::string out_;
    std::size_t at_ = 0;
    int depth_ = 0;
    bool good_ = true;
};

// The document of a sheet that thinks it has one: here the root of its output.
bool is_root(std::string_view selector) {
    return selector == ":root" || selector == ":host" || selector == "html" || selector == "body";
}

std::string selectors(std::string_view list, std::string_view scope) {
    std::string out;
    if (list.size() > kLongestSelector || !has_only_plain_characters(list)) {
        return out;
    }
    for (const auto one : split(list, ',')) {
        const std::string_view selector = trimmed(one);
        // What begins with a combinator would be about the root's own siblings.
        if (selector.empty() || is_root(selector) ||
            std::string_view(">+~,").find(selector.front()) != std::string_view::npos) {
            continue;
        }
        if (const std::string good = SelectorReader(selector).read(); !good.empty()) {
            out += (out.empty() ? "" : ",") + std::string(scope) + " " + good;
        }
    }
    return out;
}

// "(min-width: 40em) and (prefers-color-scheme: dark)": words, numbers and brackets, no functions.
bool is_media_query(std::string_view text) {
    char before = ' ';
    const bool plain = std::all_of(text.begin(), text.end(), [&before](char c) {
        const bool called = c == '(' && is_name_char(before);
        before = c;
        return !called && (std::isalnum(static_cast<unsigned char>(c)) != 0 || is_blank(c) ||
                           std::string_view("-():,.>=").find(c) != std::string_view::npos);
    });
    return plain && text.size() < 200;
}

std::string without_comments(std::string_view css) {
    std::string out;
    while (true) {
        const std::size_t start = css.find("/*");
        out += css.substr(0, start);
        if (start == std::string_view::npos) {
            return out;
        }
        const std::size_t end = css.find("*/", start + 2);
        if (end == std::string_view::npos) {
            return out;
        }
        out += ' ';
        css.remove_prefix(end + 2);
    }
}

class SheetReader {
public:
    SheetReader(std::string_view css, std::string_view scope, Placing placing)
        : css_(css), scope_(scope), placing_(placing) {}

    std::string read() {
        read_rules(false);
        return out_;
    }

private:
    // To the end, or in an @media to its closing brace.
    void read_rules(bool inside) {
        while (at_ < css_.size() && ++rules_ < kMostRules) {
            if (is_blank(css_[at_]) || css_[at_] == ';') {
                ++at_;
            } else if (css_[at_] == '}') {
                ++at_;
                if (inside) {
                    return;
                }
            } else if (css_[at_] == '@') {
                at_rule(inside);
            } else {
                style_rule();
            }
        }
    }

    void at_rule(bool inside) {
        const std::size_t end = css_.find_first_of("{;}", at_);
        if (end == std::string_view::npos || css_[end] != '{') {
            at_ = end == std::string_view::npos ? css_.size() : end + (css_[end] == ';' ? 1 : 0);
            return;
        }
        const std::string_view prelude = css_.substr(at_, end - at_);
        at_ = end + 1;
        if (inside || lower(prelude.substr(0, 6)) != "@media" || !is_media_query(prelude.substr(6))) {
            return skip_block();
        }
        const std::size_t before = out_.size();
        out_ += "@media" + std::string(prelude.substr(6)) + "{";
        const std::size_t opened = out_.size();
        read_rules(true);
        out_.size() == opened ? out_.resize(before) : void(out_ += "}\n");
    }

    void skip_block() {
        for (int depth = 1; at_ < css_.size() && depth > 0; ++at_) {
            depth += css_[at_] == '{' ? 1 : css_[at_] == '}' ? -1 : 0;
        }
    }

    void style_rule() {
        const std::size_t open = css_.find_first_of("{}", at_);
        if (open == std::string_view::npos || css_[open] == '}') {
            at_ = open == std::string_view::npos ? css_.size() : open;
            return;
        }
        const std::size_t close = css_.find_first_of("{}", open + 1);
        const std::string_view list = css_.substr(at_, open - at_);
        at_ = open + 1;
        if (close == std::string_view::npos || css_[close] == '{') {
            return skip_block();  // nested rules, or one that never ends
        }
        const std::string_view declarations = css_.substr(open + 1, close - open - 1);
        const std::string body = inert_declarations(declarations, placing_);
        root_rule(list, body);
        const std::string subjects = body.empty() ? "" : selectors(list, scope_);
        if (!subjects.empty()) {
            out_ += subjects + "{" + body + "}\n";
        }
        at_ = close + 1;
    }

    // What is said of the root itself, from what was found good for what is in it.
    void root_rule(std::string_view list, std::string_view body) {
        const auto subjects =
            list.size() > kLongestSelector ? std::vector<std::string_view>() : split(list, ',');
        if (placing_ != Placing::within_root ||
            std::none_of(subjects.begin(), subjects.end(), [](auto one) { return is_root(trimmed(one)); })) {
            return;
        }
        std::string kept;
        for (const auto one : split(body, ';')) {
            const std::string_view name = one.substr(0, one.find(':'));
            if (name.starts_with("--") || root_properties().count(name) != 0) {
                kept.append(kept.empty() ? "" : ";").append(one);
            }
        }
        if (!kept.empty()) {
            out_.append(scope_).append("{").append(kept).append("}\n");
        }
    }

    std::string_view css_;
    std::string_view scope_;
    Placing placing_;
    std::string out_;
    std::size_t at_ = 0;
    std::size_t rules_ = 0;
};

}  // namespace

std::string prefixed_name(std::string_view name) {
    if (name.empty() || name.size() > 256 || !std::all_of(name.begin(), name.end(), is_name_char)) {
        return {};
    }
    return name.starts_with(kNamePrefix) ? std::string(name) : std::string(kNamePrefix).append(name);
}

std::string prefixed_names(std::string_view names) {
    std::string out;
    for (std::size_t at = 0; at < names.size();) {
        const std::size_t end = std::min(names.find_first_of(" \t\n\r\f", at), names.size());
        if (const std::string name = prefixed_name(names.substr(at, end - at)); !name.empty()) {
            out += (out.empty() ? "" : " ") + name;
        }
        at = end + 1;
    }
    return out;
}

std::string inert_value(std::string_view value) {
    value = trimmed(value);
    if (value.empty() || value.size() > kLongestValue || !has_only_plain_characters(value)) {
        return {};
    }
    return ValueReader(value).read();
}

std::string inert_declarations(std::string_view css, Placing placing) {
    std::string out;
    const std::string plain = without_comments(css);
    for (const auto one : split(plain, ';')) {
        if (const std::string good = declaration(one, placing); !good.empty()) {
            out += (out.empty() ? "" : ";") + good;
        }
    }
    return out;
}

std::string inert_stylesheet(std::string_view css, std::string_view scope, Placing placing) {
    const std::string plain = without_comments(css);
    return SheetReader(plain, scope, placing).read();
}

}  // namespace cellblock::sandbox
