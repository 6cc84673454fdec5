// Is a Python fit to run cells?
//
// Purpose: finds the Python that `cellblock install` writes down, and says what
// it lacks before anything is written. Ownership: plain values.
// Threads: blocks while the Python is asked. Failure: an Error with the
// command that installs what is missing.
#pragma once

#include <optional>
#include <string>

#include "sandbox/api/result.h"

namespace cellblock::kernel {

struct PythonFacts {
    std::string program;     // absolute path, as that Python names itself
    std::string version;     // "3.11.2"
    std::string ipython;     // "8.5.0"
    std::string sys_prefix;  // the virtual environment's, or the installation's
    bool matplotlib = false;
    bool debugpy = false;
};

// A path or a name on PATH. IPython may be missing here: `ipython` is then empty.
sandbox::Result<PythonFacts> ask_python(const std::string& program);

// Has it IPython 8.5 or newer? The Error says how to get it.
sandbox::Status check_python(const PythonFacts& facts);

// Compiles the worker's modules beside their sources, where this may be written: a sandbox can't keep what it
// compiles, so each would do it again.
void precompile_worker(const PythonFacts& facts);

// The Python asked for, or the first python3 of PATH that is fit.
sandbox::Result<PythonFacts> choose_python(const std::optional<std::string>& asked);

}  // namespace cellblock::kernel
