#include "kernel/http/server.h"

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <boost/asio/basic_socket_acceptor.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/steady_timer.hpp>
#include <charconv>
#include <chrono>
#include <optional>
#include <set>
#include <utility>
#include <vector>

#include "kernel/http/connection.h"
#include "kernel/http/loop_impl.h"
#include "kernel/http/tls.h"
#include "sandbox/api/unique_fd.h"

namespace cellblock::kernel {

namespace asio = boost::asio;
using boost::system::error_code;
using sandbox::Error;
using Socket = ConnectionSocket;

namespace {

Error refusal(const std::string& address, const std::string& why, int number = 0) {
    return {"listen at " + address, number, why,
            "Give HOST:PORT, where HOST is an address of this machine, or unix:/path"};
}

// A Unix socket that is there already: does somebody listen?
bool is_alive(const std::string& path) {
    sandbox::UniqueFd probe(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_un name{};
    name.sun_family = AF_UNIX;
    std::copy_n(path.data(), std::min(path.size(), sizeof name.sun_path - 1), name.sun_path);
    return ::connect(probe.get(), reinterpret_cast<const sockaddr*>(&name), sizeof name) == 0;
}

}  // namespace

// Accepts connections at one address.
template <class Protocol>
struct Listener : std::enable_shared_from_this<Listener<Protocol>> {
    using Accept = std::function<void(Socket)>;

    Listener(asio::io_context& context, Accept to_call)
        : acceptor(context), retry(context), accept(std::move(to_call)) {}

    void go_on() {
        acceptor.async_accept(
            [self = this->shared_from_this()](const error_code& failed, typename Protocol::socket socket) {
                if (failed == asio::error::operation_aborted || !self->acceptor.is_open()) {
                    return;
                }
                if (!failed) {
                    self->go_on();
                    return self->accept(Socket(std::move(socket)));
                }
                // No descriptor is free: the connection waits in the kernel's queue.
                self->retry.expires_after(std::chrono::milliseconds(100));
                self->retry.async_wait([self](const error_code& cancelled) {
                    if (!cancelled) {
                        self->go_on();
                    }
                });
            });
    }

    void end() {
        retry.cancel();
        error_code ignored;
        acceptor.close(ignored);
    }

    asio::basic_socket_acceptor<Protocol> acceptor;
    asio::steady_timer retry;
    Accept accept;
};

struct HttpServer::Impl {
    Impl(Loop& of, HttpHandler handler, BodyLimit body_limit, InPieces in_pieces)
        : loop(of),
          share(std::make_shared<ConnectionsShare>(
              ConnectionsShare{std::move(handler), std::move(body_limit), std::move(in_pieces)})) {}

    void stop_listening() {
        for (const auto& one : tcp) {
            one->end();
        }
        for (const auto& one : local) {
            one->end();
        }
        for (const auto& path : std::exchange(paths, {})) {
            ::unlink(path.c_str());
        }
    }

    ~Impl() {  // NOLINT(bugprone-exception-escape): as ~Reply
        stop_listening();
        for (const auto& one : std::exchange(connections, {})) {
            one->close();
        }
    }

    void accept(Socket socket, bool is_tcp) {
        if (connections.size() >= kMostConnections) {
            return;  // closed by its destructor
        }
        auto stream = is_tcp && tls ? tls_stream(std::move(socket), *tls) : plain_stream(std::move(socket));
        connections.insert(
            begin_connection(std::move(stream), share, [this](const auto& one) { connections.erase(one); }));
    }

    sandbox::Result<std::string> listen_local(const std::string& address, const std::string& path);
    sandbox::Result<std::string> listen_tcp(const std::string& address);

