// From a policy to texts and lists.
#include "sandbox/engines/values.h"

#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <random>
#include <sstream>

#include "sandbox/base/resources.h"
#include "sandbox/jail/rootfs_files.h"

namespace cellblock::sandbox {

namespace {

// Drawn for engines that let us choose: fit for every namespace, and likely nobody's.
constexpr unsigned kFirstUser = 20000;
constexpr unsigned kUsers = 40000;
constexpr std::uint64_t kMiB = 1ULL << 20;
constexpr int kMostSeconds = 24 * 3600;

std::string number(double value) {
    std::ostringstream text;
    text << value;
    return text.str();
}

// All that can be written is parted: an eighth is shared memory, the rest one scratch filesystem.
void add_limits(const Limits& limits, Values& values) {
    const std::uint64_t shm = limits.disk_bytes / 8;
    const std::uint64_t scratch = limits.disk_bytes - shm;
    auto& texts = values.texts;
    texts["memory"] = std::to_string(limits.memory_bytes);
    texts["memory_mib"] = std::to_string(limits.memory_bytes / kMiB);
    texts["processes"] = std::to_string(limits.processes);
    texts["cpus"] = number(limits.cpus);
    texts["cpu_millis"] = std::to_string(static_cast<std::uint64_t>(std::ceil(limits.cpus * 1000)));
    texts["disk"] = std::to_string(limits.disk_bytes);
    texts["scratch"] = std::to_string(scratch);
    texts["scratch_mib"] = std::to_string(std::max<std::uint64_t>(1, scratch / kMiB));
    texts["inodes"] = std::to_string(most_inodes(limits.disk_bytes));
    texts["shm"] = std::to_string(shm);
}

// A place that isn't there can't be covered.
void add_hidden(Values& values) {
    for (const auto& [name, is_file] : jail::hidden_of_proc()) {
        const std::string path = "/proc/" + name;
        if (::access(path.c_str(), F_OK) == 0) {
            values.lists[is_file ? "hidden.file" : "hidden.folder"].push_back(path);
        }
    }
}

}  // namespace

Values values_of(const Policy& policy, const EngineTemplate& from) {
    Values values;
    auto& texts = values.texts;
    texts["image"] = policy.image.empty() ? from.image : policy.image;
    texts["destination"] = policy.destination;
    texts["uid"] = std::to_string(kFirstUser + std::random_device()() % kUsers);
    const char* path = std::getenv("PATH");
    texts["path"] = path == nullptr ? "/usr/bin:/bin" : path;
    if (auto engines = engines_directory()) {
        texts["tools"] = *engines + "/tools";
    }
    texts["seconds"] = std::to_string(kMostSeconds);
    for (const char* list :
         {"bind.host", "bind.sandbox", "link.text", "link.path", "hidden.file", "hidden.folder"}) {
        values.lists[list];
    }
    add_hidden(values);
    add_limits(policy.limits, values);
    return values;
}

void add_start(const std::string& python, const std::string& bootstrap, Values& values) {
    auto& words = values.lists["start.word"];
    words = {python, "-I", "-S", "-B", "-c", bootstrap};
    std::string& shell = values.texts["start_in_shell"];
    for (const auto& word : words) {
        shell += (shell.empty() ? "" : " ") + shell_word(word);
    }
    values.texts["python"] = python;
    values.texts["bootstrap"] = bootstrap;
}

void add_root(const HostRoot& root, Values& values) {
    for (const auto& bind : root.binds) {
        values.lists["bind.host"].push_back(bind.host);
        values.lists["bind.sandbox"].push_back(bind.sandbox);
    }
    for (const auto& link : root.links) {
        values.lists["link.text"].push_back(link.text);
        values.lists["link.path"].push_back(link.path);
    }
}

}  // namespace cellblock::sandbox
