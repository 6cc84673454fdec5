// The broker: carries a sandbox's connections to the hosts that a policy allows, and to no other.
//
// Purpose: it runs in a process of its own (broker_program.h), with the socket that listens in the sandbox's
// own network namespace, or with the one over which a relay hands connections to it (client_source.h).
// Nothing else leads out of there, so there is nothing to go around. Each connection is asked for by name
// (proxy_request.h), judged (policy/host_rules.h), resolved once, and dialled as resolved, to public
// addresses alone unless the policy lists the address itself (public_address.h). A TLS client must name the
// host that was asked for (client_hello.h). Where a rule is about requests, or writes a
// header, the broker ends the client's TLS and judges the request in it (inspection.h).
//
// Ownership: of its descriptors. Threads: one, and one for each name that is being resolved. Failure: of a
// connection, told to its client and in its report; nothing ends the broker but its host's end.
#pragma once

#include <functional>
#include <memory>
#include <optional>

#include "sandbox/api/policy.h"
#include "sandbox/api/types.h"
#include "sandbox/api/unique_fd.h"
#include "sandbox/network/authority.h"
#include "sandbox/network/inspection.h"
#include "sandbox/network/tls.h"

namespace cellblock::sandbox::network {

struct BrokerTask {
    NetworkRules rules;
    Secrets secrets = {};      // the value of each secret that a rule names
    Authority authority = {};  // empty, unless a rule inspects
};

class Broker {
public:
    using Report = std::function<void(const ConnectionReport&)>;

    // The broker owns `listener` (client_source.h says which sockets may be one) and calls `report` once for
    // each connection, in serve()'s thread. `tls` must hold a value if a rule inspects
    // (NetworkRules::inspects).
    Broker(BrokerTask task, std::optional<Tls> tls, UniqueFd listener, Report report);
    ~Broker();
    Broker(const Broker&) = delete;
    Broker& operator=(const Broker&) = delete;

    // Carries connections until `host` is readable: the other end writes, or is closed. The connections that
    // are open then are reported before this call returns.
    void serve(int host);

private:
    class Work;
    std::unique_ptr<Work> work_;
};

}  // namespace cellblock::sandbox::network
