// Steps of a jail's root as binds and links.
#include "sandbox/engines/host_root.h"

#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <fstream>

#include "sandbox/jail/file_rules.h"
#include "sandbox/jail/root_files.h"

namespace cellblock::sandbox {

namespace {

namespace fs = std::filesystem;
using jail::FileStepKind;

std::size_t depth(const std::string& path) {
    return static_cast<std::size_t>(std::count(path.begin(), path.end(), '/'));
}

Result<std::string> write_text_file(const std::string& folder, const jail::FileStep& step) {
    std::string name = step.target;
    std::replace(name.begin(), name.end(), '/', '-');
    const std::string path = folder + "/" + name;
    std::ofstream file(path, std::ios::binary);
    file << step.text;
    file.close();
    if (!file || ::chmod(path.c_str(), 0644) != 0) {
        return errno_error("write " + path);
    }
    return path;
}

void add_bind(std::vector<HostRoot::Bind>& binds, const jail::FileStep& step) {
    if (step.kind == FileStepKind::bind) {
        binds.push_back({step.source, "/" + step.target});
    }
}

Result<std::vector<HostRoot::Bind>> rules_of(const Policy& policy, const StartOptions& options,
                                             FileStepKind kind) {
    auto rules = jail::file_rule_steps(policy.files, options.directory, {});
    if (!rules) {
        return rules.error();
    }
    std::vector<HostRoot::Bind> list;
    for (const auto& step : *rules) {
        if (step.kind == kind) {
            list.push_back({step.source, "/" + step.target});
        }
    }
    return list;
}

}  // namespace

Result<std::string> make_folder(const std::string& name) {
    std::error_code failed;
    const std::string path = (fs::temp_directory_path(failed) / name).string();
    if (::mkdir(path.c_str(), 0755) != 0 || ::chmod(path.c_str(), 0755) != 0) {
        return errno_error("make " + path, "Is there room in the temporary directory ($TMPDIR)?");
    }
    return path;
}

Result<std::vector<HostRoot::Bind>> shown_files(const Policy& policy, const StartOptions& options) {
    return rules_of(policy, options, FileStepKind::bind);
}

Result<std::vector<HostRoot::Bind>> copied_files(const Policy& policy, const StartOptions& options) {
    return rules_of(policy, options, FileStepKind::overlay);
}

Result<std::vector<jail::FileStep>> host_steps(const Policy& policy, const StartOptions& options,
                                               const jail::PythonHome& python) {
    auto rules = jail::file_rule_steps(policy.files, options.directory, python);
    if (!rules) {
        return rules.error();
    }
    auto steps = jail::system_steps("/nonexistent");
    steps.pop_back();  // the worker's folder: here it comes by stdin
    for (auto& list : {jail::python_steps(python), *rules}) {
        steps.insert(steps.end(), list.begin(), list.end());
    }
    if (!options.packages.empty()) {
        steps.push_back(jail::packages_step(options.packages));
    }
    return steps;
}

Result<HostRoot> host_root(const Policy& policy, const StartOptions& options, const jail::PythonHome& python,
                           const std::string& folder) {
    auto steps = host_steps(policy, options, python);
    if (!steps) {
        return steps.error();
    }
    HostRoot root;
    for (const auto& step : *steps) {
        if (step.kind == FileStepKind::link) {
            root.links.push_back({step.text, "/" + step.target});
        } else if (step.kind == FileStepKind::text_file) {
            auto path = write_text_file(folder, step);
            if (!path) {
                return path.error();
            }
            root.binds.push_back({*path, "/" + step.target});
        } else {
            add_bind(root.binds, step);
        }
    }
    std::stable_sort(root.binds.begin(), root.binds.end(),
                     [](const auto& a, const auto& b) { return depth(a.sandbox) < depth(b.sandbox); });
    return root;
}

}  // namespace cellblock::sandbox
