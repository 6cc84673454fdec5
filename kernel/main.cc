// The program `cellblock`: its command line, and nothing else.
//
// Each subcommand fills a struct of commands.h and calls its function.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <csignal>
#include <exception>
#include <functional>
#include <iostream>

#include "kernel/cli/commands.h"
#include "sandbox/base/subprocess.h"
#include "sandbox/policy/key_values.h"

namespace {

using namespace cellblock;
using namespace cellblock::kernel;

constexpr int kUsageError = 2;
constexpr int kBug = 70;

// What a subcommand does once the command line is understood.
using Action = std::function<int()>;

constexpr const char* kExamples =
    "Examples:\n"
    "  cellblock install                     Python (cellblock) appears in Jupyter\n"
    "  jupyter lab                           choose Python (cellblock)\n"
    "  cellblock run analysis.py             run a file in a sandbox\n"
    "  echo 'print(1+1)' | cellblock run --json -\n"
    "  cellblock exec -- ls -l /             run any command in a sandbox\n"
    "  cellblock policy show default         what a sandbox may do\n"
    "\n`cellblock COMMAND --help` tells more about a command.";

void add_place(CLI::App& command, KernelspecPlace& place) {
    command.add_flag("--user", place.user, "For you alone (the default unless you are root)");
    command.add_flag("--sys-prefix", place.sys_prefix,
                     "In the active virtual environment, or python3's own prefix");
    command.add_option("--prefix", place.prefix, "In DIR/share/jupyter/kernels")->type_name("DIR");
    command.add_option("--name", place.name, "The kernel's name (default: cellblock)")->type_name("NAME");
}

void add_uninstall(CLI::App& app, KernelspecPlace& place, Action& action) {
    auto* command = app.add_subcommand("uninstall", "Remove the kernel from Jupyter");
    add_place(*command, place);
    command->add_option("--as", place.as, "The kernel whose place was taken, as --name")->type_name("NAME");
    command->callback([&] { action = [&] { return uninstall_command(place); }; });
}

void add_install(CLI::App& app, InstallOptions& options, Action& action) {
    auto* command = app.add_subcommand("install", "Make the kernel known to Jupyter");
    add_place(*command, options.place);
    command->add_option("--display-name", options.display_name, "The name that Jupyter shows")
        ->type_name("TEXT")
        ->capture_default_str();
    command->add_option("--policy", options.policy, "A policy's name, or the path of a .json file")
        ->type_name("POLICY")
        ->capture_default_str();
    command->add_option("--python", options.python, "The Python that runs the cells (default: found on PATH)")
        ->type_name("PYTHON");
    command->add_option("--as", options.place.as, "Take the place of the kernel NAME, for example python3")
        ->type_name("NAME");
    command->callback([&] { action = [&] { return install_command(options); }; });
}

void add_kernel(CLI::App& app, KernelOptions& options, Action& action) {
    auto* command = app.add_subcommand("kernel", "Serve a Jupyter client (Jupyter starts this one)");
    // Clients add options of theirs after the kernelspec's: the last one counts.
    command->add_option("-f", options.connection_file, "The connection file")
        ->type_name("FILE")
        ->required()
        ->take_last();
    command
        ->add_option("--policy", options.policy,
                     "A policy's name, or the path of a .json file; $CELLBLOCK_POLICY goes before it")
        ->type_name("POLICY")
        ->capture_default_str()
        ->take_last();
    command->add_option("--python", options.python, "The Python that runs the cells")
        ->type_name("PYTHON")
        ->take_last();
    command
        ->add_option_function<std::string>(
            "--clients", [&options](const std::string& whose) { options.any_user = whose == "any"; },
            "Whose connections are taken on this machine: own (yours, root's and the connection file's "
            "owner's) "
            "or any (default: own)")
        ->type_name("own|any")
        ->check(CLI::IsMember({"own", "any"}))
        ->take_last();
    command->allow_extras();  // clients add options that are meant for ipykernel
    command->callback([&options, &action, command] {
        // nbclient asks for this where it takes the kernel for an ipykernel.
        for (const auto& extra : command->remaining()) {
            if (extra == "--HistoryManager.hist_file=:memory:" || extra == "--HistoryManager.enabled=False") {
                options.keeps_history = false;
            }
        }
        action = [&options] { return kernel_command(options); };
    });
}

// The options of a command that runs `what`: whose policy and Python, and what files it may read.
template <class Options>
void add_sandbox_options(CLI::App& command, Options& options, const std::string& what,
                         const std::string& python) {
    command.add_option("--policy", options.policy, "A policy's name, or the path of a .json file")
        ->type_name("POLICY");
    command.add_option("--python", options.python, python)->type_name("PYTHON");
    command
        .add_option("--file", options.inputs,
                    "A file or folder that the " + what +
                        " may read, in /work under its name or where INSIDE says; may be given several times")
        ->type_name("PATH[:INSIDE]")
        ->expected(1)
        ->allow_extra_args(false)  // else a `--` behind it would be taken for the end of its values
        ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
}

void add_run(CLI::App& app, RunOptions& options, Action& action) {
    auto* command = app.add_subcommand("run", "Run a Python file in a sandbox");
    command
        ->add_option("path", options.file,
                     "A Python file, cells parted by # %%, or a .ipynb notebook; - is standard input")
        ->type_name("FILE")
        ->required();
    command->add_option("arguments", options.arguments, "After --: what the file finds in sys.argv")
        ->type_name("ARGUMENTS");
    add_sandbox_options(*command, options, "cells", "The Python that runs the cells");
    command->add_option("--timeout", options.timeout, "Time for each cell, for example 30s or 2m")
        ->type_name("TIME");
    command->add_option("--plots", options.plots, "Write figures into DIR")->type_name("DIR");
    command
        ->add_option("--files", options.files,
                     "Keep the data files that the cells write in the working directory, in DIR")
        ->type_name("DIR");
    command->add_flag("--json", options.json, "Print one JSON object: status, stdout, results, error, usage");
    command->footer(
        "Exit status: the code's own by sys.exit(), else 0, 1 (the code failed), 2 (usage), 124 (timeout), "
        "137 "
        "(killed by a limit), 125 (no sandbox to be had).");
    command->callback([&] { action = [&] { return run_command(options); }; });
}

void add_exec(CLI::App& app, ExecOptions& options, Action& action) {
    auto* command = app.add_subcommand("exec", "Run a command in a sandbox");
    command->add_option("command", options.command, "After --: a program of the sandbox, and its arguments")
        ->type_name("COMMAND")
        ->required();
    add_sandbox_options(*command, options, "command", "The Python that `python` is in the sandbox");
    command
        ->add_option("--timeout", options.timeout,
                     "When it is killed, for example 30s or 2m; 0: never (default: the policy's "
                     "limits.cell_time, and never with -t)")
        ->type_name("TIME");
    command->add_option("-e,--env", options.variables, "A variable of its environment")
        ->type_name("NAME[=VALUE]")
        ->expected(1)
        ->allow_extra_args(false)  // else a `--` behind it would be taken for the end of its values
        ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
    command
        ->add_option("-w,--workdir", options.directory, "The folder inside where it begins (default: /work)")
        ->type_name("DIR");
    command->add_flag("-t,--tty", options.terminal, "Give it a terminal, which is yours while it runs");
    command->add_flag("-i,--interactive", options.interactive, "Pass standard input on, as it always is");
    command->footer(
        "Exit status: the command's own, 128 + the signal that ended it, 2 (usage), 124 (timeout), 125 (no "
        "sandbox to be had), 126 (it can't be executed), 127 (there is no such command).\n"
        "Example: cellblock exec --file data.csv -- wc -l data.csv");
    command->callback([&] { action = [&] { return exec_command(options); }; });
}

void add_mcp(CLI::App& app, McpOptions& options, Action& action) {
    auto* command =
        app.add_subcommand("mcp", "Serve the Model Context Protocol on standard input and output");
    add_sandbox_options(*command, options, "code", "The Python that runs the code");
    command->callback([&] { action = [&] { return mcp_command(options); }; });
}

void add_serve(CLI::App& app, ServeOptions& options, Action& action) {
    auto* command =
        app.add_subcommand("serve", "Serve sandboxes by HTTP, to clients of E2B's protocol and of MCP");
    command
        ->add_option("--listen", options.addresses,
                     "HOST:PORT (port 0: one that is free) or unix:/path; may be given several times")
        ->type_name("ADDRESS")
        ->expected(1)
        ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
    command
        ->add_option("--token-file", options.token_file,
                     "A file with the token that clients give as their API key; HOST:PORT needs one")
        ->type_name("FILE");
    command
        ->add_option(
            "--tls-cert", options.tls_certificate,
            "Speak TLS at HOST:PORT: the server's certificate as PEM, and behind it those that signed it; "
            "SIGHUP has it read again")
        ->type_name("FILE");
    command
        ->add_option("--tls-key", options.tls_key,
                     "The certificate's key as PEM, without a password, in a file that is yours alone")
        ->type_name("FILE");
    add_sandbox_options(*command, options, "code", "The Python that runs the code");
    command
        ->add_option("--sandboxes", options.sandboxes,
                     "How many there may be at a time, of E2B's clients and of MCP's each (100)")
        ->type_name("NUMBER")
        ->check(CLI::Range(1, 10'000));
    command
        ->add_option("--mcp-idle", options.mcp_idle_seconds,
                     "Seconds after which a session of MCP that nothing was asked of ends (1800)")
        ->type_name("SECONDS")
        ->check(CLI::Range(1, 1'000'000));
    command->callback([&] { action = [&] { return serve_command(options); }; });
}

void add_doctor(CLI::App& app, DoctorOptions& options, Action& action) {
    auto* command = app.add_subcommand("doctor", "Try the sandbox's walls from inside, and say which stand");
    command->add_option("--policy", options.policy, "A policy's name, or the path of a .json file")
        ->type_name("POLICY")
        ->capture_default_str();
    command->add_option("--python", options.python, "The Python that runs the attempts")->type_name("PYTHON");
    command->add_option("--engine", options.engine, "An engine, instead of the policy's")
        ->type_name("ENGINE");
    command->add_flag("--json", options.json, "Print one JSON object: layers, attempts, promise_holds");
    command->footer(
        "Exit status: 0 (the policy's promise holds), 1 (something got through), 2 (usage), 125 (no sandbox "
        "to "
        "be had).");
    command->callback([&] { action = [&] { return doctor_command(options); }; });
}

void add_engines(CLI::App& app, EnginesOptions& options, Action& action) {
    auto* command = app.add_subcommand("engines", "What can make a sandbox here, and how strong it is");
    command
        ->add_option("--policy", options.policy,
                     "What is asked of them: a policy's name, or the path of a .json file")
        ->type_name("POLICY")
        ->capture_default_str();
    command->add_flag("--measure", options.measure,
                      "Start a sandbox on each that is usable, and say how long that took");
    command->add_flag("--json", options.json, "Print one JSON object for each");
    command->callback([&] { action = [&] { return engines_command(options); }; });
}

void add_clean(CLI::App& app, CleanOptions& options, Action& action) {
    auto* command = app.add_subcommand("clean", "Remove what crashed programs left behind on engines");
    command->add_option("engine", options.engines, "These alone (default: all)")->type_name("ENGINE");
    command
        ->add_option("--destination", options.destination,
                     "Look only there, as the policy's key `destination` names it, a namespace of Kubernetes "
                     "(default: in all that you may list, or else in kubectl's own)")
        ->type_name("PLACE");
    command->add_flag("--quiet", options.quiet, "Print nothing");
    command->callback([&] { action = [&] { return clean_command(options); }; });
}

void add_daemon(CLI::App& app, DaemonCommandOptions& options, DaemonStatusOptions& asked, Action& action) {
    auto* command = app.add_subcommand("daemon", "Keep Pythons warm (kernels start this one; see `warm`)");
    command
        ->add_option("--idle", options.idle,
                     "Unused for as long, it leaves (else as daemon.json says, or 30m)")
        ->type_name("TIME");
    command->add_option("--client", options.client, "A descriptor of the program that starts it")->group("");
    command->callback([&] { action = action ? action : Action([&] { return daemon_command(options); }); });
    auto* status = command->add_subcommand("status", "What your daemons keep");
    auto* json = status->add_flag("--json", asked.json, "For programs");
    status->add_flag("--openmetrics", asked.open_metrics, "For a monitoring system, as OpenMetrics text")
        ->excludes(json);
    status->callback([&] { action = [&] { return daemon_status_command(asked); }; });
    auto* stop = command->add_subcommand("stop", "End your daemons; sandboxes go on");
    stop->callback([&] { action = [] { return daemon_stop_command(); }; });
}

void add_logs(CLI::App& app, LogsOptions& options, Action& action) {
    auto* command = app.add_subcommand("logs", "Show what kernels, daemons and servers of yours have logged");
    command->add_option("whose", options.whose, "daemon, kernel, serve or all")
        ->type_name("WHOSE")
        ->check(CLI::IsMember({"daemon", "kernel", "serve", "all"}))
        ->capture_default_str();
    command->add_option("-n,--tail", options.tail, "So many of each file's last lines, or all")
        ->type_name("N")
        ->check(CLI::IsMember({"all"}) | CLI::Range(0, 1'000'000))
        ->capture_default_str();
    command->add_flag("-f,--follow", options.follow, "Go on with what is logged from now on");
    command->footer("Exit status: 0 (also where nothing was logged), 1 (a log can't be read), 2 (usage).");
    command->callback([&] { action = [&] { return logs_command(options); }; });
}

void add_relay(CLI::App& app, Action& action) {
    auto* command = app.add_subcommand("relay", "For engines alone")->group("");
    command->callback([&] { action = [] { return relay_command(); }; });
    auto* launcher = app.add_subcommand("launcher", "For the daemon alone")->group("");
    launcher->callback([&] { action = [] { return launcher_command(); }; });
    auto* fonts = app.add_subcommand("font-list", "For the daemon alone")->group("");
    auto python = std::make_shared<std::string>();
    fonts->add_option("python", *python)->required();
    fonts->callback([&action, python] { action = [python] { return font_list_command(*python); }; });
}

void add_audit(CLI::App& app, AuditOptions& options, Action& action) {
    auto* audit = app.add_subcommand("audit", "Check audit logs");
    audit->require_subcommand(1);
    auto* verify = audit->add_subcommand("verify", "Find lines that were changed, removed or moved");
    verify->add_option("path", options.path, "The file that the policy's key \"audit\" names")
        ->type_name("PATH")
        ->required();
    verify->add_option("--head", options.head, "The digest of a line, as it was kept elsewhere")
        ->type_name("DIGEST");
    verify->footer("Exit status: 0 (as it was written), 1 (it isn't), 2 (usage, or it can't be read).");
    verify->callback([&] { action = [&] { return audit_verify_command(options); }; });
}

void add_policy(CLI::App& app, std::string& argument, Action& action) {
    auto* policy = app.add_subcommand("policy", "Check and show policies");
    policy->require_subcommand(1);
    auto* check = policy->add_subcommand("check", "Is FILE a policy? Says what is wrong, or the whole of it");
    check->add_option("file", argument, "A JSON file")->type_name("FILE")->required();
    check->callback([&] { action = [&] { return policy_check_command(argument); }; });
    auto* show = policy->add_subcommand("show", "Print a policy with every key");
    show->add_option("name", argument, "A policy's name, or the path of a .json file")
        ->type_name("POLICY")
        ->required();
    show->callback([&] { action = [&] { return policy_show_command(argument); }; });
    auto* prompt =
        policy->add_subcommand("prompt", "Print instructions for a language model that writes cells");
    prompt->add_option("name", argument, "A policy's name, or the path of a .json file")
        ->type_name("POLICY")
        ->required();
    prompt->callback([&] { action = [&] { return policy_prompt_command(argument); }; });
    auto* reference = policy->add_subcommand("reference", "Print the table of all keys, in Markdown");
    reference->callback([&] { action = [] { return policy_reference_command(); }; });
}

void add_completion(CLI::App& app, std::string& argument, Action& action) {
    auto* command = app.add_subcommand(
        "completion", "Print a script with which a shell completes cellblock's command line");
    command->add_option("shell", argument, "The shell")
        ->type_name("bash|zsh|fish")
        ->required()
        ->check(CLI::IsMember({"bash", "zsh", "fish"}));
    command->footer(
        "Examples:\n"
        "  source <(cellblock completion bash)     in ~/.bashrc\n"
        "  source <(cellblock completion zsh)      in ~/.zshrc, behind compinit\n"
        "  cellblock completion fish > ~/.config/fish/completions/cellblock.fish");
    command->callback([&] { action = [&] { return completion_command(app, argument); }; });
    auto* page = app.add_subcommand("man-page", "For the build alone")->group("");
    page->add_option("name", argument)->required()->check(CLI::IsMember({"cellblock", "cellblock-policy"}));
    page->callback([&] { action = [&] { return man_page_command(app, argument); }; });
}

// Names that are valid at that place of the command line: commands that the help shows, or options.
std::vector<std::string> names_in(const CLI::App& place, bool commands) {
    std::vector<std::string> names;
    const auto shown = [](const CLI::App* one) { return !one->get_group().empty(); };
    for (const auto* command : place.get_subcommands(shown)) {
        names.push_back(command->get_name());
    }
    if (!commands) {
        names.clear();
        for (const auto* option : place.get_options()) {
            for (const auto& name : option->get_lnames()) {
                names.push_back("--" + name);
            }
        }
    }
    return names;
}

// One line: what is wrong, and where the usage is told.
int refuse(const CLI::App& app, const CLI::ParseError& error) {
    std::string command = "cellblock";
    const CLI::App* place = &app;
    while (!place->get_subcommands().empty()) {
        place = place->get_subcommands().front();
        command += " " + place->get_name();
    }
    const auto unknown = place->remaining();
    const bool wants_command = place->get_require_subcommand_min() > 0;
    const auto slip = wants_command
                          ? unknown.begin()
                          : std::find_if(unknown.begin(), unknown.end(),
                                         [](const std::string& one) { return one.starts_with('-'); });
    const std::string meant =
        slip == unknown.end() ? "" : sandbox::nearest(*slip, names_in(*place, wants_command));
    std::cerr << command << ": ";
    if (wants_command && !unknown.empty()) {
        std::cerr << "there is no command \"" << unknown.front() << "\"";
    } else {
        std::cerr << error.what();
    }
    std::cerr << (meant.empty() ? "" : "; did you mean " + meant + "?");
    std::cerr << " (`" << command << " --help` shows the usage)\n";
    return kUsageError;
}

int run_program(int argc, char** argv) {
    CLI::App app{"cellblock runs Python in a sandbox: as a Jupyter kernel, or from the command line.",
                 "cellblock"};
    app.set_version_flag("--version", "cellblock " CELLBLOCK_VERSION);
    app.require_subcommand(1);
    app.footer(kExamples);
    InstallOptions install;
    KernelspecPlace uninstall;
    KernelOptions kernel;
    RunOptions run;
    ExecOptions exec;
    McpOptions mcp;
    ServeOptions serve;
    DoctorOptions doctor;
    EnginesOptions engines;
    CleanOptions clean;
    DaemonCommandOptions daemon;
    DaemonStatusOptions daemon_status;
    LogsOptions logs;
    AuditOptions audit;
    std::string argument;
    Action action;
    add_install(app, install, action);
    add_uninstall(app, uninstall, action);
    add_kernel(app, kernel, action);
    add_run(app, run, action);
    add_exec(app, exec, action);
    add_mcp(app, mcp, action);
    add_serve(app, serve, action);
    add_doctor(app, doctor, action);
    add_engines(app, engines, action);
    add_clean(app, clean, action);
    add_daemon(app, daemon, daemon_status, action);
    add_logs(app, logs, action);
    add_relay(app, action);
    add_audit(app, audit, action);
    add_policy(app, argument, action);
    add_completion(app, argument, action);
    if (argc < 2) {
        std::cerr << app.help();
        return kUsageError;
    }
    try {
        app.parse(argc, argv);
    } catch (const CLI::Success& asked) {  // --help, --version
        return app.exit(asked);
    } catch (const CLI::ParseError& error) {
        return refuse(app, error);
    }
    const int status = action();
    finish_with_daemon();
    return status;
}

}  // namespace

int main(int argc, char** argv) {
    std::signal(SIGCHLD, SIG_DFL);  // may have been inherited as ignored; then no child's end could be told
    cellblock::sandbox::raise_file_limit();
    cellblock::sandbox::grow_descriptor_table();
    try {
        return run_program(argc, argv);
    } catch (const std::exception& error) {
        std::cerr << "cellblock: unexpected: " << error.what() << "\n";
        return kBug;
    }
}
