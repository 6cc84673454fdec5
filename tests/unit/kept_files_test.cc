// The files room: which names are kept, how a folder is looked through, where files are put.
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "sandbox/base/digests.h"
#include "sandbox/files/host_folder.h"
#include "sandbox/files/kept_digests.h"
#include "sandbox/files/walk.h"
#include "sandbox/policy/keep_patterns.h"
#include "tests/unit/catch.h"
#include "tests/unit/folder.h"

using namespace cellblock::sandbox;
using cellblock::tests::Folder;
using namespace std::chrono_literals;
namespace fs = std::filesystem;

namespace {

void write(const std::string& path, const std::string& text) {
    std::ofstream(path) << text;
}

std::string text_of(const std::string& path) {
    std::ifstream file(path);
    return {std::istreambuf_iterator<char>(file), {}};
}

// Puts a text as a file of that name.
Result<files::PutFile> put(files::HostFolder& to, const std::string& name, const std::string& text,
                           files::KeptDigests& digests) {
    const UniqueFd file(::memfd_create("file", MFD_CLOEXEC));
    REQUIRE(::write(file.get(), text.data(), text.size()) == static_cast<ssize_t>(text.size()));
    return to.put(
        name, file.get(), text.size(), [] { return false; }, digests);
}

}  // namespace

TEST_CASE("a pattern's * stands for any bytes and ? for one, and case doesn't matter") {
    CHECK(matches_pattern("*.csv", "a.csv"));
    CHECK(matches_pattern("*.csv", ".csv"));
    CHECK(matches_pattern("*.CSV", "a.csv"));
    CHECK(matches_pattern("a?c*d*", "abcxxdyy"));
    CHECK(matches_pattern("**", ""));
    CHECK(matches_pattern("*a*b", "aabab"));
    CHECK_FALSE(matches_pattern("*.csv", "a.csv.exe"));
    CHECK_FALSE(matches_pattern("?", ""));
    CHECK_FALSE(matches_pattern("*a*b", "aaba"));
    const std::string many(2000, 'a');  // in time that is no power of it
    CHECK_FALSE(matches_pattern("*a*a*a*a*a*a*a*a*a*b", many));
}

TEST_CASE("what could run later is kept only where a pattern names its kind") {
    CHECK(is_kept(usual_patterns(), "data.json"));
    CHECK_FALSE(is_kept(usual_patterns(), "package.json"));
    CHECK_FALSE(is_kept(usual_patterns(), "requirements.txt"));
    CHECK_FALSE(is_kept({"*"}, "run.py"));
    CHECK_FALSE(is_kept({"*.*"}, ".bashrc"));
    CHECK(is_kept({"*.py"}, "run.py"));
    CHECK(is_kept({"package.json"}, "package.json"));
    CHECK(is_kept({".*"}, ".bashrc"));
    for (const auto& pattern : usual_patterns()) {
        CHECK_FALSE(could_run_later(pattern));
    }
}

TEST_CASE("names that mislead are no plain names") {
    for (const char* good : {"a.csv", "a b (2).csv", "\xC3\xA4.csv", "\xE6\x97\xA5.csv", "a..b"}) {
        CHECK(files::is_plain_name(good));
    }
    for (const char* bad :
         {"", ".", "..", ".a", "-a", " a", "a ", "a.", "a/b", "a\\b", "a\nb", "a\x7f", "\xFF", "\xC2\x85",
          "\xE2\x80\xAE"
          "a",
          "a\xE2\x80\x8B",
          "\xEF\xBB\xBF"
          "a"}) {
        CHECK_FALSE(files::is_plain_name(bad));
    }
    CHECK_FALSE(files::is_plain_name(std::string(201, 'a')));
    CHECK_FALSE(files::is_plain_name(std::string("a\0b", 3)));
}

