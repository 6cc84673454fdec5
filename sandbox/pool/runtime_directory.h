// Where a user's daemon listens, and who may speak to it.
//
// Purpose: a folder of the user's own: $XDG_RUNTIME_DIR/cellblock, or else
// /tmp/cellblock-UID; never one that others own or can enter. In it a socket for
// each context: a sandbox from a daemon has that daemon's namespaces, cgroup,
// resource limits and privileges, so a client only ever uses a daemon whose are
// the same as its own. The context's digest is the socket's name.
// Ownership: an open folder. Threads: none. Failure: an Error that names the folder.
#pragma once

#include <string>
#include <vector>

#include "sandbox/api/result.h"
#include "sandbox/api/unique_fd.h"

namespace cellblock::sandbox::pool {

struct Place {
    std::string path;
    UniqueFd folder;

    // Held while a socket is made or removed, so that two daemons don't meet.
    [[nodiscard]] bool lock() const;
    void unlock() const;
};

// Makes the folder where there is none.
Result<Place> open_place();

// "daemon-…", of the calling process.
std::string context_name();

// A new folder in the place, for this process.
Result<std::string> make_folder(const Place& place);
// Removes what daemons that were killed have left. Under the lock.
void sweep(const Place& place);

// Names of the sockets that are there.
std::vector<std::string> sockets_in(const Place& place);

Result<UniqueFd> listen_at(const Place& place, const std::string& name);
// Refuses one whose listener isn't this user.
Result<UniqueFd> connect_to(const Place& place, const std::string& name);

// The other end is a process of this user, in these namespaces: no cell, even if one should reach the socket.
bool is_one_of_us(int socket);

}  // namespace cellblock::sandbox::pool
