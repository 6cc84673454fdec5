// From options to a folder, by Jupyter's rules.
#include "kernel/cli/kernelspec_place.h"

#include <unistd.h>

#include <cstdlib>
#include <filesystem>

#include "kernel/cli/kernelspec.h"
#include "kernel/cli/python_check.h"

namespace cellblock::kernel {

namespace {

using namespace sandbox;
namespace fs = std::filesystem;

std::string variable(const char* name) {
    const char* value = std::getenv(name);
    return value != nullptr ? value : "";
}

// The prefix of the active virtual environment; if none is active, that of python3.
Result<std::string> active_prefix() {
    for (const char* name : {"VIRTUAL_ENV", "CONDA_PREFIX"}) {
        const std::string prefix = variable(name);
        if (!prefix.empty() && prefix.front() == '/') {
            return prefix;
        }
    }
    CELLBLOCK_ASSIGN_OR_RETURN(auto facts, ask_python("python3"));
    return facts.sys_prefix;
}

Result<std::string> kernels_folder(const KernelspecPlace& place) {
    if (place.prefix) {
        std::error_code failed;
        const fs::path prefix = fs::absolute(*place.prefix, failed);
        if (failed) {
            return Error{"--prefix " + *place.prefix, failed.value(), {}, {}};
        }
        return kernels_folder_of(prefix.string());
    }
    if (place.sys_prefix) {
        auto prefix = active_prefix();
        return prefix ? Result<std::string>(kernels_folder_of(*prefix)) : prefix.error();
    }
    if (!place.user && ::geteuid() == 0) {
        return kernels_folder_of("/usr/local");
    }
    return user_kernels_folder(Surroundings{::geteuid() == 0, variable("HOME"), variable("JUPYTER_DATA_DIR"),
                                            variable("XDG_DATA_HOME")});
}

}  // namespace

Status check_place(const KernelspecPlace& place) {
    const int places = (place.user ? 1 : 0) + (place.sys_prefix ? 1 : 0) + (place.prefix.has_value() ? 1 : 0);
    if (places > 1) {
        return Error{"", 0, "--user, --sys-prefix and --prefix exclude each other", {}};
    }
    if (place.name && place.as) {
        return Error{"", 0, "--name and --as exclude each other", {}};
    }
    if (!is_kernel_name(name_of(place))) {
        return Error{place.as ? "--as" : "--name", 0, "\"" + name_of(place) + "\" is not a kernel's name",
                     "Use letters, digits, '.', '-' and '_'"};
    }
    if (place.prefix && place.prefix->empty()) {
        return Error{"--prefix", 0, "is empty", "Give a folder"};
    }
    return Ok{};
}

std::string name_of(const KernelspecPlace& place) {
    return place.as.value_or(place.name.value_or("cellblock"));
}

Result<std::string> folder_of(const KernelspecPlace& place) {
    auto kernels = kernels_folder(place);
    return kernels ? Result<std::string>((fs::path(*kernels) / name_of(place)).string()) : kernels.error();
}

}  // namespace cellblock::kernel
