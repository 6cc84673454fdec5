// Finding Python's prefixes by its files.
#include "sandbox/jail/python_home.h"

#include <glob.h>
#include <pwd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <system_error>

#include "sandbox/base/resources.h"
#include "sandbox/base/text.h"

namespace cellblock::sandbox::jail {

namespace {

constexpr const char* kRemedy =
    "Set the policy's key \"python\" (or --python) to a Python 3, for example /usr/bin/python3";

bool is_program(const std::string& path) {
    struct stat info {};
    return ::stat(path.c_str(), &info) == 0 && S_ISREG(info.st_mode) && ::access(path.c_str(), X_OK) == 0;
}

Result<std::string> locate(const std::string& name) {
    const std::string own = name.empty() ? python_of_environment() : std::string();
    const std::string wanted = !own.empty() ? own : name.empty() ? "python3" : name;
    if (wanted.find('/') != std::string::npos) {
        std::string path = wanted;
        if (path.front() != '/') {
            char* folder = ::getcwd(nullptr, 0);
            path = std::string(folder == nullptr ? "" : folder) + "/" + path;
            std::free(folder);
        }
        if (!is_program(path)) {
            return Error{"find Python", 0, path + " is not a program", kRemedy};
        }
        return path;
    }
    const char* search = std::getenv("PATH");
    std::istringstream folders(search != nullptr ? search : "/usr/local/bin:/usr/bin:/bin");
    for (std::string folder; std::getline(folders, folder, ':');) {
        if (!folder.empty() && folder.front() == '/' && is_program(folder + "/" + wanted)) {
            return folder + "/" + wanted;
        }
    }
    return Error{"find Python", 0, "there is no " + wanted + " on PATH",
                 std::string("Install it (on Debian: apt install python3 python3-ipython). ") + kRemedy};
}

// A jail has the folders of a path alone, not those that `..` leads through and out of again. The file itself
// may be a link: a virtual environment's is.
std::string without_dots(const std::string& path) {
    std::error_code failed;
    const std::filesystem::path file(path);
    const auto is_dots = [](const std::filesystem::path& part) { return part == ".." || part == "."; };
    if (std::none_of(file.begin(), file.end(), is_dots)) {
        return path;
    }
    const auto folder = std::filesystem::canonical(file.parent_path(), failed);
    return failed ? path : (folder / file.filename()).string();
}

// python3.11, pypy3, graalpy: perl in /usr/bin would find the same lib/python3 beside it.
bool is_python_name(const std::string& path) {
    return lower(std::string_view(path).substr(path.rfind('/') + 1)).find("py") != std::string::npos;
}

std::string parent(const std::string& path) {
    const auto slash = path.rfind('/');
    return slash == 0 || slash == std::string::npos ? "/" : path.substr(0, slash);
}

bool is_file(const std::string& path) {
    struct stat info {};
    return ::stat(path.c_str(), &info) == 0 && S_ISREG(info.st_mode);
}

bool has_library(const std::string& prefix) {
    for (const char* pattern : {"/lib/python3.*/os.py", "/lib64/python3.*/os.py", "/lib/pypy3*/os.py"}) {
        glob_t found{};
        const int failed = ::glob((prefix + pattern).c_str(), GLOB_NOSORT, nullptr, &found);
        const bool any = failed == 0 && found.gl_pathc > 0;
        ::globfree(&found);
        if (any) {
            return true;
        }
    }
    return false;
}

// The value of `home` in a pyvenv.cfg.
std::string venv_home(const std::string& config) {
    std::ifstream file(config);
    std::string line;
    for (int lines = 0; lines < 100 && std::getline(file, line); ++lines) {
        const auto equals = line.find('=');
        if (equals == std::string::npos) {
            continue;
        }
        const auto key_end = line.find_last_not_of(" \t", equals == 0 ? 0 : equals - 1);
        if (line.substr(0, key_end + 1) == "home") {
            const auto start = line.find_first_not_of(" \t", equals + 1);
            const auto end = line.find_last_not_of(" \t\r");
            return start == std::string::npos ? "" : line.substr(start, end - start + 1);
        }
    }
    return {};
}

Status check_prefix(const std::string& prefix, const std::string& program) {
    const std::string remedy =
        "Make a virtual environment in a folder of its own and set the policy's key \"python\" to its "
        "bin/python";
    for (const char* system :
         {"/", "/bin", "/etc", "/proc", "/dev", "/sys", "/tmp", "/var", "/opt", "/mnt"}) {
        if (prefix == system) {
            return Error{"use " + program, 0,
                         "its prefix is " + prefix + ", which holds far more than Python", remedy};
        }
    }
    for (const auto& home : home_directories()) {
        const bool in_homes = parent(prefix) == "/home";
        // "/" as home (some service users) tells nothing.
        if (home != "/" && (in_homes || is_inside(home, prefix))) {
            return Error{
                "use " + program, 0,
                "its prefix is " + prefix + ", which would show a whole home directory to the sandbox",
                remedy};
        }
    }
    return Ok{};
}

class Analysis {
public:
    explicit Analysis(std::string program) { home_.program = std::move(program); }

