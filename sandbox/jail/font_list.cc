// A key by the stamps of matplotlib's modules and of the folders of fonts.
#include "sandbox/jail/font_list.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <vector>

#include "sandbox/base/digests.h"
#include "sandbox/base/files.h"
#include "sandbox/base/resources.h"

namespace cellblock::sandbox::jail {

namespace {

namespace fs = std::filesystem;

constexpr std::size_t kKeyLength = 24;
constexpr std::size_t kMostFolders = 5000;  // of fonts; further ones aren't looked at
constexpr int kDeepest = 8;

// Folders where matplotlib looks (font_manager.X11FontDirectories), as far as sandboxes see them.
constexpr auto kFontFolders = std::to_array<const char*>(
    {"/usr/share/fonts", "/usr/local/share/fonts", "/usr/X11R6/lib/X11/fonts/TTF", "/usr/X11/lib/X11/fonts"});

// "lib/python3.11/site-packages" below each prefix, and Debian's folders.
std::vector<std::string> package_folders(const PythonHome& python) {
    std::vector<std::string> folders{"/usr/lib/python3/dist-packages"};
    std::vector<std::string> prefixes = python.prefixes;
    prefixes.insert(prefixes.end(), {"/usr", "/usr/local"});
    for (const auto& prefix : prefixes) {
        std::error_code failed;
        for (fs::directory_iterator one(prefix + "/lib", failed), end; !failed && one != end;
             one.increment(failed)) {
            if (one->path().filename().string().starts_with("python3")) {
                folders.push_back(one->path().string() + "/site-packages");
                folders.push_back(one->path().string() + "/dist-packages");
            }
        }
    }
    return folders;
}

// Empty: there is no matplotlib.
std::string stamps_of_matplotlib(const PythonHome& python) {
    std::string stamps;
    for (const auto& folder : package_folders(python)) {
        const std::string module = folder + "/matplotlib/font_manager.py";
        if (const std::string stamp = file_stamp(module); stamp != "-") {
            stamps += module + " " + stamp + "\n";
        }
    }
    return stamps;
}

// A font that comes or goes changes its folder.
std::string stamps_of_fonts() {
    std::vector<std::string> folders(kFontFolders.begin(), kFontFolders.end());
    for (const char* top : kFontFolders) {
        std::error_code failed;
        for (fs::recursive_directory_iterator one(top, failed), end;
             !failed && one != end && folders.size() < kMostFolders; one.increment(failed)) {
            std::error_code gone;
            if (one->is_directory(gone)) {
                folders.push_back(one->path().string());
            }
            if (one.depth() >= kDeepest) {
                one.disable_recursion_pending();
            }
        }
    }
    std::sort(folders.begin(), folders.end());  // in whichever order the filesystem has them
    std::string stamps;
    for (const auto& folder : folders) {
        stamps += folder + " " + file_stamp(folder) + "\n";
    }
    return stamps;
}

}  // namespace

std::string font_list_folder(const PythonHome& python) {
    const std::string home = cache_directory();
    const std::string modules = home.empty() ? "" : stamps_of_matplotlib(python);
    if (modules.empty()) {
        return {};
    }
    return home + "/fonts/" +
           sha256(python.program + "\n" + modules + stamps_of_fonts()).substr(0, kKeyLength);
}

std::string made_font_list(const PythonHome& python) {
    if (file_stamp(cache_directory() + "/fonts") == "-") {
        return {};  // none was ever made, so nothing has to be looked at
    }
    std::string folder = font_list_folder(python);
    struct stat info {};
    const bool ours = !folder.empty() && ::lstat(folder.c_str(), &info) == 0 && S_ISDIR(info.st_mode) &&
                      info.st_uid == ::geteuid() && (info.st_mode & 022U) == 0;
    return ours ? folder : std::string();
}

}  // namespace cellblock::sandbox::jail
