// The texts of outcome messages.
#include "sandbox/session/outcome_messages.h"

#include <chrono>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <filesystem>

#include "sandbox/base/text.h"

namespace cellblock::sandbox {

namespace {

constexpr const char* kLost = "the session was restarted and variables are lost";

std::string key_hint(const Policy& policy, const std::string& key) {
    return "policy \"" + policy.name + "\", key " + key;
}

std::string signal_words(int number) {
    const char* name = ::strsignal(number);
    return "signal " + std::to_string(number) + (name != nullptr ? std::string(", ") + name : "");
}

std::string death_words(const Policy& policy, const Death& death) {
    switch (death.kind) {
        case Death::Kind::exit_status:
            return "Python ended itself with exit status " + std::to_string(death.number);
        case Death::Kind::signal:
            return "Python was killed (" + signal_words(death.number) + ")";
        case Death::Kind::memory_limit:
            if (death.number == 0) {
                return "Python had no memory left to go on with: the sandbox may use " +
                       format_size(policy.limits.memory_bytes);
            }
            return "the sandbox used more than " + format_size(policy.limits.memory_bytes) + " of memory";
        case Death::Kind::violation:
            return "the sandbox broke the channel's rules: " + death.detail;
        case Death::Kind::sandbox_gone:
            break;
    }
    return "the sandbox ended" + (death.detail.empty() ? "" : ": " + death.detail);
}

const char* death_name(Death::Kind kind) {
    switch (kind) {
        case Death::Kind::memory_limit:
            return "MemoryLimit";
        case Death::Kind::violation:
            return "ProtocolViolation";
        case Death::Kind::exit_status:
        case Death::Kind::signal:
        case Death::Kind::sandbox_gone:
            break;
    }
    return "WorkerDied";
}

}  // namespace

ErrorText make_error(const std::string& ename, const std::string& evalue, const std::string& hint) {
    ErrorText error{ename, evalue, {"\x1b[0;31m" + ename + "\x1b[0m: " + evalue}};
    if (!hint.empty()) {
        error.traceback.push_back("cellblock: " + hint);
    }
    return error;
}

ErrorText timeout_error(const Policy& policy, std::chrono::milliseconds time, Survival state,
                        const ErrorText* shown) {
    const std::string what = state == Survival::intact ? "your variables are intact" : kLost;
    ErrorText error =
        make_error("CellTimeout", "stopped after " + format_duration(time) + "; " + what,
                   key_hint(policy, "limits.cell_time") + "; a cell may ask for up to " +
                       format_duration(policy.limits.cell_time_max) + " with %%timeout in its first line");
    if (shown != nullptr && !shown->traceback.empty()) {
        // Where it was stopped: all of the traceback but its own last word.
        error.traceback.insert(error.traceback.begin(), shown->traceback.begin(), shown->traceback.end() - 1);
    }
    return error;
}

ErrorText stubborn_error() {
    return make_error("KeyboardInterrupt",
                      std::string("the cell did not stop and was killed by a second interrupt; ") + kLost);
}

ErrorText death_error(const Policy& policy, const Death& death) {
    std::string hint;
    if (death.kind == Death::Kind::memory_limit) {
        hint = key_hint(policy, "limits.memory");
    }
    return make_error(death_name(death.kind), death_words(policy, death) + "; " + kLost, hint);
}

ErrorText unavailable_error(const std::string& reason) {
    return make_error("SandboxUnavailable", "no sandbox, so nothing was run: " + reason);
}

std::string oom_note(const Policy& policy) {
    return "cellblock: a process of this cell was killed: this sandbox may use " +
           format_size(policy.limits.memory_bytes) + " of memory (policy \"" + policy.name +
           "\", key limits.memory)\n";
}

std::string usage_note(const CellUsage& usage) {
    const auto words = [](double seconds) {
        return format_duration(std::chrono::milliseconds(std::llround(seconds * 1000)));
    };
    constexpr std::uint64_t kMiB = std::uint64_t{1} << 20;
    const std::string memory =
        usage.peak_memory_bytes == 0
            ? "not measured"
            : "at most " + format_size((usage.peak_memory_bytes + kMiB - 1) / kMiB * kMiB);
    return "cellblock: " + words(usage.wall_seconds) + ", CPU " + words(usage.cpu_seconds) + ", memory " +
           memory + ", output " + format_size(usage.output_bytes) + "\n";
}

std::string not_stopped_note(std::chrono::milliseconds time) {
    return "cellblock: the cell has not stopped yet. It may go on until its deadline of " +
           format_duration(time) + "; a second interrupt kills it, and variables are then lost\n";
}

std::string restart_note(const Policy& policy, const Death& death) {
    return "cellblock: before this cell, " + death_words(policy, death) + "; " + kLost + "\n";
}

std::string still_old_note(const std::vector<files::HostChange>& old) {
    constexpr std::size_t kMostNames = 5;
    std::string names;
    for (std::size_t i = 0; i < old.size() && i < kMostNames; ++i) {
        names += (i == 0 ? "" : ", ") + printable(old[i].inside);
    }
    if (names.empty()) {
        return {};
    }
    return "cellblock: " + names + (old.size() > kMostNames ? " and others" : "") +
           " changed on the host, but the sandbox has the old content open: close the file to see the new "
           "one\n";
}

std::string files_note(const Outcome& outcome) {
    constexpr std::size_t kMostLines = 20;
    std::string out;
    for (const auto& file : outcome.files) {
        if (&file - outcome.files.data() == kMostLines && outcome.files.size() > kMostLines + 1) {
            out += "kept " + std::to_string(outcome.files.size() - kMostLines) + " files more\n";
            break;
        }
        const bool is_renamed = !file.path.ends_with("/" + file.name);
        out += "kept " + file.name + " (" + format_size(file.size_bytes) + ")" +
               (is_renamed ? " as " + std::filesystem::path(file.path).filename().string() +
                                 ", since there is another file of that name already"
                           : "") +
               "\n";
    }
    for (const auto& file : outcome.not_kept) {
        out += "not kept" + (file.name.empty() ? "" : " " + file.name) + ": " + file.reason + "\n";
    }
    return out;
}

}  // namespace cellblock::sandbox
