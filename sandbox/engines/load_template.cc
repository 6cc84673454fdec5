// Where templates lie.
#include <cstdlib>
#include <filesystem>
#include <fstream>
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
    const char* config = std::getenv("XDG_CONFIG_HOME");
    const char* home = std::getenv("HOME");
    if (config != nullptr && *config == '/') {
        out.push_back(fs::path(config) / "cellblock" / "engines");
    } else if (home != nullptr && *home == '/') {
        out.push_back(fs::path(home) / ".config" / "cellblock" / "engines");
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
        if (!fs::is_regular_file(path, failed)) {
            continue;
        }
        std::ifstream file(path, std::ios::binary);
        std::string text(kMaxPolicyBytes + 1, '\0');
        file.read(text.data(), static_cast<std::streamsize>(text.size()));
        if (file.bad() || !file.is_open()) {
            return Error{"engine template " + path.string(), 0, "it can't be read", {}};
        }
        text.resize(static_cast<std::size_t>(file.gcount()));
        return parse_template(text, name, path.string());
    }
    return Error{"engine \"" + name + "\"", 0, "there is no such engine", {}};
}

}  // namespace cellblock::sandbox
