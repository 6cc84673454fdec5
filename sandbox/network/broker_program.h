// `cellblock-helper broker`: the broker in a process that can do nothing else.
//
// Purpose: it reads an attacker's bytes and has the host's network, so all else is taken from it before it
// reads the first: files but those that resolving a name and a libc's messages need (Landlock), the right to
// start a program or to make a file, every system call but those of sockets, threads and memory; root's
// broker becomes nobody. The host gives it its rules by a socket and hears of each connection's end there;
// its end is the broker's.
#pragma once

#include <array>

#include "sandbox/api/unique_fd.h"

namespace cellblock::sandbox::network {

// Variables of the host by which its users tell OpenSSL whom to trust.
inline constexpr auto kTrustVariables = std::to_array<const char*>({"SSL_CERT_FILE", "SSL_CERT_DIR"});

// Returns when `host` has ended: the program's exit status. 3: it could not be shut in, and has served
// nobody.
int serve_broker(UniqueFd host, UniqueFd listener);

}  // namespace cellblock::sandbox::network
