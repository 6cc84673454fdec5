// Vega-lite 4 to 6. Its compiler puts texts of a specification into expressions of Vega's language, which
// are code for the page; so texts are judged by where they stand, and what loads, links or binds is out.
#include <algorithm>
#include <array>
#include <cctype>
#include <unordered_set>

#include "sandbox/outputs/charts.h"

namespace cellblock::sandbox {

namespace {

using nlohmann::json;
using Names = std::unordered_set<std::string_view>;

// clang-format off
const Names& refused_names() {
    static const Names names{"url", "href", "loader", "signals", "signal", "element", "usermeta", "pivot",
                             "__proto__", "constructor", "prototype", "image"};
    return names;
}

const Names& expressions() {
    static const Names names{"calculate", "expr", "test", "labelExpr", "titleExpr", "update", "init", "toggle",
                             "filter", "and", "or", "not"};
    return names;
}

// For people, or values that are compared: they are quoted by the compiler.
const Names& free_texts() {
    static const Names names{"title", "subtitle", "text", "description", "labels", "options", "placeholder", "value",
                             "values", "datum", "equal", "oneOf", "domain", "sort", "field", "groupby", "as", "fields",
                             "range", "key", "fold", "flatten", "lookup", "row", "column", "repeat", "layer"};
    return names;
}

const Names& functions() {
    static const Names names{
        "abs", "acos", "asin", "atan", "atan2", "ceil", "clamp", "cos", "exp", "floor", "hypot", "log", "max", "min",
        "pow", "random", "round", "sin", "sqrt", "tan", "isArray", "isBoolean", "isDate", "isDefined", "isNaN",
        "isFinite", "isNumber", "isString", "isValid", "toBoolean", "toDate", "toNumber", "toString", "now", "datetime",
        "date", "day", "dayofyear", "year", "quarter", "month", "week", "hours", "minutes", "seconds", "milliseconds",
        "time", "timezoneoffset", "utc", "utcdate", "utcday", "utcyear", "utcquarter", "utcmonth", "utchours",
        "utcminutes", "utcseconds", "length", "join", "lower", "upper", "trim", "parseFloat", "parseInt", "substring",
        "slice", "split", "indexof", "lastindexof", "truncate", "format", "dayFormat", "dayAbbrevFormat", "monthFormat",
        "monthAbbrevFormat", "timeFormat", "utcFormat", "if", "inrange", "span", "lerp", "peek", "reverse", "extent",
    };
    return names;
}

// Of the names that a JavaScript object has: each leads out of the data.
const Names& refused_words() {
    static const Names names{"constructor", "__proto__", "prototype", "toString", "valueOf", "call", "apply", "bind",
                             "window", "self", "parent", "view", "event", "item", "group", "this", "eval", "function",
                             "Function", "new", "globalThis", "document", "ownerDocument", "defaultView", "arguments",
                             "__defineGetter__", "__defineSetter__", "__lookupGetter__", "__lookupSetter__", "toJSON"};
    return names;
}

const Names& bindings() {
    static const Names names{"range", "select", "radio", "checkbox", "text", "number", "color", "date", "month", "time",
                             "week", "search", "scales", "legend"};
    return names;
}
// clang-format on

bool is_word(char c) {
    return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_' || c == '$';
}

// Of 1.5e3 the parts on both sides of the dot.
bool is_number(std::string_view word) {
    const std::size_t exponent = word.find_first_of("eE");
    const std::string_view after = exponent == std::string_view::npos ? "" : word.substr(exponent + 1);
    return word.substr(0, exponent).find_first_not_of("0123456789") == std::string_view::npos &&
           after.find_first_not_of("0123456789") == std::string_view::npos;
}

// The tokens of an expression, one after the other; in doubt it isn't safe.
class ExpressionReader {
public:
    explicit ExpressionReader(std::string_view text) : text_(text) {}

    bool is_safe() {
        while (good_ && skip_blanks()) {
            token();
        }
        return good_ && depth_ == 0;
    }

private:
    // What the token before was: what may be called or looked into ends in a name, a text or a bracket.
    enum class Before { nothing, name, value, dot };

