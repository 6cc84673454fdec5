// Steps of a jail's root as binds and links.
#include "sandbox/engines/host_root.h"

#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <fstream>

#include "sandbox/jail/file_rules.h"
#include "sandbox/jail/rootfs_files.h"

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

// An empty file and an empty folder, to lie over what isn't shown.
Result<std::string> cover(const std::string& folder, bool is_file) {
    const std::string path = folder + (is_file ? "/left-out-file" : "/left-out-folder");
    std::error_code failed;
    if (fs::exists(path, failed)) {
        return path;
    }
    if (is_file) {
        const std::ofstream made(path);
    } else {
        ::mkdir(path.c_str(), 0555);
    }
    if (::chmod(path.c_str(), is_file ? 0444 : 0555) != 0) {
        return errno_error("make " + path);
    }
    return path;
}

// Of overlays there are copies, which are made without what isn't shown.
Status add_covers(std::vector<jail::FileStep> steps, const std::string& folder,
                  std::vector<HostRoot::Bind>& binds) {
    std::erase_if(steps, [](const auto& step) { return step.kind == FileStepKind::overlay; });
    CELLBLOCK_ASSIGN_OR_RETURN(auto masks, jail::mask_steps(steps));
    for (const auto& mask : masks) {
        CELLBLOCK_ASSIGN_OR_RETURN(auto path, cover(folder, mask.is_file));
        binds.push_back({path, "/" + mask.target});
    }
    return Ok{};
}

Result<std::vector<jail::FileStep>> rules_of(const Policy& policy, const StartOptions& options,
                                             FileStepKind kind) {
    auto rules = jail::file_rule_steps(policy.files, options.directory, {});
    if (rules) {
        std::erase_if(*rules, [&](const auto& step) { return step.kind != kind; });
    }
    return rules;
}

void sort_by_depth(std::vector<HostRoot::Bind>& binds) {
    std::stable_sort(binds.begin(), binds.end(),
                     [](const auto& a, const auto& b) { return depth(a.sandbox) < depth(b.sandbox); });
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

Result<std::vector<jail::FileStep>> shown_files(const Policy& policy, const StartOptions& options) {
    return rules_of(policy, options, FileStepKind::bind);
}

Result<std::vector<jail::FileStep>> copied_files(const Policy& policy, const StartOptions& options) {
    return rules_of(policy, options, FileStepKind::overlay);
}

Result<std::vector<jail::FileStep>> host_steps(const Policy& policy, const StartOptions& options,
                                               const jail::PythonHome& python) {
    CELLBLOCK_ASSIGN_OR_RETURN(auto rules, jail::file_rule_steps(policy.files, options.directory, python));
    auto steps = jail::system_steps({"/nonexistent", "/nonexistent"});  // our own files come by stdin
    std::erase_if(steps, [](const jail::FileStep& step) { return step.source == "/nonexistent"; });
    for (auto& list : {jail::python_steps(python), jail::link_steps(rules), rules}) {
        steps.insert(steps.end(), list.begin(), list.end());
    }
    if (!options.packages.empty()) {
        steps.push_back(jail::packages_step(options.packages));
    }
    return steps;
}

Result<HostRoot> host_root(const Policy& policy, const StartOptions& options, const jail::PythonHome& python,
                           const std::string& folder) {
    CELLBLOCK_ASSIGN_OR_RETURN(auto steps, host_steps(policy, options, python));
    HostRoot root;
    for (const auto& step : steps) {
        if (step.kind == FileStepKind::link) {
            root.links.push_back({step.text, "/" + step.target});
        } else if (step.kind == FileStepKind::text_file) {
            CELLBLOCK_ASSIGN_OR_RETURN(auto path, write_text_file(folder, step));
            root.binds.push_back({path, "/" + step.target});
        } else {
            add_bind(root.binds, step);
        }
    }
    CELLBLOCK_RETURN_IF_ERROR(add_covers(std::move(steps), folder, root.binds));
    sort_by_depth(root.binds);
    return root;
}

Result<HostRoot> root_of_shown(const std::vector<jail::FileStep>& shown, const std::string& folder) {
    HostRoot root;
    for (const auto& step : shown) {
        add_bind(root.binds, step);
    }
    CELLBLOCK_RETURN_IF_ERROR(add_covers(shown, folder, root.binds));
    sort_by_depth(root.binds);
    return root;
}

}  // namespace cellblock::sandbox
