// The folder where a user's daemons listen, and who may speak to them.
//
// Purpose: a folder of the user's own, $XDG_RUNTIME_DIR/cellblock or else /tmp/cellblock-UID; never a folder
// that others own or can enter. It has a socket for each context: a daemon's sandboxes have the daemon's
// namespaces, control group, resource limits and privileges, so a client uses only a daemon whose are the
// same as its own. The socket's name is the context's digest. Where sandboxes belong to a scope that systemd
// hands over (jail/own_scope.h), the daemon has one of its own and the client's control group doesn't matter:
// clients in several sessions or services of a user share the daemon. Ownership: an open folder. Threads:
// none of its own. Failure: an Error that names the folder.
#pragma once

#include <sys/types.h>

#include <string>
#include <string_view>
#include <vector>

#include "sandbox/api/result.h"
#include "sandbox/api/unique_fd.h"

namespace cellblock::sandbox::pool {

struct RuntimeDirectory {
    std::string path;
    UniqueFd folder;

    // The lock is held while a socket is made or removed, so that two daemons don't collide.
    [[nodiscard]] bool lock() const;
    void unlock() const;
};

// Opens the folder. Where there is none, it is made, or an Error with the code ENOENT says so.
enum class IfMissing { make, fail };
Result<RuntimeDirectory> open_runtime_directory(IfMissing missing = IfMissing::make);

// The names of sockets at which the calling process's daemon may listen, "daemon-…", the best first: of a
// daemon in a scope of its own, where one may be had, then of one in the caller's control group.
struct ContextName {
    std::string socket;
    bool has_scope = false;
};
std::vector<ContextName> context_names();

// The name whose socket is there; else the best.
ContextName context_name(const RuntimeDirectory& directory);

// Removes what killed daemons have left. Needs the lock.
void sweep(const RuntimeDirectory& directory);

// Names of all daemons' sockets.
std::vector<std::string> sockets_in(const RuntimeDirectory& directory);

// Names of all daemons' logs, also of daemons that couldn't start.
std::vector<std::string> logs_in(const RuntimeDirectory& directory);

Result<UniqueFd> listen_at(const RuntimeDirectory& directory, const std::string& name);
// Error also where the listener isn't this user.
Result<UniqueFd> connect_to(const RuntimeDirectory& directory, const std::string& name);
// The process that listens at the other end of a connected socket; 0 where that can't be told.
pid_t listener_of(int socket);

// A daemon that can't start writes a line to its log that begins so.
inline constexpr std::string_view kFailureStart = "cellblock daemon: ";

// Why the last daemon of that name couldn't start, as its log tells. Empty where the daemon started or there
// is no log.
std::string last_failure(const RuntimeDirectory& directory, const std::string& name);

// Is the other end a process of this user in these namespaces? A cell never is, even if it should reach the
// socket.
bool is_one_of_us(int socket);

}  // namespace cellblock::sandbox::pool
