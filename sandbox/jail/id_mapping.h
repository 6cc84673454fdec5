// Showing a folder's owner as the jail's user.
//
// Purpose: when root starts a jail, its processes have a host user id that owns
// nothing, so that root's own notebooks couldn't be changed even in an overlay,
// nor a Python be run that only root may read. An id-mapped mount shows what
// the folder's owner has as the jail's user's. (An ordinary user needs none:
// the jail's processes have the owner's id.)
// Threads: runs after fork; no allocation, locks or exceptions.
// Failure: false; the mount is then as it was, which is less but not unsafe.
#pragma once

#include "sandbox/jail/plan.h"

namespace cellblock::sandbox::jail {

// `tree`: a mount that was never attached. Not every filesystem can do it.
bool show_owner_as_jail_user(int tree, const FileStep& step, const Identity& identity);

}  // namespace cellblock::sandbox::jail
