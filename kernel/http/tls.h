// The settings of a server's TLS, made from the files of its certificate and key. For this folder alone.
//
//     auto context = tls_context({"/etc/server/chain.pem", "/etc/server/key.pem"});
//     auto stream = tls_stream(std::move(socket), *context);
//
// Plain functions; files are read while they are called. Nothing throws but for want of memory.
#pragma once

#include <boost/asio/ssl/context.hpp>

#include "kernel/http/server.h"
#include "sandbox/api/result.h"

namespace cellblock::kernel {

// TLS 1.2 and 1.3, with ephemeral keys alone; HTTP/1.1 by ALPN; neither renegotiation, compression nor
// resumed sessions. An Error: a file can't be read or is longer than 256 KiB, the key can be read by others
// or has a password, it doesn't belong to the certificate, or this is not the time for which the certificate
// is good.
sandbox::Result<boost::asio::ssl::context> tls_context(const TlsFiles& files);

}  // namespace cellblock::kernel
