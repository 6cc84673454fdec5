// The syntax of a request's head and of chunks.
#include "sandbox/network/http_request.h"

#include <algorithm>
#include <array>
#include <charconv>

#include "sandbox/base/text.h"

namespace cellblock::sandbox::network {

namespace {

constexpr std::size_t kMostChunkDigits = 8;
constexpr std::size_t kMostLine = 4096;
constexpr std::size_t kMostTrailers = 8192;
constexpr std::size_t kMostHeaders = 100;

HeadRead broken(std::string why) {
    return {HeadRead::Kind::broken, std::move(why)};
}

bool is_token(std::string_view text) {
    return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
               std::string_view("!#$%&'*+-.^_`|~").find(c) != std::string_view::npos;
    });
}

std::string_view trimmed(std::string_view text) {
    const auto blank = [](char c) { return c == ' ' || c == '\t'; };
    while (!text.empty() && blank(text.front())) {
        text.remove_prefix(1);
    }
    while (!text.empty() && blank(text.back())) {
        text.remove_suffix(1);
    }
    return text;
}

std::optional<std::uint64_t> decimal(std::string_view text, std::uint64_t most) {
    std::uint64_t value = 0;
    const auto [end, failed] = std::from_chars(text.data(), text.data() + text.size(), value);
    const bool whole = failed == std::errc() && end == text.data() + text.size() && !text.empty();
    return whole && value <= most ? std::optional(value) : std::nullopt;
}

// Headers that are between the client and the broker (RFC 9110, 7.6.1), or that the broker writes itself.
bool is_left_out(const std::string& name, const std::vector<std::string>& named) {
    static constexpr std::string_view kOwn[] = {"connection",
                                                "proxy-connection",
                                                "proxy-authorization",
                                                "proxy-authenticate",
                                                "keep-alive",
                                                "te",
                                                "trailer",
                                                "upgrade",
                                                "host"};
    return std::find(std::begin(kOwn), std::end(kOwn), name) != std::end(kOwn) ||
           std::find(named.begin(), named.end(), name) != named.end();
}

bool has_control_characters(std::string_view text) {
    return std::any_of(text.begin(), text.end(), [](char c) {
        return (static_cast<unsigned char>(c) < 0x20 && c != '\r' && c != '\n' && c != '\t') || c == 0x7f;
    });
}

// Each line ends with both, and neither stands elsewhere.
bool has_plain_lines(std::string_view text) {
    for (std::size_t i = 0; i < text.size(); ++i) {
        const bool pair = text[i] == '\r' && i + 1 < text.size() && text[i + 1] == '\n';
        if (pair) {
            ++i;
        } else if (text[i] == '\r' || text[i] == '\n') {
            return false;
        }
    }
    return true;
}

// Empty: all is well.
std::string read_headers(std::string_view text, std::vector<HttpHeader>& headers) {
    while (!text.empty()) {
        const auto end = text.find("\r\n");
        const auto line = text.substr(0, end);
        text.remove_prefix(end + 2);
        const auto colon = line.find(':');
        if (colon == std::string_view::npos || !is_token(line.substr(0, colon)) ||
            headers.size() >= kMostHeaders) {
            return "a header isn't one";
        }
        headers.push_back(
            {lower(line.substr(0, colon)), std::string(line), std::string(trimmed(line.substr(colon + 1)))});
    }
    return {};
}

std::vector<std::string> named_by_connection(const std::vector<HttpHeader>& headers) {
    std::vector<std::string> names;
    for (const auto& header : headers) {
        if (header.name == "connection") {
            for (const auto& name : split_at(header.value, ',')) {
                names.push_back(lower(trimmed(name)));
            }
        }
    }
    // What tells the body's end stays, whatever a client says.
    std::erase_if(names,
                  [](const auto& name) { return name == "content-length" || name == "transfer-encoding"; });
    return names;
}

}  // namespace

bool asks_for_another(const HttpHead& head) {
    constexpr auto kNames =
        std::to_array<std::string_view>({"x-http-method-override", "x-http-method", "x-method-override",
                                         "x-original-url", "x-rewrite-url", "x-forwarded-uri"});
    return std::any_of(head.headers.begin(), head.headers.end(), [&](const HttpHeader& header) {
        std::string name = header.name;
        std::replace(name.begin(), name.end(), '_', '-');  // CGI has both as one
        return std::find(kNames.begin(), kNames.end(), name) != kNames.end();
    });
}

HeadRead read_http_head(std::string_view bytes) {
    const auto end = bytes.find("\r\n\r\n");
    if (has_control_characters(bytes.substr(0, end))) {
        return broken("it has control characters");
    }
    if (std::min(end, bytes.size()) > kMostHead) {
        return broken("its head has more than 16 KiB");
    }
    if (end == std::string_view::npos) {
        return {};
    }
    const auto text = bytes.substr(0, end + 2);
    if (!has_plain_lines(text)) {
        return broken("its lines don't end with CR LF");
    }
    const auto first = text.substr(0, text.find("\r\n"));
    auto words = split_at(first, ' ');
    if (words.size() != 3 || !is_token(words[0]) || (words[2] != "HTTP/1.1" && words[2] != "HTTP/1.0")) {
        return broken("its first line isn't METHOD, target and HTTP/1.1");
    }
    HeadRead read{HeadRead::Kind::whole};
    read.size = end + 4;
    read.head.method = std::move(words[0]);
    read.head.target = std::move(words[1]);
    if (auto fault = read_headers(text.substr(first.size() + 2), read.head.headers); !fault.empty()) {
        return broken(std::move(fault));
    }
    return read;
}

