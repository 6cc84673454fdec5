// `cellblock kernel`: wires the Jupyter server together.
#include <csignal>
#include <filesystem>
#include <future>
#include <iostream>
#include <memory>

#include "kernel/cli/commands.h"
#include "kernel/cli/policy_findings.h"
#include "kernel/cli/program_log.h"
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

// The kernel's ports, which clients connect to: its sockets and the heartbeat.
class Ports {
public:
    Status open(Connection& connection) {
        const auto given = connection.ports;
        CELLBLOCK_ASSIGN_OR_RETURN(sockets_, Sockets::bind(connection));
        CELLBLOCK_ASSIGN_OR_RETURN(heartbeat_, Heartbeat::start(connection));
        return connection.ports == given ? Status(Ok{}) : write_connection(connection);
    }
    [[nodiscard]] Sockets& sockets() const { return *sockets_; }

private:
    std::unique_ptr<Sockets> sockets_;
    std::unique_ptr<Heartbeat> heartbeat_;
};

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
    ProgramLog log(
        "kernel", "policy \"" + policy_asked_for(options) + "\", connection file " + options.connection_file);
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
    // The ports are opened beside the sandbox's start, so that neither waits for the other. An engine that
    // hangs may delay the sandbox for long, and the heartbeat tells the client meanwhile that the kernel
    // lives.
    Ports ports;
    auto opening = std::async(std::launch::async | std::launch::deferred,
                              [&ports, &connection] { return ports.open(*connection); });
    if (connection->transport == "ipc") {
        opening.wait();  // it changes the umask, which the sandbox's processes would inherit
    }
    const auto session = make_session(options);
    session->start();
    if (const auto opened = opening.get(); !opened) {
        return fail(opened.error());
    }
    tell_where(*connection, session->policy().name);

    Wire wire(std::move(*signer));
    Publisher publisher(ports.sockets(), wire, Headers(xeus_user_name()));
    const auto file = options.keeps_history ? history_file(session->policy().history) : std::nullopt;
    History history = file ? History(*file) : History();
    session->answer_history_by([&](const HistoryQuestion& question) { return history.answer(question); });
    SessionBridge bridge(*session, publisher, history);
    RequestDispatcher dispatcher(*connection, publisher, bridge, history);
    JupyterServer server({ports.sockets(), wire, publisher, bridge, dispatcher, history, **watch});
    serve_with_xeus(server);
    const std::string why = (*watch)->why_to_leave();
    log.ends(why.empty() ? "a client asked it to" : why);
    return 0;
}

}  // namespace cellblock::kernel