TEST_CASE("a walk follows no link, and stops at its bounds") {
    const Folder folder;
    const Folder outside;
    write(outside.path + "/secret.csv", "x");
    write(folder.path + "/a.csv", "x");
    fs::create_directories(folder.path + "/in/deep");
    write(folder.path + "/in/deep/b.csv", "x");
    fs::create_symlink(outside.path, folder.path + "/out");
    const UniqueFd root(::open(folder.path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    std::vector<std::string> seen;
    const auto visit = [&](const files::Found& found) { seen.push_back(found.path); };
    CHECK(files::walk(root.get(), {}, visit).whole);
    std::sort(seen.begin(), seen.end());
    CHECK(seen == std::vector<std::string>{"a.csv", "in/deep/b.csv", "out"});
    seen.clear();
    CHECK_FALSE(files::walk(root.get(), {100, 2, 1s}, visit).whole);
    CHECK(seen.size() == 2);
    CHECK_FALSE(files::walk(root.get(), {1, 16, 1s}, visit).whole);
}

TEST_CASE("a file that no cell made gets a neighbour, one that cells made is replaced") {
    const Folder folder;
    files::KeptDigests digests(folder.path + "/state/kept.json");
    fs::create_directory(folder.path + "/to");
    write(folder.path + "/to/a.csv", "yours");
    auto to = files::HostFolder::open(folder.path + "/to");
    REQUIRE(to);
    CHECK(put(*to, "a.csv", "one", digests)->path == "a (2).csv");
    CHECK(put(*to, "a.csv", "two", digests)->path == "a (2).csv");
    CHECK(text_of(folder.path + "/to/a.csv") == "yours");
    CHECK(text_of(folder.path + "/to/a (2).csv") == "two");
    CHECK(put(*to, "deep/er/b", "x", digests)->path == "deep/er/b");
    CHECK(put(*to, "a.csv", "two", digests)->sha256 == sha256("two"));
    digests.save();

    // Another session, later.
    files::KeptDigests later(folder.path + "/state/kept.json");
    auto again = files::HostFolder::open(folder.path + "/to");
    CHECK(put(*again, "a.csv", "three", later)->path == "a (2).csv");
    write(folder.path + "/to/a (2).csv", "yours too");
    CHECK(put(*again, "a.csv", "four", later)->path == "a (3).csv");
    CHECK(put(*again, "deep/er/b", "y", later)->path == "deep/er/b");
    CHECK(std::distance(fs::directory_iterator(folder.path + "/to"), {}) == 4);
}

TEST_CASE("a file whose copying is stopped leaves nothing") {
    const Folder folder;
    files::KeptDigests digests("");
    auto to = files::HostFolder::open(folder.path + "/to");
    REQUIRE(to);
    const UniqueFd file(::memfd_create("file", MFD_CLOEXEC));
    REQUIRE(::ftruncate(file.get(), 1 << 20) == 0);
    for (int after = 0; after < 5; ++after) {
        int asked = 0;
        const auto put = to->put(
            "in/a.csv", file.get(), 1 << 20, [&] { return asked++ >= after; }, digests);
        REQUIRE_FALSE(put);
        CHECK(put.error().code == ECANCELED);
    }
    CHECK(fs::is_empty(folder.path + "/to/in"));
}

TEST_CASE("a walk stays in its filesystem") {
    if (::geteuid() != 0) {
        WARN("skipped: a mount needs root");
        return;
    }
    const Folder folder;
    fs::create_directory(folder.path + "/other");
    REQUIRE(::mount("none", (folder.path + "/other").c_str(), "tmpfs", 0, "size=64k") == 0);
    write(folder.path + "/other/a.csv", "x");
    const UniqueFd root(::open(folder.path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    int seen = 0;
    CHECK_FALSE(files::walk(root.get(), {}, [&](const files::Found&) { ++seen; }).whole);
    CHECK(seen == 0);
    REQUIRE(::umount2((folder.path + "/other").c_str(), MNT_DETACH) == 0);
}

TEST_CASE("a store of digests that can't be read is none") {
    const Folder folder;
    const std::string path = folder.path + "/kept.json";
    for (const char* text : {"", "{", "[]", R"({"version":2,"files":{}})", R"({"version":1,"files":[]})",
                             R"({"version":1,"files":{"/a":["short",1],"/b":1,"/c":[1,1]}})"}) {
        write(path, text);
        const files::KeptDigests digests(path);
        CHECK_FALSE(digests.find("/a"));
        CHECK_FALSE(digests.find("/c"));
    }
}

TEST_CASE("digests from before the clock was set back displace no new one") {
    const Folder folder;
    const std::string path = folder.path + "/kept.json";
    std::string text = R"({"version":1,"files":{)";
    for (int i = 0; i < 4096; ++i) {
        text += (i > 0 ? ",\"/" : "\"/") + std::to_string(i) + "\":[\"" + sha256("x") + "\",99999999999]";
    }
    write(path, text + "}}");
    files::KeptDigests digests(path);
    CHECK(digests.find("/7"));
    digests.note("/new", sha256("y"));
    digests.save();
    CHECK(files::KeptDigests(path).find("/new") == sha256("y"));
}

TEST_CASE("of many digests the latest stay") {
    const Folder folder;
    const std::string path = folder.path + "/kept.json";
    files::KeptDigests digests(path);
    for (int i = 0; i < 5000; ++i) {
        digests.note("/" + std::to_string(i), sha256("x"));
    }
    digests.save();
    CHECK(fs::file_size(path) < 1U << 20);
    files::KeptDigests later(path);
    int found = 0;
    for (int i = 0; i < 5000; ++i) {
        found += later.find("/" + std::to_string(i)) ? 1 : 0;
    }
    CHECK(found == 4096);
}
