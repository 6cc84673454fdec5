// `cellblock run`: runs a file's cells in a session.
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <iterator>
#include <nlohmann/json.hpp>

#include "kernel/cli/cells.h"
#include "kernel/cli/commands.h"
#include "kernel/cli/run_report.h"
#include "kernel/cli/session_policy.h"
#include "sandbox/api/session.h"

namespace cellblock::kernel {

namespace {

using namespace sandbox;

constexpr int kUsageError = 2;
constexpr std::size_t kMaxSource = 64U << 20;
constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";

Result<std::string> read_source(const std::string& path) {
    std::ifstream file;
    std::istream* from = &std::cin;
    if (path != "-") {
        std::error_code ignored;
        if (std::filesystem::is_directory(path, ignored)) {
            return Error{"read " + path, EISDIR, {}, "Give a Python file, or - for standard input"};
        }
        file.open(path, std::ios::binary);
        if (!file) {
            return errno_error("read " + path, "Give a Python file, or - for standard input");
        }
        from = &file;
    }
    std::string source(std::istreambuf_iterator<char>(*from), {});
    if (source.starts_with(kByteOrderMark)) {
        source.erase(0, kByteOrderMark.size());
    }
    if (source.size() > kMaxSource) {
        return Error{"read " + path, 0, "more than " + format_size(kMaxSource), {}};
    }
    return source;
}

// The policy, with what the options change in it.
Result<Policy> effective_policy(const RunOptions& options) {
    auto policy = session_policy("run", options.policy, options.python, options.inputs);
    if (policy && options.timeout) {
        CELLBLOCK_ASSIGN_OR_RETURN(const auto time, read_timeout(*options.timeout));
        policy->limits.cell_time = time;
        policy->limits.cell_time_max = std::max(policy->limits.cell_time_max, time);
    }
    return policy;
}

// The working directory's `keep`, with that folder; of rules that don't keep any, the usual ones.
Status keep_files(Policy& policy, const std::string& folder) {
    std::error_code failed;
    const auto to = std::filesystem::absolute(folder, failed);
    std::filesystem::create_directories(to, failed);
    if (failed) {
        return Error{"--files " + folder, failed.value(), {}, "Give a folder that can be made"};
    }
    auto rule = std::find_if(policy.files.begin(), policy.files.end(),
                             [](const FileRule& one) { return one.sandbox == kWorkingDirectory; });
    if (rule == policy.files.end()) {
        rule = policy.files.insert(rule, FileRule{{}, kWorkingDirectory, FileMode::empty, {}});
    }
    if (rule->mode == FileMode::read) {
        return Error{"--files " + folder, 0, "nothing can be written in the working directory",
                     "Take a policy whose entry of `files` for /work has the mode \"overlay\" or \"empty\""};
    }
    rule->keep = rule->keep ? *rule->keep : default_keep_rules();
    rule->keep->to = to.string();
    return Ok{};
}

int usage_error(const Error& error) {
    std::cerr << "cellblock run: " << error.text() << "\n";
    return kUsageError;
}

bool is_notebook(const std::string& path) {
    return path.ends_with(".ipynb");
}

// The file's name as the sandbox sees it: its path below the session's directory, or its bare
// name.
std::string name_inside(const std::string& path) {
    const auto name = std::filesystem::path(path).lexically_normal();
    const bool below = name.is_relative() && !name.empty() && *name.begin() != "..";
    return below ? name.string() : name.filename().string();
}

// The worker runs the cells as the one program `python FILE` (worker/cellblock_worker/program.py).
std::string program_metadata(const RunOptions& options, bool is_last) {
    const nlohmann::json program{{"is_last", is_last},
                                 {"name", name_inside(options.file)},
                                 {"is_file", options.file != "-" && !is_notebook(options.file)},
                                 {"arguments", options.arguments}};
    const nlohmann::json metadata{{"cellblock_program", program}};
    return metadata.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

int run_cells(Session& session, const std::vector<std::string>& cells, const RunOptions& options,
              RunReport& report) {
    int count = 0;
    for (const auto& cell : cells) {
        ExecuteRequest request;
        request.code = cell;
        request.count = ++count;
        request.metadata = program_metadata(options, static_cast<std::size_t>(count) == cells.size());
        const Outcome outcome =
            session.execute_blocking(std::move(request), [&](Event event) { report.take(std::move(event)); });
        report.take(outcome);
        if (outcome.status != CellStatus::ok) {
            break;
        }
    }
    return report.finish();
}

// Whether tracebacks keep their colours: where stderr is a terminal, and $NO_COLOR isn't set.
bool shows_colours() {
    const char* none = std::getenv("NO_COLOR");
    return ::isatty(STDERR_FILENO) == 1 && (none == nullptr || *none == '\0');
}

}  // namespace

int run_command(const RunOptions& options) {
    auto source = read_source(options.file);
    if (!source) {
        return usage_error(source.error());
    }
    const auto cells = is_notebook(options.file) ? notebook_cells(*source)
                                                 : Result<std::vector<std::string>>(split_cells(*source));
    if (!cells) {
        return usage_error(cells.error());
    }
    auto policy = effective_policy(options);
    if (!policy) {
        return usage_error(policy.error());
    }
    if (options.plots) {
        std::error_code failed;
        std::filesystem::create_directories(*options.plots, failed);
        if (failed) {
            return usage_error(Error{"--plots " + *options.plots, failed.value(), {}, {}});
        }
    }
    if (options.files) {
        if (auto kept = keep_files(*policy, *options.files); !kept) {
            return usage_error(kept.error());
        }
    }
    auto engine = make_engine(*policy);
    std::error_code ignored;
    Session session(*policy, std::move(engine),
                    StartOptions{std::filesystem::current_path(ignored).string()});
    session.start();
    RunReport report(options.json, options.plots.value_or(""), shows_colours());
    const int status = run_cells(session, *cells, options, report);
    if (report.error()) {
        std::cerr << "cellblock run: " << report.error()->text() << "\n";
        return status == 0 ? 1 : status;
    }
    return status;
}

}  // namespace cellblock::kernel
