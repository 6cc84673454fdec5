// A tokenizer (after HTML's, and XML 1.0) that writes each token anew.
#include "sandbox/outputs/tidy.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <unordered_map>
#include <utility>
#include <vector>

#include "sandbox/base/text.h"
#include "sandbox/outputs/html_entities.h"

namespace cellblock::sandbox {

namespace {

constexpr std::size_t kLongestName = 64;
constexpr std::size_t kLongestEntity = 32;
constexpr std::size_t kKeptOfScript = 16U << 10;

bool is_blank(char c) {
    return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f';
}

bool is_letter(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

// One that every parser reads as the same name.
bool is_name(std::string_view name) {
    return !name.empty() && name.size() <= kLongestName && (is_letter(name[0]) || name[0] == '_') &&
           std::all_of(name.begin(), name.end(), [](char c) {
               return is_letter(c) || is_digit(c) || c == '-' || c == '_' || c == ':' || c == '.';
           });
}

void append_utf8(std::uint32_t value, std::string& out) {
    if (value < 0x80) {
        out += static_cast<char>(value);
        return;
    }
    const int more = value < 0x800 ? 1 : value < 0x10000 ? 2 : 3;  // bytes that follow the first
    constexpr std::array<unsigned, 4> kFirst{0, 0xc0, 0xe0, 0xf0};
    out += static_cast<char>(kFirst.at(static_cast<std::size_t>(more)) | value >> (6 * more));
    for (int i = more - 1; i >= 0; --i) {
        out += static_cast<char>(0x80U | (value >> (6 * i) & 0x3fU));
    }
}

void put_character(std::uint32_t value, std::string& out) {
    if (value == '&' || value == '<' || value == '>' || value == '"' || value == '\'') {
        out += "&#" + std::to_string(value) + ";";
    } else if (value >= 0x20 || value == '\t' || value == '\n' || value == '\r') {
        append_utf8(value, out);
    }
}

// "#39" or "#x27"; nothing if it is no number or no character.
std::optional<std::uint32_t> number_in(std::string_view digits) {
    const bool hex = digits.starts_with('x') || digits.starts_with('X');
    digits.remove_prefix(hex ? 1 : 0);
    std::uint32_t value = 0;
    for (const char c : digits) {
        const int digit = is_digit(c) ? c - '0' : hex && is_letter(c) ? (c | 0x20) - 'a' + 10 : 16;
        if (digit > 15 || value > 0x10ffff) {
            return std::nullopt;
        }
        value = value * (hex ? 16 : 10) + static_cast<std::uint32_t>(digit);
    }
    const bool good = !digits.empty() && value <= 0x10ffff && (value < 0xd800 || value > 0xdfff);
    return good ? std::optional(value) : std::nullopt;
}

struct Attribute {
    std::string_view name;
    std::string_view value;
};

struct Tag {
    std::string_view name;
    std::vector<Attribute> attributes;  // the first kMostAttributesOfTag
    bool closes_itself = false;
    bool whole = true;        // its '>' was found
    bool well_formed = true;  // by XML's rules
};

// What both languages have in common: a place in the text, and what was written.
class Reader {
protected:
    explicit Reader(std::string_view text) : text_(text) { out_.reserve(text.size() + text.size() / 16); }

    [[nodiscard]] bool at_end() const { return at_ >= text_.size(); }
    [[nodiscard]] char here() const { return at_ < text_.size() ? text_[at_] : '\0'; }
    [[nodiscard]] char next() const { return at_ + 1 < text_.size() ? text_[at_ + 1] : '\0'; }
    [[nodiscard]] bool looking_at(std::string_view start) const {
        return text_.substr(at_, start.size()) == start;
    }

    void skip_blanks() {
        while (is_blank(here())) {
            ++at_;
        }
    }

    // To behind `end`, or to the end of all. True: it was found.
    bool skip_past(std::string_view end) {
        const std::size_t found = text_.find(end, at_);
        at_ = found == std::string_view::npos ? text_.size() : found + end.size();
        return found != std::string_view::npos;
    }

    // From the first letter of its name to behind its '>'.
    Tag read_tag() {
        Tag tag;
        tag.name = word(" \t\n\r\f/>");
        while (true) {
            const std::size_t before = at_;
            skip_blanks();
            if (at_end()) {
                tag.whole = false;
                return tag;
            }
            if (here() == '>') {
                ++at_;
                return tag;
            }
            if (here() == '/') {
                ++at_;
                tag.closes_itself = here() == '>';
                tag.well_formed = tag.well_formed && tag.closes_itself;
                continue;
            }
            tag.well_formed = tag.well_formed && at_ != before;
            read_attribute(tag);
        }
    }

    // With what is special in it escaped. False: there is an entity that nobody knows.
    bool put_text(std::string_view text) { return put(text, "&<"); }

    bool put(std::string_view text, const char* special) {
        bool known = true;
        while (true) {
            const std::size_t plain = std::min(text.find_first_of(special), text.size());
            out_.append(text.substr(0, plain));
            if (plain == text.size()) {
                return known;
            }
            if (text[plain] == '&') {
                text.remove_prefix(plain + 1);
                text.remove_prefix(put_reference(text, known));
            } else {
                out_ += text[plain] == '<' ? "&lt;" : "&#34;";
                text.remove_prefix(plain + 1);
            }
        }
    }

    void put_attributes(const Tag& tag) {
        for (const auto& one : tag.attributes) {
            if (attributes_ >= kMostAttributes) {
                return;
            }
            ++attributes_;
            out_.append(" ").append(one.name).append("=\"");
            well_formed_ = put(one.value, "&<\"") && well_formed_;
            out_ += '"';
        }
    }

    // Text up to the next '<'.
    std::string_view read_text() {
        const std::size_t start = at_;
        at_ = std::min(text_.find('<', at_ + 1), text_.size());
        return text_.substr(start, at_ - start);
    }

    std::string_view text_;
    std::string out_;
    std::size_t at_ = 0;
    std::size_t elements_ = 0;
    std::size_t attributes_ = 0;
    bool well_formed_ = true;

private:
    std::string_view word(std::string_view ends) {
        const std::size_t start = at_;
        while (at_ < text_.size() && ends.find(text_[at_]) == std::string_view::npos) {
            ++at_;
        }
        return text_.substr(start, at_ - start);
    }

    void read_attribute(Tag& tag) {
        const std::size_t start = at_++;  // HTML takes a '=' here for the name's first character
        word(" \t\n\r\f/>=");
        Attribute one{text_.substr(start, at_ - start), {}};
        skip_blanks();
        if (here() == '=') {
            ++at_;
            skip_blanks();
            one.value = read_value(tag);
        } else {
            tag.well_formed = false;
        }
        const bool odd = !is_name(one.name);
        tag.well_formed = tag.well_formed && !odd;
        if (!odd && tag.attributes.size() < kMostAttributesOfTag) {
            tag.attributes.push_back(one);
        }
    }

    std::string_view read_value(Tag& tag) {
        const char quote = here();
        if (quote != '"' && quote != '\'') {
            tag.well_formed = false;
            return word(" \t\n\r\f>");
        }
        const std::size_t start = ++at_;
        at_ = std::min(text_.find(quote, at_), text_.size());
        return text_.substr(start, at_++ - start);
    }

    // Behind an '&'. Gives how much of the text was used.
    std::size_t put_reference(std::string_view text, bool& known) {
        std::size_t size = text.starts_with('#') ? 1 : 0;
        while (size < text.size() && size < kLongestEntity &&
               (is_letter(text[size]) || is_digit(text[size]))) {
            ++size;
        }
        const bool ended = size < text.size() && text[size] == ';';
        const std::string_view name = text.substr(0, size);
        if (name.starts_with('#')) {
            if (const auto value = number_in(name.substr(1)); value && ended) {
                put_character(*value, out_);
                return size + 1;
            }
        } else if (ended) {
            if (const auto found = html_entity(name)) {
                put_character(*found, out_);
                return size + 1;
            }
        }
        known = false;
        out_ += "&amp;";
        return 0;
    }
};

// How far an end tag reaches, as the parser has it: not past an element of a higher rank.
constexpr std::size_t kRanks = 6;

std::size_t rank_of(std::string_view name) {
    constexpr std::array<std::pair<std::string_view, std::size_t>, 8> kOfTables{{{"div", 1},
                                                                                 {"td", 2},
                                                                                 {"th", 2},
                                                                                 {"tr", 3},
                                                                                 {"thead", 4},
                                                                                 {"tbody", 4},
                                                                                 {"tfoot", 4},
                                                                                 {"table", 5}}};
    const auto* found =
        std::find_if(kOfTables.begin(), kOfTables.end(), [&](const auto& one) { return one.first == name; });
    return found == kOfTables.end() ? 0 : found->second;
}

bool is_one_of(std::string_view name, std::string_view names) {  // " a b c "
    for (std::size_t at = names.find(name); at != std::string_view::npos; at = names.find(name, at + 1)) {
        if (at > 0 && names[at - 1] == ' ' && names[at + name.size()] == ' ') {
            return true;
        }
    }
    return false;
}

// Elements whose end tags may be left away: whether one that begins ends the one that it begins in.
bool ends_before(std::string_view open, std::string_view begins) {
    if (open == "p") {
        return is_one_of(
            begins,
            " address article aside blockquote center dd details div dl dt fieldset figcaption figure "
            "footer h1 h2 h3 h4 h5 h6 header hr li main menu nav ol p pre section table tbody td tfoot "
            "th thead tr ul ");
    }
    if (open == "li" || open == "option") {
        return open == begins;
    }
    if (open == "dt" || open == "dd") {
        return begins == "dt" || begins == "dd";
    }
    if (open == "td" || open == "th") {
        return is_one_of(begins, " td th tr tbody tfoot thead ");
    }
    if (open == "tr") {
        return is_one_of(begins, " tr tbody tfoot thead ");
    }
    return is_one_of(open, " tbody tfoot thead ") && is_one_of(begins, " tbody tfoot thead ");
}

class HtmlTidier : private Reader {
public:
    explicit HtmlTidier(std::string_view html) : Reader(html) {}

    std::string tidy() {
        while (!at_end() && elements_ < kMostElements) {
            token();
        }
        pop_to(0);
        if (!at_end()) {
            out_ += "[…]";
        }
        return std::move(out_);
    }

private:
    struct Open {
        std::string name;
        // For each rank how many of the open elements must stay open, for the last of them is of a
        // higher rank.
        std::array<std::size_t, kRanks> held;
        std::size_t same_before;  // where the one of the same name before it is, plus 1
    };

    void token() {
        if (here() == '<' && is_letter(next())) {
            ++at_;
            start_tag();
        } else if (looking_at("</") && at_ + 2 < text_.size() && is_letter(text_[at_ + 2])) {
            at_ += 2;
            const Tag tag = read_tag();
            end_tag(lower(tag.name.substr(0, kLongestName + 1)));
        } else if (looking_at("<!--")) {
            comment();
        } else if (looking_at("<!") || looking_at("<?") || looking_at("</")) {
            skip_past(">");
        } else {
            (void)put_text(read_text());
        }
    }

    void comment() {
        at_ += 4;
        if (looking_at(">") || looking_at("->")) {
            skip_past(">");
            return;
        }
        for (; at_ < text_.size(); ++at_) {
            if (here() == '-' && (looking_at("-->") || looking_at("--!>"))) {
                skip_past(">");
                return;
            }
        }
    }

    void start_tag() {
        const Tag tag = read_tag();
        const std::string name = lower(tag.name.substr(0, kLongestName + 1));
        if (!tag.whole || !is_name(name) || is_one_of(name, " html head body ")) {
            return;
        }
        ++elements_;
        const bool raw =
            is_one_of(name, " script style iframe noembed noframes noscript plaintext textarea title xmp ");
        const bool single =
            tag.closes_itself ||
            is_one_of(name,
                      " area base basefont bgsound br col embed frame hr img input isindex keygen "
                      "link meta param source track wbr ");
        const std::string_view content = raw && !tag.closes_itself ? raw_content(name) : "";
        while (!open_.empty() && ends_before(open_.back().name, name)) {
            pop_to(open_.size() - 1);
        }
        if (too_deep_ > 0 || open_.size() >= kDeepestNesting) {
            too_deep_ += raw || single ? 0 : 1;
            return;
        }
        out_.append("<").append(name);
        put_attributes(tag);
        out_ += single ? "/>" : ">";
        if (raw && !single) {
            // Of a script its beginning, so that a notice can tell whose it is.
            put_raw(name == "style" ? content : name == "script" ? utf8_prefix(content, kKeptOfScript) : "");
            out_.append("</").append(name).append(">");
        } else if (!single) {
            push(name);
        }
    }

    // Up to the end tag, which is passed too.
    std::string_view raw_content(const std::string& name) {
        const std::size_t start = at_;
        while (true) {
            const std::size_t end = text_.find("</", at_);
            if (end == std::string_view::npos || name == "plaintext") {
                at_ = text_.size();
                return text_.substr(start);
            }
            at_ = end + 2;
            if (lower(text_.substr(at_, name.size())) == name) {
                skip_past(">");
                return text_.substr(start, end - start);
            }
        }
    }

    // Nothing in it may look like the end of it.
    void put_raw(std::string_view css) {
        for (std::size_t at = css.find('<'); at != std::string_view::npos; at = css.find('<')) {
            out_.append(css.substr(0, at)).append(css.substr(at, 4) == "<!--" ? "<" : "< ");
            css.remove_prefix(at + 1);
        }
        out_.append(css);
    }

    void push(const std::string& name) {
        Open one{name, {}, 0};
        if (!open_.empty()) {
            one.held = open_.back().held;
        }
        const std::size_t rank = rank_of(name);
        std::fill_n(one.held.begin(), rank, open_.size() + 1);
        std::size_t& last = last_of_name_[name];
        one.same_before = std::exchange(last, open_.size() + 1);
        open_.push_back(std::move(one));
    }

    void pop_to(std::size_t depth) {
        for (; open_.size() > depth; open_.pop_back()) {
            out_.append("</").append(open_.back().name).append(">");
            const auto found = last_of_name_.find(open_.back().name);
            if (open_.back().same_before == 0) {
                last_of_name_.erase(found);
            } else {
                found->second = open_.back().same_before;
            }
        }
    }

    void end_tag(const std::string& name) {
        if (too_deep_ > 0) {
            --too_deep_;
            return;
        }
        const auto found = last_of_name_.find(name);
        if (found != last_of_name_.end() && open_.back().held[rank_of(name)] <= found->second) {
            pop_to(found->second - 1);
        }
    }

    std::vector<Open> open_;
    std::unordered_map<std::string, std::size_t> last_of_name_;  // its place in open_, plus 1
    std::size_t too_deep_ = 0;                                   // open elements that weren't written
};

class XmlTidier : private Reader {
public:
    explicit XmlTidier(std::string_view xml) : Reader(xml) {}

    std::optional<std::string> tidy() {
        while (!at_end() && well_formed_) {
            token();
        }
        return well_formed_ && open_.empty() ? std::optional(std::move(out_)) : std::nullopt;
    }

private:
    void token() {
        if (here() != '<') {
            well_formed_ = put_text(read_text());
        } else if (is_letter(next()) || next() == '_') {
            ++at_;
            start_tag();
        } else if (next() == '/') {
            at_ += 2;
            end_tag();
        } else if (looking_at("<!--")) {
            at_ += 4;
            well_formed_ = skip_past("-->");
        } else if (looking_at("<![CDATA[")) {
            at_ += 9;
            const std::size_t start = at_;
            well_formed_ = skip_past("]]>");
            put_plain(text_.substr(start, at_ - 3 - start));
        } else if (next() == '?') {
            well_formed_ = skip_past("?>");
        } else {
            document_type();
        }
    }

    void put_plain(std::string_view text) {
        for (const char c : text) {
            c == '&' ? out_.append("&amp;") : c == '<' ? out_.append("&lt;") : out_ += c;
        }
    }

    // Names an address that nobody loads, and may declare nothing.
    void document_type() {
        const std::size_t end = std::min(text_.find_first_of("[>", at_), text_.size());
        well_formed_ = looking_at("<!DOCTYPE") && end < text_.size() && text_[end] == '>' && elements_ == 0;
        at_ = end + 1;
    }

    static std::string_view own_name(std::string_view name) {
        return name.substr(name.rfind(':') + 1);  // npos + 1 is 0
    }

    void start_tag() {
        Tag tag = read_tag();
        const std::string_view name = own_name(tag.name);
        well_formed_ = tag.whole && tag.well_formed && is_name(tag.name) && is_name(name) &&
                       ++elements_ <= kMostElements;
        if (!well_formed_) {
            return;
        }
        keep_plain_names(tag.attributes);
        out_.append("<").append(name);
        put_attributes(tag);
        out_ += tag.closes_itself ? "/>" : ">";
        if (!tag.closes_itself) {
            open_.push_back(tag.name);
            well_formed_ = well_formed_ && open_.size() <= kDeepestNesting;
        }
    }

    static void keep_plain_names(std::vector<Attribute>& attributes) {
        std::vector<std::string_view> seen;
        std::erase_if(attributes, [&seen](Attribute& one) {
            if (one.name == "xlink:href") {
                one.name = "href";
            }
            if (one.name.starts_with("xmlns") || one.name.find(':') != std::string_view::npos ||
                std::find(seen.begin(), seen.end(), one.name) != seen.end()) {
                return true;
            }
            seen.push_back(one.name);
            return false;
        });
    }

    void end_tag() {
        const Tag tag = read_tag();
        well_formed_ = tag.whole && tag.attributes.empty() && !open_.empty() && open_.back() == tag.name;
        if (well_formed_) {
            out_.append("</").append(own_name(tag.name)).append(">");
            open_.pop_back();
        }
    }

    std::vector<std::string_view> open_;
};

}  // namespace

std::string tidy_html(std::string_view html) {
    return HtmlTidier(html).tidy();
}

std::optional<std::string> tidy_xml(std::string_view xml) {
    if (xml.starts_with("\xef\xbb\xbf")) {
        xml.remove_prefix(3);
    }
    return XmlTidier(xml).tidy();
}

}  // namespace cellblock::sandbox
