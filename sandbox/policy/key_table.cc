// The rows of the table. Their order is that of `cellblock policy show` and of the reference.
#include "sandbox/policy/key_table.h"

#include <algorithm>
#include <array>
#include <cctype>

#include "sandbox/base/machine.h"
#include "sandbox/policy/file_keys.h"
#include "sandbox/policy/key_readers.h"
#include "sandbox/policy/key_values.h"
#include "sandbox/policy/network_keys.h"

namespace cellblock::sandbox {

namespace {

using namespace std::chrono_literals;
using nlohmann::json;
using nlohmann::ordered_json;
using std::chrono::milliseconds;

PolicyKey duration_key(const std::string& path, milliseconds Limits::*member, const std::string& fallback,
                       milliseconds least, milliseconds most, std::string meaning) {
    return PolicyKey{path,
                     "duration",
                     '"' + fallback + '"',
                     exact_duration(least) + " to " + exact_duration(most),
                     std::move(meaning),
                     [=](const json& value, Policy& policy) {
                         return store(read_duration(path, value, least, most), policy.limits.*member);
                     },
                     [=](const Policy& policy) { return exact_duration(policy.limits.*member); }};
}

PolicyKey size_key(const std::string& path, std::uint64_t Limits::*member, const std::string& fallback,
                   std::uint64_t least, std::uint64_t most, std::string meaning) {
    return PolicyKey{path,
                     "size",
                     '"' + fallback + '"',
                     exact_size(least) + " to " + exact_size(most),
                     std::move(meaning),
                     [=](const json& value, Policy& policy) {
                         return store(read_size(path, value, least, most), policy.limits.*member);
                     },
                     [=](const Policy& policy) { return exact_size(policy.limits.*member); }};
}

// A key that is one member of Policy, with a reader of its own.
template <class T, class Write>
PolicyKey member_key(std::string path, std::string type, std::string fallback, std::string allowed,
                     T Policy::*member, Result<T> (*read)(const std::string&, const json&), Write write,
                     std::string meaning) {
    return PolicyKey{
        path,
        std::move(type),
        std::move(fallback),
        std::move(allowed),
        std::move(meaning),
        [=](const json& value, Policy& policy) { return store(read(path, value), policy.*member); },
        [=](const Policy& policy) { return write(policy.*member); }};
}

ordered_json same(const ordered_json& value) {
    return value;
}

Result<std::string> read_description(const std::string& path, const json& value) {
    return read_text(path, value, 500);
}

ordered_json write_environment(const std::vector<EnvironmentRule>& rules) {
    ordered_json out = ordered_json::object();
    for (const auto& rule : rules) {
        out[rule.name] = rule.value ? ordered_json(*rule.value) : ordered_json(true);
    }
    return out;
}

ordered_json write_require(const Requirement& require) {
    if (!require.level.empty()) {
        return require.level;
    }
    ordered_json out = ordered_json::array();
    for (const Layer layer : require.layers) {
        out.push_back(name_of(layer));
    }
    return out;
}

ordered_json write_imports(const std::optional<std::vector<std::string>>& names) {
    return names ? ordered_json(*names) : ordered_json("any");
}

PolicyKey processes_key() {
    return PolicyKey{"limits.processes",
                     "whole number",
                     "128",
                     "1 to 65536",
                     "Processes and threads at a time, all together.",
                     [](const json& value, Policy& policy) {
                         return store(read_count("limits.processes", value, 1, 65536),
                                      policy.limits.processes);
                     },
                     [](const Policy& policy) { return policy.limits.processes; }};
}

// --- limits that may be shares of this machine

constexpr std::uint64_t kLeastMemory = 32 * kMiB;
constexpr std::uint64_t kMostMemory = 64 * kTiB;
constexpr double kLeastCpus = 0.01;
constexpr double kMostCpus = 1024;
constexpr const char* kAll = "all";

std::uint64_t memory_of(double share) {
    const auto bytes = static_cast<std::uint64_t>(share * static_cast<double>(machine_memory().total));
    return std::clamp(bytes / kMiB * kMiB, kLeastMemory, kMostMemory);
}

double cpus_of(double share) {
    return std::clamp(share * machine_cpus(), kLeastCpus, kMostCpus);
}

PolicyKey memory_key() {
    return PolicyKey{"limits.memory",
                     "size or share",
                     "\"1GiB\"",
                     exact_size(kLeastMemory) + " to " + exact_size(kMostMemory) + ", or `1%` to `100%`",
                     "Memory of all processes together: a size, or a share of this machine's memory.",
                     [](const json& value, Policy& policy) -> Status {
                         CELLBLOCK_ASSIGN_OR_RETURN(const auto share, read_share("limits.memory", value));
                         policy.limits.memory_share = share.value_or(0);
                         if (share) {
                             policy.limits.memory_bytes = memory_of(*share);
                             return Ok{};
                         }
                         return store(read_size("limits.memory", value, kLeastMemory, kMostMemory),
                                      policy.limits.memory_bytes);
                     },
                     [](const Policy& policy) {
                         const auto& limits = policy.limits;  // a program may have changed the figure
                         const bool is_share =
                             limits.memory_share > 0 && limits.memory_bytes == memory_of(limits.memory_share);
                         return ordered_json(is_share ? exact_share(limits.memory_share)
                                                      : exact_size(limits.memory_bytes));
                     }};
}

PolicyKey cpus_key() {
    return PolicyKey{
        "limits.cpus",
        "number or share",
        "1.0",
        "0.01 to 1024, `1%` to `100%`, or `all`",
        "Processors' worth of time: 0.5 is half of one; a share is of this machine's processors. Libraries "
        "are "
        "told to use as many threads (`OMP_NUM_THREADS` and its like).",
        [](const json& value, Policy& policy) -> Status {
            CELLBLOCK_ASSIGN_OR_RETURN(const auto share, value == kAll ? Result(std::optional(1.0))
                                                                       : read_share("limits.cpus", value));
            policy.limits.cpus_share = share.value_or(0);
            if (share) {
                policy.limits.cpus = cpus_of(*share);
                return Ok{};
            }
            if (!value.is_number()) {
                return wrong_value("limits.cpus", value,
                                   "a number from 0.01 to 1024, a share as \"50%\", or \"all\"");
            }
            return store(read_number("limits.cpus", value, kLeastCpus, kMostCpus), policy.limits.cpus);
        },
        [](const Policy& policy) {
            const auto& limits = policy.limits;
            if (limits.cpus_share <= 0 || limits.cpus != cpus_of(limits.cpus_share)) {
                return ordered_json(limits.cpus);
            }
            return ordered_json(limits.cpus_share == 1.0 ? kAll : exact_share(limits.cpus_share));
        }};
}

std::vector<PolicyKey> limit_keys() {
    return {
        duration_key("limits.cell_time", &Limits::cell_time, "60s", 10ms, 240h,
                     "Wall-clock time of a cell. It stands still while the cell waits for `input()`."),
        duration_key("limits.cell_time_max", &Limits::cell_time_max, "10m", 10ms, 240h,
                     "The most that `%%timeout` may ask for; not below `limits.cell_time`, and raised to it "
                     "where this key isn't given."),
        duration_key("limits.grace_time", &Limits::grace_time, "2s", 10ms, 10min,
                     "Between the interrupt at the deadline and the kill; between a user's interrupt and the "
                     "warning."),
        duration_key("limits.start_time", &Limits::start_time, "60s", 100ms, 1h,
                     "For a sandbox to become ready."),
        memory_key(),
        processes_key(),
        cpus_key(),
        size_key("limits.disk", &Limits::disk_bytes, "256MiB", kMiB, 64 * kTiB,
                 "All that is written: the working directory, `/tmp`, overlays."),
        size_key("limits.output", &Limits::output_bytes, "16MiB", kKiB, 4 * kGiB,
                 "Output of one cell, figures included; the rest is cut with a notice."),
        size_key("limits.code", &Limits::code_bytes, "64KiB", kKiB, 8 * kMiB, "Source of one cell."),
    };
}

// What a front end shows as text, picture or table, without running or loading anything for it.
constexpr const char* kShownByDefault =
    R"(["text/plain", "text/html", "text/markdown", "text/latex", "image/png", "image/jpeg", "image/gif", )"
    R"("image/webp", "image/svg+xml", "application/json", "application/vnd.jupyter.widget-view+json", )"
    R"("application/vnd.plotly.v1+json", "application/vnd.vegalite.v4+json", "application/vnd.vegalite.v5+json", )"
    R"("application/vnd.vegalite.v6+json", "application/vnd.vegalite.v6.json", "application/vnd.vscode.bg.execution.*"])";

std::vector<PolicyKey> output_keys() {
    return {
        PolicyKey{
            "outputs.html", "choice", "\"sanitize\"", "`sanitize`, `drop` or `trust`",
            "HTML, SVG and Markdown in outputs. `sanitize`: an allowlist of elements, attributes and "
            "styles; nothing runs, nothing is loaded. `drop`: neither HTML nor SVG. `trust`: as the cell "
            "made it, which may do in your browser whatever you may.",
            [](const json& value, Policy& policy) {
                return store(read_html_rule("outputs.html", value), policy.outputs.html);
            },
            [](const Policy& policy) { return ordered_json(name_of(policy.outputs.html)); }},
        PolicyKey{
            "outputs.mime", "list of text", kShownByDefault, "at most 64 MIME types",
            "Types of output that are let through; `.*` at the end takes in a family. Others are left out, "
            "with a notice. Figures of plotly and vega-lite (altair) are judged as a whole: what would load, "
            "link or run is refused, unless `outputs.html` is `trust`. VS Code's view of variables asks by "
            "the "
            "family of its own.",
            [](const json& value, Policy& policy) {
                return store(read_mime_types("outputs.mime", value), policy.outputs.mime);
            },
            [](const Policy& policy) { return ordered_json(policy.outputs.mime); }},
        PolicyKey{"outputs.comms", "list of text", "[]", "at most 64 names of targets",
                  "Targets that a cell may open a comm for. Widgets need `jupyter.widget`.",
                  [](const json& value, Policy& policy) {
                      return store(read_comm_targets("outputs.comms", value), policy.outputs.comms);
                  },
                  [](const Policy& policy) { return ordered_json(policy.outputs.comms); }},
    };
}

// --- the rows of `packages`

template <class T>
std::function<Status(const json&, Policy&)> into(T PackageRules::*member,
                                                 std::function<Result<T>(const json&)> read) {
    return [=](const json& value, Policy& policy) -> Status {
        CELLBLOCK_ASSIGN_OR_RETURN(policy.packages.*member, read(value));
        return Ok{};
    };
}

// It is written into an argument of pip's, and connected to from outside of the cells' sandbox.
bool is_index(std::string_view text) {
    constexpr auto kStarts =
        std::to_array<std::string_view>({"https://", "http://127.0.0.1", "http://localhost", "http://[::1]"});
    const auto* start = std::find_if(kStarts.begin(), kStarts.end(),
                                     [&](std::string_view one) { return text.starts_with(one); });
    if (start == kStarts.end() || text.size() > 500 || text.size() == start->size()) {
        return false;
    }
    const std::string_view rest = text.substr(start->size());
    const bool whole_host = start->ends_with('/') || rest.front() == ':' || rest.front() == '/';
    return whole_host && rest.front() != '-' && std::all_of(rest.begin(), rest.end(), [](unsigned char c) {
               return std::isalnum(c) != 0 ||
                      std::string_view("._~:/%+-").find(static_cast<char>(c)) != std::string_view::npos;
           });
}

Result<std::string> read_index(const json& value) {
    auto text = read_text("packages.index", value, 500);
    if (!text || !is_index(*text)) {
        return wrong_value("packages.index", value,
                           "an address as \"https://pypi.org/simple\": https, or http on this machine's own "
                           "loopback, without a user's name");
    }
    return text;
}

std::vector<PolicyKey> package_keys() {
    return {
        PolicyKey{"packages.allow", "list of text", "[]", "at most 64 packages, or `*`",
                  "What cells may install with `%pip install`: names with version ranges (`pandas>=2,<3`). "
                  "Wheels only; they are fetched and unpacked outside of the cells' sandbox, in one of their "
                  "own, and vanish with the session.",
                  into<std::vector<std::string>>(
                      &PackageRules::allow,
                      [](const json& value) { return read_packages("packages.allow", value); }),
                  [](const Policy& policy) { return ordered_json(policy.packages.allow); }},
        PolicyKey{"packages.dependencies", "true or false", "true", "",
                  "Whether packages that allowed ones need come along though `packages.allow` doesn't name "
                  "them.",
                  into<bool>(&PackageRules::dependencies,
                             [](const json& value) { return read_flag("packages.dependencies", value); }),
                  [](const Policy& policy) { return ordered_json(policy.packages.dependencies); }},
        PolicyKey{"packages.index", "text", "\"https://pypi.org/simple\"",
                  "`https://…`, or `http://` on this machine's loopback; no user name in it",
                  "Where packages come from: an index as pip's `--index-url` names it.",
                  into<std::string>(&PackageRules::index, &read_index),
                  [](const Policy& policy) { return ordered_json(policy.packages.index); }},
        PolicyKey{
            "packages.size", "size", "\"1GiB\"", exact_size(kMiB) + " to " + exact_size(64 * 1024 * kMiB),
            "Of all that one session has installed, unpacked.",
            into<std::uint64_t>(
                &PackageRules::size_bytes,
                [](const json& value) { return read_size("packages.size", value, kMiB, 64 * 1024 * kMiB); }),
            [](const Policy& policy) { return ordered_json(exact_size(policy.packages.size_bytes)); }},
        PolicyKey{"packages.store", "size", "\"4GiB\"",
                  exact_size(kMiB) + " to " + exact_size(1024 * 1024 * kMiB),
                  "Of what is kept unpacked for later sessions; the longest unused go.",
                  into<std::uint64_t>(&PackageRules::store_bytes,
                                      [](const json& value) {
                                          return read_size("packages.store", value, kMiB, 1024 * 1024 * kMiB);
                                      }),
                  [](const Policy& policy) { return ordered_json(exact_size(policy.packages.store_bytes)); }},
        PolicyKey{"packages.time", "duration", "\"5m\"", exact_duration(1s) + " to " + exact_duration(24h),
                  "For one `%pip install`; the cell's own clock stands still meanwhile.",
                  into<std::chrono::milliseconds>(
                      &PackageRules::time,
                      [](const json& value) { return read_duration("packages.time", value, 1s, 24h); }),
                  [](const Policy& policy) { return ordered_json(exact_duration(policy.packages.time)); }},
    };
}

// --- all rows

std::vector<PolicyKey> make_table() {
    std::vector<PolicyKey> table{
        member_key("description", "text", "\"\"", "at most 500 bytes", &Policy::description,
                   &read_description, &same, "For people; it changes nothing."),
        PolicyKey{"engine", "text or list of text", "\"native\"", "at most 8 engines' names",
                  "What makes the container: of a list the first that is usable. `cellblock engines` shows "
                  "which there are.",
                  &read_engines, &write_engines},
        member_key(
            "allow_unenforced", "true or false", "false", "", &Policy::allow_unenforced, &read_flag,
            [](bool value) { return ordered_json(value); },
            "Where the engine can't keep a limit, `network` or `files`, it runs without. Else that is "
            "refused."),
        member_key("image", "text", "\"\"", "at most 500 bytes", &Policy::image, &read_description, &same,
                   "What an engine with images runs, by its name there; for OCI runtimes a folder that is a "
                   "root filesystem. Empty: the engine's own, or the host's files."),
        member_key("destination", "text", "\"\"", "at most 500 bytes, not beginning with -",
                   &Policy::destination, &read_destination, &same,
                   "Where an engine runs that reaches elsewhere: ssh's host, Slurm's partition, Kubernetes' "
                   "namespace."),
        member_key(
            "require", "text or list of text", "\"standard\"",
            "a level (`standard`, `full`, `no-namespaces`) or layers' names", &Policy::require, &read_require,
            &write_require,
            "What the host must give, or nothing runs. Layers: `namespaces`, `root`, `user`, "
            "`capabilities`, `seccomp`, `landlock`, `network`, `rlimits`, and by cgroups `memory`, "
            "`processes`, `cpus`. `full`: all of them. `standard`: those before the cgroups, and of another "
            "engine than `native` what that one has. `cellblock doctor` shows which there are."),
        member_key("python", "text", "\"\"", "an absolute path, a name on PATH, or empty", &Policy::python,
                   &read_python, &same,
                   "Python to run; empty: the one of the virtual or conda environment that cellblock is "
                   "installed in, else the first `python3` on PATH."),
        PolicyKey{
            "preload", "text or list of text", "\"auto\"", "`auto`, or at most 64 modules' dotted names",
            "Modules to import before the first cell. `auto`: what earlier sessions of this Python have "
            "imported, of what is installed in it, and only where it is there already: in warm "
            "sandboxes of the native engine. With `imports`, `auto` is none.",
            &read_preload, &write_preload},
        member_key(
            "warm", "true, false or text", "\"auto\"", "`true`, `false` or `auto`", &Policy::warm, &read_warm,
            &write_warm,
            "Sandboxes come from `cellblock daemon`, which makes some ahead: they start sooner. Those of the "
            "native engine are forks of a Python that has IPython and `preload` imported, in a jail of its "
            "own. Other engines' are started as ever, with `preload` imported inside. `auto`: for the native "
            "engine alone. $CELLBLOCK_DAEMON (1 or 0) goes before this key."),
        PolicyKey{"pool.min", "whole number", "1", "0 to 256",
                  "`warm`: how many sandboxes are made ahead, for the next sessions of this policy. Each is "
                  "one session's, and then gone.",
                  [](const json& value, Policy& policy) {
                      return store(read_count("pool.min", value, 0, 256), policy.pool.min);
                  },
                  [](const Policy& policy) { return ordered_json(policy.pool.min); }},
        PolicyKey{
            "pool.max", "whole number", "8", "0 to 256",
            "The same where many sessions start: up to as many as were started in the last ten seconds.",
            [](const json& value, Policy& policy) {
                return store(read_count("pool.max", value, 0, 256), policy.pool.max);
            },
            [](const Policy& policy) { return ordered_json(policy.pool.max); }},
        member_key("imports", "`any` or list of text", "\"any\"", "at most 64 modules' names without dots",
                   &Policy::imports, &read_imports, &write_imports,
                   "Modules that a cell may import; what these import themselves is not asked. It tells "
                   "people and language models what is meant to be used: a speed bump, no wall."),
    };
    for (auto& key : limit_keys()) {
        table.push_back(std::move(key));
    }
    for (auto& key : output_keys()) {
        table.push_back(std::move(key));
    }
    table.push_back(member_key(
        "network", "`none` or object", "\"none\"",
        "`allow`, `deny`: at most 256 hosts each; `connections`: 1 to 1024; `bytes_out`, `bytes_in`: sizes",
        &Policy::network, &read_network, &write_network,
        "`none`: no network but the sandbox's own loopback. An object: cells reach the hosts of `allow` by a "
        "proxy that is the only way out, and whose address programs find in the usual variables "
        "(`HTTPS_PROXY` "
        "and others). A host is a name (`api.example.org`), all names below one (`*.example.org`, without "
        "`example.org`), any (`*`), or an address (`192.0.2.1`, `[2001:db8::1]`), with a port (`:5432`) or "
        "for "
        "ports 80 and 443. `deny` wins, and is for all ports where it names none. A name that leads to a "
        "private address is refused, unless `allow` "
        "has the address too. A host of `allow` may be an object: `host`, `methods` and `paths` that "
        "requests may have (`/v1/`: all below it), and `header`, which the broker writes by a secret that "
        "stays "
        "on the host: `{\"Authorization\": {\"secret\": \"NAME\", \"prefix\": \"Bearer \"}}`. "
        "`connections` (32) at a time; `bytes_out` (10MiB) and `bytes_in` (1GiB) of a "
        "session. Only on engines that have `network.allow` in `enforces` (`cellblock engines --json`)."));
    for (auto& key : package_keys()) {
        table.push_back(std::move(key));
    }
    table.push_back(member_key(
        "files", "list of objects", "[]", "at most 64 of {`host`, `sandbox`, `mode`, `keep`}", &Policy::files,
        &read_files, &write_files,
        "Files of the host that are seen inside. `host`: absolute, or relative to the session's directory; "
        "`sandbox`: the absolute path inside; `mode`: `read` (the default); `overlay`: may be written, but "
        "what is written vanishes with the session; or, for `/work` and without `host`, `empty`: a folder of "
        "the session's own, which the working directory is too where no entry says anything of it. Not "
        "shown of a folder, unless an entry names it: what begins with a dot directly in it, and keys by "
        "their names (`.ssh`, `.aws`, `.env`, `id_rsa*`, `*.pem`, `*.key` and others), down to three folders "
        "deeper, as they are when the sandbox starts. A home folder, `/` and the system's folders are "
        "refused as a whole. `keep`, of the entry for `/work`: after each cell the host keeps the files that "
        "cells have made or changed there, if they match `patterns` (data, documents and pictures by "
        "default), in the folder `to` (by default `host`): at most `count` (100) of a cell, of `size` "
        "(64MiB) each, and `total` (256MiB) of a session together. A file that no cell made is never "
        "overwritten."));
    table.push_back(member_key(
        "environment", "object", "{}", "at most 64 of `NAME`: text or true", &Policy::environment,
        &read_environment, &write_environment,
        "Variables that the sandbox gets: a value of their own, or `true` for the host's value. Of the "
        "host's environment nothing else passes but `TZ`."));
    table.push_back(member_key(
        "show_usage", "true or false", "false", "", &Policy::show_usage, &read_flag,
        [](bool value) { return ordered_json(value); },
        "Under each cell a line tells what it cost, as `%%usage` in a cell's first line "
        "does for that cell."));
    table.push_back(member_key(
        "debugger", "true or false", "false", "", &Policy::debugger, &read_flag,
        [](bool value) { return ordered_json(value); },
        "A client may debug cells with debugpy, over the sandbox's own loopback. While a cell is stopped at "
        "a "
        "breakpoint its clock stands still. Not together with `audit`, as the log couldn't tell what a "
        "debugger evaluates."));
    table.push_back(member_key(
        "audit", "text", "\"\"", "an absolute path, `~/…`, or empty", &Policy::audit, &read_audit_path, &same,
        "A file to which each cell adds a line: time, digests of policy and code, outcome, "
        "usage, and the digest of the line before. Where it can't be written, no code runs. "
        "`cellblock audit verify PATH` finds what was changed."));
    table.push_back(member_key(
        "history", "choice or text", "\"none\"", "`none`, `keep`, an absolute path, or `~/…`",
        &Policy::history, &read_history, &same,
        "Whether inputs outlive their session. `keep`: in `~/.local/share/cellblock/history.sqlite`, for "
        "this "
        "user alone; a path: there. Consoles then reach earlier sessions' lines, and so do cells, by "
        "`%history -g`."));
    return table;
}

}  // namespace

const std::vector<PolicyKey>& policy_table() {
    static const std::vector<PolicyKey> table = make_table();
    return table;
}

}  // namespace cellblock::sandbox
