// `cellblock uninstall`: removes a kernelspec of cellblock's, and nothing else.
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <iostream>
#include <string>
#include <system_error>

#include "kernel/cli/commands.h"
#include "kernel/cli/kernelspec.h"
#include "kernel/cli/kernelspec_place.h"
#include "sandbox/base/files.h"
#include "sandbox/base/json_text.h"
#include "sandbox/base/resources.h"

namespace cellblock::kernel {

namespace {

using namespace sandbox;
namespace fs = std::filesystem;

constexpr int kUsageError = 2;
constexpr int kFailed = 1;
constexpr std::size_t kMostBytes = 64U << 10;
constexpr JsonBounds kBounds{16, 10'000};

// The program that the kernelspec starts, if it is `cellblock kernel`; an Error that says why it isn't one to
// be removed here.
Result<std::string> program_in(const fs::path& folder) {
    const std::string file = (folder / "kernel.json").string();
    if (::access(file.c_str(), F_OK) != 0 && errno == ENOENT) {
        return Error{
            "", 0, "there is no kernelspec at " + folder.string(),
            "`jupyter kernelspec list` shows where kernels are; --user, --sys-prefix, --prefix and --name "
            "say which one is meant"};
    }
    CELLBLOCK_ASSIGN_OR_RETURN(const auto text, regular_file_text("read " + file, file, kMostBytes));
    const auto spec = parse_json_object(text, kBounds);
    const auto argv = spec ? spec->value("argv", nlohmann::json()) : nlohmann::json();
    const bool is_ours = argv.is_array() && argv.size() > 1 && argv[0].is_string() && argv[1] == "kernel" &&
                         fs::path(argv[0].get<std::string>()).filename() == "cellblock";
    if (!is_ours) {
        return Error{"", 0, "the kernelspec at " + folder.string() + " isn't cellblock's, so it stays",
                     "Jupyter removes others: jupyter kernelspec remove NAME"};
    }
    return argv[0].get<std::string>();
}

// kernel.json first: without it Jupyter doesn't show the kernel. What else lies in the folder isn't ours.
Status remove_spec(const fs::path& folder) {
    for (const char* name : kSpecFiles) {
        const std::string path = (folder / name).string();
        if (::unlink(path.c_str()) != 0 && errno != ENOENT) {
            return errno_error("remove " + path, "Do it as the user whom the folder belongs to");
        }
    }
    if (::rmdir(folder.c_str()) != 0 && errno != ENOTEMPTY && errno != EEXIST) {
        return errno_error("remove " + folder.string());
    }
    return Ok{};
}

int refuse(const Error& error, int status) {
    std::cerr << "cellblock uninstall: " << error.text() << "\n";
    return status;
}

}  // namespace

int uninstall_command(const KernelspecPlace& place) {
    if (auto fit = check_place(place); !fit) {
        return refuse(fit.error(), kUsageError);
    }
    const auto folder = folder_of(place);
    if (!folder) {
        return refuse(folder.error(), kFailed);
    }
    const auto program = program_in(*folder);
    if (!program) {
        return refuse(program.error(), kFailed);
    }
    if (program->starts_with("{resource_dir}")) {
        return refuse(Error{"", 0, "the kernelspec at " + *folder + " came with a wheel",
                            "Use: pip uninstall cellblock"},
                      kFailed);
    }
    if (auto removed = remove_spec(*folder); !removed) {
        return refuse(removed.error(), kFailed);
    }
    std::cout << "Removed the kernel from " << *folder << "\n";
    std::error_code failed;
    if (fs::exists(*folder, failed)) {
        std::cout << "  That folder has other files, too, and stays.\n";
    }
    std::cout << "Kernels that run go on. `cellblock daemon stop` ends what waits for others. What sessions "
                 "have left stays in "
              << cache_directory() << " (can be made anew) and " << state_directory()
              << " (history, logs, kept files' digests)\n";
    return 0;
}

}  // namespace cellblock::kernel
