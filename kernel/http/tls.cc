#include "kernel/http/tls.h"

#include <openssl/crypto.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

#include <array>
#include <boost/asio/buffer.hpp>
#include <string>
#include <utility>

#include "sandbox/base/files.h"

namespace cellblock::kernel {

namespace asio = boost::asio;
using boost::system::error_code;
using sandbox::Error;
using sandbox::Result;

namespace {

constexpr std::size_t kLongestFile = 256U << 10;
constexpr const char* kKeyRemedy = "Give a file with a private key as PEM, without a password";
constexpr const char* kCertificateRemedy =
    "Give a file with the server's certificate as PEM, and behind it those that signed it";
// The ciphers of TLS 1.2; by its other ones a key that is stolen later opens what was recorded before.
constexpr const char* kCiphers = "ECDHE+AESGCM:ECDHE+CHACHA20";
constexpr auto kAlpn = std::to_array<unsigned char>({8, 'h', 't', 't', 'p', '/', '1', '.', '1'});

int choose_protocol(SSL* /*connection*/, const unsigned char** chosen, unsigned char* size,
                    const unsigned char* offered, unsigned offered_size, void* /*nothing*/) {
    unsigned char* found = nullptr;
    const int result = SSL_select_next_proto(&found, size, kAlpn.data(), kAlpn.size(), offered, offered_size);
    *chosen = found;
    return result == OPENSSL_NPN_NEGOTIATED ? SSL_TLSEXT_ERR_OK : SSL_TLSEXT_ERR_ALERT_FATAL;
}

// The text of a file; its Error says which file to give, where the reading itself has nothing to advise.
Result<std::string> or_remedy(Result<std::string> text, const char* remedy) {
    if (text || !text.error().remedy.empty()) {
        return text;
    }
    Error error = text.error();
    error.remedy = remedy;
    return error;
}

// A password is never asked for at the terminal.
int refuse_password(char* /*password*/, int /*size*/, int /*is_written*/, void* /*nothing*/) {
    return -1;
}

bool set_up(SSL_CTX* context) {
    SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_TICKET | SSL_OP_NO_COMPRESSION);
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_alpn_select_cb(context, &choose_protocol, nullptr);
    SSL_CTX_set_default_passwd_cb(context, &refuse_password);
    return SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION) == 1 &&
           SSL_CTX_set_max_proto_version(context, TLS1_3_VERSION) == 1 &&
           SSL_CTX_set_num_tickets(context, 0) == 1 && SSL_CTX_set_cipher_list(context, kCiphers) == 1;
}

}  // namespace

Result<asio::ssl::context> tls_context(const TlsFiles& files) {
    const std::string of_key = "read the TLS key " + files.key;
    const std::string of_certificate = "read the TLS certificate " + files.certificate;
    CELLBLOCK_ASSIGN_OR_RETURN(
        std::string key, or_remedy(sandbox::secret_file_text(of_key, files.key, kLongestFile), kKeyRemedy));
    CELLBLOCK_ASSIGN_OR_RETURN(
        const std::string chain,
        or_remedy(sandbox::regular_file_text(of_certificate, files.certificate, kLongestFile),
                  kCertificateRemedy));
    asio::ssl::context context(asio::ssl::context::tls_server);
    SSL_CTX* const settings = context.native_handle();
    if (!set_up(settings)) {
        return Error{"set TLS up", 0, "OpenSSL can't do what the server needs", {}};
    }
    error_code failed;
    // The key comes first: a certificate that it doesn't belong to puts it out.
    context.use_private_key(asio::buffer(key), asio::ssl::context::pem, failed);
    OPENSSL_cleanse(key.data(), key.size());
    if (failed) {
        return Error{of_key, 0, "it holds no key that can be used (" + failed.message() + ")", kKeyRemedy};
    }
    context.use_certificate_chain(asio::buffer(chain), failed);
    if (failed) {
        return Error{of_certificate, 0, "it holds no certificate that can be used (" + failed.message() + ")",
                     kCertificateRemedy};
    }
    if (SSL_CTX_check_private_key(settings) != 1) {
        return Error{of_certificate, 0, "the key " + files.key + " doesn't belong to it",
                     "Give the key that the certificate was made for"};
    }
    const X509* const certificate = SSL_CTX_get0_certificate(settings);
    const bool has_begun = X509_cmp_current_time(X509_get0_notBefore(certificate)) < 0;
    if (!has_begun || X509_cmp_current_time(X509_get0_notAfter(certificate)) <= 0) {
        return Error{of_certificate, 0, has_begun ? "it has expired" : "it isn't good yet",
                     "Give a certificate that is good now, and look at this machine's clock"};
    }
    return context;
}

}  // namespace cellblock::kernel
