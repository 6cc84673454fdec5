// Files' stamps, and what `version` says.
#include "sandbox/engines/start_stamp.h"

#include <chrono>
#include <filesystem>

#include "sandbox/base/digests.h"
#include "sandbox/base/files.h"
#include "sandbox/base/subprocess.h"
#include "sandbox/engines/fill.h"
#include "sandbox/engines/host_root.h"
#include "sandbox/engines/values.h"
#include "sandbox/jail/file_rules.h"
#include "sandbox/relay/copies.h"

namespace cellblock::sandbox {

namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;

constexpr auto kTimeToTell = 10s;
constexpr std::size_t kMostWorkerFiles = 200;

// Of what is called so at its end; empty: of all.
void add_folder(const std::string& folder, std::size_t most, std::string_view ending, std::string& text) {
    std::error_code failed;
    fs::recursive_directory_iterator one(folder, fs::directory_options::skip_permission_denied, failed);
    for (const fs::recursive_directory_iterator end; !failed && one != end && most > 0;
         one.increment(failed), --most) {
        const std::string path = one->path().string();
        if (path.ends_with(ending)) {
            text += path + " " + whole_file_stamp(path) + "\n";
        }
    }
}

Result<std::string> stamps_of_files(const EngineTemplate& from, const std::string& image,
                                    const Policy& policy, const StartOptions& options) {
    std::string text;
    if (from.host_files && image.empty()) {
        auto python = jail::find_python(policy.python);
        CELLBLOCK_ASSIGN_OR_RETURN(auto steps,
                                   python ? host_steps(policy, options, *python) : python.error());
        text = python->program + "\n" + jail::sources_of(steps);
    } else {
        CELLBLOCK_ASSIGN_OR_RETURN(auto shown, shown_files(policy, options));
        text = jail::sources_of(shown);
    }
    CELLBLOCK_ASSIGN_OR_RETURN(auto copied, copied_files(policy, options));
    for (const auto& one : copied) {
        add_folder(one.source, relay::kMostCopiedFiles, "", text);
    }
    return text;
}

}  // namespace

Result<std::string> stamp_of_start(const EngineTemplate& from, const Policy& policy,
                                   const StartOptions& options, const std::string& worker_folder) {
    const Values values = values_of(policy, from);
    const std::string& image = values.texts.at("image");
    auto files = stamps_of_files(from, image, policy, options);
    if (!files) {
        return files;
    }
    std::string text = *files;
    text += file_stamp(program_path(from.argv.front().words.front())) + "\n";
    text += (image.starts_with('/') ? which_file(image) : image) + "\n";
    if (!from.version.empty()) {
        const auto told = output_of(fill(from.version, values), kTimeToTell);
        if (!told) {
            return Error{"engine \"" + from.name + "\"", 0, told.error().text(), from.needs};
        }
        text += *told;
    }
    add_folder(worker_folder, kMostWorkerFiles, ".py", text);
    return sha256(text);
}

}  // namespace cellblock::sandbox
