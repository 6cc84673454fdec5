// The folders in which templates are looked for.
#include <filesystem>
#include <set>

#include "sandbox/base/resources.h"
#include "sandbox/engines/template.h"
#include "sandbox/policy/document.h"

namespace cellblock::sandbox {

namespace {

namespace fs = std::filesystem;

// The user's own folder first, then the installed one.
std::vector<fs::path> template_folders() {
    std::vector<fs::path> out;
    if (const std::string own = config_directory(); !own.empty()) {
        out.push_back(fs::path(own) / "engines");
    }
    if (auto installed = engines_directory()) {
        out.emplace_back(*installed);
    }
    return out;
}

}  // namespace

std::vector<std::string> template_names() {
    std::set<std::string> names;
    for (const auto& folder : template_folders()) {
        std::error_code failed;
        for (fs::directory_iterator at(folder, failed), end; !failed && at != end; at.increment(failed)) {
            if (at->path().extension() == ".json" && names.size() < 50) {
                names.insert(at->path().stem().string());
            }
        }
    }
    return {names.begin(), names.end()};
}

Result<EngineTemplate> load_template(const std::string& name) {
    for (const auto& folder : template_folders()) {
        const fs::path path = folder / (name + ".json");
        std::error_code failed;
        if (!fs::exists(path, failed)) {
            continue;
        }
        auto text = read_document(path.string(), "read the engine template " + path.string());
        return text ? parse_template(*text, name, path.string()) : Result<EngineTemplate>(text.error());
    }
    return Error{"engine \"" + name + "\"", 0, "there is no such engine", {}};
}

}  // namespace cellblock::sandbox
