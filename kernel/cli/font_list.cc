// One cell in a sandbox; what it prints becomes the file.
#include "kernel/cli/font_list.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <vector>

#include "sandbox/api/session.h"
#include "sandbox/base/digests.h"
#include "sandbox/base/files.h"
#include "sandbox/base/json_text.h"
#include "sandbox/jail/font_list.h"

namespace cellblock::kernel {

namespace {

namespace fs = std::filesystem;
using namespace sandbox;
using namespace std::chrono_literals;

constexpr std::uint64_t kMostBytes = 16ULL << 20;
constexpr std::size_t kMostKept = 16;  // lists, of all Pythons and states
constexpr std::size_t kLongestName = 40;
constexpr JsonBounds kBounds{8, 500'000};  // a font has some eight values
constexpr const char* kUnfinished = "made-";
constexpr std::chrono::hours kLeftAge{1};  // of an unfinished folder, whose maker is gone
constexpr const char* kStep = "make matplotlib's list of fonts";

// The list's name, then the list.
constexpr const char* kCell = R"PY(
import logging, os, sys
logging.disable()
import matplotlib, matplotlib.font_manager as fonts
name = "fontlist-v%s.json" % fonts.FontManager.__version__
with open(os.path.join(matplotlib.get_cachedir(), name)) as file:
    sys.stdout.write(name + "\n" + file.read())
)PY";

struct FontListFile {
    std::string name;
    std::string text;
};

Policy policy_for(const std::string& python) {
    Policy policy = builtin_policy();
    policy.warm = Warm::off;
    policy.learns_preload = false;  // the cell is ours, no session's
    policy.python = python;
    policy.limits.cell_time = policy.limits.cell_time_max = 120s;
    policy.limits.output_bytes = kMostBytes;
    return policy;
}

bool is_list_name(const std::string& name) {
    return name.starts_with("fontlist-v") && name.ends_with(".json") && name.size() <= kLongestName &&
           std::all_of(name.begin(), name.end(),
                       [](unsigned char c) { return std::isalnum(c) != 0 || c == '.' || c == '-'; });
}

// The text comes out of a sandbox: it is read by sandboxes only, and must be a list as matplotlib writes it.
Result<FontListFile> checked(const std::string& printed) {
    const auto end = printed.find('\n');
    FontListFile file{printed.substr(0, end), end == std::string::npos ? "" : printed.substr(end + 1)};
    if (!is_list_name(file.name)) {
        return Error{kStep, 0, "this Python's matplotlib gives no list of fonts", {}};
    }
    CELLBLOCK_ASSIGN_OR_RETURN(const auto list, parse_json_object(file.text, kBounds));
    return list.contains("ttflist") ? Result<FontListFile>(std::move(file))
                                    : Result<FontListFile>(Error{kStep, 0, "it names no fonts", {}});
}

Result<FontListFile> ask_matplotlib(const std::string& python) {
    const Policy policy = policy_for(python);
    Session session(policy, make_engine(policy), {"/"});
    std::string printed;
    const Outcome outcome = session.execute_blocking({.code = kCell}, [&](const Event& event) {
        const auto* output = std::get_if<StreamOutput>(&event);
        if (output != nullptr && output->name == StreamName::standard_output && printed.size() < kMostBytes) {
            printed += output->text;
        }
    });
    if (outcome.status == CellStatus::unavailable) {
        return FontListFile{};  // another engine's sandboxes don't have the list
    }
    if (outcome.status != CellStatus::ok) {
        return Error{
            kStep, 0, outcome.error ? outcome.error->ename + ": " + outcome.error->evalue : "it failed", {}};
    }
    return checked(printed);
}

// The folder gets its name when all is written.
Status keep(const FontListFile& file, const fs::path& folder) {
    const fs::path made = folder.parent_path() / (kUnfinished + random_hex(8));
    std::error_code failed;
    make_folders(made, 4);  // in ~/.cache, cellblock, fonts
    ::chmod(made.c_str(), 0755);
    const std::string path = (made / file.name).string();
    std::ofstream out(path, std::ios::binary);
    out << file.text;
    out.close();
    ::chmod(path.c_str(), 0644);
    if (out.good()) {
        fs::rename(made, folder, failed);
    }
    if (!out.good() || failed) {
        std::error_code ignored;
        fs::remove_all(made, ignored);
        return Error{kStep, failed.value(), "write " + folder.string(),
                     "Make its folder one that you can write to, or remove what lies there"};
    }
    return Ok{};
}

// The list `fresh` stays, whatever the times of the other lists say: the clock may have been set back. Of the
// others those stay that were made last, and what another `install` may be writing now.
void remove_old(const fs::path& fresh) {
    const fs::path root = fresh.parent_path();
    std::vector<std::pair<fs::file_time_type, fs::path>> all;
    std::error_code failed;
    for (fs::directory_iterator one(root, failed), end; !failed && one != end; one.increment(failed)) {
        std::error_code gone;
        const auto written = one->last_write_time(gone);
        if (one->path() == fresh) {
            continue;
        }
        if (!one->path().filename().string().starts_with(kUnfinished)) {
            all.emplace_back(written, one->path());
        } else if (fs::file_time_type::clock::now() - written > kLeftAge) {
            fs::remove_all(one->path(), gone);
        }
    }
    std::sort(all.rbegin(), all.rend());
    for (std::size_t i = kMostKept - 1; i < all.size(); ++i) {
        fs::remove_all(all[i].second, failed);
    }
}

}  // namespace

Status make_font_list(const std::string& python) {
    CELLBLOCK_ASSIGN_OR_RETURN(const auto home, jail::find_python(python));
    const std::string folder = jail::font_list_folder(home);
    if (folder.empty() || !jail::made_font_list(home).empty()) {
        return Ok{};
    }
    CELLBLOCK_ASSIGN_OR_RETURN(const auto file, ask_matplotlib(python));
    if (file.name.empty()) {
        return Ok{};
    }
    if (auto kept = keep(file, folder); !kept && jail::made_font_list(home).empty()) {
        return kept;  // else another `install` was faster
    }
    remove_old(folder);
    return Ok{};
}

}  // namespace cellblock::kernel
