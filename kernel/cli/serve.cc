// `cellblock serve`: sandboxes by HTTP, for the clients of E2B's protocol and of MCP.
#include <algorithm>
#include <cctype>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <filesystem>
#include <iostream>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "kernel/cli/commands.h"
#include "kernel/cli/program_log.h"
#include "kernel/cli/session_policy.h"
#include "kernel/e2b/service.h"
#include "kernel/http/loop.h"
#include "kernel/http/server.h"
#include "kernel/mcp/http_service.h"
#include "sandbox/base/files.h"
#include "sandbox/base/subprocess.h"

namespace cellblock::kernel {

namespace {

using namespace sandbox;

constexpr int kUsageError = 2;
constexpr int kCannotListen = 1;
constexpr std::chrono::milliseconds kLastWords{500};
constexpr std::size_t kShortestToken = 16;
constexpr std::size_t kLongestToken = 4096;

bool is_local(const std::string& address) {
    return address.starts_with("unix:");
}

// The token in a file that nobody else may read.
Result<std::string> read_token(const std::string& path) {
    const std::string step = "read the token of " + path;
    auto text = secret_file_text(step, path, kLongestToken);
    if (text) {
        while (!text->empty() && std::isspace(static_cast<unsigned char>(text->back())) != 0) {
            text->pop_back();
        }
        const bool is_plain =
            std::all_of(text->begin(), text->end(), [](unsigned char c) { return c > ' ' && c < 0x7f; });
        if (text->size() < kShortestToken || !is_plain) {
            text = Error{step, 0, "a token is one line of 16 to 4,096 printable characters", {}};
        }
    }
    if (!text && text.error().remedy.empty()) {
        Error error = text.error();
        // A file that is there may hold something else that its owner needs.
        error.remedy = error.code == ENOENT ? "Make one: (umask 077; openssl rand -hex 32 > " + path + ")"
                                            : "Give a file with a token, as `openssl rand -hex 32` makes it";
        return error;
    }
    return text;
}

// The files of TLS, or none; an Error: the options don't go together.
Result<std::optional<TlsFiles>> tls_of(const ServeOptions& options) {
    if (!options.tls_certificate && !options.tls_key) {
        return std::optional<TlsFiles>();
    }
    if (!options.tls_certificate || !options.tls_key) {
        return Error{{}, 0, "--tls-cert and --tls-key belong together", "Give both, or none"};
    }
    const auto local = std::find_if(options.addresses.begin(), options.addresses.end(), is_local);
    if (local != options.addresses.end()) {
        return Error{"listen at " + *local, 0, "a Unix socket has no TLS, and is its user's alone without it",
                     "Give --tls-cert and --tls-key with HOST:PORT alone"};
    }
    return std::optional(TlsFiles{*options.tls_certificate, *options.tls_key});
}

}  // namespace

int serve_command(const ServeOptions& options) {
    const auto complain = [](const std::string& text) { std::cerr << "cellblock serve: " << text << "\n"; };
    const bool has_tcp = !std::all_of(options.addresses.begin(), options.addresses.end(), is_local);
    E2bOptions service_options;
    service_options.most_boxes = options.sandboxes;
    McpHttpOptions mcp_options;
    mcp_options.most_sandboxes = options.sandboxes;
    mcp_options.idle_time = std::chrono::seconds(options.mcp_idle_seconds);
    if (options.addresses.empty()) {
        complain("nothing to listen at. Give --listen 127.0.0.1:PORT or --listen unix:/path");
        return kUsageError;
    }
    if (options.token_file) {
        auto token = read_token(*options.token_file);
        if (!token) {
            complain(token.error().text());
            return kUsageError;
        }
        service_options.token = mcp_options.token = *token;
    } else if (has_tcp) {
        complain(
            "any user of this machine, and more, can connect to a TCP port, so it needs a token. Make one: "
            "(umask 077; openssl rand -hex 32 > token), and give --token-file token");
        return kUsageError;
    }
    const auto tls = tls_of(options);
    if (!tls) {
        complain(tls.error().text());
        return kUsageError;
    }
    auto policy = session_policy("serve", options.policy, options.python, options.inputs);
    if (!policy) {
        complain(policy.error().text());
        return kUsageError;
    }
    ProgramLog log("serve", "policy \"" + policy->name + "\"");
    ::signal(SIGPIPE, SIG_IGN);
    raise_file_limit();
    std::error_code ignored;
    service_options.directory = mcp_options.directory = std::filesystem::current_path(ignored).string();
    Loop loop;
    auto mcp = std::make_unique<McpHttpService>(loop, *policy, std::move(mcp_options));
    auto service = std::make_unique<E2bService>(loop, std::move(*policy), std::move(service_options));
    auto server = std::make_unique<HttpServer>(
        loop,
        [&](HttpRequest request, const std::shared_ptr<HttpReply>& reply) {
            McpHttpService::is_mine(request) ? mcp->handle(request, reply)
                                             : service->handle(std::move(request), reply);
        },
        [&](const HttpRequest& head) {
            return McpHttpService::is_mine(head) ? mcp->body_limit(head) : service->body_limit(head);
        },
        [&](const HttpRequest& head) { return service->comes_in_pieces(head); });
    if (*tls) {
        if (const auto used = server->use_tls(**tls); !used) {
            complain(used.error().text());
            return kUsageError;
        }
    }
    loop.on_signals({SIGINT, SIGTERM}, [&] { loop.stop(); });
    loop.on_signals({SIGHUP}, [&] {
        if (!*tls) {
            return loop.stop();
        }
        const auto renewed = server->use_tls(**tls);
        complain(renewed ? "the TLS certificate was read again, and new connections get it"
                         : renewed.error().text() + ". The certificate that was read before stays in use");
    });
    for (const auto& address : options.addresses) {
        auto shown = server->listen(address);
        if (!shown) {
            complain(shown.error().text());
            return kCannotListen;
        }
        std::cout << "listening on " << *shown << std::endl;
    }
    loop.run();
    log.ends("a signal asked it to");
    mcp.reset();  // tells who waits
    service.reset();
    server->close();
    loop.run_for(kLastWords);
    server.reset();
    return 0;
}

}  // namespace cellblock::kernel
