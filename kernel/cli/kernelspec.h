// The kernelspec: the file kernel.json, which tells Jupyter how to start this kernel.
//
// Purpose: composes the file, finds the folder that it belongs in, and writes it so that Jupyter never reads
// half a file. Plain values without shared state. Failure: an Error that names the file and what to try.
#pragma once

#include <array>
#include <optional>
#include <string>
#include <vector>

#include "kernel/cli/commands.h"
#include "sandbox/api/result.h"

namespace cellblock::kernel {

struct Kernelspec {
    std::string program;  // absolute path of cellblock
    std::string display_name;
    std::string policy;     // a name, or an absolute path
    std::string python;     // absolute path
    bool debugger = false;  // JupyterLab offers its debugger by this
};

// The text of kernel.json.
std::string kernelspec_text(const Kernelspec& spec);

// Tells whether Jupyter accepts `name`: letters, digits, '.', '-', '_'. Here it may not begin with '.'
// or '-'.
bool is_kernel_name(const std::string& name);

// The environment, as far as the choice of a folder depends on it.
struct Surroundings {
    bool root = false;
    std::string home;
    std::string jupyter_data_dir;  // $JUPYTER_DATA_DIR
    std::string xdg_data_home;     // $XDG_DATA_HOME
};

// The folder of a user's kernelspecs, by Jupyter's own rules.
sandbox::Result<std::string> user_kernels_folder(const Surroundings& surroundings);
// The folder of the kernelspecs below a prefix: PREFIX/share/jupyter/kernels.
std::string kernels_folder_of(const std::string& prefix);

struct SpecFile {
    std::string name;
    std::string content;
};

// The names of all files of a kernelspec. The first is the one that makes it visible.
inline constexpr std::array kSpecFiles{"kernel.json", "logo-32x32.png", "logo-64x64.png", "logo-svg.svg"};

// Makes the folder if it is missing, and replaces each file in one step.
sandbox::Status write_spec(const std::string& folder, const std::vector<SpecFile>& files);

}  // namespace cellblock::kernel
