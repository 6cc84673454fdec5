#include "kernel/jupyter/message_text.h"

#include <openssl/evp.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstring>
#include <nlohmann/json.hpp>
#include <utility>

#include "sandbox/base/text.h"

namespace cellblock::kernel {

using nlohmann::json;

namespace {

constexpr std::string_view kSpace = " \t\r\n";

// The position after the string that starts at `at`.
std::size_t past_string(std::string_view text, std::size_t at) {
    for (++at; at < text.size() && text[at] != '"'; ++at) {
        at += text[at] == '\\' ? 1 : 0;
    }
    return at + 1;
}

// The position after the value that starts at `at`.
std::size_t past_value(std::string_view text, std::size_t at) {
    std::size_t depth = 0;
    while (at < text.size()) {
        const char c = text[at];
        if (c == '"') {
            at = past_string(text, at);
        } else if (c == '{' || c == '[') {
            ++depth;
            ++at;
        } else if (c == '}' || c == ']') {
            if (depth == 0) {
                return at;
            }
            --depth;
            ++at;
        } else if (c == ',' && depth == 0) {
            return at;
        } else {
            ++at;
            continue;
        }
        if (depth == 0) {
            return at;
        }
    }
    return at;
}

bool is_plain(unsigned char c) {
    return c >= 0x20 && c < 0x80 && c != '"' && c != '\\';
}

// Whether one of the eight bytes may need an escape. False positives are allowed.
bool any_special(std::uint64_t eight) {
    constexpr std::uint64_t kOnes = 0x0101010101010101U;
    constexpr std::uint64_t kHighs = kOnes * 0x80U;
    const auto has_zero = [](std::uint64_t x) { return (x - kOnes) & ~x; };
    const std::uint64_t controls = eight - kOnes * 0x20U;
    return ((controls | eight | has_zero(eight ^ (kOnes * '"')) | has_zero(eight ^ (kOnes * '\\'))) &
            kHighs) != 0;
}

// The position after the characters from `at` on that need no escape in JSON.
std::size_t past_plain(std::string_view text, std::size_t at) {
    std::uint64_t eight = 0;
    while (at + sizeof eight <= text.size()) {
        std::memcpy(&eight, text.data() + at, sizeof eight);
        if (any_special(eight)) {
            break;
        }
        at += sizeof eight;
    }
    while (at < text.size() && is_plain(static_cast<unsigned char>(text[at]))) {
        ++at;
    }
    return at;
}

// Appends the character at `at`, which isn't plain, as JSON writes it. Returns the position after it.
std::size_t append_special(std::string& out, std::string_view text, std::size_t at) {
    const auto c = static_cast<unsigned char>(text[at]);
    if (c >= 0x80) {
        const std::size_t length = sandbox::utf8_length(text, at);
        out += length == 0 ? std::string_view("\xEF\xBF\xBD") : text.substr(at, length);
        return at + std::max<std::size_t>(length, 1);
    }
    switch (c) {
        case '"':
            out += "\\\"";
            break;
        case '\\':
            out += "\\\\";
            break;
        case '\n':
            out += "\\n";
            break;
        case '\r':
            out += "\\r";
            break;
        case '\t':
            out += "\\t";
            break;
        default: {
            constexpr std::string_view kDigits = "0123456789abcdef";
            out += "\\u00";
            out += kDigits[c >> 4U];
            out += kDigits[c & 15U];
        }
    }
    return at + 1;
}

// nlohmann's dump() goes character by character, which is slow for outputs with millions of them.
void append_json_string(std::string& out, std::string_view text) {
    out += '"';
    for (std::size_t at = 0; at < text.size();) {
        const std::size_t plain_end = past_plain(text, at);
        out.append(text, at, plain_end - at);
        at = plain_end;
        if (at < text.size()) {
            at = append_special(out, text, at);
        }
    }
    out += '"';
}

void append_base64(std::string& out, std::string_view bytes) {
    // EVP_EncodeBlock counts in int; whole thirds join without padding.
    constexpr std::size_t kAtOnce = std::size_t{3} << 20;
    std::size_t at = out.size();
    // EVP_EncodeBlock ends each block with a zero, the last of which falls on the string's own.
    out.resize(at + base64_bytes(bytes.size()));
    for (std::size_t from = 0; from < bytes.size(); from += kAtOnce) {
        const std::size_t take = std::min(kAtOnce, bytes.size() - from);
        const auto* source = reinterpret_cast<const unsigned char*>(bytes.data() + from);
        auto* target = reinterpret_cast<unsigned char*>(out.data() + at);
        at += static_cast<std::size_t>(EVP_EncodeBlock(target, source, static_cast<int>(take)));
    }
}

std::string unquoted(std::string_view text) {
    const json value = json::parse(text, nullptr, /*allow_exceptions=*/false);
    return value.is_string() ? value.get<std::string>() : std::string();
}

}  // namespace

std::size_t json_bytes(std::string_view text) {
    return text.size() + text.size() / 16 + 2;
}

std::size_t base64_bytes(std::size_t bytes) {
    return (bytes + 2) / 3 * 4;
}

std::string json_string(std::string_view text) {
    std::string out;
    out.reserve(json_bytes(text));
    append_json_string(out, text);
    return out;
}

std::string json_strings(const std::vector<std::string>& texts) {
    std::string out = "[";
    for (const auto& text : texts) {
        if (out.size() > 1) {
            out += ',';
        }
        out += json_string(text);
    }
    return out + "]";
}

std::string base64(std::string_view bytes) {
    std::string out;
    append_base64(out, bytes);
    return out;
}

void ObjectText::begin_member(std::string_view name, std::size_t value_bytes) {
    constexpr std::size_t kForName = 32;
    if (value_bytes > kForName) {
        text_.reserve(text_.size() + name.size() + value_bytes + kForName);
    }
    if (text_.back() != '{') {
        text_ += ',';
    }
    append_json_string(text_, name);
    text_ += ':';
}

ObjectText& ObjectText::text(std::string_view name, std::string_view value) {
    begin_member(name, json_bytes(value));
    append_json_string(text_, value);
    return *this;
}

ObjectText& ObjectText::raw(std::string_view name, std::string_view json_text) {
    begin_member(name, json_text.size());
    text_ += json_text;
    return *this;
}

ObjectText& ObjectText::base64(std::string_view name, std::string_view bytes) {
    begin_member(name, base64_bytes(bytes.size()) + 2);
    text_ += '"';
    append_base64(text_, bytes);
    text_ += '"';
    return *this;
}

ObjectText& ObjectText::begin(std::string_view name) {
    begin_member(name, 2);
    text_ += '{';
    return *this;
}

ObjectText& ObjectText::end() {
    text_ += '}';
    return *this;
}

std::optional<std::string> member_text(std::string_view object, std::string_view name) {
    std::optional<std::string> found;
    std::size_t at = object.find('{');
    while (at != std::string_view::npos && ++at < object.size()) {
        at = object.find('"', at);
        if (at == std::string_view::npos) {
            break;
        }
        const std::size_t name_end = past_string(object, at);
        const bool wanted = unquoted(object.substr(at, name_end - at)) == name;
        at = object.find(':', name_end);
        if (at == std::string_view::npos) {
            break;
        }
        at = object.find_first_not_of(kSpace, at + 1);
        if (at == std::string_view::npos) {
            break;
        }
        const std::size_t end = past_value(object, at);
        if (wanted) {
            const auto last = object.find_last_not_of(kSpace, end - 1);
            found = std::string(object.substr(at, last + 1 - at));
        }
        at = object.find(',', end);
    }
    return found;
}

std::string iso_date_now() {
    return sandbox::utc_text(std::chrono::system_clock::now(), 6);
}

std::string as_one_line(const std::string& text) {
    // Line ends of ASCII stand between JSON's values alone, the others in its texts alone.
    constexpr std::array kOthers{std::pair{"\xc2\x85", "\\u0085"}, std::pair{"\xe2\x80\xa8", "\\u2028"},
                                 std::pair{"\xe2\x80\xa9", "\\u2029"}};
    std::string out;
    out.reserve(text.size() + 1);
    const auto may_end = [](char c) { return c == '\n' || c == '\r' || c == '\xc2' || c == '\xe2'; };
    for (auto at = text.begin(); at != text.end();) {
        const auto next = std::find_if(at, text.end(), may_end);
        out.append(at, next);
        at = next;
        if (at == text.end()) {
            break;
        }
        const std::string_view rest(text.data() + (at - text.begin()),
                                    static_cast<std::size_t>(text.end() - at));
        const auto found = std::find_if(kOthers.begin(), kOthers.end(),
                                        [&](const auto& one) { return rest.starts_with(one.first); });
        if (found != kOthers.end()) {
            out += found->second;
            at += static_cast<std::ptrdiff_t>(std::string_view(found->first).size());
        } else {
            out += *at == '\n' || *at == '\r' ? ' ' : *at;
            ++at;
        }
    }
    return out;
}

std::string without_colours(const std::string& text) {
    std::string out;
    for (std::size_t at = 0; at < text.size(); ++at) {
        if (text[at] == '\x1b' && at + 1 < text.size() && text[at + 1] == '[') {
            at = text.find_first_of("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz", at + 2);
            if (at == std::string::npos) {
                break;
            }
        } else {
            out += text[at];
        }
    }
    return out;
}

}  // namespace cellblock::kernel
