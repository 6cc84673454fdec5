// Walking a path as the kernel does, keeping note of the links.
#include "sandbox/jail/path_chain.h"

#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <climits>
#include <deque>
#include <sstream>

namespace cellblock::sandbox::jail {

namespace {

constexpr std::size_t kMaxLinks = 40;  // as the kernel

void put_in_front(std::deque<std::string>& parts, const std::string& path) {
    std::deque<std::string> front;
    std::istringstream stream(path);
    for (std::string part; std::getline(stream, part, '/');) {
        if (!part.empty() && part != ".") {
            front.push_back(part);
        }
    }
    parts.insert(parts.begin(), front.begin(), front.end());
}

}  // namespace

Result<PathChain> follow_links(const std::string& path) {
    PathChain chain;
    std::deque<std::string> parts;
    put_in_front(parts, path);
    while (!parts.empty()) {
        const std::string part = parts.front();
        parts.pop_front();
        if (part == "..") {
            chain.real.erase(chain.real.empty() ? 0 : chain.real.rfind('/'));
            continue;
        }
        const std::string here = chain.real + "/" + part;
        struct stat info {};
        if (::lstat(here.c_str(), &info) != 0) {
            return errno_error(path);
        }
        if (!S_ISLNK(info.st_mode)) {
            chain.real = here;
            continue;
        }
        std::array<char, PATH_MAX> text{};
        const ssize_t size = ::readlink(here.c_str(), text.data(), text.size());
        if (size <= 0 || chain.links.size() >= kMaxLinks) {
            return Error{path, size <= 0 ? errno : ELOOP, {}, {}};
        }
        chain.links.push_back({here, std::string(text.data(), static_cast<std::size_t>(size))});
        if (text[0] == '/') {
            chain.real.clear();
        }
        put_in_front(parts, chain.links.back().text);
    }
    if (chain.real.empty()) {
        chain.real = "/";
    }
    return chain;
}

bool is_inside(const std::string& path, const std::string& folder) {
    return folder == "/" || path == folder ||
           (path.size() > folder.size() && path.compare(0, folder.size(), folder) == 0 &&
            path[folder.size()] == '/');
}

}  // namespace cellblock::sandbox::jail
