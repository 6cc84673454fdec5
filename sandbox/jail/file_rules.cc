// policy.files → steps.
#include "sandbox/jail/file_rules.h"

#include <sys/stat.h>

#include <algorithm>
#include <filesystem>

#include "sandbox/base/files.h"

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

bool is_deep(const LeftOut& one) {
    return one.path.find('/') != std::string::npos;
}

Result<FileStep> rule_step(const FileRule& rule, std::size_t index, const std::string& directory,
                           const PythonHome& python) {
    CELLBLOCK_ASSIGN_OR_RETURN(auto target, sandbox_path(rule, index, python));
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
    if (is_inside(chain->real, "/proc") || is_inside(chain->real, "/sys") || is_inside(chain->real, "/dev")) {
        return Error{step, 0, chain->real + " can't be shown to a sandbox", "Name the folder that is needed"};
    }
    CELLBLOCK_RETURN_IF_ERROR(may_be_shown(chain->real, folder, rule.host, step));
    FileStep made;
    if (folder) {
        CELLBLOCK_ASSIGN_OR_RETURN(made.left_out, left_out_of(chain->real, rule.host, step));
    }
    made.kind = rule.mode == FileMode::overlay ? FileStepKind::overlay : FileStepKind::bind;
    made.source = chain->real;
    made.target = target.substr(1);
    made.is_file = !folder;
    made.give_owner = true;
    made.label = step;
    return made;
}

// The names that an overlay marks as removed. A folder or file that the policy names itself, at its own
// place, has no mark: before Linux 6.6 no folder could be made in the mark's place, for the rule's own mount.
std::string marks_of(const FileStep& overlay, const std::vector<FileStep>& steps) {
    std::string marks;
    for (const auto& one : overlay.left_out) {
        const bool named = std::any_of(steps.begin(), steps.end(), [&](const FileStep& other) {
            return other.target == overlay.target + "/" + one.path &&
                   other.source == overlay.source + "/" + one.path;
        });
        marks += named || is_deep(one) ? "" : one.path + "/";
    }
    return marks;
}

FileStep mask_step(const FileStep& shown, const LeftOut& what) {
    FileStep step;
    step.kind = FileStepKind::mask;
    step.target = shown.target + "/" + what.path;
    step.is_file = what.is_file;
    step.label = shown.label + ", of which " + what.path + " is not shown,";
    return step;
}

}  // namespace

Result<std::vector<FileStep>> file_rule_steps(const std::vector<FileRule>& rules,
                                              const std::string& directory, const PythonHome& python) {
    std::vector<FileStep> steps;
    for (std::size_t i = 0; i < rules.size(); ++i) {
        if (rules[i].mode == FileMode::empty) {
            continue;  // the working directory is, by itself
        }
        CELLBLOCK_ASSIGN_OR_RETURN(auto step, rule_step(rules[i], i, directory, python));
        for (const auto& other : steps) {
            if (other.target == step.target) {
                return Error{name_of(i, "sandbox"), 0, "\"/" + step.target + "\" is named twice", {}};
            }
        }
        steps.push_back(std::move(step));
    }
    for (auto& step : steps) {
        if (step.kind == FileStepKind::overlay) {
            step.text = marks_of(step, steps);
        }
    }
    return steps;
}

Result<std::vector<FileStep>> mask_steps(const std::vector<FileStep>& steps) {
    std::vector<FileStep> masks;
    for (const auto& step : steps) {
        for (const auto& one : step.left_out) {
            if (step.kind == FileStepKind::overlay && !is_deep(one)) {
                continue;
            }
            FileStep mask = mask_step(step, one);
            // What another step shows there, or around it, is that step's own.
            const bool covered = std::any_of(steps.begin(), steps.end(), [&](const FileStep& other) {
                return other.target.size() > step.target.size() && is_inside(mask.target, other.target);
            });
            if (covered) {
                continue;
            }
            for (const auto& other : steps) {
                if (is_inside(other.target, mask.target)) {
                    return Error{step.label, 0,
                                 "/" + mask.target + " is not shown, but /" + other.target + " lies in it",
                                 "Give one of both another path in the sandbox"};
                }
            }
            masks.push_back(std::move(mask));
        }
    }
    return masks;
}

std::string sources_of(const std::vector<FileStep>& steps) {
    std::string text;
    for (const auto& step : steps) {
        text += (step.source.empty() ? "" : which_file(step.source)) + "\n";
        for (const auto& one : step.left_out) {
            text += "- " + one.path + (one.is_file ? "\n" : "/\n");
        }
    }
    return text;
}

}  // namespace cellblock::sandbox::jail
