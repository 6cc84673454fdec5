// Looking through a folder whose content is a sandbox's.
//
// Purpose: names, types, depth and number of what lies there are an attacker's, who may also change all of it
// meanwhile. So nothing is followed: each folder is opened from the one above it, without links and without
// leaving the filesystem, and what is no plain name isn't even told. Threads: any; no shared state.
#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <string>
#include <string_view>

namespace cellblock::sandbox::files {

// A name that people and programs can take for what it is: UTF-8 of at most 200 bytes without control
// characters and marks that turn the direction of writing, not beginning with a dot, a dash or a space, and
// not ending with a dot or a space.
bool is_plain_name(std::string_view name);

// A path of the sandbox's as it lies below the working directory: "out/a.csv" of "/work/out/a.csv" and of
// "./out/a.csv". Empty: somewhere else.
std::string below_work(const std::string& path);

struct WalkBounds {
    std::size_t names = 100'000;
    int depth = 16;
    std::chrono::milliseconds time{3000};
};

// What is found. `folder` is open as long as the visit lasts.
struct Found {
    int folder = -1;
    std::string name;
    std::string path;  // below the root: "out/a.csv"
};

// How far a walk came.
struct Walked {
    std::size_t unfit_names = 0;  // not plain, but for those that begin with a dot
    std::size_t folders = 0;      // below the root
    bool whole = true;            // false: a bound was met, or a folder couldn't be read
};

// Visits all that is no folder and has a plain name, as have the folders above it.
Walked walk(int root, const WalkBounds& bounds, const std::function<void(const Found&)>& visit);

}  // namespace cellblock::sandbox::files
