#include "kernel/http/multipart.h"

#include <algorithm>
#include <cctype>
#include <utility>

#include "kernel/http/message.h"

namespace cellblock::kernel {

using sandbox::Error;
using sandbox::Result;

namespace {

constexpr std::size_t kMostParts = 1000;
constexpr std::size_t kLongestHead = 16U << 10;  // of a part's headers
constexpr std::size_t kLongestBoundary = 70;
constexpr std::string_view kLineEnd = "\r\n";

Error broken(const std::string& why) {
    return {"read multipart/form-data", 0, why, {}};
}

std::string lowered(std::string_view text) {
    std::string out(text);
    std::transform(out.begin(), out.end(), out.begin(), [](unsigned char c) { return std::tolower(c); });
    return out;
}

void skip_blanks(std::string_view& text) {
    text.remove_prefix(std::min(text.find_first_not_of(" \t"), text.size()));
}

// Takes one value of a header's parameter, quoted or not, off the text. In quotes, a backslash stands before
// a quote or another backslash alone: some clients write a path's backslash by itself.
std::string take_value(std::string_view& text) {
    std::string value;
    if (text.empty() || text.front() != '"') {
        value = text.substr(0, text.find(';'));
        text.remove_prefix(value.size());
        value.erase(
            std::find_if(value.rbegin(), value.rend(), [](char c) { return c != ' ' && c != '\t'; }).base(),
            value.end());
        return value;
    }
    std::size_t i = 1;
    for (; i < text.size() && text[i] != '"'; ++i) {
        if (text[i] == '\\' && i + 1 < text.size() && (text[i + 1] == '"' || text[i + 1] == '\\')) {
            ++i;
        }
        value += text[i];
    }
    text.remove_prefix(std::min(i + 1, text.size()));
    return value;
}

// The parameters behind a header's first ';', by their names in small letters.
std::vector<std::pair<std::string, std::string>> parameters(std::string_view text) {
    std::vector<std::pair<std::string, std::string>> all;
    text.remove_prefix(std::min(text.find(';'), text.size()));
    while (!text.empty()) {
        text.remove_prefix(1);
        skip_blanks(text);
        const auto sign = text.find_first_of("=;");
        if (sign == std::string_view::npos || text[sign] == ';') {
            text.remove_prefix(std::min(sign, text.size()));
            continue;
        }
        std::string name = lowered(text.substr(0, sign));
        text.remove_prefix(sign + 1);
        all.emplace_back(std::move(name), take_value(text));
        text.remove_prefix(std::min(text.find(';'), text.size()));
    }
    return all;
}

// RFC 5987: UTF-8''na%C3%AFve.txt
std::optional<std::string> extended(std::string_view value) {
    constexpr std::string_view kStart = "utf-8''";
    std::string out;
    if (lowered(value.substr(0, kStart.size())) != kStart ||
        !decode_url(value.substr(kStart.size()), false, out)) {
        return std::nullopt;
    }
    return out;
}

// The percent signs by which browsers and httpx write a quote and line ends in a name (HTML's standard).
std::string unescaped(std::string text) {
    constexpr std::pair<std::string_view, char> kAll[] = {{"%22", '"'}, {"%0D", '\r'}, {"%0A", '\n'}};
    for (const auto& [written, meant] : kAll) {
        for (auto at = text.find(written); at != std::string::npos; at = text.find(written, at + 1)) {
            text.replace(at, written.size(), 1, meant);
        }
    }
    return text;
}

void read_head(std::string_view head, FormPart& part) {
    while (!head.empty()) {
        const std::string_view line = head.substr(0, head.find(kLineEnd));
        head.remove_prefix(std::min(line.size() + kLineEnd.size(), head.size()));
        const auto colon = line.find(':');
        if (colon == std::string_view::npos || lowered(line.substr(0, colon)) != "content-disposition") {
            continue;
        }
        bool is_extended = false;
        for (const auto& [name, value] : parameters(line.substr(colon + 1))) {
            if (name == "name") {
                part.name = unescaped(value);
            } else if (name == "filename" && !is_extended) {
                part.file_name = unescaped(value);
            } else if (name == "filename*") {
                if (auto text = extended(value)) {
                    part.file_name = std::move(*text);
                    is_extended = true;
                }
            }
        }
    }
}

}  // namespace

Result<std::vector<FormPart>> read_multipart(std::string_view content_type, std::string_view body) {
    std::string boundary;
    for (const auto& [name, value] : parameters(content_type)) {
        if (name == "boundary") {
            boundary = value;
        }
    }
    if (boundary.empty() || boundary.size() > kLongestBoundary) {
        return broken("the content type names no boundary of 1 to 70 characters");
    }
    const std::string first = "--" + boundary;
    const std::string later = std::string(kLineEnd) + first;
    std::vector<FormPart> parts;
    std::size_t at = body.starts_with(first) ? first.size() : body.find(later);
    if (at == std::string_view::npos) {
        return broken("the boundary isn't in the body");
    }
    at += body.starts_with(first) ? 0 : later.size();
    for (;;) {
        std::string_view rest = body.substr(at);
        if (rest.starts_with("--")) {
            return parts;
        }
        skip_blanks(rest);
        if (!rest.starts_with(kLineEnd)) {
            return broken("a boundary's line goes on");
        }
        rest.remove_prefix(kLineEnd.size());
        // A part without headers has its content right behind the empty line.
        const auto head_end = rest.starts_with(kLineEnd) ? 0 : rest.find("\r\n\r\n");
        const auto content = head_end == 0 ? kLineEnd.size() : head_end + 2 * kLineEnd.size();
        if (head_end == std::string_view::npos || head_end > kLongestHead) {
            return broken("a part's headers have no end, or are longer than 16 KiB");
        }
        const auto end = rest.find(later, content - kLineEnd.size());
        if (end == std::string_view::npos) {
            return broken("the last boundary is missing");
        }
        if (parts.size() == kMostParts) {
            return broken("there are more than 1,000 parts");
        }
        FormPart part;
        read_head(rest.substr(0, head_end), part);
        // An empty part's line end is that of its headers.
        part.content = end < content ? std::string_view() : rest.substr(content, end - content);
        parts.push_back(std::move(part));
        at = static_cast<std::size_t>(rest.data() - body.data()) + end + later.size();
    }
}

}  // namespace cellblock::kernel
