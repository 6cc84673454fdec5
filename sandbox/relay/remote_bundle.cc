// Packing it.
#include "sandbox/relay/remote_bundle.h"

#include <sys/resource.h>
#include <sys/utsname.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <sstream>

#include "sandbox/base/resources.h"
#include "sandbox/base/text.h"
#include "sandbox/jail/limits.h"
#include "sandbox/jail/plan.h"
#include "sandbox/jail/seccomp.h"
#include "sandbox/relay/copies.h"

namespace cellblock::sandbox::relay {

namespace {

namespace fs = std::filesystem;
using nlohmann::json;

// Names as Python's module `resource` has them.
const std::map<int, const char*>& resource_names() {
    static const std::map<int, const char*> names{{RLIMIT_CORE, "RLIMIT_CORE"},
                                                  {RLIMIT_NPROC, "RLIMIT_NPROC"},
                                                  {RLIMIT_NOFILE, "RLIMIT_NOFILE"},
                                                  {RLIMIT_FSIZE, "RLIMIT_FSIZE"},
                                                  {RLIMIT_DATA, "RLIMIT_DATA"},
                                                  {RLIMIT_STACK, "RLIMIT_STACK"},
                                                  {RLIMIT_MEMLOCK, "RLIMIT_MEMLOCK"},
                                                  {RLIMIT_MSGQUEUE, "RLIMIT_MSGQUEUE"},
                                                  {RLIMIT_RTPRIO, "RLIMIT_RTPRIO"},
                                                  {RLIMIT_NICE, "RLIMIT_NICE"},
                                                  {RLIMIT_AS, "RLIMIT_AS"}};
    return names;
}

json limits_of(const Policy& policy, const RemoteBundleOptions& options) {
    json limits = json::object();
    for (const auto& limit : jail::resource_limits(policy.limits, !options.watches_memory)) {
        const auto name = resource_names().find(limit.resource);
        // Of a user's processes all count, also those of other sandboxes.
        if (name != resource_names().end() && (limit.resource != RLIMIT_NPROC || options.counts_processes)) {
            limits[name->second] = limit.value;
        }
    }
    return limits;
}

// The jail's filter, for a machine of the same kind. Where processes aren't alone, as in a jail without
// namespaces.
Result<json> filter_of(const RemoteBundleOptions& options) {
    jail::FilterOptions wanted;
    wanted.memory_is_limited = options.memory_is_limited;
    wanted.namespaces = options.private_processes;
    wanted.own_user = options.private_processes;
    CELLBLOCK_ASSIGN_OR_RETURN(auto filter, jail::build_filter(wanted));
    const std::string_view bytes(reinterpret_cast<const char*>(filter.data()),
                                 filter.size() * sizeof(sock_filter));
    utsname name{};
    ::uname(&name);
    return json{{"machine", name.machine}, {"program", hex(bytes)}};
}

json facts_of(const Policy& policy, const RemoteBundleOptions& options, json filter) {
    json environment = json::object();
    for (const auto& variable : jail::cell_environment(policy)) {
        const auto equals = variable.find('=');
        environment[variable.substr(0, equals)] = variable.substr(equals + 1);
    }
    if (!options.host_path) {
        environment.erase("PATH");
    }
    const std::uint64_t watched = options.watches_memory ? policy.limits.memory_bytes : 0;
    return {{"environment", environment},
            {"memory", watched},
            {"limits", limits_of(policy, options)},
            {"filter", std::move(filter)},
            {"allow_unenforced", policy.allow_unenforced},
            {"name", options.name},
            {"private", options.private_processes},
            {"connections", options.connections},
            {"proxy_port", jail::kProxyPort}};
}

Result<std::string> text_of(const fs::path& path) {
    std::ifstream file(path, std::ios::binary);
    std::ostringstream text;
    text << file.rdbuf();
    if (!file || text.str().empty()) {
        return Error{"read " + path.string(), 0, "it can't be read", "Reinstall cellblock"};
    }
    return text.str();
}

void add_number(std::string& out, std::size_t value) {
    for (int shift = 24; shift >= 0; shift -= 8) {
        out += static_cast<char>(value >> shift & 0xff);
    }
}

Result<std::map<std::string, std::string>> files_of(const fs::path& folder) {
    std::map<std::string, std::string> files;
    std::error_code failed;
    std::vector<fs::path> paths{folder / "remote/__init__.py", folder / "remote/mux.py",
                                folder / "remote/connections.py", folder / "remote/warden.py"};
    for (fs::directory_iterator one(folder / "cellblock_worker", failed), end; !failed && one != end;
         one.increment(failed)) {
        if (one->path().extension() == ".py") {
            paths.push_back(one->path());
        }
    }
    for (const auto& path : paths) {
        auto text = text_of(path);
        // A package's empty file is one too.
        if (!text && path.filename() != "__init__.py") {
            return text.error();
        }
        files[path.lexically_relative(folder).string()] = text ? *text : "";
    }
    return files;
}

}  // namespace

Result<RemoteBundle> pack_remote_bundle(const Policy& policy, const RemoteBundleOptions& options) {
    CELLBLOCK_ASSIGN_OR_RETURN(auto folder, python_directory());
    auto first = text_of(fs::path(folder) / "remote/start.py");
    auto files = files_of(folder);
    if (!first || !files) {
        return first ? files.error() : first.error();
    }
    CELLBLOCK_ASSIGN_OR_RETURN(auto filter, filter_of(options));
    (*files)["facts.json"] =
        facts_of(policy, options, std::move(filter)).dump(-1, ' ', true, json::error_handler_t::replace);
    for (const auto& copy : options.copies) {
        CELLBLOCK_RETURN_IF_ERROR(add_copies(copy, policy.limits.disk_bytes, *files));
    }
    RemoteBundle packed;
    packed.bootstrap = "import os\nb=b''\nwhile len(b)<" + std::to_string(first->size()) +
                       ":\n p=os.read(0," + std::to_string(first->size()) +
                       "-len(b))\n if not p:raise SystemExit(1)\n b+=p\n"
                       "exec(compile(b,'remote/start.py','exec'))";
    packed.program = *first;
    add_number(packed.program, files->size());
    for (const auto& [name, text] : *files) {
        add_number(packed.program, name.size());
        packed.program += name;
        add_number(packed.program, text.size());
        packed.program += text;
    }
    return packed;
}

}  // namespace cellblock::sandbox::relay
