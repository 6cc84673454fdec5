// The name in a TLS ClientHello.
//
// Purpose: a client that has asked for one host must not speak to another by naming that one to a server that
// serves both (domain fronting). So the first bytes of a tunnel are read as far as the server name (RFC 8446,
// 4.1.2; RFC 6066, 3), and no further. The bytes are a sandbox's. Pure functions.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace cellblock::sandbox::network {

constexpr std::size_t kMostHello = 16U << 10;  // bytes of a tunnel that are waited for

struct HelloSeen {
    enum class Kind {
        more,     // not all of it has come
        no_tls,   // it is something else
        no_name,  // no server name in it
        named,
        broken,  // it begins as TLS and isn't, or it is too long, or it has two names
    };
    Kind kind = Kind::more;
    std::string name = {};  // of named: as it stands there
    std::size_t size = 0;   // of named and no_name: the bytes of the hello's records
};

// `bytes`: the tunnel's first.
HelloSeen read_client_hello(std::string_view bytes);

}  // namespace cellblock::sandbox::network
