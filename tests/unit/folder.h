// A folder of a test's own, removed at its end.
#pragma once

#include <sys/stat.h>

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <system_error>
#include <thread>

#include "tests/unit/catch.h"

namespace cellblock::tests {

class Folder {
public:
    // Others may enter the folder, since jails have other users.
    Folder() {
        std::string name = (std::filesystem::temp_directory_path() / "cellblock-unit-XXXXXX").string();
        REQUIRE(::mkdtemp(name.data()) != nullptr);
        ::chmod(name.c_str(), 0755);
        path = name;
    }
    // A thread in the background may be removing the same files.
    ~Folder() {
        std::error_code failed;
        for (int attempt = 0; attempt < 100; ++attempt) {
            std::filesystem::remove_all(path, failed);
            if (!failed && !std::filesystem::exists(path, failed)) {
                return;
            }
            std::this_thread::sleep_for(std::chrono::milliseconds(10));
        }
    }
    Folder(const Folder&) = delete;
    Folder& operator=(const Folder&) = delete;

    std::string operator/(const std::string& name) const { return path + "/" + name; }

    // Writes a file, whose folders are made. Returns its path.
    std::string file(const std::string& name, const std::string& text, mode_t mode = 0755) const {
        const std::string full = *this / name;
        std::filesystem::create_directories(std::filesystem::path(full).parent_path());
        std::ofstream(full) << text;
        ::chmod(full.c_str(), mode);
        return full;
    }

    std::string path;
};

}  // namespace cellblock::tests
