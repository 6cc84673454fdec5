// `cellblock install`: checks everything first, then writes the kernelspec.
#include <filesystem>
#include <fstream>
#include <iostream>
#include <iterator>

#include "kernel/cli/commands.h"
#include "kernel/cli/font_list.h"
#include "kernel/cli/kernelspec.h"
#include "kernel/cli/kernelspec_place.h"
#include "kernel/cli/policy_findings.h"
#include "kernel/cli/python_check.h"
#include "sandbox/api/policy.h"
#include "sandbox/base/resources.h"

namespace cellblock::kernel {

namespace {

using namespace sandbox;
namespace fs = std::filesystem;

constexpr int kUsageError = 2;
constexpr int kFailed = 1;

// Refuses options that contradict each other, and names that Jupyter doesn't accept.
Status check_options(const InstallOptions& options) {
    CELLBLOCK_RETURN_IF_ERROR(check_place(options.place));
    if (options.display_name.empty() || options.display_name.size() > 200) {
        return Error{"--display-name", 0, "must have 1 to 200 bytes", {}};
    }
    return Ok{};
}

Result<std::string> own_program() {
    std::error_code failed;
    const fs::path path = fs::read_symlink("/proc/self/exe", failed);
    if (failed) {
        return Error{"read /proc/self/exe", failed.value(), {}, {}};
    }
    return path.string();
}

// The policy as the kernelspec names it: a file by its absolute path, because a kernel starts in another
// folder.
std::string lasting_policy(const std::string& policy) {
    const bool is_path = policy.find('/') != std::string::npos || policy.ends_with(".json");
    std::error_code failed;
    const fs::path path = fs::absolute(policy, failed);
    return is_path && !failed ? path.lexically_normal().string() : policy;
}

Result<std::vector<SpecFile>> read_logos() {
    CELLBLOCK_ASSIGN_OR_RETURN(auto data, jupyter_data_directory());
    const fs::path folder = fs::path(data) / "kernels" / "cellblock";
    std::vector<SpecFile> out;
    for (std::size_t i = 1; i < kSpecFiles.size(); ++i) {
        const char* name = kSpecFiles[i];
        std::ifstream file(folder / name, std::ios::binary);
        if (!file) {
            return errno_error("read " + (folder / name).string(),
                               "This installation is incomplete; install again");
        }
        out.push_back(SpecFile{name, std::string(std::istreambuf_iterator<char>(file), {})});
    }
    return out;
}

struct Plan {
    std::string name;
    std::string folder;
    Kernelspec spec;
    std::vector<SpecFile> files;
    PythonFacts python;
    std::vector<Error> findings;  // what the policy asks for in vain, and what may not be meant
};

Result<Plan> make_plan(const InstallOptions& options) {
    Plan plan;
    plan.name = name_of(options.place);
    CELLBLOCK_ASSIGN_OR_RETURN(auto policy, load_policy(options.policy));
    print_notices("cellblock install: ", policy);
    CELLBLOCK_ASSIGN_OR_RETURN(auto program, own_program());
    auto asked = options.python;
    if (!asked && !policy.python.empty()) {
        asked = policy.python;
    }
    CELLBLOCK_ASSIGN_OR_RETURN(auto python, choose_python(asked));
    CELLBLOCK_ASSIGN_OR_RETURN(auto folder, folder_of(options.place));
    CELLBLOCK_ASSIGN_OR_RETURN(auto logos, read_logos());
    plan.python = python;
    plan.folder = std::move(folder);
    plan.spec = Kernelspec{program, options.display_name, lasting_policy(options.policy), python.program,
                           offers_debugger(policy) && python.debugpy};
    plan.findings = findings_in(policy);
    const auto warnings = warnings_of(policy);
    plan.findings.insert(plan.findings.end(), warnings.begin(), warnings.end());
    plan.files = std::move(logos);
    plan.files.push_back(
        SpecFile{kSpecFiles[0], kernelspec_text(plan.spec)});  // last: it makes the kernel visible
    return plan;
}

void say_what_next(const InstallOptions& options, const Plan& plan) {
    std::cout << "Installed the kernel \"" << plan.spec.display_name << "\" in " << plan.folder << "\n"
              << "  Python  " << plan.spec.python << " (" << plan.python.version << ", IPython "
              << plan.python.ipython << ")\n"
              << "  policy  " << plan.spec.policy << "\n";
    if (!plan.python.matplotlib) {
        std::cout << "  This Python has no matplotlib: there will be no plots.\n";
    }
    if (!plan.python.debugpy) {
        std::cout << "  This Python has no debugpy: there will be no debugger.\n";
    }
    for (const auto& finding : plan.findings) {
        std::cout << "  The policy: " << finding.text() << "\n";
    }
    if (options.place.prefix) {
        const auto share = fs::path(plan.folder).parent_path().parent_path().string();
        std::cout << "If Jupyter does not look there by itself: export JUPYTER_PATH=" << share << "\n";
    }
    std::cout << "Next: run `jupyter lab` and choose " << plan.spec.display_name
              << ", or run `jupyter console --kernel " << plan.name << "`\n";
}

int refuse(const Error& error, int status) {
    std::cerr << "cellblock install: " << error.text() << "\n";
    return status;
}

}  // namespace

int install_command(const InstallOptions& options) {
    if (auto fit = check_options(options); !fit) {
        return refuse(fit.error(), kUsageError);
    }
    auto plan = make_plan(options);
    if (!plan) {
        return refuse(plan.error(), kFailed);
    }
    if (auto written = write_spec(plan->folder, plan->files); !written) {
        return refuse(written.error(), kFailed);
    }
    precompile_worker(plan->python);
    if (plan->python.matplotlib) {
        if (auto made = make_font_list(plan->python.program); !made) {
            std::cout << "  Each session's first plot takes longer: " << made.error().text() << "\n";
        }
    }
    say_what_next(options, *plan);
    return 0;
}

}  // namespace cellblock::kernel
