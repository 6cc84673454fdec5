// TlsOpening: judges a tunnel's TLS as far as the names in it can change.
//
// Purpose: what a client asks for and what its TLS names must be the same host (client_hello.h). A server may
// ask for the hello a second time (RFC 8446, 4.1.4: HelloRetryRequest), and the second one has a name too. So
// what a client sends behind its hello waits for the server's first words, and a second hello is judged as
// the first was.
//
//     TlsOpening opening(host, port, false);
//     auto step = opening.from_client(bytes);   // step.to_server goes on; a fault ends the tunnel
//     ... until opening.is_over(): then all passes
//
// Plain values, for one thread. The bytes are a sandbox's and a host's; at most kMostHeld of them wait.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include "sandbox/network/client_hello.h"
#include "sandbox/policy/host_rules.h"

namespace cellblock::sandbox::network {

class TlsOpening {
public:
    static constexpr std::size_t kMostHeld = 64U << 10;

    // `is_inspected`: the broker ends the TLS itself, so that one hello is all that comes.
    TlsOpening(HostName host, std::uint16_t port, bool is_inspected)
        : host_(std::move(host)), port_(port), is_inspected_(is_inspected) {}

    struct Step {
        std::string to_server = {};
        std::string fault = {};  // not empty: why the tunnel has to end
    };
    Step from_client(std::string_view bytes);
    // The host's bytes, which go to the client in any case.
    Step from_server(std::string_view bytes);

    // Nothing more is to be judged.
    [[nodiscard]] bool is_over() const { return stage_ == Stage::over; }
    // Bytes of the client wait for the server's answer, and may go on then.
    [[nodiscard]] bool has_waiting() const { return stage_ == Stage::answer && !held_.empty(); }

private:
    enum class Stage { hello, answer, second_hello, over };

    Step read_first();
    Step read_second();
    Step pass_all();
    [[nodiscard]] std::string fault_of(const HelloSeen& seen) const;

    HostName host_;
    std::uint16_t port_;
    bool is_inspected_;
    Stage stage_ = Stage::hello;
    std::string held_;    // of the client
    std::string answer_;  // the beginning of the server's
};

}  // namespace cellblock::sandbox::network
