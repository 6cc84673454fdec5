// Where the broker's clients come from: a socket that listens in a jail, or the door of a relay.
//
// Purpose: a jail's own socket listens in the jail's network namespace, and its connections are accepted. A
// relay carries them out of the sandbox itself (relay/connections.h) and hands each over as a descriptor
// beside one byte. Ownership: of the socket; of a connection, the caller. Threads: one. Failure: as next()
// says.
#pragma once

#include "sandbox/api/unique_fd.h"

namespace cellblock::sandbox::network {

class ClientSource {
public:
    explicit ClientSource(UniqueFd socket);

    // Poll this descriptor for reading, then call next().
    [[nodiscard]] int poll_fd() const { return socket_.get(); }
    // The next client, non-blocking. Invalid: see errno; EAGAIN: there is none now.
    UniqueFd next();
    // The relay is gone: no client comes any more, and poll_fd() would be ready for ever.
    [[nodiscard]] bool has_ended() const { return has_ended_; }

private:
    UniqueFd take_handed_over();

    UniqueFd socket_;
    bool listens_ = false;
    bool has_ended_ = false;
};

}  // namespace cellblock::sandbox::network
