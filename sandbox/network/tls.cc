// OpenSSL's connections over memory BIOs.
#include "sandbox/network/tls.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <array>
#include <utility>

namespace cellblock::sandbox::network {

namespace {

constexpr auto kAlpn = std::to_array<unsigned char>({8, 'h', 't', 't', 'p', '/', '1', '.', '1'});

Error failed(const char* what) {
    return Error{"speak TLS", 0, std::string("OpenSSL can't ") + what, {}};
}

int choose_protocol(SSL* /*connection*/, const unsigned char** chosen, unsigned char* size,
                    const unsigned char* offered, unsigned offered_size, void* /*nothing*/) {
    unsigned char* found = nullptr;
    const int result = SSL_select_next_proto(&found, size, kAlpn.data(), kAlpn.size(), offered, offered_size);
    *chosen = found;
    return result == OPENSSL_NPN_NEGOTIATED ? SSL_TLSEXT_ERR_OK : SSL_TLSEXT_ERR_ALERT_FATAL;
}

bool set_up(SSL_CTX* context) {
    SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_TICKET | SSL_OP_NO_COMPRESSION);
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS);
    return SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION) == 1;
}

// With memory in place of a socket.
Result<TlsEnd> connection_of(SSL_CTX* context) {
    SSL* made = SSL_new(context);
    TlsEnd end(made);
    BIO* received = BIO_new(BIO_s_mem());
    BIO* sent = BIO_new(BIO_s_mem());
    if (made == nullptr || received == nullptr || sent == nullptr) {
        BIO_free(received);
        BIO_free(sent);
        return failed("make a connection");
    }
    SSL_set_bio(made, received, sent);
    return end;
}

}  // namespace

void FreeTls::operator()(ssl_st* connection) const {
    SSL_free(connection);
}
void FreeTls::operator()(ssl_ctx_st* context) const {
    SSL_CTX_free(context);
}

// --- one end

Status TlsEnd::feed(std::string_view wire) {
    if (ended_) {
        return Ok{};
    }
    ERR_clear_error();
    SSL* connection = connection_.get();
    if (!wire.empty() && BIO_write(SSL_get_rbio(connection), wire.data(), static_cast<int>(wire.size())) !=
                             static_cast<int>(wire.size())) {
        return failed("hold what has come");
    }
    if (!is_open()) {
        const int done = SSL_do_handshake(connection);
        if (done != 1) {
            return SSL_get_error(connection, done) == SSL_ERROR_WANT_READ ? Status(Ok{}) : fault();
        }
        CELLBLOCK_RETURN_IF_ERROR(write(std::exchange(waiting_, {})));
    }
    std::array<char, 16U << 10> piece{};
    while (true) {
        const int size = SSL_read(connection, piece.data(), static_cast<int>(piece.size()));
        if (size > 0) {
            plain_.append(piece.data(), static_cast<std::size_t>(size));
            continue;
        }
        const int what = SSL_get_error(connection, size);
        ended_ = ended_ || what == SSL_ERROR_ZERO_RETURN;
        return what == SSL_ERROR_WANT_READ || what == SSL_ERROR_ZERO_RETURN ? Status(Ok{}) : fault();
    }
}

Status TlsEnd::write(std::string_view plain) {
    if (!is_open()) {
        waiting_ += plain;
        return Ok{};
    }
    ERR_clear_error();
    // Memory takes all of it at once.
    const bool written =
        plain.empty() || SSL_write(connection_.get(), plain.data(), static_cast<int>(plain.size())) ==
                             static_cast<int>(plain.size());
    return written ? Status(Ok{}) : fault();
}

std::string TlsEnd::take_plain() {
    return std::exchange(plain_, {});
}

std::string TlsEnd::take_wire() {
    BIO* sent = SSL_get_wbio(connection_.get());
    std::string wire(BIO_ctrl_pending(sent), '\0');
    const int size = wire.empty() ? 0 : BIO_read(sent, wire.data(), static_cast<int>(wire.size()));
    wire.resize(static_cast<std::size_t>(std::max(size, 0)));
    return wire;
}

void TlsEnd::end() {
    ERR_clear_error();
    SSL_shutdown(connection_.get());
}

bool TlsEnd::is_open() const {
    return SSL_is_init_finished(connection_.get()) == 1;
}

Status TlsEnd::fault() {
    const long verdict = SSL_get_verify_result(connection_.get());
    if (verdict != X509_V_OK) {
        return Error{"speak TLS",
                     0,
                     std::string("the certificate isn't trusted: ") + X509_verify_cert_error_string(verdict),
                     {}};
    }
    const char* reason = ERR_reason_error_string(ERR_peek_last_error());
    return Error{"speak TLS", 0, reason != nullptr ? reason : "the connection broke", {}};
}

// --- both ends' settings

Result<Tls> Tls::make(const Authority& authority) {
    // No configuration of the system's: it may name modules to be loaded.
    if (OPENSSL_init_ssl(OPENSSL_INIT_NO_LOAD_CONFIG, nullptr) != 1) {
        return failed("begin");
    }
    CELLBLOCK_ASSIGN_OR_RETURN(auto issuer, Issuer::make(authority));
    Tls made(std::move(issuer));
    made.server_.reset(SSL_CTX_new(TLS_server_method()));
    made.client_.reset(SSL_CTX_new(TLS_client_method()));
    if (!made.server_ || !made.client_ || !set_up(made.server_.get()) || !set_up(made.client_.get()) ||
        SSL_CTX_set_num_tickets(made.server_.get(), 0) != 1 ||
        SSL_CTX_set_default_verify_paths(made.client_.get()) != 1 ||
        SSL_CTX_set_alpn_protos(made.client_.get(), kAlpn.data(), kAlpn.size()) != 0) {
        return failed("make its settings");
    }
    SSL_CTX_set_alpn_select_cb(made.server_.get(), &choose_protocol, nullptr);
    SSL_CTX_set_verify(made.client_.get(), SSL_VERIFY_PEER, nullptr);
    return made;
}

Result<TlsEnd> Tls::as_server(const HostName& host) const {
    CELLBLOCK_ASSIGN_OR_RETURN(auto end, connection_of(server_.get()));
    CELLBLOCK_ASSIGN_OR_RETURN(const auto certificate, issuer_.certificate_for(host));
    SSL* connection = end.connection();
    if (SSL_use_certificate(connection, certificate.get()) != 1 ||
        SSL_use_PrivateKey(connection, issuer_.key()) != 1) {
        return failed("use a certificate");
    }
    SSL_set_accept_state(connection);
    return end;
}

Result<TlsEnd> Tls::as_client(const HostName& host) const {
    CELLBLOCK_ASSIGN_OR_RETURN(auto end, connection_of(client_.get()));
    SSL* connection = end.connection();
    SSL_set_hostflags(connection, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS | X509_CHECK_FLAG_NEVER_CHECK_SUBJECT);
    const bool named = host.is_address
                           ? X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(connection), host.text.c_str()) == 1
                           : SSL_set1_host(connection, host.text.c_str()) == 1 &&
                                 SSL_set_tlsext_host_name(connection, host.text.c_str()) == 1;
    if (!named) {
        return failed("ask for a host");
    }
    SSL_set_connect_state(connection);
    return end;
}

}  // namespace cellblock::sandbox::network