    Loop& loop;
    std::shared_ptr<ConnectionsShare> share;
    std::optional<asio::ssl::context> tls;  // of connections by TCP that begin
    std::set<std::shared_ptr<HttpConnection>> connections;
    std::vector<std::shared_ptr<Listener<asio::ip::tcp>>> tcp;
    std::vector<std::shared_ptr<Listener<asio::local::stream_protocol>>> local;
    std::vector<std::string> paths;
};

HttpServer::HttpServer(Loop& loop, HttpHandler handler, BodyLimit body_limit, InPieces in_pieces)
    : impl_(std::make_unique<Impl>(loop, std::move(handler), std::move(body_limit), std::move(in_pieces))) {}
HttpServer::~HttpServer() = default;

void HttpServer::close() {
    impl_->stop_listening();
    const auto connections = impl_->connections;
    for (const auto& one : connections) {
        one->finish();
    }
}

sandbox::Status HttpServer::use_tls(const TlsFiles& files) {
    CELLBLOCK_ASSIGN_OR_RETURN(impl_->tls, tls_context(files));
    return sandbox::Ok{};
}

sandbox::Result<std::string> HttpServer::listen(const std::string& address) {
    constexpr std::string_view kUnix = "unix:";
    return address.starts_with(kUnix) ? impl_->listen_local(address, address.substr(kUnix.size()))
                                      : impl_->listen_tcp(address);
}

sandbox::Result<std::string> HttpServer::Impl::listen_local(const std::string& address,
                                                            const std::string& path) {
    constexpr mode_t kOthers = 0177;
    if (path.empty() || path.front() != '/' || path.size() >= sizeof(sockaddr_un::sun_path)) {
        return refusal(address, "a Unix socket's path is absolute, and at most 107 bytes long");
    }
    struct stat info {};
    if (::lstat(path.c_str(), &info) == 0) {
        if (!S_ISSOCK(info.st_mode)) {
            return refusal(address, "there is a file that is no socket");
        }
        if (is_alive(path)) {
            return refusal(address, "another server listens there");
        }
        ::unlink(path.c_str());
    }
    auto listener = std::make_shared<Listener<asio::local::stream_protocol>>(
        loop.impl_->context, [this](Socket socket) { accept(std::move(socket), false); });
    error_code failed;
    listener->acceptor.open(asio::local::stream_protocol(), failed);
    if (!failed) {
        const mode_t before = ::umask(kOthers);
        listener->acceptor.bind(asio::local::stream_protocol::endpoint(path), failed);
        ::umask(before);
    }
    if (!failed) {
        listener->acceptor.listen(SOMAXCONN, failed);
    }
    if (failed) {
        return refusal(address, "", failed.value());
    }
    paths.push_back(path);
    listener->go_on();
    local.push_back(std::move(listener));
    return "unix:" + path;
}

sandbox::Result<std::string> HttpServer::Impl::listen_tcp(const std::string& address) {
    const auto colon = address.rfind(':');
    std::string host = address.substr(0, colon == std::string::npos ? 0 : colon);
    if (host.size() > 2 && host.front() == '[' && host.back() == ']') {
        host = host.substr(1, host.size() - 2);
    }
    if (host == "localhost") {
        host = "127.0.0.1";
    }
    unsigned port = 0;
    const char* const begin = address.data() + (colon == std::string::npos ? address.size() : colon + 1);
    const char* const end = address.data() + address.size();
    const auto number = std::from_chars(begin, end, port);
    error_code failed;
    const auto ip = asio::ip::make_address(host, failed);
    if (colon == std::string::npos || failed || begin == end || number.ptr != end ||
        number.ec != std::errc() || port > 65535) {
        return refusal(address, "this is no HOST:PORT");
    }
    auto listener = std::make_shared<Listener<asio::ip::tcp>>(
        loop.impl_->context, [this](Socket socket) { accept(std::move(socket), true); });
    const asio::ip::tcp::endpoint wanted(ip, static_cast<std::uint16_t>(port));
    listener->acceptor.open(wanted.protocol(), failed);
    if (!failed) {
        listener->acceptor.set_option(asio::socket_base::reuse_address(true), failed);
        listener->acceptor.bind(wanted, failed);
    }
    if (!failed) {
        listener->acceptor.listen(SOMAXCONN, failed);
    }
    if (failed) {
        return refusal(address, "", failed.value());
    }
    error_code ignored;
    const auto bound = listener->acceptor.local_endpoint(ignored);
    listener->go_on();
    tcp.push_back(std::move(listener));
    const std::string shown = bound.address().to_string();
    return (tls ? "https://" : "http://") + (bound.address().is_v6() ? "[" + shown + "]" : shown) + ":" +
           std::to_string(bound.port());
}

}  // namespace cellblock::kernel
