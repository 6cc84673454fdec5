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

// The first of these folders, relative to the program's, that has `name`.
Result<std::string> find_in(std::initializer_list<const char*> folders, std::string_view name) {
    const std::string program = real_path("/proc/self/exe");
    if (program.empty()) {
        return errno_error("find the program's own files",
                           "Is /proc mounted? cellblock reads /proc/self/exe");
    }
    const std::string start = program.substr(0, program.rfind('/'));
    for (const char* folder : folders) {
        if (std::string found = real_path(start + folder + std::string(name)); !found.empty()) {
            return found;
        }
    }
    return Error{"find " + std::string(name), 0,
                 "it lies neither beside " + program + " nor in " + (*std::rbegin(folders) + 1),
                 "Reinstall cellblock, or build it again"};
}

Result<std::string> data_directory(std::string_view name) {
    return find_in({"/share/", "/../share/"}, name);
}

}  // namespace

std::string config_directory() {
    const char* config = std::getenv("XDG_CONFIG_HOME");
    const char* home = std::getenv("HOME");
    if (config != nullptr && *config == '/') {
        return std::string(config) + "/cellblock";
    }
    return home != nullptr && *home == '/' ? std::string(home) + "/.config/cellblock" : std::string();
}

Result<std::string> python_directory() {
    return data_directory("cellblock/python");
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
Result<std::string> jail_library() {
    return find_in({"/", "/../lib/cellblock/"}, "libcellblock_jail.so");
}
Result<std::string> cellblock_program() {
    return find_in({"/", "/../bin/"}, "cellblock");
}

}  // namespace cellblock::sandbox
