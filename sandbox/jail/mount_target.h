// Places in a half-built root: made, opened and mounted on without following a link.
//
// Purpose: folders of the user's may hold links; none of them may lead the
// jail's builder, who may be root, out of the new root.
// Threads: run after fork; no allocation, locks or exceptions.
// Failure: -1 or false, with errno. ELOOP: a link lay on the way.
#pragma once

#include <climits>

namespace cellblock::sandbox::jail {

// Makes the folders above `target`. Where one exists, nothing is changed.
// Returns the parent's descriptor and the last part of the path, or -1.
int open_parent(int root, const char* target, char (&part)[NAME_MAX + 1]);

// Makes sure that there is a folder or an empty file at `target`, and opens it.
int open_target(int root, const char* target, bool is_file);

// Mounts what `tree` holds at `target`; closes neither.
bool attach(int root, int tree, const char* target, bool is_file);

}  // namespace cellblock::sandbox::jail
