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

ProxyStep refuse(ProxyKind kind, const std::string& why) {
    ProxyStep step{ProxyStep::Kind::refused};
    step.reply = refusal(kind, Refusal::bad_request, why);
    step.complaint = why;
    return step;
}

}  // namespace

// --- requests

ProxyStep ProxyReader::feed(std::string_view bytes) {
    bytes_ += bytes;
    if (bytes_.empty()) {
        return {};
    }
    return greeted_ || bytes_.front() == kSocksVersion ? read_socks() : read_http();
}

ProxyStep ProxyReader::read_http() {
    auto read = read_http_head(bytes_);
    if (read.kind != HeadRead::Kind::whole) {
        return read.kind == HeadRead::Kind::broken ? refuse(ProxyKind::request, read.complaint) : ProxyStep{};
    }
    HttpHead& head = read.head;
    ProxyStep step{ProxyStep::Kind::asked};
    ProxyAsk& ask = step.ask;
    ask.rest = bytes_.substr(read.size);
    if (head.method == "CONNECT") {
        const auto target = read_host_and_port(head.target, 0);
        if (!target) {
            return refuse(ProxyKind::tunnel, "its target isn't HOST:PORT");
        }
        ask.host = target->host;
        ask.port = target->port;
        return step;
    }
    ask.kind = ProxyKind::request;
    constexpr std::string_view kScheme = "http://";
    if (lower(head.target.substr(0, kScheme.size())) != kScheme) {
        return refuse(ProxyKind::request, "its target isn't an http:// URL");
    }
    const std::string_view url = std::string_view(head.target).substr(kScheme.size());
    const auto path = std::min(url.find_first_of("/?#"), url.size());
    const auto place = read_host_and_port(url.substr(0, path), kHttpPort);
    if (!place) {
        return refuse(ProxyKind::request, "its URL has no host");
    }
    ask.host = place->host;
    ask.port = place->port;
    auto body = body_of(head);
    if (!body) {
        return refuse(ProxyKind::request, body.error().message);
    }
    ask.body = *body;
    std::string target = (url.substr(path).starts_with('/') ? "" : "/") + std::string(url.substr(path));
    ask.http = std::move(head);
    ask.http.target = std::move(target);
    ask.head = head_to_send(ask.http, server_text(ask.host, ask.port, kHttpPort));
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
