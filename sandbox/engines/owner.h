// Names of sandboxes that tell whose they are.
//
// Purpose: a name carries this boot, the owner's pid namespace, number and start
// time, so that what a crashed owner left behind can be told from what lives.
// Fit for containers, pods, jobs and folders: lower case letters, digits and -,
// at most 63. Ownership: plain values. Threads: any. Failure: a name that can't
// be read, or is of another boot or namespace, is nobody's business here.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace cellblock::sandbox {

std::string new_sandbox_name();

// Is it one that a new_sandbox_name() made, here or elsewhere?
bool is_sandbox_name(std::string_view name);

// Is it a name of ours, on this host, whose owner is gone?
bool is_orphan(std::string_view name);

// Our folders in the temporary directory whose owners are gone.
std::vector<std::string> orphaned_folders();
// Removes those that aren't bundles, whose runtimes must do that.
void sweep_folders();

}  // namespace cellblock::sandbox
