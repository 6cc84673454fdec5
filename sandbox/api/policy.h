// Policy: everything that a sandbox may do, in one struct that is read from one JSON document.
//
// A program loads a policy by name or path, may change members of the struct, and passes it to make_engine()
// and to Session:
//
//     auto policy = load_policy("default");        // or "./mine.json"
//     if (!policy) {
//         std::cerr << policy.error().text() << "\n";
//         return 1;
//     }
//     policy->limits.cell_time = 10s;
//     auto engine = make_engine(*policy);
//     Session session(*policy, std::move(engine), {"/home/me/notebooks"});
//
// The meaning, bounds and default of each key are in one table (policy/key_table.cc). Parser, defaults,
// `cellblock policy show` and the reference are made from that table. A member below has its key's name, with
// the unit where the value has one (limits.memory is Limits::memory_bytes).
//
// Everything here is a plain value without shared state: any thread may call these functions. No function
// throws.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "sandbox/api/layers.h"
#include "sandbox/api/result.h"

namespace cellblock::sandbox {

enum class FileMode { read, overlay, empty };
// The treatment of HTML, SVG, Markdown and figures in outputs: cleaned by an allowlist, left out, or passed
// on as the cell made it.
enum class HtmlRule { sanitize, drop, trust };

// Whether sandboxes come from the daemon: never, on every engine, or (automatic) where that costs next to
// nothing, which is the engine `native`.
enum class Warm { off, on, automatic };

// Bounds and rules for a cell's outputs.
struct OutputRules {
    HtmlRule html = HtmlRule::sanitize;
    std::vector<std::string> mime;   // MIME types that are shown; ".*" at the end names a family
    std::vector<std::string> comms;  // targets that a comm may be opened for
};

// Which of the files that cells write in the working directory the host keeps.
struct KeepRules {
    std::string to;  // a folder of the host; absolute, or relative to StartOptions::directory
    std::vector<std::string> patterns;  // of files' names: "*.csv"
    std::uint32_t count = 0;            // of one cell's files
    std::uint64_t size_bytes = 0;       // of one file
    std::uint64_t total_bytes = 0;      // of all of a session's files together
};

// A file or folder of the host that the sandbox sees. `empty`: a folder of the session's own instead, without
// `host`; only the working directory can be one.
struct FileRule {
    std::string host;     // absolute, or relative to StartOptions::directory ("." is that directory)
    std::string sandbox;  // absolute path inside the sandbox
    FileMode mode = FileMode::read;
    std::optional<KeepRules> keep = {};  // only of the working directory
};

// Where cells begin.
inline constexpr const char* kWorkingDirectory = "/work";

// A header that the broker writes into requests, and whose value no cell sees.
struct SecretHeader {
    std::string name;    // "Authorization"
    std::string secret;  // the name that the host knows the value by (network/secrets.h)
    std::string prefix;  // stands before the value: "Bearer "
};

// A host that `network.allow` or `network.deny` names (policy/host_rules.h).
struct HostRule {
    std::string text;         // as the policy has it: "*.example.org:443"
    std::string host;         // in normal form, without "*."; empty: any name
    bool below = false;       // all names below it, and not itself
    bool is_address = false;  // IPv4 or IPv6
    std::uint16_t port = 0;   // 0: 80 and 443
    // Only of `allow`. What requests may be; empty: any. To see it the broker ends the cells' TLS itself.
    std::vector<std::string> methods = {};  // "GET"
    std::vector<std::string> paths = {};    // "/v1/models"; "/v1/": all below it
    std::vector<SecretHeader> headers = {};

    [[nodiscard]] bool restricts() const { return !methods.empty() || !paths.empty(); }
    [[nodiscard]] bool inspects() const { return restricts() || !headers.empty(); }
};

// The hosts that cells may reach, through the broker alone. Without a rule in `allow` there are none.
struct NetworkRules {
    std::vector<HostRule> allow;
    std::vector<HostRule> deny;             // wins
    std::uint32_t connections = 32;         // at a time
    std::uint64_t bytes_out = 10ULL << 20;  // of a session
    std::uint64_t bytes_in = 1ULL << 30;    // of a session

    [[nodiscard]] bool any() const { return !allow.empty(); }
    [[nodiscard]] bool inspects() const {
        return std::any_of(allow.begin(), allow.end(), [](const HostRule& rule) { return rule.inspects(); });
    }
};

// One environment variable of the sandbox. Without a value the host's value passes.
struct EnvironmentRule {
    std::string name;
    std::optional<std::string> value;
};

// How many sandboxes `cellblock daemon` keeps ready for future sessions of this policy.
struct PoolRules {
    std::uint32_t min = 0;  // always
    std::uint32_t max = 0;  // while many sessions start
};

// The packages that cells may install with %pip.
struct PackageRules {
    std::vector<std::string> allow;    // "pandas>=2,<3"; "*" is any package; an empty list allows none
    std::string index;                 // URL of a PEP 503 index
    bool dependencies = true;          // dependencies of allowed packages may be installed too
    std::uint64_t size_bytes = 0;      // bound on everything that one session has installed
    std::uint64_t store_bytes = 0;     // bound on what is kept for all sessions
    std::chrono::milliseconds time{};  // bound on one %pip
};

// The zeros here are no defaults: builtin_policy() has those.
struct Limits {
    std::chrono::milliseconds cell_time{};      // wall-clock time of a cell
    std::chrono::milliseconds cell_time_max{};  // the most that %%timeout may ask for
    std::chrono::milliseconds grace_time{};     // from SIGINT to SIGKILL
    std::chrono::milliseconds start_time{};     // until a sandbox must be ready
    std::uint64_t memory_bytes = 0;             // of all processes together
    double memory_share = 0;                    // see below
    std::uint64_t disk_bytes = 0;               // of everything that is written
    std::uint64_t output_bytes = 0;             // of one cell's output
    std::uint64_t code_bytes = 0;               // of one cell's source
    std::uint32_t processes = 0;                // processes and threads
    double cpus = 0;                            // processors; 1.0 is one whole processor
    double cpus_share = 0;                      // see below

