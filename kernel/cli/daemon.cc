// `cellblock daemon`: runs the daemon that keeps Pythons warm, shows its status, and stops it.
#include <fcntl.h>

#include <iostream>
#include <nlohmann/json.hpp>

#include "kernel/cli/commands.h"
#include "sandbox/api/policy.h"
#include "sandbox/engines/pool_client.h"
#include "sandbox/pool/all_daemons.h"
#include "sandbox/pool/runtime_directory.h"
#include "sandbox/pool/server.h"
#include "sandbox/pool/status.h"

namespace cellblock::kernel {

namespace {

using namespace sandbox;

constexpr int kFailed = 1;
constexpr int kUsageError = 2;

int fail(const std::string& text, int status = kFailed) {
    std::cerr << pool::kFailureStart << text << "\n";
    return status;
}

// Prints which daemons gave no answer. Gives the exit status.
int told_of(const std::vector<std::string>& silent) {
    for (const auto& one : silent) {
        fail(one);
    }
    return silent.empty() ? 0 : kFailed;
}

void tell(const pool::Daemons& all) {
    for (const auto& one : all.figures) {
        std::cout << pool::in_words(one);
    }
    if (all.figures.empty() && all.silent.empty()) {
        const std::string failure = pool::last_start_failure();
        std::cout << "no daemon runs" << (failure.empty() ? "" : "; the last one couldn't start: " + failure)
                  << "\n";
    }
}

}  // namespace

int daemon_command(const DaemonCommandOptions& options) {
    pool::DaemonOptions wanted;
    if (options.idle) {
        const auto idle = parse_duration(*options.idle);
        if (!idle) {
            return fail("--idle: " + idle.error().text(), kUsageError);
        }
        wanted.idle = *idle;
    }
    if (options.client >= 0 && ::fcntl(options.client, F_SETFD, FD_CLOEXEC) == 0) {
        wanted.first_client.reset(options.client);
    }
    const auto served = pool::serve(std::move(wanted));
    return served ? 0 : fail(served.error().text());
}

int daemon_status_command(const DaemonStatusOptions& options) {
    const auto all = pool::all_daemons();
    if (!all) {
        return fail(all.error().text());
    }
    if (options.json) {
        std::cout << nlohmann::ordered_json(all->figures).dump() << "\n";
    } else if (options.open_metrics) {
        std::cout << pool::open_metrics(all->figures);
    } else {
        tell(*all);
    }
    return told_of(all->silent);
}

int daemon_stop_command() {
    const auto stopped = pool::stop_daemons();
    if (!stopped) {
        return fail(stopped.error().text());
    }
    std::cout << "stopped: " << stopped->count << "\n";
    return told_of(stopped->silent);
}

void finish_with_daemon() {
    sandbox::pool::wait_until_heard();
}

}  // namespace cellblock::kernel
