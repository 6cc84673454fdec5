// Finds a Python that is fit to run cells, and tells what a Python lacks.
//
// Purpose: `cellblock install` writes the Python's path into the kernelspec, and says what is missing before
// it writes anything. Plain values; blocks while the Python is asked. Failure: an Error with the command that
// installs what is missing.
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

// Asks `program`, a path or a name on PATH. If IPython is missing, `ipython` is empty.
sandbox::Result<PythonFacts> ask_python(const std::string& program);

// Fails unless there is IPython 8.5 or newer. The Error says how to get it.
sandbox::Status check_python(const PythonFacts& facts);

// Compiles the worker's modules beside their sources if that folder can be written. A sandbox can't keep what
// it compiles, so each sandbox would compile them again.
void precompile_worker(const PythonFacts& facts);

// The Python that was asked for, or that of the environment that cellblock is installed in, or the first
// python3 on PATH that is fit.
sandbox::Result<PythonFacts> choose_python(const std::optional<std::string>& asked);

}  // namespace cellblock::kernel
