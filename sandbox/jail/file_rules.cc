// policy.files → steps.
#include "sandbox/jail/file_rules.h"

#include <sys/stat.h>

#include <algorithm>
#include <filesystem>

#include "sandbox/base/file_stamp.h"

namespace cellblock::sandbox::jail {

namespace {

// Neither these nor anything in them can be replaced.
constexpr const char* kSystemFolders[] = {"/proc", "/dev", "/sys",   "/usr",   "/etc",    "/bin",
                                          "/sbin", "/lib", "/lib32", "/lib64", "/libx32", "/opt/cellblock"};
// Nor anything that these lie in.
constexpr const char* kOwnFolders[] = {"/opt/cellblock", "/home/cell", "/var/tmp"};

std::string name_of(std::size_t index, const char* key) {
    return "files[" + std::to_string(index) + "]." + key;
}

Result<std::string> sandbox_path(const FileRule& rule, std::size_t index, const PythonHome& python) {
    const std::string step = name_of(index, "sandbox");
    std::string path = std::filesystem::path(rule.sandbox).lexically_normal().string();
    while (path.size() > 1 && path.back() == '/') {
        path.pop_back();
    }
    if (path.empty() || path.front() != '/' || is_inside(path, "/..")) {
        return Error{step, 0, "\"" + rule.sandbox + "\" is not an absolute path",
                     "For example \"/work/data\""};
    }
    const std::string remedy = "Choose a path of its own, for example \"/work/data\" or \"/data\"";
    for (const char* folder : kSystemFolders) {
        if (is_inside(path, folder)) {
            return Error{step, 0, "\"" + path + "\" would replace a part of the sandbox's system", remedy};
        }
    }
    for (const char* folder : kOwnFolders) {
        if (path != folder && is_inside(folder, path)) {
            return Error{step, 0, "\"" + path + "\" would hide " + folder, remedy};
        }
    }
    for (const auto& prefix : python.prefixes) {
        if (path == prefix) {
            return Error{step, 0, "\"" + path + "\" would hide the sandbox's Python", remedy};
        }
    }
    return path;
}

Result<FileStep> rule_step(const FileRule& rule, std::size_t index, const std::string& directory,
                           const PythonHome& python) {
    auto target = sandbox_path(rule, index, python);
    if (!target) {
        return target.error();
    }
    const std::string step = name_of(index, "host") + " \"" + rule.host + "\"";
    const std::string wanted = rule.host.starts_with('/') ? rule.host : directory + "/" + rule.host;
    if (!wanted.starts_with('/')) {
        return Error{step, 0, "the session's directory is not known", "Give an absolute path"};
    }
    auto chain = follow_links(wanted);
    struct stat info {};
    if (!chain || ::stat(chain->real.c_str(), &info) != 0) {
        return Error{step, chain ? errno : chain.error().code, {}, "Correct the policy's files, or make it"};
    }
    const bool folder = S_ISDIR(info.st_mode);
    if (!folder && (!S_ISREG(info.st_mode) || rule.mode == FileMode::overlay)) {
        return Error{step, 0,
                     rule.mode == FileMode::overlay ? "only a directory can have an overlay"
                                                    : "it is neither a file nor a directory",
                     rule.mode == FileMode::overlay ? "Set its mode to \"read\"" : ""};
    }
    if (chain->real == "/" || is_inside(chain->real, "/proc") || is_inside(chain->real, "/sys") ||
        is_inside(chain->real, "/dev")) {
        return Error{step, 0, chain->real + " can't be shown to a sandbox", "Name the folder that is needed"};
    }
    FileStep made;
    made.kind = rule.mode == FileMode::overlay ? FileStepKind::overlay : FileStepKind::bind;
    made.source = chain->real;
    made.target = target->substr(1);
    made.is_file = !folder;
    made.give_owner = true;
    made.label = step;
    return made;
}

}  // namespace

Result<std::vector<FileStep>> file_rule_steps(const std::vector<FileRule>& rules,
                                              const std::string& directory, const PythonHome& python) {
    std::vector<FileStep> steps;
    for (std::size_t i = 0; i < rules.size(); ++i) {
        auto step = rule_step(rules[i], i, directory, python);
        if (!step) {
            return step.error();
        }
        for (const auto& other : steps) {
            if (other.target == step->target) {
                return Error{name_of(i, "sandbox"), 0, "\"/" + step->target + "\" is named twice", {}};
            }
        }
        steps.push_back(std::move(*step));
    }
    return steps;
}

std::string sources_of(const std::vector<FileStep>& steps) {
    std::string text;
    for (const auto& step : steps) {
        text += (step.source.empty() ? "" : which_file(step.source)) + "\n";
    }
    return text;
}

}  // namespace cellblock::sandbox::jail
