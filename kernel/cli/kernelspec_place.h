// The folder that the options of `cellblock install` and `cellblock uninstall` name.
//
// Plain values without shared state. Failure: an Error that names the option.
#pragma once

#include <string>

#include "kernel/cli/commands.h"
#include "sandbox/api/result.h"

namespace cellblock::kernel {

// Refuses options that exclude each other, and a name that Jupyter doesn't accept.
sandbox::Status check_place(const KernelspecPlace& place);

std::string name_of(const KernelspecPlace& place);

// The kernelspec's own folder, PREFIX/share/jupyter/kernels/NAME for example. Without --prefix and --user
// python3 may be asked for its prefix, which takes a moment.
sandbox::Result<std::string> folder_of(const KernelspecPlace& place);

}  // namespace cellblock::kernel
