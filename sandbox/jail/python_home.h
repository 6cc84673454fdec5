// The Python to run, and which folders of the host it needs.
//
// Purpose: from the policy's `python` to the prefixes that must be bound into
// the jail: a virtual environment's own and that of the Python it was made
// from; nothing for a Python in /usr, which is there anyway. Told from the
// files alone; only where the program is a script (a pyenv shim) is it run
// once, by argv and with a time limit, to say where the real one lies.
// Ownership: plain values. Threads: no shared state.
// Failure: an Error with a remedy: not found, not a Python, or a prefix that
// would show a home directory or the whole system.
#pragma once

#include <string>
#include <vector>

#include "sandbox/api/result.h"
#include "sandbox/jail/path_chain.h"

namespace cellblock::sandbox::jail {

struct PythonHome {
    std::string program;                // absolute; what is executed
    std::vector<std::string> prefixes;  // real folders to bind, read-only, at their own path
    std::vector<PathLink> links;        // to be made where no bind has them
};

// `name`: a path, a program's name to look for on PATH, or empty: the Python of the environment that
// cellblock is installed in (base/resources.h), else python3.
Result<PythonHome> find_python(const std::string& name);

// Folders that are homes, or that homes lie in.
std::vector<std::string> home_directories();

// Where a script that stands for Python says the real one is.
Result<std::string> ask_python_script(const std::string& path);

}  // namespace cellblock::sandbox::jail
