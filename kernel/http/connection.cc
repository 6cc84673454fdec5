#include "kernel/http/connection.h"

#include <openssl/err.h>
#include <openssl/ssl.h>

#include <algorithm>
#include <array>
#include <boost/asio/post.hpp>
#include <boost/asio/ssl/error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/error.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/string_body.hpp>
#include <charconv>
#include <chrono>
#include <deque>
#include <exception>
#include <iostream>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace cellblock::kernel {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;
using boost::system::error_code;

namespace {

constexpr std::size_t kPiece = 64U << 10;
constexpr std::size_t kMostAhead = 256U << 10;  // of later requests, while one is answered
constexpr std::size_t kMostHeaders = 100;
constexpr std::size_t kMostUnread = 64U << 20;      // of one connection's replies
constexpr std::size_t kMostUnreadOfAll = 1U << 30;  // of all connections' together
// A client that reads nothing for so long has gone, and so has one that sends nothing of a request.
constexpr std::chrono::seconds kPatience{30};
constexpr std::chrono::seconds kHandshakeTime{10};
constexpr std::chrono::seconds kHeaderTime{15};
constexpr std::chrono::seconds kIdleTime{120};  // between two requests
constexpr std::chrono::minutes kBodyTime{10};

std::string in_hex(std::size_t number) {
    std::array<char, 17> digits{};
    const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), number, 16).ptr;
    return {digits.data(), end};
}

// The body's bytes, counted until the last holder is gone.
class CountedBytes {
public:
    explicit CountedBytes(std::shared_ptr<ConnectionsShare> shared) : shared_(std::move(shared)) {}
    ~CountedBytes() { shared_->body_bytes -= bytes_; }
    CountedBytes(const CountedBytes&) = delete;
    CountedBytes& operator=(const CountedBytes&) = delete;

    // False: there is no room for them.
    bool set(std::uint64_t bytes) {
        shared_->body_bytes += bytes - bytes_;
        bytes_ = bytes;
        return shared_->body_bytes <= HttpServer::kMostBodyBytes;
    }

private:
    std::shared_ptr<ConnectionsShare> shared_;
    std::uint64_t bytes_ = 0;
};

// One client's connection: requests one after another, each answered before the next is read.
class Connection final : public HttpConnection, public std::enable_shared_from_this<Connection> {
public:
    using Gone = ConnectionGone;

    Connection(std::unique_ptr<ByteStream> stream, std::shared_ptr<ConnectionsShare> shared, Gone gone)
        : stream_(std::move(stream)),
          timer_(stream_->executor()),
          shared_(std::move(shared)),
          gone_(std::move(gone)) {}

    void start() {
        wait(kHandshakeTime);
        stream_->open([self = shared_from_this()](const error_code& failed) {
            if (failed) {
                self->tell_of_handshake(failed);
                return self->close();
            }
            if (self->is_open_) {
                self->begin_request(kHeaderTime);
                self->read();
            }
        });
    }

    void finish() override {
        keep_alive_ = false;
        if (!is_ended_) {
            close();
        }
    }

    void close() override;

    // --- for the reply of the request that is being answered

    void send(int status, std::string_view type, std::string body, const HttpReply::Headers& more);
    void begin(int status, std::string_view type);
    void write(std::string piece);
    void end();
    void when_written(std::function<void()> written) {
        if (out_.empty()) {
            asio::post(stream_->executor(), std::move(written));
        } else {
            written_all_ = std::move(written);
        }
    }
    void on_body(HttpReply::TakeBody take) { take_body_ = std::move(take); }
    void read_on();
    void on_closed(std::function<void()> closed) {
        if (is_open_) {
            closed_ = std::move(closed);
        } else {
            closed();
        }
    }

private:
    using Parser = http::request_parser<http::string_body>;

    // A client that just goes is no news.
    void tell_of_handshake(const error_code& failed) {
        const bool is_fault = failed.category() == asio::error::get_ssl_category();
        if (!is_fault || !shared_->handshake_lines.spend(std::chrono::steady_clock::now())) {
            return;
        }
        if (ERR_GET_REASON(static_cast<unsigned long>(failed.value())) == SSL_R_HTTP_REQUEST) {
            std::cerr
                << "cellblock: a client spoke plain HTTP where TLS is spoken, and was closed. The addresses "
                   "of this server begin with https://\n";
        } else {
            std::cerr << "cellblock: a client's TLS handshake failed: " << failed.message() << "\n";
        }
    }

