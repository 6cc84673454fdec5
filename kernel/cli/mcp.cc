// `cellblock mcp`: a server of the Model Context Protocol on standard input and output.
#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <filesystem>
#include <iostream>
#include <string>
#include <string_view>
#include <utility>

#include "kernel/cli/commands.h"
#include "kernel/cli/session_policy.h"
#include "kernel/mcp/server.h"

namespace cellblock::kernel {

namespace {

using namespace sandbox;

constexpr int kUsageError = 2;
constexpr std::size_t kPiece = 64U << 10;

// Standard input's lines, of bounded length.
class Lines {
public:
    // False: there are no more.
    template <class Take>
    bool read(Take take) {
        std::string piece(kPiece, '\0');
        const ssize_t size = ::read(STDIN_FILENO, piece.data(), piece.size());
        if (size < 0 && (errno == EINTR || errno == EAGAIN)) {
            return true;
        }
        if (size <= 0) {
            return false;
        }
        std::string_view rest(piece.data(), static_cast<std::size_t>(size));
        for (auto end = rest.find('\n'); end != std::string_view::npos; end = rest.find('\n')) {
            add(rest.substr(0, end));
            if (line_.find_first_not_of(" \t\r") != std::string::npos) {
                take(line_);
            }
            line_.clear();
            is_too_long_ = false;
            rest.remove_prefix(end + 1);
        }
        add(rest);
        return true;
    }

private:
    void add(std::string_view text) {
        is_too_long_ = is_too_long_ || line_.size() + text.size() > McpServer::kLongestMessage;
        if (is_too_long_) {
            line_ = "!";  // no JSON: the server says so at the line's end
        } else {
            line_ += text;
        }
    }

    std::string line_;
    bool is_too_long_ = false;
};

// Whether somebody reads it.
bool write_line(const std::string& text) {
    const std::string line = text + "\n";
    std::string_view left = line;
    while (!left.empty()) {
        const ssize_t written = ::write(STDOUT_FILENO, left.data(), left.size());
        if (written < 0 && errno == EAGAIN) {
            pollfd room{STDOUT_FILENO, POLLOUT, 0};
            ::poll(&room, 1, -1);
        } else if (written < 0 && errno != EINTR) {
            return false;
        }
        left.remove_prefix(static_cast<std::size_t>(std::max<ssize_t>(written, 0)));
    }
    return true;
}

// Standard output takes a notification at once, as none is longer than what a pipe with room takes.
bool has_room() {
    pollfd out{STDOUT_FILENO, POLLOUT, 0};
    return ::poll(&out, 1, 0) == 1 && (out.revents & POLLOUT) != 0;
}

int milliseconds_until(const std::optional<TimePoint>& time) {
    if (!time) {
        return -1;
    }
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(*time - Clock::now());
    return static_cast<int>(std::clamp<std::int64_t>(left.count(), 0, 60'000));
}

}  // namespace

int mcp_command(const McpOptions& options) {
    auto policy = session_policy("mcp", options.policy, options.python, options.inputs);
    if (!policy) {
        std::cerr << "cellblock mcp: " << policy.error().text() << "\n";
        return kUsageError;
    }
    ::signal(SIGPIPE, SIG_IGN);
    bool goes_on = true;
    std::error_code ignored;
    McpServerOptions server_options;
    server_options.directory = std::filesystem::current_path(ignored).string();
    McpServer server(std::move(*policy), std::move(server_options));
    const auto send = [&](const std::string& line, int) { goes_on = goes_on && write_line(line); };
    // Notifications can be left out: a client that reads nothing isn't waited for with them.
    const auto notify = [&](const std::string& line) {
        goes_on = goes_on && (!has_room() || write_line(line));
    };
    Lines lines;
    while (goes_on) {
        std::array<pollfd, 2> waiting{pollfd{STDIN_FILENO, POLLIN, 0}, pollfd{server.poll_fd(), POLLIN, 0}};
        ::poll(waiting.data(), waiting.size(), milliseconds_until(server.next_deadline()));
        if (waiting.front().revents != 0) {
            goes_on = lines.read([&](const std::string& line) {
                server.take(read_message(line), send, notify);
            }) && goes_on;
        }
        server.advance();
    }
    return 0;
}

}  // namespace cellblock::kernel
