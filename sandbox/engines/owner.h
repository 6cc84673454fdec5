// Names of sandboxes that tell whose they are.
//
// Purpose: a name carries this boot, and the owner's pid namespace, number and start time, so that what a
// crashed owner left behind can be told from what lives. Names fit containers, pods, jobs and folders: lower
// case letters, digits and -, at most 63. Ownership: plain values. Threads: any. Failure: names that can't be
// read, or are of another boot or namespace, are left alone.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace cellblock::sandbox {

std::string new_sandbox_name();

// Is the name of new_sandbox_name()'s form, made here or elsewhere?
bool is_sandbox_name(std::string_view name);

// Was the name made on this host, and is its owner gone?
bool is_orphan(std::string_view name);

// Our folders in the temporary directory whose owners are gone.
std::vector<std::string> orphaned_folders();
// Removes these folders, but for bundles, which their runtime has to remove.
void sweep_folders();

}  // namespace cellblock::sandbox
