// `cellblock kernel`: wires the Jupyter server together.
#include <csignal>
#include <filesystem>
#include <iostream>

#include "kernel/cli/commands.h"
#include "kernel/cli/policy_findings.h"
#include "kernel/jupyter/heartbeat.h"
#include "kernel/server/server.h"
#include "kernel/xeus/xeus_core.h"
#include "sandbox/base/digests.h"

namespace cellblock::kernel {

namespace {

using namespace sandbox;

constexpr int kFailed = 1;
constexpr const char* kSubject = "cellblock kernel: ";

int fail(const Error& error) {
    std::cerr << kSubject << error.text() << "\n";
    return kFailed;
}

// $CELLBLOCK_POLICY gives a session another policy without another kernelspec.
std::string policy_asked_for(const KernelOptions& options) {
    const char* own = std::getenv("CELLBLOCK_POLICY");
    return own != nullptr && *own != '\0' ? own : options.policy;
}

// A policy that can't be loaded doesn't end the kernel: each cell tells the reason.
std::unique_ptr<Session> make_session(const KernelOptions& options) {
    std::error_code ignored;
    StartOptions start{std::filesystem::current_path(ignored).string()};
    start.session_name = "kernel-" + sha256(options.connection_file).substr(0, 32);
    auto policy = load_policy(policy_asked_for(options));
    if (!policy) {
        std::cerr << kSubject << policy.error().text() << "\n";
        return std::make_unique<Session>(builtin_policy(), policy.error(), start);
    }
    print_notices(kSubject, *policy);
    if (options.python) {
        policy->python = *options.python;
    }
    pass_time_zone(*policy);
    auto engine = make_engine(*policy);
    return std::make_unique<Session>(std::move(*policy), std::move(engine), start);
}

void tell_where(const Connection& connection, const std::string& policy) {
    if (std::getenv("JPY_PARENT_PID") != nullptr) {
        return;  // Jupyter started it, and its terminal may belong to a console
    }
    std::cerr << kSubject << "listening on " << connection.transport << "://" << connection.ip
              << ", policy \"" << policy << "\". Connect with: jupyter console --existing " << connection.path
              << "\n";
}

}  // namespace

int kernel_command(const KernelOptions& options) {
    auto connection = read_connection(options.connection_file);
    if (!connection) {
        return fail(connection.error());
    }
    connection->any_user = options.any_user;
    auto signer = Signer::create(connection->signature_scheme, connection->key);
    if (!signer) {
        return fail(signer.error());
    }
    std::signal(SIGPIPE, SIG_IGN);
    auto watch = ProcessWatch::start();
    if (!watch) {
        return fail(watch.error());
    }
    const auto given_ports = connection->ports;
    auto sockets = Sockets::bind(*connection);
    if (!sockets) {
        return fail(sockets.error());
    }
    auto heartbeat = Heartbeat::start(*connection);
    if (!heartbeat) {
        return fail(heartbeat.error());
    }
    if (connection->ports != given_ports) {
        if (auto written = write_connection(*connection); !written) {
            return fail(written.error());
        }
    }
    // The sandbox starts after the ports are bound. An engine that hangs may delay the sandbox for long, and
    // the heartbeat tells the client meanwhile that the kernel lives.
    const auto session = make_session(options);
    session->start();
    tell_where(*connection, session->policy().name);

    Wire wire(std::move(*signer));
    Publisher publisher(**sockets, wire, Headers(xeus_user_name()));
    const auto file = options.keeps_history ? history_file(session->policy().history) : std::nullopt;
    History history = file ? History(*file) : History();
    session->answer_history_by([&](const HistoryQuestion& question) { return history.answer(question); });
    SessionBridge bridge(*session, publisher, history);
    RequestDispatcher dispatcher(*connection, publisher, bridge, history);
    JupyterServer server({**sockets, wire, publisher, bridge, dispatcher, history, **watch});
    serve_with_xeus(server);
    return 0;
}

}  // namespace cellblock::kernel
