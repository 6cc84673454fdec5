// config.json, by the OCI runtime specification 1.0.
#include "sandbox/engines/oci_bundle.h"

#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "sandbox/base/cgroup_places.h"
#include "sandbox/engines/fill.h"
#include "sandbox/jail/cgroup_folders.h"
#include "sandbox/jail/path_chain.h"
#include "sandbox/jail/rootfs_files.h"

namespace cellblock::sandbox {

namespace {

namespace fs = std::filesystem;
using jail::FileStepKind;
using nlohmann::ordered_json;

constexpr unsigned kInside = 1000;  // the user's number, where we may choose

ordered_json mount(const std::string& type, const std::string& at, const std::string& source,
                   std::vector<std::string> options) {
    return {{"destination", at}, {"type", type}, {"source", source}, {"options", std::move(options)}};
}

ordered_json mounts_of(const BundleFacts& facts, const Policy& policy) {
    const std::uint64_t shm = policy.limits.disk_bytes / 8;
    const auto sized = [](std::uint64_t bytes) { return "size=" + std::to_string(bytes); };
    ordered_json list = ordered_json::array();
    for (const auto& bind : facts.root.binds) {
        list.push_back(mount("bind", bind.sandbox, bind.host, {"rbind", "ro", "nosuid", "nodev"}));
    }
    list.push_back(mount("proc", "/proc", "proc", {"nosuid", "noexec", "nodev"}));
    list.push_back(mount("tmpfs", "/dev", "tmpfs", {"nosuid", "strictatime", "mode=755", "size=65536k"}));
    list.push_back(mount("devpts", "/dev/pts", "devpts",
                         {"nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "max=64"}));
    list.push_back(mount("tmpfs", "/dev/shm", "shm",
                         {"nosuid", "noexec", "nodev", "mode=1777", sized(shm), "nr_inodes=4096"}));
    const std::string inodes = "nr_inodes=" + std::to_string(most_inodes(policy.limits.disk_bytes));
    list.push_back(mount("tmpfs", "/tmp", "tmpfs",
                         {"nosuid", "nodev", "mode=1777", sized(policy.limits.disk_bytes - shm), inodes}));
    list.push_back(mount("tmpfs", "/sys", "tmpfs", {"nosuid", "noexec", "nodev", "ro", "size=4k"}));
    return list;
}

ordered_json paths(FileStepKind kind) {
    ordered_json list = ordered_json::array();
    for (const auto& step : jail::proc_steps()) {
        if (step.kind == kind) {
            list.push_back("/" + step.target);
        }
    }
    return list;
}

ordered_json mapping(std::uint64_t inside, std::uint64_t outside) {
    return {{"containerID", inside}, {"hostID", outside}, {"size", 1}};
}

// Runtimes set the root up as its user 0, which must be somebody on the host.
ordered_json mappings_of(bool privileged, std::uint64_t outside) {
    return privileged ? ordered_json{mapping(0, outside + 1), mapping(kInside, outside)}
                      : ordered_json{mapping(0, outside)};
}

ordered_json linux_of(const BundleFacts& facts) {
    ordered_json namespaces = ordered_json::array();
    for (const char* type : {"pid", "network", "ipc", "uts", "mount", "user", "cgroup"}) {
        namespaces.push_back({{"type", type}});
    }
    return {{"namespaces", namespaces},
            {"uidMappings", mappings_of(facts.identity.privileged, facts.identity.user)},
            {"gidMappings", mappings_of(facts.identity.privileged, facts.identity.group)},
            {"seccomp", ordered_json::parse(seccomp_profile())},
            {"maskedPaths", paths(FileStepKind::mask)},
            {"readonlyPaths", paths(FileStepKind::protect)}};
}

ordered_json process_of(const BundleFacts& facts) {
    const unsigned inside = facts.identity.privileged ? kInside : 0;
    ordered_json none = ordered_json::array();
    return {{"terminal", false},
            {"user", {{"uid", inside}, {"gid", inside}}},
            {"args", facts.arguments},
            {"env", {"PATH=/usr/local/bin:/usr/bin:/bin", "HOME=/tmp"}},
            {"cwd", "/"},
            {"capabilities",
             {{"bounding", none},
              {"effective", none},
              {"permitted", none},
              {"inheritable", none},
              {"ambient", none}}},
            {"rlimits", {{{"type", "RLIMIT_CORE"}, {"hard", 1}, {"soft", 1}}}},
            {"noNewPrivileges", true},
            {"oomScoreAdj", 500}};
}

bool is_below_another(const HostRoot& root, const std::string& path) {
    return std::any_of(root.binds.begin(), root.binds.end(), [&](const auto& other) {
        return other.sandbox != path && jail::is_inside(path, other.sandbox);
    });
}

// Places for what is mounted, as the runtime might not be allowed to make them.
Status make_root(const BundleFacts& facts) {
    const fs::path root = fs::path(facts.folder) / "rootfs";
    std::error_code failed;
    for (const char* folder : {"proc", "dev", "sys", "tmp"}) {
        fs::create_directories(root / folder, failed);
    }
    fs::permissions(root / "tmp", fs::perms::all | fs::perms::sticky_bit,
                    failed);  // runc gives it to the mount
    for (const auto& bind : facts.root.binds) {
        const fs::path place = root / bind.sandbox.substr(1);
        if (is_below_another(facts.root, bind.sandbox)) {
            continue;
        }
        if (fs::is_directory(bind.host, failed)) {
            fs::create_directories(place, failed);
        } else {
            fs::create_directories(place.parent_path(), failed);
            std::ofstream touched(place);
        }
    }
    for (const auto& link : facts.root.links) {
        if (!is_below_another(facts.root, link.path)) {
            fs::create_directories((root / link.path.substr(1)).parent_path(), failed);
            fs::create_symlink(link.text, root / link.path.substr(1), failed);
        }
    }
    failed.clear();
    fs::create_symlink("tmp/work", root / "work", failed);
    return failed ? Status(Error{"make " + root.string(), failed.value(), {}, {}}) : Status(Ok{});
}

}  // namespace

Status write_bundle(const BundleFacts& facts, const Policy& policy) {
    if (facts.image.empty()) {
        if (auto made = make_root(facts); !made) {
            return made;
        }
    }
    const ordered_json config{
        {"ociVersion", "1.0.2"},
        {"process", process_of(facts)},
        {"root", {{"path", facts.image.empty() ? "rootfs" : facts.image}, {"readonly", true}}},
        {"hostname", "cellblock"},
        {"mounts", mounts_of(facts, policy)},
        {"linux", linux_of(facts)}};
    const std::string path = facts.folder + "/config.json";
    std::ofstream file(path);
    file << config.dump(2, ' ', false, ordered_json::error_handler_t::replace);
    file.close();
    return file ? Status(Ok{}) : errno_error("write " + path);
}

std::vector<std::string> groups_of_runtime(const std::string& name) {
    std::vector<std::string> folders;
    for (const auto& place : cgroup_places()) {
        folders.push_back(place.folder + "/" + name);
    }
    return folders;
}

}  // namespace cellblock::sandbox
