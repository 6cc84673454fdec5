// ByteStream: a client's connection as bytes, plain or by TLS. For this folder alone.
//
// Purpose: a Connection needs to know nothing of how its bytes travel. A stream has one read and one write
// under way at a time, beside each other.
//
// Ownership: a stream owns its socket, and outlives each call that is under way: whoever calls keeps it by
// the function that is given, which is called once, from the loop or (of a plain stream's open() and end())
// at once. For the loop's thread. Failure: an error code, after which the stream is only good for close().
#pragma once

#include <boost/asio/buffer.hpp>
#include <boost/asio/generic/stream_protocol.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/system/error_code.hpp>
#include <functional>
#include <memory>
#include <vector>

namespace cellblock::kernel {

using ConnectionSocket = boost::asio::generic::stream_protocol::socket;

class ByteStream {
public:
    using Done = std::function<void(const boost::system::error_code& failed)>;
    using Written = std::function<void(const boost::system::error_code& failed, std::size_t bytes)>;

    virtual ~ByteStream() = default;
    virtual ConnectionSocket::executor_type executor() = 0;
    // Does what comes before the first byte: TLS's handshake.
    virtual void open(Done done) = 0;
    // Waits until something has come and appends it to the buffer, in which no room is lent out meanwhile.
    virtual void read(boost::beast::flat_buffer& buffer, Done done) = 0;
    // Writes the pieces' first bytes, as many as go at once. The pieces' bytes stay as they are until then.
    virtual void write(const std::vector<boost::asio::const_buffer>& pieces, Written written) = 0;
    // Tells the client that nothing more will be written; it may still be read from. Nothing is being
    // written.
    virtual void end(Done done) = 0;
    // Ends the connection at once. What is under way fails.
    virtual void close() = 0;
};

std::unique_ptr<ByteStream> plain_stream(ConnectionSocket socket);

// The server's side of TLS. A stream keeps the certificate that the context had when it was made.
std::unique_ptr<ByteStream> tls_stream(ConnectionSocket socket, boost::asio::ssl::context& context);

}  // namespace cellblock::kernel
