// Our data, relative to the program.
#include "sandbox/base/resources.h"

#include <cstdlib>
#include <memory>
#include <string_view>

namespace cellblock::sandbox {

namespace {

// Empty where there is no such path.
std::string real_path(const std::string& path) {
    const std::unique_ptr<char, decltype(&std::free)> real(::realpath(path.c_str(), nullptr), &std::free);
    return real ? std::string(real.get()) : std::string();
}

Result<std::string> data_directory(std::string_view name) {
    const std::string program = real_path("/proc/self/exe");
    if (program.empty()) {
        return errno_error("find the program's own files",
                           "Is /proc mounted? cellblock reads /proc/self/exe");
    }
    const std::string folder = program.substr(0, program.rfind('/'));
    for (const char* share : {"/share/", "/../share/"}) {
        if (std::string found = real_path(folder + share + std::string(name)); !found.empty()) {
            return found;
        }
    }
    return Error{"find " + std::string(name), 0, "it lies neither beside " + program + " nor in ../share",
                 "Reinstall cellblock, or build it again"};
}

}  // namespace

Result<std::string> worker_directory() {
    return data_directory("cellblock/worker");
}
Result<std::string> policies_directory() {
    return data_directory("cellblock/policies");
}
Result<std::string> engines_directory() {
    return data_directory("cellblock/engines");
}
Result<std::string> jupyter_data_directory() {
    return data_directory("jupyter");
}

}  // namespace cellblock::sandbox
