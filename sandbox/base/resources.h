// Where our data lies: worker, policies, engine templates, the kernelspec's logos.
//
// Purpose: the same program finds its files in a build tree (share/cellblock
// beside the program) and once installed (../share/cellblock). Entries may be
// symbolic links; the paths returned are resolved.
// Ownership: plain values. Threads: no shared state.
// Failure: an Error that names the folder that is missing.
#pragma once

#include <string>

#include "sandbox/api/result.h"

namespace cellblock::sandbox {

// The user's own: $XDG_CONFIG_HOME/cellblock, or ~/.config/cellblock. Empty: there is no home.
std::string config_directory();
Result<std::string> python_directory();
Result<std::string> policies_directory();
Result<std::string> engines_directory();
Result<std::string> jupyter_data_directory();  // share/jupyter beside share/cellblock
Result<std::string> jail_library();            // libcellblock_jail.so, which a warm Python loads
Result<std::string> cellblock_program();       // this program, or the one beside it

}  // namespace cellblock::sandbox
