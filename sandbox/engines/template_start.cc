// The steps of a start.
#include "sandbox/engines/template_start.h"

#include <sys/stat.h>

#include <algorithm>
#include <filesystem>
#include <fstream>

#include "sandbox/base/resources.h"
#include "sandbox/base/subprocess.h"
#include "sandbox/engines/fill_document.h"
#include "sandbox/engines/oci_bundle.h"
#include "sandbox/engines/owner.h"
#include "sandbox/relay/mux.h"
#include "sandbox/relay/remote_bundle.h"

namespace cellblock::sandbox {

namespace {

namespace fs = std::filesystem;

// Cells may write below /work alone, so that is where a copy can lie.
Result<std::vector<relay::Copy>> copies_of(const Policy& policy, const StartOptions& options) {
    CELLBLOCK_ASSIGN_OR_RETURN(auto files, copied_files(policy, options));
    std::vector<relay::Copy> copies;
    for (const auto& one : files) {
        if (!jail::is_inside("/" + one.target, "/work")) {
            return Error{
                "files: \"/" + one.target + "\"", 0, "this engine can have a copy of a folder only at /work",
                "Choose /work or a path below it, set its mode to \"read\", or use the native engine"};
        }
        relay::Copy copy{one.source, one.target == "work" ? "" : one.target.substr(5), {}};
        for (const auto& left_out : one.left_out) {
            copy.left_out.insert(left_out.path);
        }
        copies.push_back(std::move(copy));
    }
    return copies;
}

bool can_be_entered_by_all(const std::string& path) {
    for (auto above = fs::path(path).parent_path(); above.has_relative_path(); above = above.parent_path()) {
        struct stat info {};
        if (::stat(above.c_str(), &info) != 0 || (info.st_mode & S_IXOTH) == 0) {
            return false;
        }
    }
    return true;
}

// Does a word of the command that always stands there have the placeholder?
bool always_needs(const EngineTemplate& from, const std::string& placeholder) {
    return std::any_of(from.argv.begin(), from.argv.end(), [&](const Words& part) {
        return !part.grouped && part.words.front().find(placeholder) != std::string::npos;
    });
}

bool uses_destination(const EngineTemplate& from) {
    return std::any_of(from.argv.begin(), from.argv.end(), [](const Words& part) {
        return std::any_of(part.words.begin(), part.words.end(), [](const std::string& word) {
            return word.find("{destination}") != std::string::npos;
        });
    });
}

}  // namespace

Promises promises_of(const EngineTemplate& from) {
    return {from.name,     from.isolation,         from.enforces, from.layers,
            from.children, from.private_processes, from.own_user, uses_destination(from)};
}

RelayedFacts facts_of(const EngineTemplate& from, const jail::Cgroup& cgroup) {
    return {layers_of(promises_of(from), cgroup), from.children,
            "`cellblock engines` tells whether " + from.name + " is usable at all. " + from.needs};
}

TemplateStart::TemplateStart(const EngineTemplate& from, const Policy& policy, const StartOptions& options)
    : template_(from),
      policy_(policy),
      options_(options),
      promises_(promises_of(from)),
      identity_(jail::choose_identity()),
      values_(values_of(policy, from)) {
    values_.texts["name"] = new_sandbox_name();
    if (from.children) {
        Limits limits = policy.limits;
        limits.processes += from.extra_processes;
        cgroup_ = jail::Cgroup::make(limits);
    }
}

TemplateStart::~TemplateStart() {
    if (!done_) {
        cgroup_.remove();
        std::error_code ignored;
        for (const auto& folder : spec_.folders) {
            fs::remove_all(folder, ignored);
        }
    }
}

Result<std::unique_ptr<Sandbox>> TemplateStart::run() {
    CELLBLOCK_RETURN_IF_ERROR(prepare());
    CELLBLOCK_ASSIGN_OR_RETURN(auto relay, relay::launch(spec_));
    done_ = true;
    return std::unique_ptr<Sandbox>(std::make_unique<RelayedSandbox>(
        std::move(relay), relay::for_clearing(spec_), cgroup_, facts_of(template_, cgroup_)));
}

Result<TemplateStart::Launch> TemplateStart::prepare_launch() {
    CELLBLOCK_RETURN_IF_ERROR(prepare());
    done_ = true;
    return Launch{std::move(spec_), std::move(cgroup_)};
}

Status TemplateStart::prepare() {
    if (program_path(template_.argv.front().words.front()).empty()) {
        return Error{"engine \"" + template_.name + "\"", 0,
                     "there is no program " + template_.argv.front().words.front() + " on PATH",
                     template_.needs};
    }
    CELLBLOCK_RETURN_IF_ERROR(check_promises(policy_, promises_, cgroup_));
    CELLBLOCK_RETURN_IF_ERROR(check_given());
    const bool shows_host = template_.host_files && values_.texts["image"].empty();
    CELLBLOCK_ASSIGN_OR_RETURN(auto python, shows_host ? show_host() : show_files());
    CELLBLOCK_RETURN_IF_ERROR(pack(python, shows_host));
    CELLBLOCK_RETURN_IF_ERROR(template_.files.empty() ? Status(Ok{}) : write_own_files());
    CELLBLOCK_RETURN_IF_ERROR(template_.bundle ? make_bundle() : Status(Ok{}));
    fill_spec();
    return Ok{};
}

void TemplateStart::fill_spec() {
    spec_.command = fill(template_.argv, values_);
    spec_.kill = fill(template_.kill, values_);
    if (const auto program = cellblock_program(); program && !template_.list.empty()) {
        spec_.sweep = {*program, "clean", "--quiet", template_.name};
        if (!policy_.destination.empty()) {
            spec_.sweep.push_back("--destination=" + policy_.destination);
        }
    }
    spec_.cgroup_files = cgroup_.files_to_join();
    spec_.cgroup_folders = cgroup_.folders();
    if (template_.bundle) {
        const auto more = groups_of_runtime(values_.texts["name"]);
        spec_.cgroup_folders.insert(spec_.cgroup_folders.end(), more.begin(), more.end());
    }
    if (template_.children && !template_.private_processes && folder_.empty()) {
        std::error_code failed;  // the far end's, which may be killed before it can remove it
        spec_.folders.push_back(
            (fs::temp_directory_path(failed) / ("cellblock-far-" + values_.texts["name"])).string());
    }
}

Status TemplateStart::pack(const std::string& python, bool shows_host) {
    CELLBLOCK_ASSIGN_OR_RETURN(auto copies, copies_of(policy_, options_));
    // Elsewhere the loopback may be another machine's, whose users could use the proxy.
    if (policy_.network.any() && enforces(promises_, "network.allow")) {
        spec_.connections = policy_.network.connections + relay::kSpareConnections;
    }
    CELLBLOCK_ASSIGN_OR_RETURN(
        auto remote,
        relay::pack_remote_bundle(
            policy_, {values_.texts["name"], template_.private_processes, watches_memory(promises_, cgroup_),
                      counts_processes(promises_, cgroup_), limits_memory(promises_, cgroup_), shows_host,
                      spec_.connections, std::move(copies)}));
    add_start(python, remote.bootstrap, values_);
    spec_.program = std::move(remote.program);
    return Ok{};
}

// Some engines go nowhere without what only the policy can say.
Status TemplateStart::check_given() {
    for (const char* key : {"image", "destination"}) {
        if (always_needs(template_, std::string("{") + key + "}") && values_.texts[key].empty()) {
            return Error{"engine \"" + template_.name + "\"", 0,
                         std::string("it needs the policy's key \"") + key + "\"", template_.needs};
        }
    }
    return Ok{};
}

// Its root is made of the host's files.
Result<std::string> TemplateStart::show_host() {
    CELLBLOCK_ASSIGN_OR_RETURN(auto python, jail::find_python(policy_.python));
    CELLBLOCK_RETURN_IF_ERROR(need_folder());
    CELLBLOCK_ASSIGN_OR_RETURN(root_, host_root(policy_, options_, python, folder_));
    // There the engine mounts what cells may write to, over all that was shown before.
    for (const auto& bind : root_.binds) {
        for (const char* place : {"/tmp", "/dev", "/proc"}) {
            if (jail::is_inside(bind.sandbox, place)) {
                return Error{
                    "engine \"" + template_.name + "\"", 0,
                    bind.sandbox + " can't be shown: " + place + " is the sandbox's own with this engine",
                    "A virtual environment or a folder must lie elsewhere on the host; or use the native "
                    "engine"};
            }
        }
    }
    if (identity_.privileged && (template_.spare_user || template_.bundle)) {
        bring_within_reach();
    }
    if (identity_.privileged && template_.spare_user) {
        spec_.user = identity_.user;
        spec_.group = identity_.group;
    }
    add_root(root_, values_);
    return python.program;
}

Result<std::string> TemplateStart::show_files() {
    CELLBLOCK_ASSIGN_OR_RETURN(auto shown, shown_files(policy_, options_));
    const bool leaves_out =
        std::any_of(shown.begin(), shown.end(), [](const auto& step) { return !step.left_out.empty(); });
    CELLBLOCK_RETURN_IF_ERROR(leaves_out ? need_folder() : Status(Ok{}));
    CELLBLOCK_ASSIGN_OR_RETURN(root_, root_of_shown(shown, folder_));
    add_root(root_, values_);
    return policy_.python.empty() ? std::string("python3") : policy_.python;
}

// The sandbox's user may not enter another's home; what is to be shown of it is mounted elsewhere first.
void TemplateStart::bring_within_reach() {
    for (auto& bind : root_.binds) {
        if (can_be_entered_by_all(bind.host)) {
            continue;
        }
        const std::string place = folder_ + "/shown-" + std::to_string(spec_.mounts.size());
        std::error_code failed;
        if (fs::is_directory(bind.host, failed)) {
            fs::create_directory(place, failed);
        } else {
            const std::ofstream touched(place);
        }
        spec_.mounts.insert(spec_.mounts.end(), {bind.host, place});
        bind.host = place;
    }
}

Status TemplateStart::need_folder() {
    if (folder_.empty()) {
        CELLBLOCK_ASSIGN_OR_RETURN(auto made, make_folder(values_.texts["name"]));
        folder_ = made;
        spec_.folders.push_back(folder_);
    }
    return Ok{};
}

Status TemplateStart::write_own_files() {
    if (auto made = need_folder(); !made) {
        return made;
    }
    values_.texts["folder"] = folder_;
    std::error_code failed;
    fs::create_directory(folder_ + "/scratch", failed);
    for (const auto& one : template_.files) {
        const std::string path = folder_ + "/" + one.name;
        std::ofstream file(path);
        file << (one.is_document ? fill_document(one.text, values_) : fill_word(one.text, values_));
        file.close();
        if (!file) {
            return errno_error("write " + path);
        }
    }
    return Ok{};
}

Status TemplateStart::make_bundle() {
    if (auto made = need_folder(); !made) {
        return made;
    }
    values_.texts["bundle"] = folder_;
    values_.texts["state"] = folder_ + "/state";
    std::ofstream(folder_ + "/engine") << template_.name;
    return write_bundle({folder_, values_.texts["image"], root_, identity_, values_.lists["start.word"]},
                        policy_);
}

}  // namespace cellblock::sandbox