    void begin_request(std::chrono::seconds patience) {
        parser_.emplace();
        parser_->header_limit(static_cast<std::uint32_t>(HttpServer::kMostHeaderBytes));
        parser_->body_limit(HttpServer::kLongestBody);
        parser_->eager(false);
        has_head_ = answers_ = streams_ = header_begun_ = false;
        bytes_ = std::make_shared<CountedBytes>(shared_);
        body_ends_.reset();
        wait(patience);
    }

    void wait(std::chrono::steady_clock::duration time) {
        timer_.expires_after(time);
        timer_.async_wait([self = shared_from_this()](const error_code& failed) {
            if (!failed && self->timer_.expiry() <= std::chrono::steady_clock::now()) {
                self->too_late();
            }
        });
    }

    void too_late() {
        if (!answers_ && !ends_ && (has_head_ || buffer_.size() > 0 || header_begun_)) {
            refuse(408, "the request didn't come in time");
        } else {
            close();
        }
    }

    void read() {
        if (reads_ || !is_open_) {
            return;
        }
        reads_ = true;
        // While a reply is written, the requests behind it are taken off the buffer.
        stream_->read(buffer_, [self = shared_from_this()](const error_code& failed) {
            self->reads_ = false;
            failed ? self->close() : self->have_bytes();
        });
    }

    void have_bytes() {
        if (!is_open_) {
            return;
        }
        if (!parses()) {
            // Reading on tells when the client goes.
            if (ends_) {
                buffer_.consume(buffer_.size());
            }
            return buffer_.size() < kMostAhead ? read() : void();
        }
        if (has_head_ && !answers_) {
            wait(std::min<std::chrono::steady_clock::duration>(
                kPatience, *body_ends_ - std::chrono::steady_clock::now()));
        }
        parse();
        // The parser takes a chunk's first line, and the lines behind the last chunk, as a whole alone.
        if (has_head_ && parses() && buffer_.size() > HttpServer::kMostHeaderBytes) {
            refuse(431, "a line of the request's chunks is longer than 32 KiB");
        }
        if (is_open_) {
            read();
        }
    }

    // Bytes that come are now of the request that is read, or of the body that its handler takes.
    [[nodiscard]] bool parses() const { return !ends_ && (!answers_ || (takes_body_ && wants_body_)); }

    void parse() {
        while (buffer_.size() > 0 && parses()) {
            header_begun_ = true;
            error_code failed;
            const std::size_t used = parser_->put(buffer_.data(), failed);
            buffer_.consume(used);
            if (failed && failed != http::error::need_more) {
                return refuse_for(failed);
            }
            if (!has_head_ && parser_->is_header_done()) {
                take_head();
            }
            if (has_head_ && parses()) {
                if (!bytes_->set(parser_->get().body().size())) {
                    return refuse(503, "the server holds too many requests; try again");
                }
                if (takes_body_) {
                    give_body();
                } else if (parser_->is_done()) {
                    return answer();
                }
            }
            if (failed || used == 0) {
                return;
            }
        }
        if (has_head_ && !answers_ && !ends_ && parser_->is_done()) {
            answer();
        }
    }

    void refuse_for(const error_code& failed) {
        if (failed == http::error::header_limit) {
            return refuse(431, "the request's headers are longer than 32 KiB");
        }
        if (failed == http::error::body_limit) {
            return refuse(413, "the request's body is too long");
        }
        refuse(400, "this is no request of HTTP/1.1: " + failed.message());
    }