const HostRule* rule_for(const std::vector<HostRule>& rules, const HttpHead& head) {
    const bool another = asks_for_another(head);
    const auto found = std::find_if(rules.begin(), rules.end(), [&](const HostRule& rule) {
        return allows_request(rule, head.method, head.target) && !(another && rule.restricts());
    });
    return found != rules.end() ? &*found : nullptr;
}

std::string summary_of(const HttpHead& head) {
    constexpr std::size_t kMost = 300;
    return printable((head.method + " " + head.target.substr(0, head.target.find('?'))).substr(0, kMost));
}

std::string refusal_of(const HttpHead& head, const std::string& host) {
    const std::string summary = summary_of(head);
    if (asks_for_another(head)) {
        return summary +
               " has a header that asks for another method or path, and network.allow's rules for " + host +
               " are about these";
    }
    return summary + " isn't allowed by the policy: network.allow has no rule for this method and path of " +
           host;
}

Result<RequestBody> body_of(const HttpHead& head) {
    std::optional<std::uint64_t> length;
    bool chunked = false;
    for (const auto& header : head.headers) {
        if (header.name == "content-length") {
            const auto number = decimal(header.value, 1ULL << 50U);
            if (!number || length) {
                return Error{{}, 0, "its Content-Length isn't one number", {}};
            }
            length = number;
        } else if (header.name == "transfer-encoding") {
            if (lower(header.value) != "chunked" || chunked) {
                return Error{{}, 0, "its Transfer-Encoding isn't 'chunked'", {}};
            }
            chunked = true;
        }
    }
    if (chunked && length) {
        return Error{{}, 0, "it has both Content-Length and Transfer-Encoding", {}};
    }
    return chunked ? RequestBody::chunked() : RequestBody::of_length(length.value_or(0));
}

std::string head_to_send(const HttpHead& head, std::string_view server,
                         const std::vector<std::pair<std::string, std::string>>& written) {
    std::string out = head.method + " " + head.target + " HTTP/1.1\r\nHost: " + std::string(server) + "\r\n";
    auto left_out = named_by_connection(head.headers);
    for (const auto& [name, value] : written) {
        out.append(name).append(": ").append(value).append("\r\n");
        left_out.push_back(lower(name));
    }
    for (const auto& header : head.headers) {
        if (!is_left_out(header.name, left_out)) {
            out += header.line + "\r\n";
        }
    }
    return out + "Connection: close\r\n\r\n";
}

std::string server_text(const HostName& host, std::uint16_t port, std::uint16_t own) {
    std::string text = text_of(host, port);
    if (port == own) {
        text.resize(text.rfind(':'));
    }
    return text;
}

// --- a body's end

bool RequestBody::ended() const {
    return kind_ == Kind::counted ? left_ == 0 : place_ == Place::end;
}

// Of chunks, one byte that is no data. False: it can't stand there.
bool RequestBody::step(char c) {
    switch (place_) {
        case Place::size: {
            const bool digit = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
            if (digit) {
                const int value = c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10;
                left_ = left_ * 16 + static_cast<unsigned>(value);
                return ++digits_ <= static_cast<int>(kMostChunkDigits);
            }
            place_ = Place::size_end;
            return c == '\r' && digits_ > 0;  // no extensions
        }
        case Place::size_end:
            digits_ = 0;
            place_ = left_ > 0 ? Place::data : Place::trailer;
            return c == '\n';
        case Place::data_end:
            place_ = Place::data_line;
            return c == '\r';
        case Place::data_line:
            place_ = Place::size;
            return c == '\n';
        case Place::trailer:
            line_ = c == '\r' ? line_ : line_ + 1;
            place_ = c == '\r' ? Place::trailer_end : place_;
            return ++trailers_ <= kMostTrailers && line_ <= kMostLine && c != '\n' && c != '\0';
        case Place::trailer_end:
            place_ = line_ == 0 ? Place::end : Place::trailer;
            line_ = 0;
            return c == '\n';
        case Place::data:
        case Place::end:
            break;
    }
    return false;
}

std::optional<std::size_t> RequestBody::take(std::string_view bytes) {
    std::size_t taken = 0;
    while (taken < bytes.size() && !ended()) {
        if (kind_ == Kind::counted || place_ == Place::data) {
            const auto part = std::min<std::uint64_t>(left_, bytes.size() - taken);
            left_ -= part;
            taken += static_cast<std::size_t>(part);
            if (left_ == 0 && kind_ == Kind::chunked) {
                place_ = Place::data_end;
            }
        } else if (!step(bytes[taken++])) {
            return std::nullopt;
        }
    }
    return taken;
}

}  // namespace cellblock::sandbox::network
