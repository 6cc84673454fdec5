// The syntax of HTTP's and SOCKS's requests, and the replies.
#include "sandbox/network/proxy_request.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <utility>
#include <vector>

#include "sandbox/base/text.h"

namespace cellblock::sandbox::network {

namespace {

constexpr std::uint16_t kHttpPort = 80;
constexpr char kSocksVersion = 5;
constexpr std::size_t kMostChunkDigits = 8;
constexpr std::size_t kMostLine = 4096;
constexpr std::size_t kMostTrailers = 8192;

ProxyStep refuse(ProxyKind kind, const std::string& why) {
    ProxyStep step{ProxyStep::Kind::refused};
    step.reply = refusal(kind, Refusal::bad_request, why);
    step.complaint = why;
    return step;
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

struct Header {
    std::string name;  // in small letters
    std::string_view line;
    std::string_view value;
};

// Empty: all is well.
std::string read_headers(std::string_view text, std::vector<Header>& headers) {
    constexpr std::size_t kMostHeaders = 100;
    while (!text.empty()) {
        const auto end = text.find("\r\n");
        const auto line = text.substr(0, end);
        text.remove_prefix(end + 2);
        const auto colon = line.find(':');
        if (colon == std::string_view::npos || !is_token(line.substr(0, colon)) ||
            headers.size() >= kMostHeaders) {
            return "a header isn't one";
        }
        headers.push_back({lower(line.substr(0, colon)), line, trimmed(line.substr(colon + 1))});
    }
    return {};
}

std::string read_body(const std::vector<Header>& headers, RequestBody& body) {
    std::optional<std::uint64_t> length;
    bool chunked = false;
    for (const auto& header : headers) {
        if (header.name == "content-length") {
            const auto number = decimal(header.value, 1ULL << 50U);
            if (!number || length) {
                return "its Content-Length isn't one number";
            }
            length = number;
        } else if (header.name == "transfer-encoding") {
            if (lower(header.value) != "chunked" || chunked) {
                return "its Transfer-Encoding isn't 'chunked'";
            }
            chunked = true;
        }
    }
    if (chunked && length) {
        return "it has both Content-Length and Transfer-Encoding";
    }
    body = chunked ? RequestBody::chunked() : RequestBody::of_length(length.value_or(0));
    return {};
}

std::vector<std::string> named_by_connection(const std::vector<Header>& headers) {
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

// --- requests

ProxyStep ProxyReader::feed(std::string_view bytes) {
    bytes_ += bytes;
    if (bytes_.empty()) {
        return {};
    }
    return bytes_.front() == kSocksVersion ? read_socks() : read_http();
}

ProxyStep ProxyReader::read_http() {
    const auto end = bytes_.find("\r\n\r\n");
    const std::string_view head(bytes_.data(),
                                std::min(end == std::string::npos ? bytes_.size() : end, bytes_.size()));
    const auto is_bad = [](char c) {
        return (static_cast<unsigned char>(c) < 0x20 && c != '\r' && c != '\n' && c != '\t') || c == 0x7f;
    };
    if (std::any_of(head.begin(), head.end(), is_bad)) {
        return refuse(ProxyKind::request, "it has control characters");
    }
    if (end == std::string::npos) {
        return bytes_.size() > kMostHead ? refuse(ProxyKind::request, "its head has more than 16 KiB")
                                         : ProxyStep{};
    }
    // Each line ends with both, and neither stands elsewhere.
    for (std::size_t i = 0; i < end; ++i) {
        const bool pair = bytes_[i] == '\r' && bytes_[i + 1] == '\n';
        if (pair) {
            ++i;
        } else if (bytes_[i] == '\r' || bytes_[i] == '\n') {
            return refuse(ProxyKind::request, "its lines don't end with CR LF");
        }
    }
    const std::string text = bytes_.substr(0, end + 2);
    const std::string_view whole(text);
    const auto first = whole.substr(0, whole.find("\r\n"));
    const auto words = split_at(first, ' ');
    if (words.size() != 3 || !is_token(words[0]) || (words[2] != "HTTP/1.1" && words[2] != "HTTP/1.0")) {
        return refuse(ProxyKind::request, "its first line isn't METHOD, target and HTTP/1.1");
    }
    ProxyStep step{ProxyStep::Kind::asked};
    ProxyAsk& ask = step.ask;
    ask.rest = bytes_.substr(end + 4);
    std::vector<Header> headers;
    if (const auto fault = read_headers(whole.substr(first.size() + 2), headers); !fault.empty()) {
        return refuse(ProxyKind::request, fault);
    }
    if (words[0] == "CONNECT") {
        const auto target = read_host_and_port(words[1], 0);
        if (!target) {
            return refuse(ProxyKind::tunnel, "its target isn't HOST:PORT");
        }
        ask.host = target->host;
        ask.port = target->port;
        return step;
    }
    ask.kind = ProxyKind::request;
    constexpr std::string_view kScheme = "http://";
    if (lower(words[1].substr(0, kScheme.size())) != kScheme) {
        return refuse(ProxyKind::request, "its target isn't an http:// URL");
    }
    const std::string_view url = std::string_view(words[1]).substr(kScheme.size());
    const auto path = std::min(url.find_first_of("/?#"), url.size());
    const auto place = read_host_and_port(url.substr(0, path), kHttpPort);
    if (!place) {
        return refuse(ProxyKind::request, "its URL has no host");
    }
    ask.host = place->host;
    ask.port = place->port;
    if (const auto fault = read_body(headers, ask.body); !fault.empty()) {
        return refuse(ProxyKind::request, fault);
    }
    std::string server = text_of(ask.host, ask.port);
    if (ask.port == kHttpPort) {
        server.resize(server.rfind(':'));
    }
    const std::string_view target = url.substr(path);
    ask.head = words[0] + " " + (target.starts_with('/') ? "" : "/") + std::string(target) + " " +
               "HTTP/1.1\r\nHost: " + server + "\r\n";
    const auto named = named_by_connection(headers);
    for (const auto& header : headers) {
        if (!is_left_out(header.name, named)) {
            ask.head += std::string(header.line) + "\r\n";
        }
    }
    ask.head += "Connection: close\r\n\r\n";
    return step;
}

ProxyStep ProxyReader::read_socks() {
    const auto at = [&](std::size_t i) { return static_cast<unsigned char>(bytes_[i]); };
    ProxyStep step;
    if (!greeted_) {
        if (bytes_.size() < 2 || bytes_.size() < 2U + at(1)) {
            return {};
        }
        const std::string methods = bytes_.substr(2, at(1));
        bytes_.erase(0, 2U + methods.size());
        if (methods.find('\0') == std::string::npos) {
            step.kind = ProxyStep::Kind::refused;
            step.reply = std::string("\x05\xff", 2);
            step.complaint = "it wants to authenticate";
            return step;
        }
        greeted_ = true;
        step.reply = std::string("\x05\x00", 2);
    }
    constexpr std::size_t kFixed = 4;
    if (bytes_.size() < kFixed + 1) {
        return step;
    }
    const unsigned type = at(3);
    const std::size_t length = type == 1 ? 4U : type == 4 ? 16U : 1U + at(kFixed);
    if (at(0) != kSocksVersion || at(2) != 0 || at(1) != 1 || (type != 1 && type != 3 && type != 4)) {
        auto refused = refuse(ProxyKind::socks, "it isn't a CONNECT to a name or an address");
        refused.reply.insert(0, step.reply);
        return refused;
    }
    if (bytes_.size() < kFixed + length + 2) {
        return step;
    }
    std::optional<HostName> host;
    if (type == 3) {
        host = read_host(std::string_view(bytes_).substr(kFixed + 1, length - 1));
    } else {
        std::string text;
        for (std::size_t i = 0; i < length; ++i) {
            constexpr char kDigits[] = "0123456789abcdef";
            if (type == 1) {
                text += (i == 0 ? "" : ".") + std::to_string(at(kFixed + i));
            } else {
                text += i > 0 && i % 2 == 0 ? ":" : "";
                text += kDigits[at(kFixed + i) >> 4U];
                text += kDigits[at(kFixed + i) & 15U];
            }
        }
        host = read_host(text);
    }
    const unsigned port = at(kFixed + length) << 8U | at(kFixed + length + 1);
    if (!host || port == 0) {
        auto refused = refuse(ProxyKind::socks, "its target is no host with a port");
        refused.reply.insert(0, step.reply);
        return refused;
    }
    step.kind = ProxyStep::Kind::asked;
    step.ask.kind = ProxyKind::socks;
    step.ask.host = *host;
    step.ask.port = static_cast<std::uint16_t>(port);
    step.ask.rest = bytes_.substr(kFixed + length + 2);
    return step;
}

// --- replies

std::string refusal(ProxyKind kind, Refusal why, const std::string& reason) {
    if (kind == ProxyKind::socks) {
        // RFC 1928, 6: not allowed by ruleset, command not supported, host unreachable, general failure.
        constexpr std::array<char, 4> kCodes{2, 7, 4, 1};
        const char code = kCodes.at(static_cast<std::size_t>(why));
        return std::string{kSocksVersion, code} + std::string("\x00\x01\x00\x00\x00\x00\x00\x00", 8);
    }
    const char* status = why == Refusal::not_allowed   ? "403 "
                         : why == Refusal::bad_request ? "400 "
                         : why == Refusal::too_many    ? "503 "
                                                       : "502 ";
    // Libraries show the first line alone.
    return std::string("HTTP/1.1 ") + status + reason +
           "\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: " +
           std::to_string(reason.size() + 1) + "\r\nConnection: close\r\nX-Cellblock: refused\r\n\r\n" +
           reason + "\n";
}

std::string opened(ProxyKind kind) {
    switch (kind) {
        case ProxyKind::tunnel:
            return "HTTP/1.1 200 Connection established\r\n\r\n";
        case ProxyKind::socks:
            return std::string("\x05\x00\x00\x01\x00\x00\x00\x00\x00\x00", 10);
        case ProxyKind::request:
            break;
    }
    return {};
}

}  // namespace cellblock::sandbox::network
