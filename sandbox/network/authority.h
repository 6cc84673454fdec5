// A session's certificate authority, by which the broker ends the TLS of its cells.
//
// Purpose: to write a secret into a request, or to judge its path, the broker must read the request. So it
// answers as the host, with a certificate (RFC 5280) of an authority that was made for this session and that
// its sandbox alone trusts. Ownership: the host's side of the session makes it, so that it outlives a broker;
// the key never enters the sandbox. No shared state. Failure: an Error, which means that OpenSSL has failed.
#pragma once

#include <memory>
#include <string>

#include "sandbox/api/result.h"
#include "sandbox/policy/host_rules.h"

struct evp_pkey_st;
struct x509_st;

namespace cellblock::sandbox::network {

struct Free {
    void operator()(evp_pkey_st* key) const;
    void operator()(x509_st* certificate) const;
};
using Key = std::unique_ptr<evp_pkey_st, Free>;
using Certificate = std::unique_ptr<x509_st, Free>;

struct Authority {
    std::string key = {};          // PEM; a secret
    std::string certificate = {};  // PEM; for the sandbox
};
// Takes half a millisecond.
Result<Authority> make_authority();

// Certificates of hosts, for one broker.
class Issuer {
public:
    static Result<Issuer> make(const Authority& authority);

    // For a server of this name or address.
    [[nodiscard]] Result<Certificate> certificate_for(const HostName& host) const;
    // The key of all certificates that this issuer makes.
    [[nodiscard]] evp_pkey_st* key() const { return key_.get(); }

private:
    Key authority_key_;
    Certificate authority_;
    Key key_;
};

}  // namespace cellblock::sandbox::network