    // A document may give memory and cpus as shares of this machine: "60%" is 0.6, "all" is 1. memory_bytes
    // and cpus then hold what the share was when the document was read, and they alone count. A share of 0:
    // the document gave a figure.
};

struct Policy {
    std::string name;  // the name or path under which the policy was loaded; for messages
    std::string description;
    std::string engine;                        // the first engine that the policy names
    std::vector<std::string> further_engines;  // tried in this order where the first isn't usable
    bool allow_unenforced = false;  // limits that the engine can't enforce are dropped instead of refused
    std::string image;              // for engines with images; empty: the engine's own
    std::string destination;        // for remote engines: a host, a partition, a namespace
    Requirement require;
    std::string python;  // empty: cellblock's own environment's, else the first python3 on PATH
    // Modules that are imported before the first cell.
    std::vector<std::string> preload;
    // The document says "auto": `preload` is empty, and warm sandboxes of the engine `native` have imported
    // what earlier sessions of the same Python have.
    bool learns_preload = true;
    // Sandboxes come from `cellblock daemon`, which keeps some ready. Those of the engine `native` are forks
    // of a Python that has imported `preload` already; other engines' sandboxes are started as without a
    // daemon.
    Warm warm = Warm::automatic;
    PoolRules pool;
    std::optional<std::vector<std::string>> imports;  // modules that cells may import; nullopt: any
    Limits limits;
    OutputRules outputs;
    NetworkRules network;
    PackageRules packages;
    std::vector<FileRule> files;
    std::vector<EnvironmentRule> environment;
    bool show_usage = false;
    bool debugger = false;         // the document's value; ask offers_debugger() instead
    std::string audit;             // path of the audit log; empty: none
    std::string history = "none";  // or "keep", or the path of a file

    // Warnings for people: words of an earlier version that the document used, each with the word to use
    // instead.
    std::vector<std::string> notices;
};

// True: cells can be debugged. An audit log excludes it: the log couldn't tell what a debugger evaluates.
inline bool offers_debugger(const Policy& policy) {
    return policy.debugger && policy.audit.empty();
}

// The rules of a `keep` that says nothing. (`to` is empty: it depends on the entry.)
KeepRules default_keep_rules();
// The working directory's `keep`; null: nothing is kept.
const KeepRules* keep_rules(const Policy& policy);

// The policy with every key at its default, named "builtin".
Policy builtin_policy();

// Parses a document of at most 64 KiB. `name` becomes Policy::name. An unknown key, a wrong type, a bad unit
// and a value out of bounds are Errors that name the key by its dotted path ("limits.memory") and say what is
// allowed.
Result<Policy> parse_policy(std::string_view json_text, const std::string& name);

// Loads a policy by path (the text has a '/' or ends in .json) or by name. Named policies are looked for in
// $XDG_CONFIG_HOME/cellblock/policies, then in the installed folder of policies. Beside parse_policy()'s
// Errors there is one for a name that doesn't exist, which lists the known names.
Result<Policy> load_policy(const std::string& name_or_path);

// Adds the variable TZ of this process to Policy::environment, unless the policy names TZ itself. A path and
// anything that isn't a zone's name is left out.
void pass_time_zone(Policy& policy);

// The policy as a JSON document with every key. parse_policy() of that document gives the same policy.
std::string policy_to_json(const Policy& policy);

// Instructions for a language model that writes cells under this policy: what a cell may import, write, show
// and use up. A few hundred words of Markdown. Environment variables are named, but their values are left
// out.
std::string policy_prompt(const Policy& policy);

// The reference of all keys as a Markdown table: key, type, default, bounds, meaning.
std::string policy_reference_markdown();

// "limits.memory is 4.7 GiB, limits.cpus is 2": what the policy's shares of this machine come to, for people.
// Empty: the policy has no shares.
std::string shares_in_words(const Policy& policy);

// Read a duration ("90s", "1.5m", "2h", "250ms") and a size ("256MiB", "1GB", "4096"). The Error lists the
// units.
Result<std::chrono::milliseconds> parse_duration(std::string_view text);
Result<std::uint64_t> parse_size(std::string_view text);
// Write durations and sizes for people, rounded: "30 s", "10 min", "250 ms"; "16 MiB". policy_to_json()
// writes exact values.
std::string format_duration(std::chrono::milliseconds value);
std::string format_size(std::uint64_t bytes);

}  // namespace cellblock::sandbox
