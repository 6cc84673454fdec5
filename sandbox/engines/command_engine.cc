// Filling a template, and starting what it says.
#include "sandbox/engines/command_engine.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <random>
#include <sstream>

#include "sandbox/base/file_text.h"
#include "sandbox/base/resources.h"
#include "sandbox/engines/bundle.h"
#include "sandbox/engines/fill.h"
#include "sandbox/engines/host_root.h"
#include "sandbox/engines/owner.h"
#include "sandbox/engines/promises.h"
#include "sandbox/engines/relayed_sandbox.h"
#include "sandbox/jail/identity.h"
#include "sandbox/relay/command.h"
#include "sandbox/relay/far_end.h"
#include "sandbox/relay/run_command.h"

namespace cellblock::sandbox {

namespace {

using namespace std::chrono_literals;

constexpr auto kTimeToProbe = 20s;
constexpr auto kTimeToList = 20s;
constexpr auto kTimeToRemove = 30s;
// Drawn for engines that let us choose: fit for every namespace, and likely nobody's.
constexpr unsigned kFirstUser = 20000;
constexpr unsigned kUsers = 40000;
constexpr std::uint64_t kMiB = 1ULL << 20;

Promises promises_of(const EngineTemplate& from) {
    return {from.name,     from.isolation,         from.enforces, from.layers,
            from.children, from.private_processes, from.own_user};
}

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

// Cells may write below /work alone, so that is where a copy can lie.
Result<std::vector<relay::Copy>> copies_of(const Policy& policy, const StartOptions& options) {
    auto files = copied_files(policy, options);
    if (!files) {
        return files.error();
    }
    std::vector<relay::Copy> copies;
    for (const auto& one : *files) {
        if (one.sandbox != "/work" && !one.sandbox.starts_with("/work/")) {
            return Error{
                "files: \"" + one.sandbox + "\"", 0, "this engine can have a copy of a folder only at /work",
                "Choose /work or a path below it, set its mode to \"read\", or use the native engine"};
        }
        copies.push_back({one.host, one.sandbox == "/work" ? "" : one.sandbox.substr(6)});
    }
    return copies;
}

// A start on its way: what must be taken back if it fails.
class Start {
public:
    Start(const EngineTemplate& from, const Policy& policy, const StartOptions& options)
        : template_(from), policy_(policy), options_(options) {
        if (from.children) {
            Limits limits = policy.limits;
            limits.processes += from.extra_processes;
            cgroup_ = jail::Cgroup::make(limits);
        }
        auto& texts = values_.texts;
        texts["name"] = new_sandbox_name();
        texts["image"] = policy.image.empty() ? from.image : policy.image;
        texts["destination"] = policy.destination;
        texts["uid"] = std::to_string(kFirstUser + std::random_device()() % kUsers);
        const char* path = std::getenv("PATH");
        texts["path"] = path == nullptr ? "/usr/bin:/bin" : path;
        texts["owner"] = std::to_string(::getpid());
        texts["seconds"] = std::to_string(24 * 3600);
        for (const char* list : {"bind.host", "bind.sandbox", "link.text", "link.path"}) {
            values_.lists[list];
        }
        add_limits(policy.limits, values_);
    }
    ~Start() {
        if (!done_) {
            cgroup_.remove();
            std::error_code ignored;
            for (const auto& folder : spec_.folders) {
                std::filesystem::remove_all(folder, ignored);
            }
        }
    }
    Start(const Start&) = delete;
    Start& operator=(const Start&) = delete;

