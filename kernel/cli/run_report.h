// Collects what `cellblock run` hands back: text as it comes, or one JSON object at the end.
//
// Purpose: takes a session's events and outcomes, writes to the standard streams and figures into the folder
// for plots, and knows the exit status.
//
//     RunReport report(as_json, plots, colours);
//     const auto outcome = session.execute_blocking(cell, [&](auto event) { report.take(std::move(event));
//     }); report.take(outcome); return report.finish();
//
// Plain values, one thread. A figure that can't be written is an Error, which error() keeps.
#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <string>

#include "sandbox/api/session.h"

namespace cellblock::kernel {

class RunReport {
public:
    // `as_json`: nothing is printed until finish(). `plots`: a folder for figures, or empty. `colours`:
    // tracebacks keep their colours.
    RunReport(bool as_json, std::string plots, bool colours)
        : as_json_(as_json), plots_(std::move(plots)), colours_(colours && !as_json) {}

    void take(sandbox::Event event);
    // Adds a cell's outcome.
    void take(const sandbox::Outcome& outcome);

    // Prints what is left to print, and returns the exit status; if the program left by SystemExit, its own.
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
    nlohmann::json files_ = nlohmann::json::array();
    nlohmann::json not_kept_ = nlohmann::json::array();
    sandbox::CellStatus status_ = sandbox::CellStatus::ok;
    std::optional<sandbox::ErrorText> failure_;
    sandbox::CellUsage usage_;
    std::optional<sandbox::Error> error_;
};

}  // namespace cellblock::kernel
