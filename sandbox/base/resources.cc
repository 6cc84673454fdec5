// Files of an installed cellblock, relative to its program.
#include "sandbox/base/resources.h"

#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <memory>
#include <string_view>
#include <system_error>

#include "sandbox/api/program.h"

namespace cellblock::sandbox {

namespace {

// Empty where there is no such path.
std::string real_path(const std::string& path) {
    const std::unique_ptr<char, decltype(&std::free)> real(::realpath(path.c_str(), nullptr), &std::free);
    return real ? std::string(real.get()) : std::string();
}

constexpr const char* kOfEmbedding =
    "Install cellblock, and name its program by use_program() or by $CELLBLOCK_PROGRAM";

// What use_program() was given; empty: nothing.
std::string& program_to_use() {
    static std::string path;
    return path;
}

// The first of these folders, relative to the program's, that has `name`; empty: none has.
std::string path_beside(const std::string& program, std::initializer_list<const char*> folders,
                        std::string_view name) {
    const std::string start = program.substr(0, program.rfind('/'));
    for (const char* folder : folders) {
        if (std::string found = real_path(start + folder + std::string(name)); !found.empty()) {
            return found;
        }
    }
    return {};
}

// A named program, with its symbolic links resolved.
Result<std::string> existing(const std::string& program) {
    std::string found = real_path(program);
    return found.empty() ? Result<std::string>(errno_error("use the program " + program, kOfEmbedding))
                         : found;
}

constexpr std::initializer_list<const char*> kDataFolders{"/share/", "/../share/"};
constexpr const char* kPython = "cellblock/python";

// The program beside which the files lie: the named one, this one, or that of the environment.
Result<std::string> program_with_files() {
    if (!program_to_use().empty()) {
        return existing(program_to_use());
    }
    std::string own = real_path("/proc/self/exe");
    const char* variable = std::getenv("CELLBLOCK_PROGRAM");
    const bool is_set = variable != nullptr && *variable != '\0';
    if (is_set && (own.empty() || path_beside(own, kDataFolders, kPython).empty())) {
        return existing(variable);
    }
    if (!own.empty()) {
        return own;
    }
    std::error_code failed;
    const std::filesystem::path link = std::filesystem::read_symlink("/proc/self/exe", failed);
    if (failed) {
        return Error{"find the program's own files",
                     failed.value(),
                     {},
                     "Is /proc mounted? cellblock reads /proc/self/exe"};
    }
    // The kernel has written " (deleted)" after its path. Another version's files may lie there now.
    return Error{"find the program's own files", 0,
                 "cellblock was upgraded or removed since this program began: " + link.string(),
                 "Start it anew (a notebook: restart the kernel)"};
}

Result<std::string> find_in(std::initializer_list<const char*> folders, std::string_view name) {
    auto program = program_with_files();
    if (!program) {
        return program;
    }
    if (std::string found = path_beside(*program, folders, name); !found.empty()) {
        return found;
    }
    const bool is_ours = program->ends_with("/cellblock");
    return Error{
        "find the files of cellblock", 0,
        std::string(name) + " lies neither beside " + *program + " nor in " + (*std::rbegin(folders) + 1),
        is_ours ? "Reinstall cellblock, or build it again" : kOfEmbedding};
}

Result<std::string> data_directory(std::string_view name) {
    return find_in(kDataFolders, name);
}

// $VARIABLE/cellblock, or below the home directory.
std::string directory_of_user(const char* variable, const char* below_home) {
    const char* own = std::getenv(variable);
    const char* home = std::getenv("HOME");
    if (own != nullptr && *own == '/') {
        return std::string(own) + "/cellblock";
    }
    return home != nullptr && *home == '/' ? home + std::string(below_home) + "/cellblock" : std::string();
}

}  // namespace

void use_program(const std::string& path) {
    const std::string real = real_path(path);
    program_to_use() = real.empty() ? path : real;
}

std::string config_directory() {
    return directory_of_user("XDG_CONFIG_HOME", "/.config");
}

std::string cache_directory() {
    return directory_of_user("XDG_CACHE_HOME", "/.cache");
}

std::string state_directory() {
    return directory_of_user("XDG_STATE_HOME", "/.local/state");
}

Result<std::string> python_directory() {
    return data_directory(kPython);
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
Result<std::string> warden_program() {
    return find_in({"/", "/../lib/cellblock/"}, "cellblock-warden");
}
Result<std::string> helper_program() {
    return find_in({"/", "/../lib/cellblock/"}, "cellblock-helper");
}
Result<std::string> jail_library() {
    return find_in({"/", "/../lib/cellblock/"}, "libcellblock_jail.so");
}
Result<std::string> cellblock_program() {
    return find_in({"/", "/../bin/"}, "cellblock");
}

// PEP 405 has pyvenv.cfg in a virtual environment's root; conda has conda-meta there.
std::string python_of_environment() {
    const auto program = cellblock_program();
    if (!program) {
        return {};
    }
    const std::string folder = program->substr(0, program->rfind('/'));
    const std::string root = folder.substr(0, folder.rfind('/'));
    const std::string python = folder + "/python3";
    const bool is_environment = ::access((root + "/pyvenv.cfg").c_str(), F_OK) == 0 ||
                                ::access((root + "/conda-meta").c_str(), F_OK) == 0;
    return is_environment && ::access(python.c_str(), X_OK) == 0 ? python : std::string();
}

}  // namespace cellblock::sandbox