    bool skip_blanks() {
        while (at_ < text_.size() && (text_[at_] == ' ' || text_[at_] == '\n' || text_[at_] == '\t')) {
            ++at_;
        }
        return at_ < text_.size();
    }

    void token() {
        const char c = text_[at_];
        if (c == '"' || c == '\'') {
            return string();
        }
        if (is_word(c)) {
            return word();
        }
        if (c == '.') {
            const bool number = before_ == Before::nothing && at_ + 1 < text_.size() &&
                                std::isdigit(static_cast<unsigned char>(text_[at_ + 1])) != 0;
            good_ = number || before_ == Before::name || before_ == Before::value;
            before_ = number ? Before::nothing : Before::dot;
            ++at_;
            return;
        }
        good_ = before_ != Before::dot;
        if (c == '[' && before_ != Before::nothing) {
            return member();
        }
        if (c == '(' || c == '[') {
            good_ = good_ && (c == '[' || before_ == Before::nothing);
            ++depth_;
            before_ = Before::nothing;
        } else if (c == ')' || c == ']') {
            good_ = good_ && --depth_ >= 0;
            before_ = Before::value;
        } else {
            good_ = good_ && std::string_view("+-*/%<>=!&|?:,").find(c) != std::string_view::npos &&
                    !is_assignment();
            before_ = Before::nothing;
        }
        ++at_;
    }

    // A '=' that compares stands beside another one, or behind '<', '>' or '!'.
    [[nodiscard]] bool is_assignment() const {
        const char before = at_ > 0 ? text_[at_ - 1] : ' ';
        const char after = at_ + 1 < text_.size() ? text_[at_ + 1] : ' ';
        return text_[at_] == '=' && after != '=' &&
               std::string_view("=<>!").find(before) == std::string_view::npos;
    }

    void string() {
        const std::size_t end = text_.find(text_[at_], at_ + 1);
        good_ = end != std::string_view::npos && before_ == Before::nothing &&
                text_.substr(at_, end - at_).find_first_of("\\\n\r") == std::string_view::npos;
        at_ = end == std::string_view::npos ? text_.size() : end + 1;
        before_ = Before::value;
    }

    void word() {
        const std::size_t start = at_;
        while (at_ < text_.size() && is_word(text_[at_])) {
            ++at_;
        }
        const std::string_view word = text_.substr(start, at_ - start);
        if (std::isdigit(static_cast<unsigned char>(word[0])) != 0) {
            good_ = (before_ == Before::nothing || before_ == Before::dot) && is_number(word);
            before_ = Before::name;  // 1.5: a dot may follow
            return;
        }
        (void)skip_blanks();
        const bool called = at_ < text_.size() && text_[at_] == '(';
        if (called) {
            good_ = before_ == Before::nothing && functions().count(word) != 0;
            before_ = Before::nothing;
            return;
        }
        good_ = refused_words().count(word) == 0 && (before_ == Before::nothing || before_ == Before::dot);
        before_ = Before::name;
    }

    // ["name"] or [0] behind a value.
    void member() {
        const std::size_t end = text_.find(']', at_);
        std::string_view name = end == std::string_view::npos ? "" : text_.substr(at_ + 1, end - at_ - 1);
        const bool quoted =
            name.size() > 1 && (name.front() == '"' || name.front() == '\'') && name.back() == name.front();
        const bool number = !name.empty() && name.find_first_not_of("0123456789") == std::string_view::npos;
        if (quoted) {
            name = name.substr(1, name.size() - 2);
        }
        good_ = good_ && (number || (quoted && name.find_first_of("\"'\\\n\r") == std::string_view::npos &&
                                     refused_words().count(name) == 0));
        at_ = end == std::string_view::npos ? text_.size() : end + 1;
        before_ = Before::value;
    }

