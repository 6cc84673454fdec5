// The policy: one JSON document that says everything about a sandbox.
//
// Purpose: parsed once into this struct. One table (policy_table.cc) gives the
// parser, the defaults, `cellblock policy show` and the README's reference.
// Ownership: plain values. Threads: no shared state.
// Failure: an unknown key, a wrong type or a bad unit is an Error that names
// the key by its dotted path ("limits.memory"); then nothing may run.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "sandbox/api/layers.h"
#include "sandbox/api/result.h"

namespace cellblock::sandbox {

enum class NetworkMode { none };
enum class FileMode { read, overlay };
// What becomes of HTML and SVG on the way out.
enum class HtmlRule { sanitize, drop, trust };

// What may be shown of a cell's outputs.
struct OutputRules {
    HtmlRule html = HtmlRule::sanitize;
    std::vector<std::string> mime;   // types that are let through
    std::vector<std::string> comms;  // targets that a comm may be opened for
};

// A part of the host's files that the sandbox sees.
struct FileRule {
    std::string host;     // absolute, or relative to the session's directory ("." is that)
    std::string sandbox;  // absolute path inside
    FileMode mode = FileMode::read;
};

// One variable that the sandbox gets. No value: the host's value passes.
struct EnvironmentRule {
    std::string name;
    std::optional<std::string> value;
};

// How many sandboxes the daemon makes ahead for sessions of this policy.
struct PoolRules {
    std::uint32_t min = 0;  // always
    std::uint32_t max = 0;  // while many sessions start
};

// What cells may install with %pip.
struct PackageRules {
    std::vector<std::string> allow;    // "pandas>=2,<3"; "*": any; none: nothing may be installed
    std::string index;                 // URL of a PEP 503 index
    bool dependencies = true;          // those of allowed packages may come along
    std::uint64_t size_bytes = 0;      // of all that a session has installed
    std::uint64_t store_bytes = 0;     // of what is kept for all sessions
    std::chrono::milliseconds time{};  // of one %pip
};

struct Limits {
    std::chrono::milliseconds cell_time{};      // a cell's wall-clock time
    std::chrono::milliseconds cell_time_max{};  // the most that %%timeout may ask for
    std::chrono::milliseconds grace_time{};     // between SIGINT and SIGKILL
    std::chrono::milliseconds start_time{};     // for a sandbox to become ready
    std::uint64_t memory_bytes = 0;             // of all processes together
    std::uint64_t disk_bytes = 0;               // of all that is written
    std::uint64_t output_bytes = 0;             // of one cell's output
    std::uint64_t code_bytes = 0;               // of one cell's source
    std::uint32_t processes = 0;                // threads count too
    double cpus = 0;                            // share of processors, 1.0 = one whole
};

struct Policy {
    std::string name;  // how it was asked for; used in messages
    std::string description;
    std::string engine;                        // the first that is named
    std::vector<std::string> further_engines;  // taken where those before aren't usable
    bool allow_unenforced = false;             // limits that the engine can't keep are left out, not refused
    std::string image;                         // for engines that have images; empty: the engine's own
    std::string destination;  // for engines that reach elsewhere: a host, a partition, a namespace
    Requirement require;
    std::string python;  // empty: the first python3 on PATH
    std::vector<std::string> preload;
    bool warm = false;  // a fork of a Python that the daemon keeps
    PoolRules pool;
    std::optional<std::vector<std::string>> imports;  // that cells may name; nothing: any
    Limits limits;
    OutputRules outputs;
    NetworkMode network = NetworkMode::none;
    PackageRules packages;
    std::vector<FileRule> files;
    std::vector<EnvironmentRule> environment;
    bool show_usage = false;
    bool debugger = false;         // ask offers_debugger()
    std::string audit;             // a file's path; empty: no audit log
    std::string history = "none";  // or "keep", or a file's path
    // Words of an earlier version that the document used; each says what to write instead. For people.
    std::vector<std::string> notices;
};

// What a debugger evaluates is in no cell, so no audit log would have it.
inline bool offers_debugger(const Policy& policy) {
    return policy.debugger && policy.audit.empty();
}

// The policy with every key at its default.
Policy builtin_policy();

// Parses one document. `name` is used in messages.
Result<Policy> parse_policy(std::string_view json_text, const std::string& name);

// By path (has a '/' or ends in .json) or by name: looked for in
// $XDG_CONFIG_HOME/cellblock/policies, then in the installed policies folder.
Result<Policy> load_policy(const std::string& name_or_path);

// Adds this process's TZ to the variables that the sandbox gets, unless the policy names TZ itself. A value
// that is a file's path, or no zone's name, isn't passed.
void pass_time_zone(Policy& policy);

// The whole policy as JSON with every key given; parses back to the same.
std::string policy_to_json(const Policy& policy);

// Instructions for a language model that writes cells for this policy: what it may
// import, write, show and use up. A few hundred words of Markdown. Names of
// variables are told, their values aren't.
std::string policy_prompt(const Policy& policy);

// The reference table of all keys in Markdown: key, type, default, meaning.
std::string policy_reference_markdown();

// "90s", "1.5m", "2h", "250ms" ⇄ milliseconds; "256MiB", "1GB", "4096" ⇄ bytes.
// The Error's message says which units there are. The format_ functions are for
// people and round; policy_to_json writes exactly.
Result<std::chrono::milliseconds> parse_duration(std::string_view text);
Result<std::uint64_t> parse_size(std::string_view text);
std::string format_duration(std::chrono::milliseconds value);  // "30 s", "10 min", "250 ms"
std::string format_size(std::uint64_t bytes);                  // "16 MiB"

}  // namespace cellblock::sandbox