    void take_head() {
        has_head_ = true;
        header_begun_ = false;
        body_ends_ = std::chrono::steady_clock::now() + kBodyTime;
        wait(kPatience);
        const auto& head = parser_->get();
        const auto version = head.version();
        keep_alive_ = head.keep_alive();
        is_chunked_ = version >= 11;
        request_ = {};
        request_.method = std::string(head.method_string());
        if (version != 10 && version != 11) {
            return refuse(400, "only HTTP/1.1 is spoken here");
        }
        for (const auto& field : head) {
            if (request_.headers.size() == kMostHeaders) {
                return refuse(431, "the request has more than 100 headers");
            }
            request_.headers.emplace(std::string(field.name_string()), std::string(field.value()));
        }
        for (const char* name : {"host", "content-length", "transfer-encoding"}) {
            if (request_.headers.count(std::string(name)) > 1) {
                return refuse(400, std::string("the request has several headers ") + name);
            }
        }
        if (const std::string fault = framing_fault(version); !fault.empty()) {
            return refuse(400, fault);
        }
        if (!read_target(std::string(head.target()), request_)) {
            return refuse(400, "the request's target is no path");
        }
        if (request_.method == "HEAD" || request_.method == "CONNECT") {
            return refuse(405, "this method isn't known here");
        }
        const std::uint64_t most = std::min(shared_->body_limit(request_), HttpServer::kLongestBody);
        if (most == 0 && !parser_->is_done()) {
            keep_alive_ = false;  // the body is still to come, and isn't read
            return answer();
        }
        const auto length = parser_->content_length();
        if (length && *length > most) {
            return refuse(413, "the request's body is too long: at most " + std::to_string(most) + " bytes");
        }
        parser_->body_limit(most);
        parser_->eager(true);
        if (request_.header("expect") == "100-continue" && !parser_->is_done()) {
            queue("HTTP/1.1 100 Continue\r\n\r\n");
        }
        if (shared_->in_pieces(request_)) {
            takes_body_ = wants_body_ = true;
            answer();
        }
    }

    // A request must tell in one way alone how its body ends: where another server stands before this one,
    // both must see the same requests. The parser passes over encodings that it doesn't know.
    [[nodiscard]] std::string framing_fault(unsigned version) const {
        const auto coding = request_.headers.find("transfer-encoding");
        const auto length = request_.headers.find("content-length");
        const auto end = request_.headers.end();
        if (length != end &&
            (length->second.empty() || length->second.find_first_not_of("0123456789") != std::string::npos)) {
            return "the request's Content-Length is no number";
        }
        if (coding == end) {
            return {};
        }
        const CaselessLess less;
        const bool is_chunked = !less(coding->second, "chunked") && !less("chunked", coding->second);
        if (!is_chunked || length != end || version < 11) {
            return "a Transfer-Encoding is \"chunked\" here, in HTTP/1.1 and without a Content-Length";
        }
        return {};
    }

    void answer();
    void give_body();
    void call_handler(const std::function<void()>& call);

