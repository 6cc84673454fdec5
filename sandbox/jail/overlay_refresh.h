// The refresh of a jail's overlays, so that it sees what the host has changed in the folders below them.
//
// Purpose: an overlay remembers names that were looked up, so a file that the host has replaced or removed
// since stays as it was. A remount makes it forget all but files that are open at that moment. The host does
// it, in a fork that joins the jail's mount namespace and, before that, the user namespace that owns it:
// there it has no power over anything of the host's. Threads: other threads may run meanwhile. Failure: an
// Error; the jail goes on with what it remembers.
#pragma once

#include <string>
#include <vector>

#include "sandbox/api/engine.h"

namespace cellblock::sandbox::jail {

// `mounts`: the jail's mount namespace. `overlays`: where they are mounted, `files`: what to look at then,
// both absolute paths inside. Gives one SeenFile for each of `files`.
Result<std::vector<SeenFile>> refresh_overlays(int mounts, const std::vector<std::string>& overlays,
                                               const std::vector<std::string>& files);

}  // namespace cellblock::sandbox::jail
