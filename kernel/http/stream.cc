#include "kernel/http/stream.h"

#include <openssl/ssl.h>

#include <boost/asio/error.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl/stream.hpp>
#include <utility>

namespace cellblock::kernel {

namespace asio = boost::asio;
namespace beast = boost::beast;
using boost::system::error_code;
using Socket = ConnectionSocket;

namespace {

Socket prepared(Socket socket) {
    error_code ignored;
    socket.non_blocking(true, ignored);
    // Small pieces go out at once. A Unix socket has no such option.
    socket.set_option(asio::ip::tcp::no_delay(true), ignored);
    return socket;
}

class PlainStream final : public ByteStream {
public:
    explicit PlainStream(Socket socket) : socket_(std::move(socket)) {}

    Socket::executor_type executor() override { return socket_.get_executor(); }
    void open(Done done) override { done({}); }

    void read(beast::flat_buffer& buffer, Done done) override {
        socket_.async_wait(Socket::wait_read, [this, &buffer, done = std::move(done)](error_code failed) {
            constexpr std::size_t kPiece = 64U << 10;
            if (!failed) {
                buffer.commit(socket_.read_some(buffer.prepare(kPiece), failed));
            }
            done(failed == asio::error::would_block ? error_code() : failed);
        });
    }

    void write(const std::vector<asio::const_buffer>& pieces, Written written) override {
        socket_.async_write_some(pieces, std::move(written));
    }

    void end(Done done) override {
        error_code failed;
        socket_.shutdown(Socket::shutdown_send, failed);
        done(failed);
    }

    void close() override {
        error_code ignored;
        socket_.close(ignored);
    }

private:
    Socket socket_;
};

class TlsStream final : public ByteStream {
public:
    TlsStream(Socket socket, asio::ssl::context& context) : stream_(std::move(socket), context) {}

    Socket::executor_type executor() override { return stream_.get_executor(); }
    void open(Done done) override { stream_.async_handshake(Stream::server, std::move(done)); }

    // A record's first byte is waited for alone, so that no room is lent out; the rest is there with it.
    void read(beast::flat_buffer& buffer, Done done) override {
        stream_.async_read_some(asio::buffer(&first_, 1), [this, &buffer, done = std::move(done)](
                                                              error_code failed, std::size_t) {
            if (!failed) {
                const int rest = ::SSL_pending(stream_.native_handle());
                auto room = buffer.prepare(1 + static_cast<std::size_t>(rest));
                const std::size_t copied = asio::buffer_copy(room, asio::buffer(&first_, 1));
                buffer.commit(copied + (rest > 0 ? stream_.read_some(room + copied, failed) : 0));
            }
            done(failed);
        });
    }

    void write(const std::vector<asio::const_buffer>& pieces, Written written) override {
        stream_.async_write_some(pieces, std::move(written));
    }

    // The client is told by close_notify, and its own is waited for.
    void end(Done done) override { stream_.async_shutdown(std::move(done)); }

    void close() override {
        error_code ignored;
        stream_.next_layer().close(ignored);
    }

private:
    using Stream = asio::ssl::stream<Socket>;

    Stream stream_;
    char first_ = 0;
};

}  // namespace

std::unique_ptr<ByteStream> plain_stream(Socket socket) {
    return std::make_unique<PlainStream>(prepared(std::move(socket)));
}

std::unique_ptr<ByteStream> tls_stream(Socket socket, asio::ssl::context& context) {
    return std::make_unique<TlsStream>(prepared(std::move(socket)), context);
}

}  // namespace cellblock::kernel