    std::string_view text_;
    std::size_t at_ = 0;
    int depth_ = 0;
    Before before_ = Before::nothing;
    bool good_ = true;
};

// "click", "[mousedown, window:mouseup] > window:mousemove!"; no filter, which would be an expression.
bool is_event_selector(std::string_view text) {
    char before = ' ';
    return text.size() < 300 && std::all_of(text.begin(), text.end(), [&before](char c) {
               const bool filter = c == '[' && (is_word(before) || before == ']' || before == '}');
               before = c;
               return !filter && (std::isalpha(static_cast<unsigned char>(c)) != 0 ||
                                  std::string_view(" ,:>[]!").find(c) != std::string_view::npos);
           });
}

// "date:'%d.%m.%Y'" or a word.
bool is_data_format(std::string_view text) {
    for (const std::string_view start : {"date:'", "utc:'"}) {
        if (text.starts_with(start) && text.ends_with('\'') && text.size() > start.size()) {
            text = text.substr(start.size(), text.size() - start.size() - 1);
            break;
        }
    }
    return text.find_first_of("\"'\\`\n\r(){};") == std::string_view::npos;
}

// A backslash would end a quoted text where the compiler doesn't expect it; in a field's name it
// keeps a dot or a bracket from meaning a path.
bool has_only_plain_escapes(std::string_view text, bool field) {
    for (std::size_t at = text.find('\\'); at != std::string_view::npos; at = text.find('\\', at + 2)) {
        const char next = at + 1 < text.size() ? text[at + 1] : '\0';
        if (!field || std::string_view(".[]").find(next) == std::string_view::npos || next == '\0') {
            return false;
        }
    }
    return true;
}

// "rgb(1, 2, 3)", the only brackets that a word in a specification needs.
bool is_colour(std::string_view text) {
    const std::size_t open = text.find('(');
    return open != std::string_view::npos && text.ends_with(')') && open < 5 &&
           std::all_of(text.begin(), text.begin() + static_cast<std::ptrdiff_t>(open),
                       [](char c) { return c >= 'a' && c <= 'z'; }) &&
           !text.starts_with("url") &&
           text.substr(open + 1).find_first_not_of("0123456789 ,.%)") == std::string_view::npos;
}

// A word of the specification's language: it may get into an expression as it is.
bool is_plain_word(std::string_view text, std::string_view name) {
    const bool format =
        name == "format" || name == "numberFormat" || name == "timeFormat" || name == "numberFormatType";
    const std::string_view bad = format ? "\"'`\n\r;{}" : "\"'`\n\r;{}()";
    return (text.find_first_of(bad) == std::string_view::npos || is_colour(text)) &&
           text.find("//") == std::string_view::npos;
}

class SpecReader {
public:
    std::string read(json& spec) {
        walk(spec, "", "");
        return why_;
    }

private:
    void refuse(const char* why) {
        if (why_.empty()) {
            why_ = why;
        }
    }

    // `name`: of what it is the value of, beyond lists; `owner`: of what that stands in.
    void walk(const json& value, std::string_view name,
              std::string_view owner) {  // NOLINT(misc-no-recursion)
        if (!why_.empty()) {
            return;
        }
        if (value.is_string()) {
            return text(value.get_ref<const std::string&>(), name, owner);
        }
        if (value.is_array()) {
            for (const auto& one : value) {
                walk(one, name, owner);
            }
        } else if (value.is_object()) {
            for (const auto& [key, part] : value.items()) {
                member(key, part, name);
            }
        }
    }

    void member(const std::string& key, const json& part,
                std::string_view owner) {  // NOLINT(misc-no-recursion)
        if (refused_names().count(key) != 0) {
            return refuse(key == "url" || key == "href" || key == "loader" || key == "image"
                              ? "it names an address to load or to go to"
                              : "it has parts that reach into the page (signals, elements, pivots)");
        }
        const bool datasets = key == "datasets" && owner.empty();
        if (datasets || (key == "values" && owner == "data")) {
            const bool text = part.is_string() ||
                              (datasets && std::any_of(part.begin(), part.end(),
                                                       [](const json& one) { return one.is_string(); }));
            return text ? refuse("its data are a text to be parsed") : data(part);
        }
        walk(part, key, owner);
    }

