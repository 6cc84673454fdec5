// `cellblock engines` prints a table of all engines; `cellblock clean` removes sandboxes that have no owner
// any more.
#include <chrono>
#include <filesystem>
#include <iomanip>
#include <iostream>
#include <nlohmann/json.hpp>
#include <sstream>

#include "kernel/cli/commands.h"
#include "kernel/cli/policy_findings.h"
#include "sandbox/api/engine.h"
#include "sandbox/api/session.h"

namespace cellblock::kernel {

namespace {

using namespace sandbox;
using nlohmann::ordered_json;
using Clock = std::chrono::steady_clock;

constexpr int kUsageError = 2;
constexpr int kNameWidth = 17;

struct Row {
    std::string name;
    EngineFacts facts;
    std::string why_not;  // empty: usable
    std::string measured;
    double seconds = 0;
};

// Measures the time from the start of a sandbox to the end of its first cell.
void measure(const Policy& policy, Row& row) {
    Policy one = policy;
    one.engine = row.name;
    one.further_engines.clear();
    const auto begun = Clock::now();
    Session session(one, make_engine(row.name), StartOptions{std::filesystem::current_path().string()});
    ExecuteRequest request;
    request.code = "1 + 1";
    const Outcome outcome = session.execute_blocking(std::move(request), [](const Event&) {});
    row.seconds = std::chrono::duration<double>(Clock::now() - begun).count();
    std::ostringstream text;
    text << std::fixed << std::setprecision(2) << row.seconds << " s";
    row.measured = text.str();
    if (outcome.status != CellStatus::ok) {
        row.why_not = outcome.error ? outcome.error->evalue : "no reason is known";
    }
}

Row look_at(const std::string& name, const Policy& policy, bool measured) {
    Row row;
    row.name = name;
    auto engine = make_engine(name);
    if (!engine) {
        row.why_not = engine.error().text();
        return row;
    }
    row.facts = (*engine)->facts();
    if (auto usable = (*engine)->check(policy); !usable) {
        row.why_not = usable.error().text();
    } else if (measured) {
        measure(policy, row);
    }
    return row;
}

std::string list_of(const std::vector<std::string>& words) {
    std::string text;
    for (const auto& word : words) {
        text += (text.empty() ? "" : ", ") + word;
    }
    return text;
}

void print(const Row& row) {
    std::ostringstream name;
    name << std::left << std::setw(kNameWidth) << row.name;
    const std::string indent(kNameWidth, ' ');
    std::cout << name.str() << (row.why_not.empty() ? "usable" : "not here")
              << (row.measured.empty() ? "" : ", " + row.measured + " to the first result") << "\n";
    if (!row.facts.description.empty()) {
        std::cout << indent << row.facts.description << "\n"
                  << indent << "isolation: " << row.facts.isolation << "\n"
                  << indent << "keeps: " << list_of(row.facts.enforces)
                  << (row.facts.by_control_groups ? "; memory, processes and processors by control groups"
                                                  : "")
                  << "\n";
    }
    if (!row.why_not.empty()) {
        std::cout << indent << "why: " << row.why_not << "\n";
    }
    std::cout << std::flush;
}

void print_json(const Row& row) {
    ordered_json line{{"engine", row.name},
                      {"usable", row.why_not.empty()},
                      {"why_not", row.why_not},
                      {"description", row.facts.description},
                      {"isolation", row.facts.isolation},
                      {"enforces", row.facts.enforces},
                      {"control_groups", row.facts.by_control_groups}};
    if (!row.measured.empty()) {
        line["first_result_seconds"] = row.seconds;
    }
    std::cout << line.dump(-1, ' ', false, ordered_json::error_handler_t::replace) << std::endl;
}

}  // namespace

int engines_command(const EnginesOptions& options) {
    auto policy = load_policy(options.policy);
    if (!policy) {
        std::cerr << "cellblock engines: " << policy.error().text() << "\n";
        return kUsageError;
    }
    print_notices("cellblock engines: ", *policy);
    for (const auto& name : engine_names()) {
        const Row row = look_at(name, *policy, options.measure);
        options.json ? print_json(row) : print(row);
    }
    return 0;
}

int clean_command(const CleanOptions& options) {
    int status = 0;
    for (const auto& name : options.engines.empty() ? engine_names() : options.engines) {
        auto engine = make_engine(name);
        if (!engine) {
            std::cerr << "cellblock clean: " << engine.error().text() << "\n";
            status = kUsageError;
            continue;
        }
        const auto count = (*engine)->clean(options.destination);
        const bool matters = count.ok() || !options.engines.empty();  // of all, some are always missing
        status = matters && !count ? 1 : status;
        if (!matters || options.quiet) {
            continue;
        }
        if (!count) {
            std::cerr << "cellblock clean: " << count.error().text() << "\n";
        } else if (*count > 0) {
            std::cout << name << ": removed " << *count << "\n";
        }
    }
    return status;
}

}  // namespace cellblock::kernel