    Result<std::unique_ptr<Sandbox>> run() {
        const auto promises = promises_of(template_);
        if (auto kept = check_promises(policy_, promises, cgroup_); !kept) {
            return kept.error();
        }
        if (auto given = check_given(); !given) {
            return given.error();
        }
        const bool shows_host = template_.host_files && values_.texts["image"].empty();
        auto python = shows_host ? show_host() : show_files();
        if (!python) {
            return python.error();
        }
        auto copies = copies_of(policy_, options_);
        if (!copies) {
            return copies.error();
        }
        auto far_end = relay::pack_far_end(
            policy_, {values_.texts["name"], template_.private_processes, watches_memory(promises, cgroup_),
                      counts_processes(promises, cgroup_), !cgroup_.limits_memory().empty(), shows_host,
                      std::move(*copies)});
        if (!far_end) {
            return far_end.error();
        }
        add_start(*python, far_end->bootstrap, values_);
        if (!template_.file_text.empty()) {
            if (auto written = write_own_file(); !written) {
                return written.error();
            }
        }
        if (template_.bundle) {
            if (auto written = make_bundle(); !written) {
                return written.error();
            }
        }
        if (template_.children && !template_.private_processes && folder_.empty()) {
            std::error_code failed;  // the far end's, which may be killed before it can remove it
            spec_.folders.push_back(
                (std::filesystem::temp_directory_path(failed) / values_.texts["name"]).string());
        }
        spec_.program = std::move(far_end->program);
        spec_.command = fill(template_.argv, values_);
        spec_.kill = fill(template_.kill, values_);
        if (const auto program = cellblock_program(); program && !template_.list.empty()) {
            spec_.sweep = {*program, "clean", "--quiet", template_.name};
        }
        spec_.cgroup_procs = cgroup_.procs_files();
        spec_.cgroup_folders = cgroup_.folders();
        auto relay = relay::launch(spec_);
        spec_.program.clear();
        if (!relay) {
            return relay.error();
        }
        done_ = true;
        RelayedFacts facts{layers_of(promises, cgroup_), template_.children, template_.needs};
        return std::unique_ptr<Sandbox>(
            std::make_unique<RelayedSandbox>(std::move(*relay), spec_, cgroup_, std::move(facts)));
    }

private:
    // Some engines go nowhere without what only the policy can say.
    Status check_given() {
        for (const char* key : {"image", "destination"}) {
            const std::string placeholder = std::string("{") + key + "}";
            const bool needed =
                std::any_of(template_.argv.begin(), template_.argv.end(), [&](const Words& part) {
                    return !part.grouped && part.words.front().find(placeholder) != std::string::npos;
                });
            if (needed && values_.texts[key].empty()) {
                return Error{"engine \"" + template_.name + "\"", 0,
                             std::string("it needs the policy's key \"") + key + "\"", template_.needs};
            }
        }
        return Ok{};
    }

    // Its root is made of the host's files. Gives the Python's path.
    Result<std::string> show_host() {
        auto python = jail::find_python(policy_.python);
        if (!python) {
            return python.error();
        }
        if (auto made = need_folder(); !made) {
            return made.error();
        }
        auto root = host_root(policy_, options_, *python, folder_);
        if (!root) {
            return root.error();
        }
        root_ = std::move(*root);
        if (identity_.privileged && (template_.spare_user || template_.bundle)) {
            bring_within_reach();
        }
        if (identity_.privileged && template_.spare_user) {
            spec_.user = identity_.user;
            spec_.group = identity_.group;
        }
        add_root(root_, values_);
        return python->program;
    }

    Status need_folder() {
        if (folder_.empty()) {
            auto made = make_folder(values_.texts["name"]);
            if (!made) {
                return made.error();
            }
            folder_ = *made;
            spec_.folders.push_back(folder_);
        }
        return Ok{};
    }

    // The sandbox's user may not enter another's home; what is to be shown of it is mounted elsewhere first.
    void bring_within_reach() {
        for (auto& bind : root_.binds) {
            if (can_be_entered_by_all(bind.host)) {
                continue;
            }
            const std::string place = folder_ + "/shown-" + std::to_string(spec_.mounts.size());
            std::error_code failed;
            if (std::filesystem::is_directory(bind.host, failed)) {
                std::filesystem::create_directory(place, failed);
            } else {
                const std::ofstream touched(place);
            }
            spec_.mounts.insert(spec_.mounts.end(), {bind.host, place});
            bind.host = place;
        }
    }

    static bool can_be_entered_by_all(const std::string& path) {
        for (auto above = std::filesystem::path(path).parent_path(); above.has_relative_path();
             above = above.parent_path()) {
            struct stat info {};
            if (::stat(above.c_str(), &info) != 0 || (info.st_mode & S_IXOTH) == 0) {
                return false;
            }
        }
        return true;
    }