    void refuse(int status, const std::string& why) {
        if (takes_body_) {
            return close();  // the reply is the handler's
        }
        answers_ = true;
        keep_alive_ = false;
        const bool has_body = request_.method != "HEAD";
        send(
            status, "application/json",
            has_body ? R"({"code":)" + std::to_string(status) + R"(,"message":")" + escaped(why) + "\"}" : "",
            {});
    }

    static std::string escaped(const std::string& text) {
        std::string out;
        for (const char c : text) {
            out += c == '"' || c == '\\' || static_cast<unsigned char>(c) < 0x20 ? '\'' : c;
        }
        return out;
    }

    std::string head_of(int status, std::string_view type, const HttpReply::Headers& more) const {
        std::string head = "HTTP/1.1 " + std::to_string(status) + " ";
        head.append(status_words(status)).append("\r\n");
        if (!type.empty()) {
            head.append("Content-Type: ").append(type).append("\r\n");
        }
        for (const auto& [name, value] : more) {
            head.append(name).append(": ").append(value).append("\r\n");
        }
        head += "X-Content-Type-Options: nosniff\r\nCache-Control: no-store\r\n";
        head += keep_alive_ ? "" : "Connection: close\r\n";
        return head;
    }

    // Whoever has answered isn't called any more.
    void forget_callbacks() {
        closed_ = written_all_ = nullptr;
        take_body_ = nullptr;
        takes_body_ = false;
    }

    void queue(std::string bytes) {
        if (!is_open_ || is_flooded_ || bytes.empty()) {
            return;
        }
        count_unread(cost_of(bytes), 0);
        out_.push_back(std::move(bytes));
        is_flooded_ = out_.size() > 1 && (unread_ > kMostUnread || shared_->unread_bytes > kMostUnreadOfAll);
        if (is_flooded_) {
            asio::post(stream_->executor(), [self = shared_from_this()] { self->close(); });
        }
        begin_to_write();
    }

    // The memory that a piece takes while it waits to be read.
    static std::size_t cost_of(const std::string& piece) { return piece.size() + sizeof(std::string); }

    void count_unread(std::size_t more, std::size_t fewer) {
        unread_ += more - fewer;
        shared_->unread_bytes += more - fewer;
    }

    // Begins to write, once whoever writes now has written all that it has.
    void begin_to_write() {
        if (!writes_) {
            writes_ = true;
            asio::post(stream_->executor(), [self = shared_from_this()] { self->write_some(); });
        }
    }

    void write_some() {
        constexpr std::size_t kMostAtOnce = 16;
        if (!is_open_) {
            return;
        }
        wait(kPatience);
        std::vector<asio::const_buffer> pieces;
        for (const auto& piece : out_) {
            pieces.push_back(pieces.empty() ? asio::buffer(piece) + written_ : asio::buffer(piece));
            if (pieces.size() == kMostAtOnce) {
                break;
            }
        }
        stream_->write(pieces, [self = shared_from_this()](const error_code& failed, std::size_t size) {
            self->wrote(failed, size);
        });
    }

    void wrote(const error_code& failed, std::size_t size) {
        if (failed || !is_open_) {
            return close();
        }
        written_ += size;
        while (!out_.empty() && written_ >= out_.front().size()) {
            written_ -= out_.front().size();
            count_unread(0, cost_of(out_.front()));
            out_.pop_front();
        }
        if (!out_.empty()) {
            return write_some();
        }
        writes_ = false;
        if (is_ended_) {
            next();
        } else if (answers_) {
            timer_.cancel();  // a reply may take its time
            if (const auto written = std::exchange(written_all_, nullptr)) {
                written();
            }
        } else {
            wait(kPatience);
        }
    }

    void next() {
        is_ended_ = false;
        bytes_.reset();
        if (!keep_alive_) {
            // The client may still be sending: what it has not read would be lost with a reset.
            stream_->end([self = shared_from_this()](const error_code&) {});
            ends_ = true;
            answers_ = false;
            buffer_.consume(buffer_.size());
            wait(std::chrono::seconds(2));
            return read();
        }
        begin_request(kIdleTime);
        parse();
        read();
    }

    std::unique_ptr<ByteStream> stream_;
    asio::steady_timer timer_;
    std::shared_ptr<ConnectionsShare> shared_;
    Gone gone_;
    beast::flat_buffer buffer_;
    std::optional<Parser> parser_;
    HttpRequest request_;
    std::shared_ptr<CountedBytes> bytes_;
    std::optional<std::chrono::steady_clock::time_point> body_ends_;
    std::deque<std::string> out_;
    std::size_t written_ = 0;  // of the first of them
    std::size_t unread_ = 0;   // bytes of all of them
    bool is_flooded_ = false;  // more waits to be read than may
    bool writes_ = false;
    std::function<void()> closed_;
    std::function<void()> written_all_;
    HttpReply::TakeBody take_body_;
    bool takes_body_ = false;  // the handler takes the body, of which more may come
    bool wants_body_ = false;  // at present
    bool is_open_ = true;
    bool reads_ = false;
    bool header_begun_ = false;
    bool has_head_ = false;  // of the request that is read
    bool answers_ = false;   // a request is with the handler
    bool streams_ = false;   // its reply comes in pieces
    bool is_ended_ = false;  // and is whole
    bool keep_alive_ = true;
    bool is_chunked_ = true;
    bool ends_ = false;  // nothing more is answered
};

// A handler's side of a request. The connection's next request has another.
class Reply final : public HttpReply {
public:
    explicit Reply(std::weak_ptr<Connection> connection) : connection_(std::move(connection)) {}
    ~Reply() override {  // NOLINT(bugprone-exception-escape): Asio's functions give error codes here
        if (auto connection = connection_.lock(); connection && !is_ended_) {
            connection->close();  // nobody will answer
        }
    }
    Reply(const Reply&) = delete;
    Reply& operator=(const Reply&) = delete;

