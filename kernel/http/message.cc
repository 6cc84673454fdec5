#include "kernel/http/message.h"

#include <algorithm>
#include <array>
#include <optional>

namespace cellblock::kernel {

namespace {

unsigned char lowered(char c) {
    return static_cast<unsigned char>(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
}

std::optional<int> hex_digit(char c) {
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    const unsigned char low = lowered(c);
    return low >= 'a' && low <= 'f' ? std::optional<int>(low - 'a' + 10) : std::nullopt;
}

}  // namespace

bool CaselessLess::operator()(std::string_view left, std::string_view right) const {
    return std::lexicographical_compare(left.begin(), left.end(), right.begin(), right.end(),
                                        [](char a, char b) { return lowered(a) < lowered(b); });
}

std::string_view HttpRequest::header(std::string_view name) const {
    const auto found = headers.find(name);
    return found == headers.end() ? std::string_view() : std::string_view(found->second);
}

bool decode_url(std::string_view text, bool plus_is_space, std::string& out) {
    out.clear();
    out.reserve(text.size());
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (text[i] == '+' && plus_is_space) {
            out += ' ';
        } else if (text[i] != '%') {
            out += text[i];
        } else {
            const auto high = i + 2 < text.size() ? hex_digit(text[i + 1]) : std::nullopt;
            const auto low = i + 2 < text.size() ? hex_digit(text[i + 2]) : std::nullopt;
            if (!high || !low) {
                return false;
            }
            out += static_cast<char>(*high << 4 | *low);
            i += 2;
        }
    }
    return out.find('\0') == std::string::npos;
}

bool read_target(std::string_view target, HttpRequest& request) {
    constexpr std::size_t kMostParameters = 64;
    if (target.empty() || target.front() != '/') {
        return false;
    }
    const auto question = target.find('?');
    if (!decode_url(target.substr(0, question), false, request.path)) {
        return false;
    }
    std::string_view rest = question == std::string_view::npos ? "" : target.substr(question + 1);
    rest = rest.substr(0, rest.find('#'));
    for (std::size_t count = 0; !rest.empty(); ++count) {
        const std::string_view one = rest.substr(0, rest.find('&'));
        rest.remove_prefix(std::min(rest.size(), one.size() + 1));
        const auto sign = one.find('=');
        std::string name;
        std::string value;
        if (count == kMostParameters || !decode_url(one.substr(0, sign), true, name) ||
            !decode_url(sign == std::string_view::npos ? "" : one.substr(sign + 1), true, value)) {
            return false;
        }
        if (!name.empty()) {
            request.query[name] = value;
        }
    }
    return true;
}

std::string_view status_words(int status) {
    struct Words {
        int status;
        std::string_view words;
    };
    constexpr std::array kAll{Words{200, "OK"},
                              Words{201, "Created"},
                              Words{202, "Accepted"},
                              Words{204, "No Content"},
                              Words{400, "Bad Request"},
                              Words{401, "Unauthorized"},
                              Words{403, "Forbidden"},
                              Words{404, "Not Found"},
                              Words{405, "Method Not Allowed"},
                              Words{406, "Not Acceptable"},
                              Words{408, "Request Timeout"},
                              Words{409, "Conflict"},
                              Words{413, "Payload Too Large"},
                              Words{415, "Unsupported Media Type"},
                              Words{429, "Too Many Requests"},
                              Words{431, "Request Header Fields Too Large"},
                              Words{500, "Internal Server Error"},
                              Words{501, "Not Implemented"},
                              Words{502, "Bad Gateway"},
                              Words{503, "Service Unavailable"},
                              Words{507, "Insufficient Storage"}};
    const auto found =
        std::find_if(kAll.begin(), kAll.end(), [&](const Words& one) { return one.status == status; });
    return found == kAll.end() ? "Status" : found->words;
}

}  // namespace cellblock::kernel
