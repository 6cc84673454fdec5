// Makes matplotlib's list of fonts ahead, for the sandboxes of a Python.
//
// Purpose: `cellblock install` calls this, and the daemon where fonts or matplotlib have changed since
// (`cellblock font-list`), so that the first plot of a session doesn't wait for the list
// (sandbox/jail/font_list.h). matplotlib runs in a sandbox of its own, without any file of the user's.
#pragma once

#include <string>

#include "sandbox/api/result.h"

namespace cellblock::kernel {

// Blocks for some seconds. `python`: the program. Ok too where the list is there already, or the Python has
// no matplotlib. Error: why the list couldn't be made; plots work without it.
sandbox::Status make_font_list(const std::string& python);

}  // namespace cellblock::kernel