    void send(int status, std::string_view type, std::string body, const Headers& more) override {
        if (auto connection = use()) {
            is_ended_ = true;
            connection->send(status, type, std::move(body), more);
        }
    }
    void begin(int status, std::string_view type) override {
        if (auto connection = use()) {
            connection->begin(status, type);
        }
    }
    void write(std::string piece) override {
        if (auto connection = use()) {
            connection->write(std::move(piece));
        }
    }
    void end() override {
        if (auto connection = use()) {
            is_ended_ = true;
            connection->end();
        }
    }
    void when_written(std::function<void()> written) override {
        if (auto connection = use()) {
            connection->when_written(std::move(written));
        }
    }
    void on_body(TakeBody take) override {
        if (auto connection = use()) {
            connection->on_body(std::move(take));
        }
    }
    void read_on() override {
        if (auto connection = use()) {
            connection->read_on();
        }
    }
    void on_closed(std::function<void()> closed) override {
        if (auto connection = connection_.lock()) {
            connection->on_closed(std::move(closed));
        } else {
            closed();
        }
    }

private:
    [[nodiscard]] std::shared_ptr<Connection> use() const { return is_ended_ ? nullptr : connection_.lock(); }

    std::weak_ptr<Connection> connection_;
    bool is_ended_ = false;
};

void Connection::close() {
    if (!is_open_) {
        return;
    }
    is_open_ = false;
    const auto self = shared_from_this();
    timer_.cancel();
    stream_->close();
    shared_->unread_bytes -= std::exchange(unread_, 0);
    written_all_ = nullptr;
    take_body_ = nullptr;
    takes_body_ = false;
    if (const auto closed = std::exchange(closed_, nullptr)) {
        closed();
    }
    gone_(self);
}

void Connection::answer() {
    answers_ = true;
    timer_.cancel();
    request_.body = std::move(parser_->get().body());
    request_.counted = bytes_;
    const auto reply = std::make_shared<Reply>(weak_from_this());
    call_handler([&] { shared_->handler(std::exchange(request_, {}), reply); });
}

void Connection::call_handler(const std::function<void()>& call) {
    try {
        call();
    } catch (const std::exception& failed) {
        std::cerr << "cellblock: a request failed: " << failed.what() << "\n";
        close();
    }
}

void Connection::give_body() {
    const auto take = take_body_;  // a reply's end forgets it
    const bool is_whole = parser_->is_done();
    auto& body = parser_->get().body();
    if (!take || (body.empty() && !is_whole)) {
        return;
    }
    call_handler([&] { wants_body_ = take(body, is_whole); });
    takes_body_ = takes_body_ && !(is_whole && wants_body_);
    bytes_->set(body.size());
}

void Connection::read_on() {
    asio::post(stream_->executor(), [self = shared_from_this()] {
        if (self->takes_body_ && !std::exchange(self->wants_body_, true)) {
            self->give_body();
            self->have_bytes();
        }
    });
}

void Connection::send(int status, std::string_view type, std::string body, const HttpReply::Headers& more) {
    keep_alive_ = keep_alive_ && parser_->is_done();
    std::string head = head_of(status, type, more);
    if (status != 204) {
        head += "Content-Length: " + std::to_string(body.size()) + "\r\n";
    }
    forget_callbacks();
    is_ended_ = true;
    queue(head + "\r\n" + (body.size() <= kPiece ? body : ""));
    if (body.size() > kPiece) {
        queue(std::move(body));
    }
}

void Connection::begin(int status, std::string_view type) {
    streams_ = true;
    keep_alive_ = keep_alive_ && is_chunked_ && parser_->is_done();
    queue(head_of(status, type, {}) + (is_chunked_ ? "Transfer-Encoding: chunked\r\n\r\n" : "\r\n"));
}

void Connection::write(std::string piece) {
    if (streams_ && !piece.empty()) {
        queue(is_chunked_ ? in_hex(piece.size()) + "\r\n" + piece + "\r\n" : std::move(piece));
    }
}

void Connection::end() {
    forget_callbacks();
    is_ended_ = true;
    if (is_chunked_) {
        queue("0\r\n\r\n");
    } else if (out_.empty()) {
        // Whoever calls this may still be at the request.
        asio::post(stream_->executor(), [self = shared_from_this()] {
            if (self->is_open_) {
                self->next();
            }
        });
    }
}

}  // namespace

std::shared_ptr<HttpConnection> begin_connection(std::unique_ptr<ByteStream> stream,
                                                 std::shared_ptr<ConnectionsShare> share,
                                                 ConnectionGone gone) {
    auto connection = std::make_shared<Connection>(std::move(stream), std::move(share), std::move(gone));
    connection->start();
    return connection;
}

}  // namespace cellblock::kernel
