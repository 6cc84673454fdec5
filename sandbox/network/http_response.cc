// Response heads, line by line.
#include "sandbox/network/http_response.h"

#include <algorithm>
#include <utility>

#include "sandbox/base/text.h"

namespace cellblock::sandbox::network {

namespace {

constexpr std::string_view kEnd = "\r\n\r\n";
constexpr std::string_view kVersion = "HTTP/1.";
constexpr std::size_t kStatusAt = 9;  // "HTTP/1.1 200 OK"

bool is_of_the_connection(std::string_view line) {
    const std::string name = lower(line.substr(0, line.find(':')));
    return name == "connection" || name == "keep-alive" || name == "proxy-connection";
}

// `head`: with the line end of its last line.
std::string with_close(std::string_view head) {
    std::string out;
    bool left_out = false;
    while (!head.empty()) {
        const auto line = head.substr(0, head.find("\r\n"));
        const bool goes_on = line.starts_with(' ') || line.starts_with('\t');  // of the line before
        left_out = goes_on ? left_out : is_of_the_connection(line);
        if (!left_out) {
            out.append(line).append("\r\n");
        }
        head.remove_prefix(line.size() + 2);
    }
    return out + "Connection: close\r\n\r\n";
}

}  // namespace

std::optional<std::string> LastResponse::pass(std::string_view piece) {
    if (in_body_) {
        return std::string(piece);
    }
    head_ += piece;
    std::string passed;
    while (!in_body_) {
        const auto end = head_.find(kEnd);
        const auto compared = std::min(head_.size(), kVersion.size());
        if (head_.compare(0, compared, kVersion, 0, compared) != 0 ||
            std::min(end, head_.size()) > kMostHead) {
            return std::nullopt;
        }
        if (end == std::string::npos) {
            return passed;
        }
        const bool interim = head_.size() > kStatusAt && head_[kStatusAt] == '1';
        in_body_ = !interim;
        passed += interim ? head_.substr(0, end + kEnd.size())
                          : with_close(std::string_view(head_).substr(0, end + 2));
        head_.erase(0, end + kEnd.size());
    }
    return passed + std::exchange(head_, {});
}

}  // namespace cellblock::sandbox::network