    // Rows: no text in them is read as anything, but a tooltip's "image" is loaded.
    void data(const json& value) {  // NOLINT(misc-no-recursion)
        if (value.is_string() && value == "image") {
            return refuse("its data name an \"image\", which a tooltip would load");
        }
        if (value.is_object()) {
            for (const auto& [key, part] : value.items()) {
                if (key == "image" || key == "__proto__" || key == "constructor") {
                    return refuse(
                        "its data have a column \"image\", which a tooltip would load, or one of "
                        "JavaScript's own names");
                }
                data(part);
            }
        } else if (value.is_array()) {
            for (const auto& one : value) {
                data(one);
            }
        }
    }

    void text(std::string_view text, std::string_view name, std::string_view owner) {
        if (text == "image") {
            return refuse("it shows images that would be loaded from elsewhere");
        }
        if (expressions().count(name) != 0) {
            return is_safe_expression(text) || is_toggle(name, text)
                       ? void()
                       : refuse("it has an expression that isn't known to be harmless");
        }
        if (name == "on" || name == "clear" || name == "translate" || name == "zoom" || name == "events" ||
            name == "between") {
            return is_event_selector(text)
                       ? void()
                       : refuse("it has an event's filter that isn't known to be harmless");
        }
        if ((name == "bind" || name == "input") && bindings().count(text) == 0) {
            return refuse("it has an input of an unknown kind");
        }
        if (name == "formatType" && text != "number" && text != "time") {
            return refuse("it has a format of its own");
        }
        if (owner == "parse" || name == "parse") {
            return is_data_format(text) ? void() : refuse("it has a format that isn't known to be harmless");
        }
        const bool is_field = name == "field" || name == "groupby" || name == "as" || name == "fields" ||
                              name == "fold" || name == "sort";
        if (!has_only_plain_escapes(text, is_field)) {
            return refuse("it has a text with backslashes");
        }
        const bool free = name == "$schema" || free_texts().count(name) != 0;
        if (!free && !is_plain_word(text, name)) {
            return refuse("it has a text that isn't known to be harmless, or an address");
        }
        if (name == "cursor" &&
            text.find_first_not_of("abcdefghijklmnopqrstuvwxyz-") != std::string_view::npos) {
            refuse("it has a cursor that would be loaded from elsewhere");
        }
    }

    static bool is_toggle(std::string_view name, std::string_view text) {
        return name == "toggle" && (text == "event.shiftKey" || text == "event.altKey" ||
                                    text == "event.ctrlKey" || text == "event.metaKey");
    }

    std::string why_;
};

bool is_schema(const json& value) {
    constexpr std::string_view kStart = "https://vega.github.io/schema/vega-lite/v";
    if (!value.is_string()) {
        return false;
    }
    const auto& text = value.get_ref<const std::string&>();
    return text.starts_with(kStart) && text.ends_with(".json") && text.size() < 80 &&
           text.find_first_not_of("0123456789.json", kStart.size()) == std::string::npos;
}

}  // namespace

bool is_safe_expression(std::string_view expression) {
    return expression.size() <= 4096 && ExpressionReader(expression).is_safe();
}

std::string inert_vegalite(json& spec) {
    spec.erase("usermeta");  // options for whom draws it
    if (spec.contains("$schema") && !is_schema(spec["$schema"])) {
        return "its schema isn't vega-lite's";
    }
    return SpecReader().read(spec);
}

bool inert_embed_options(json& metadata) {
    const auto options = metadata.find("embed_options");
    if (options == metadata.end()) {
        return false;
    }
    json kept = json::object();
    if (options->is_object()) {
        const json theme = options->value("theme", json());
        const bool word =
            theme.is_string() && std::all_of(theme.get_ref<const std::string&>().begin(),
                                             theme.get_ref<const std::string&>().end(), &is_word);
        if (word) {
            kept["theme"] = theme;
        }
        if (options->value("actions", json()).is_boolean()) {
            kept["actions"] = (*options)["actions"];
        }
    }
    const bool changed = kept != *options;
    if (changed) {
        *options = std::move(kept);
    }
    return changed;
}

}  // namespace cellblock::sandbox
