// What `cellblock run` hands back: text as it comes, or one JSON object.
//
// Purpose: collects a Session's events for the command line.
// Ownership: plain values; writes to the standard streams and to the folder
// for plots. Threads: one. Failure: a plot that can't be written is an Error.
#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <string>

#include "sandbox/api/session.h"

namespace cellblock::kernel {

class RunReport {
public:
    // as_json: nothing is printed until finish(). plots: empty, or a folder. colours: tracebacks keep theirs.
    RunReport(bool as_json, std::string plots, bool colours)
        : as_json_(as_json), plots_(std::move(plots)), colours_(colours && !as_json) {}

    void take(sandbox::Event event);
    // Adds a cell's outcome.
    void take(const sandbox::Outcome& outcome);

    // Prints what is left to print; gives the exit status: the program's own, where it has left by
    // SystemExit.
    int finish();

    // The first figure that could not be written.
    [[nodiscard]] const std::optional<sandbox::Error>& error() const { return error_; }

private:
    void on_stream(const sandbox::StreamOutput& output);
    void on_display(const sandbox::DisplayOutput& output);
    void save_figure(const std::string& extension, const std::string& bytes);

    bool as_json_;
    std::string plots_;
    bool colours_;
    std::optional<int> left_with_;  // what the program gave to sys.exit()
    int figures_ = 0;
    std::string stdout_;
    std::string stderr_;
    nlohmann::json results_ = nlohmann::json::array();
    sandbox::CellStatus status_ = sandbox::CellStatus::ok;
    std::optional<sandbox::ErrorText> failure_;
    sandbox::CellUsage usage_;
    std::optional<sandbox::Error> error_;
};

}  // namespace cellblock::kernel
