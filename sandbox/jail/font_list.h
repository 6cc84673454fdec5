// matplotlib's list of fonts, made once and shown to sandboxes.
//
// Purpose: matplotlib looks at each font of the machine once and keeps a list in the user's home. A sandbox's
// home is empty each time, so each session would look again, which takes 0.2 s with sixty fonts and more than
// a second with two thousand. `cellblock install` makes the list in a sandbox of its own, and so
// does the daemon where it is missing; build_plan() shows
// its folder, read-only, and the worker links what lies there to where matplotlib looks. No cell ever writes
// to the folder. Threads: pure; reads the host's folders. Failure: without a list all works as without this
// file.
#pragma once

#include <string>

#include "sandbox/jail/python_home.h"

namespace cellblock::sandbox::jail {

// The folder's path in a jail.
inline constexpr const char* kFontListInside = "/opt/cellblock/fonts";

// $XDG_CACHE_HOME/cellblock/fonts/<key>: the folder of the list that fits this Python's matplotlib and the
// fonts as they are now. The folder needn't be there. Empty: this Python has no matplotlib, or there is no
// home.
std::string font_list_folder(const PythonHome& python);

// The same, if that folder is there, and is one that only this user may change. Empty: there is nothing to
// show.
std::string made_font_list(const PythonHome& python);

}  // namespace cellblock::sandbox::jail
