// `cellblock doctor`: tries each layer of the sandbox on this host, with this policy.
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <iostream>
#include <nlohmann/json.hpp>

#include "kernel/cli/commands.h"
#include "kernel/cli/doctor_report.h"
#include "kernel/cli/policy_findings.h"

namespace cellblock::kernel {

namespace {

using namespace sandbox;

constexpr int kPromiseBroken = 1;
constexpr int kUsageError = 2;
constexpr int kNoSandbox = 125;

// Shows progress as one line that changes, on a terminal only.
class Progress {
public:
    Progress() : on_(::isatty(STDERR_FILENO) == 1) {}
    ~Progress() { clear(); }
    Progress(const Progress&) = delete;
    Progress& operator=(const Progress&) = delete;

    void show(const std::string& text) const {
        if (on_) {
            std::cerr << "\r\x1b[K" << text << std::flush;
        }
    }
    void clear() const { show(""); }

private:
    bool on_;
};

int no_sandbox(const DoctorOptions& options, const Policy& policy, const Error& error) {
    if (options.json) {
        const nlohmann::ordered_json all{
            {"policy", policy.name}, {"engine", policy.engine}, {"error", error.text()}};
        std::cout << all.dump(2, ' ', false, nlohmann::ordered_json::error_handler_t::replace) << "\n";
    }
    std::cerr << "cellblock doctor: no code can run under policy \"" << policy.name << "\": " << error.text()
              << "\n";
    return kNoSandbox;
}

// Set by a signal, so that what the doctor put on the host is removed also when the user ends it early.
volatile std::sig_atomic_t asked_to_end = 0;

void listen_to_signals() {
    for (const int number : {SIGINT, SIGTERM, SIGHUP}) {
        std::signal(number, [](int which) { asked_to_end = which; });
    }
}

bool coloured() {
    const char* off = std::getenv("NO_COLOR");
    return ::isatty(STDOUT_FILENO) == 1 && (off == nullptr || *off == '\0');
}

}  // namespace

int doctor_command(const DoctorOptions& options) {
    auto policy = load_policy(options.policy);
    if (!policy) {
        std::cerr << "cellblock doctor: " << policy.error().text() << "\n";
        return kUsageError;
    }
    print_notices("cellblock doctor: ", *policy);
    for (const auto& warning : warnings_of(*policy)) {
        std::cerr << "cellblock doctor: warning: " << warning.text() << "\n";
    }
    if (options.python) {
        policy->python = *options.python;
    }
    if (options.engine) {
        policy->engine = *options.engine;
        policy->further_engines.clear();
    }
    const Progress progress;
    progress.show("starting a sandbox …");
    std::size_t done = 0;
    listen_to_signals();
    auto examination = doctor::examine(*policy, [&](const doctor::Finding& finding) {
        progress.show(std::to_string(++done) + " of " + std::to_string(doctor::attempts().size()) + ": " +
                      finding.attempt->tried);
        return asked_to_end == 0;
    });
    progress.clear();
    if (!examination) {
        return no_sandbox(options, *policy, examination.error());
    }
    if (asked_to_end != 0) {
        std::cerr << "cellblock doctor: interrupted\n";
        return 128 + asked_to_end;
    }
    std::cout << (options.json ? doctor_json(*policy, *examination)
                               : doctor_table(*policy, *examination, coloured()));
    return examination->promise_holds() ? 0 : kPromiseBroken;
}

}  // namespace cellblock::kernel