    Result<PythonHome> run() {
        CELLBLOCK_ASSIGN_OR_RETURN(auto chain, follow(home_.program));
        const std::string real_prefix = parent(parent(chain.real));
        CELLBLOCK_ASSIGN_OR_RETURN(auto venv, add_venv(parent(parent(home_.program))));
        if (venv && !has_library(real_prefix)) {
            return home_;  // the virtual environment's `home` has told
        }
        if (!has_library(real_prefix)) {
            return Error{"use " + home_.program, 0,
                         "it doesn't look like a Python 3: there is no lib/python3.* in " + real_prefix,
                         kRemedy};
        }
        if (!is_python_name(home_.program) && !is_python_name(chain.real)) {
            return Error{"use " + home_.program, 0, "by its name it is no Python", kRemedy};
        }
        CELLBLOCK_RETURN_IF_ERROR(add_prefix(real_prefix));
        return home_;
    }

private:
    Result<PathChain> follow(const std::string& path) {
        auto chain = follow_links(path);
        if (chain) {
            home_.links.insert(home_.links.end(), chain->links.begin(), chain->links.end());
        }
        return chain;
    }

    // True if `folder` is a virtual environment.
    Result<bool> add_venv(const std::string& folder) {
        const std::string config = folder + "/pyvenv.cfg";
        if (!is_file(config)) {
            return false;
        }
        CELLBLOCK_ASSIGN_OR_RETURN(auto chain, follow(folder));
        CELLBLOCK_RETURN_IF_ERROR(add_prefix(chain.real));
        const std::string base = venv_home(config);
        if (base.empty() || base.front() != '/') {
            return Error{"use " + home_.program, 0, config + " has no usable \"home\"",
                         "Make the virtual environment anew"};
        }
        auto base_chain = follow(base);
        if (!base_chain) {
            return Error{"use " + home_.program, base_chain.error().code,
                         "the Python of this virtual environment is gone: " + base,
                         "Make the virtual environment anew"};
        }
        const std::string base_prefix = parent(base_chain->real);
        if (has_library(base_prefix)) {
            CELLBLOCK_RETURN_IF_ERROR(add_prefix(base_prefix));
        }
        return true;
    }

    Status add_prefix(const std::string& prefix) {
        if (is_inside(prefix, "/usr")) {
            return Ok{};
        }
        if (auto checked = check_prefix(prefix, home_.program); !checked) {
            return checked;
        }
        if (std::find(home_.prefixes.begin(), home_.prefixes.end(), prefix) == home_.prefixes.end()) {
            home_.prefixes.push_back(prefix);
        }
        return Ok{};
    }

    PythonHome home_;
};

Result<bool> is_script(const std::string& path) {
    std::ifstream file(path, std::ios::binary);
    char start[4] = {};
    if (!file.read(start, sizeof start)) {
        return Error{"use " + path, 0, "it can't be read as a program", kRemedy};
    }
    return start[0] == '#' && start[1] == '!';
}

}  // namespace

std::vector<std::string> home_directories() {
    std::vector<std::string> homes{"/root", "/home"};
    if (const char* home = std::getenv("HOME"); home != nullptr && home[0] == '/') {
        homes.emplace_back(home);
    }
    if (const passwd* user = ::getpwuid(::geteuid()); user != nullptr && user->pw_dir != nullptr) {
        homes.emplace_back(user->pw_dir);
    }
    for (auto& home : homes) {
        if (auto real = follow_links(home)) {
            home = real->real;
        }
    }
    return homes;
}

Result<PythonHome> find_python(const std::string& name) {
    CELLBLOCK_ASSIGN_OR_RETURN(auto path, locate(name));
    CELLBLOCK_ASSIGN_OR_RETURN(auto script, is_script(path));
    if (script) {
        CELLBLOCK_ASSIGN_OR_RETURN(path, ask_python_script(path));
    }
    return Analysis(without_dots(path)).run();
}

}  // namespace cellblock::sandbox::jail
