// The files of an installed cellblock: worker, policies, engine templates, the kernelspec's logos.
//
// Purpose: the program finds its files in a build tree (share/cellblock beside the program) and once
// installed (../share/cellblock). An embedding program uses those of an installed `cellblock`
// (api/program.h). Entries may be symbolic links; the paths returned are resolved.
// Ownership: plain values. Threads: any, once use_program() was called.
// Failure: an Error that names the folder that is missing, or says that this program's file was replaced or
// removed since it began, as an upgrade does: the files of another version aren't mixed with it.
#pragma once

#include <string>

#include "sandbox/api/result.h"

namespace cellblock::sandbox {

// The user's settings: $XDG_CONFIG_HOME/cellblock, or ~/.config/cellblock. Empty: the user has no home
// directory.
std::string config_directory();
// The user's files that can be made anew: $XDG_CACHE_HOME/cellblock, or ~/.cache/cellblock. Empty: the user
// has no home directory.
std::string cache_directory();
// The user's files that outlive a session: $XDG_STATE_HOME/cellblock, or ~/.local/state/cellblock. Empty: the
// user has no home directory.
std::string state_directory();
Result<std::string> python_directory();
Result<std::string> policies_directory();
Result<std::string> engines_directory();
Result<std::string> jupyter_data_directory();  // share/jupyter beside share/cellblock
Result<std::string> warden_program();          // cellblock-warden, the first process of a cold jail
Result<std::string> helper_program();          // cellblock-helper: the cleaner and the broker
Result<std::string> jail_library();            // libcellblock_jail.so, which a warm Python loads
Result<std::string> cellblock_program();       // the program `cellblock` that these files belong to

// The python3 beside the program, where that is installed in a virtual environment (`pip install`, pipx) or
// in one of conda: such a program runs its environment's Python, as that environment's pip does, whether the
// environment is active or not. Empty: it is installed elsewhere.
std::string python_of_environment();

}  // namespace cellblock::sandbox
