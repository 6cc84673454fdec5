// Keys on P-256, and certificates as strict clients want them.
#include "sandbox/network/authority.h"

#include <openssl/bio.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>

#include <array>
#include <utility>

namespace cellblock::sandbox::network {

namespace {

// The key is gone with the session, so the certificates need no end. A clock that is set to another year
// during the session leaves these certificates valid.
constexpr const char* kFirstTime = "19700101000000Z";
constexpr const char* kLastTime = "99991231235959Z";  // RFC 5280: "no well-defined expiration date"

struct FreeBio {
    void operator()(BIO* bio) const { BIO_free(bio); }
};
using Bio = std::unique_ptr<BIO, FreeBio>;

Error failed(const char* what) {
    return Error{"make certificates for the network", 0, std::string("OpenSSL can't ") + what, {}};
}

Key make_key() {
    return Key(EVP_EC_gen("P-256"));
}

std::string content_of(const Bio& bio) {
    char* start = nullptr;
    const long size = BIO_get_mem_data(bio.get(), &start);
    return size > 0 ? std::string(start, static_cast<std::size_t>(size)) : std::string();
}

bool add_extension(X509* certificate, X509* issuer, int kind, const std::string& value) {
    X509V3_CTX context;
    X509V3_set_ctx_nodb(&context);
    X509V3_set_ctx(&context, issuer, certificate, nullptr, nullptr, 0);
    X509_EXTENSION* extension = X509V3_EXT_conf_nid(nullptr, &context, kind, value.c_str());
    const bool added = extension != nullptr && X509_add_ext(certificate, extension, -1) == 1;
    X509_EXTENSION_free(extension);
    return added;
}

bool set_name(X509_NAME* name, const char* text) {
    return X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, reinterpret_cast<const unsigned char*>(text),
                                      -1, -1, 0) == 1;
}

// Number, time and key; not yet signed.
Certificate begin_certificate(const char* subject, EVP_PKEY* key) {
    Certificate made(X509_new());
    std::array<unsigned char, 16> number{};
    if (!made || RAND_bytes(number.data(), number.size()) != 1) {
        return nullptr;
    }
    number[0] &= 0x7fU;  // a positive number
    BIGNUM* value = BN_bin2bn(number.data(), number.size(), nullptr);
    const bool good =
        value != nullptr && BN_to_ASN1_INTEGER(value, X509_get_serialNumber(made.get())) != nullptr &&
        X509_set_version(made.get(), X509_VERSION_3) == 1 &&
        ASN1_TIME_set_string_X509(X509_getm_notBefore(made.get()), kFirstTime) == 1 &&
        ASN1_TIME_set_string_X509(X509_getm_notAfter(made.get()), kLastTime) == 1 &&
        set_name(X509_get_subject_name(made.get()), subject) && X509_set_pubkey(made.get(), key) == 1;
    BN_free(value);
    return good ? std::move(made) : nullptr;
}

bool sign(X509* certificate, EVP_PKEY* key) {
    return X509_sign(certificate, key, EVP_sha256()) > 0;
}

Bio reading(const std::string& text) {
    return Bio(BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
}

}  // namespace

void Free::operator()(evp_pkey_st* key) const {
    EVP_PKEY_free(key);
}
void Free::operator()(x509_st* certificate) const {
    X509_free(certificate);
}

Result<Authority> make_authority() {
    const Key key = make_key();
    const Certificate made = key ? begin_certificate("cellblock session", key.get()) : nullptr;
    X509* one = made.get();
    const bool good = made && X509_set_issuer_name(one, X509_get_subject_name(one)) == 1 &&
                      add_extension(one, one, NID_basic_constraints, "critical,CA:TRUE,pathlen:0") &&
                      add_extension(one, one, NID_key_usage, "critical,keyCertSign,cRLSign") &&
                      add_extension(one, one, NID_subject_key_identifier, "hash") && sign(one, key.get());
    const Bio certificate(BIO_new(BIO_s_mem()));
    const Bio secret(BIO_new(BIO_s_mem()));
    if (!good || !certificate || !secret || PEM_write_bio_X509(certificate.get(), one) != 1 ||
        PEM_write_bio_PrivateKey(secret.get(), key.get(), nullptr, nullptr, 0, nullptr, nullptr) != 1) {
        return failed("make an authority");
    }
    return Authority{content_of(secret), content_of(certificate)};
}

Result<Issuer> Issuer::make(const Authority& authority) {
    Issuer made;
    const Bio key = reading(authority.key);
    const Bio certificate = reading(authority.certificate);
    if (key && certificate) {
        made.authority_key_.reset(PEM_read_bio_PrivateKey(key.get(), nullptr, nullptr, nullptr));
        made.authority_.reset(PEM_read_bio_X509(certificate.get(), nullptr, nullptr, nullptr));
        made.key_ = make_key();
    }
    if (!made.authority_key_ || !made.authority_ || !made.key_) {
        return failed("read the authority");
    }
    return made;
}

Result<Certificate> Issuer::certificate_for(const HostName& host) const {
    Certificate made = begin_certificate("cellblock", key_.get());
    X509* one = made.get();
    // A name and an address are checked texts, so neither holds a comma (policy/host_rules.h).
    const std::string name = (host.is_address ? "IP:" : "DNS:") + host.text;
    const bool good = made && X509_set_issuer_name(one, X509_get_subject_name(authority_.get())) == 1 &&
                      add_extension(one, authority_.get(), NID_basic_constraints, "critical,CA:FALSE") &&
                      add_extension(one, authority_.get(), NID_key_usage, "critical,digitalSignature") &&
                      add_extension(one, authority_.get(), NID_ext_key_usage, "serverAuth") &&
                      add_extension(one, authority_.get(), NID_subject_alt_name, name) &&
                      add_extension(one, authority_.get(), NID_authority_key_identifier, "keyid:always") &&
                      sign(one, authority_key_.get());
    return good ? Result<Certificate>(std::move(made)) : failed("make a certificate");
}

}  // namespace cellblock::sandbox::network
