// `cellblock daemon`: keeps Pythons warm; tells of it; ends it.
#include <fcntl.h>

#include <iostream>

#include "kernel/commands/commands.h"
#include "sandbox/daemon/daemon.h"
#include "sandbox/policy/policy.h"

namespace cellblock::kernel {

namespace {

using namespace sandbox;

constexpr int kFailed = 1;
constexpr int kUsageError = 2;

int fail(const std::string& text, int status = kFailed) {
    std::cerr << "cellblock daemon: " << text << "\n";
    return status;
}

}  // namespace

int daemon_command(const DaemonCommandOptions& options) {
    const auto idle = parse_duration(options.idle);
    if (!idle) {
        return fail("--idle: " + idle.error().text(), kUsageError);
    }
    daemon::DaemonOptions wanted{*idle, UniqueFd()};
    if (options.client >= 0 && ::fcntl(options.client, F_SETFD, FD_CLOEXEC) == 0) {
        wanted.first_client.reset(options.client);
    }
    const auto served = daemon::serve(std::move(wanted));
    return served ? 0 : fail(served.error().text());
}

int daemon_status_command() {
    const auto text = daemon::daemons_in_words();
    if (!text) {
        return fail(text.error().text());
    }
    std::cout << (text->empty() ? "no daemon runs\n" : *text);
    return 0;
}

int daemon_stop_command() {
    const auto count = daemon::stop_daemons();
    if (!count) {
        return fail(count.error().text());
    }
    std::cout << "stopped: " << *count << "\n";
    return 0;
}

}  // namespace cellblock::kernel