    Status write_own_file() {
        if (auto made = need_folder(); !made) {
            return made;
        }
        values_.texts["folder"] = folder_;
        values_.texts["file"] = folder_ + "/file";
        std::error_code failed;
        std::filesystem::create_directory(folder_ + "/scratch", failed);
        std::ofstream file(folder_ + "/file");
        file << fill_word(template_.file_text, values_);
        file.close();
        return file ? Status(Ok{}) : errno_error("write " + folder_ + "/file");
    }

    Status make_bundle() {
        if (auto made = need_folder(); !made) {
            return made;
        }
        values_.texts["bundle"] = folder_;
        values_.texts["state"] = folder_ + "/state";
        std::ofstream(folder_ + "/engine") << template_.name;
        return write_bundle({folder_, values_.texts["image"], root_, identity_, values_.lists["start.word"]},
                            policy_);
    }

    Result<std::string> show_files() {
        auto binds = shown_files(policy_, options_);
        if (!binds) {
            return binds.error();
        }
        root_ = {std::move(*binds), {}};
        add_root(root_, values_);
        return policy_.python.empty() ? std::string("python3") : policy_.python;
    }

    const EngineTemplate& template_;
    const Policy& policy_;
    const StartOptions& options_;
    jail::Cgroup cgroup_;
    Values values_;
    jail::Identity identity_ = jail::choose_identity();
    std::string folder_;
    HostRoot root_;
    relay::Spec spec_;
    bool done_ = false;
};

Values values_for_probe(const Policy& policy, const EngineTemplate& from) {
    Values values;
    values.texts["image"] = policy.image.empty() ? from.image : policy.image;
    values.texts["destination"] = policy.destination;
    return values;
}

// A runtime keeps what it knows of a container beside the bundle; it must remove it itself.
int clean_bundles(const EngineTemplate& from) {
    int count = 0;
    for (const auto& folder : orphaned_folders()) {
        if (file_text(folder + "/engine") == from.name) {
            Values values;
            values.texts = {{"name", std::filesystem::path(folder).filename().string()},
                            {"bundle", folder},
                            {"state", folder + "/state"}};
            relay::Spec spec;
            spec.kill = fill(from.kill, values);
            spec.folders = {folder};
            relay::clear_away(spec);
            ++count;
        }
    }
    return count;
}

}  // namespace

EngineFacts CommandEngine::facts() const {
    return {template_.description, template_.isolation, template_.enforces, template_.children};
}

Status CommandEngine::check(const Policy& policy) {
    auto cgroup = template_.children ? jail::Cgroup::make(policy.limits) : jail::Cgroup();
    auto kept = check_promises(policy, promises_of(template_), cgroup);
    cgroup.remove();
    if (!kept) {
        return kept;
    }
    const auto argv = fill(template_.probe, values_for_probe(policy, template_));
    const auto probed = relay::run_command(argv, kTimeToProbe);
    if (!probed.ok) {
        return Error{"engine \"" + template_.name + "\"", 0, probed.why, template_.needs};
    }
    return Ok{};
}

int CommandEngine::clean() {
    if (template_.bundle) {
        return clean_bundles(template_);
    }
    if (template_.list.empty() || template_.kill.empty()) {
        return 0;
    }
    Values values;
    const auto listed = relay::run_command(fill(template_.list, values), kTimeToList);
    std::istringstream lines(listed.ok ? listed.output : "");
    int count = 0;
    for (std::string name; lines >> name;) {
        name = name.substr(name.rfind('/') + 1);  // `kubectl … -o name` says pod/NAME
        if (is_orphan(name)) {
            values.texts["name"] = name;
            count += relay::run_command(fill(template_.kill, values), kTimeToRemove).ok ? 1 : 0;
        }
    }
    return count;
}

Result<std::unique_ptr<Sandbox>> CommandEngine::start(const Policy& policy, const StartOptions& options) {
    if (!relay::is_program(template_.argv.front().words.front())) {
        return Error{"engine \"" + template_.name + "\"", 0,
                     "there is no program " + template_.argv.front().words.front() + " on PATH",
                     template_.needs};
    }
    sweep_folders();
    (void)(template_.bundle ? clean_bundles(template_) : 0);
    return Start(template_, policy, options).run();
}

}  // namespace cellblock::sandbox
