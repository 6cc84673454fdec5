// The program's commands: the options of each, and the function that main calls.
//
// Purpose: the seam between the command line (main.cc) and what a command does. A new command gets a struct
// and a function here, a file of its own, and a function in main.cc that fills the struct.
//
// Plain values; commands are called on the main thread. A command prints on stderr what went wrong and what
// to try, and returns the program's exit status; 2 is an error of usage. Nothing throws.
#pragma once

#include <optional>
#include <string>
#include <vector>

namespace CLI {  // NOLINT(readability-identifier-naming): CLI11 calls itself so
class App;
}

namespace cellblock::kernel {

// cellblock kernel: a Jupyter client starts this one.
struct KernelOptions {
    std::string connection_file;
    std::string policy = "notebook";    // a name or a path
    std::optional<std::string> python;  // instead of the policy's
    bool any_user = false;              // clients of other users of this machine may connect too
    bool keeps_history = true;          // where the policy does
};
int kernel_command(const KernelOptions& options);

// cellblock run
struct RunOptions {
    std::string file;                    // "-": standard input; a name that ends in .ipynb: a notebook
    std::vector<std::string> arguments;  // the file's own, sys.argv[1:]
    std::optional<std::string> policy;   // a name or a path; none: "default"
    std::optional<std::string> python;   // instead of the policy's
    std::optional<std::string> timeout;  // "30s": instead of limits.cell_time
    std::optional<std::string> plots;    // the folder for figures
    std::optional<std::string> files;    // the folder for files that the cells write
    std::vector<std::string> inputs;     // files that the cells may read: PATH or PATH:/path/inside
    bool json = false;
};
int run_command(const RunOptions& options);

// cellblock exec
struct ExecOptions {
    std::vector<std::string> command;   // a program and its arguments
    std::optional<std::string> policy;  // as RunOptions has these three
    std::optional<std::string> python;
    std::vector<std::string> inputs;
    std::optional<std::string> timeout;    // "30s", "0": none. Else limits.cell_time, or none with a terminal
    std::optional<std::string> directory;  // inside, where the command begins
    std::vector<std::string> variables;    // NAME=VALUE, or NAME for this environment's value
    bool terminal = false;
    bool interactive = false;  // nothing follows from it: for who is used to docker
};
int exec_command(const ExecOptions& options);

// cellblock mcp
struct McpOptions {
    std::optional<std::string> policy;  // as RunOptions has these three
    std::optional<std::string> python;
    std::vector<std::string> inputs;
};
int mcp_command(const McpOptions& options);

// cellblock serve
struct ServeOptions {
    std::vector<std::string> addresses;          // HOST:PORT or unix:/path
    std::optional<std::string> token_file;       // needed for HOST:PORT
    std::optional<std::string> tls_certificate;  // files in PEM, both or none; for HOST:PORT alone
    std::optional<std::string> tls_key;
    std::optional<std::string> policy;  // as RunOptions has these three
    std::optional<std::string> python;
    std::vector<std::string> inputs;
    std::size_t sandboxes = 100;  // at a time, of E2B's clients and of MCP's each
    std::uint32_t mcp_idle_seconds = 1800;
};
int serve_command(const ServeOptions& options);

// cellblock engines
struct EnginesOptions {
    std::string policy = "default";  // a name or a path: what is asked of them
    bool measure = false;
    bool json = false;
};
int engines_command(const EnginesOptions& options);

// cellblock clean
struct CleanOptions {
    std::vector<std::string> engines;  // none: all
    std::string destination;           // where an engine looks that reaches elsewhere; empty: wherever it may
    bool quiet = false;
};
int clean_command(const CleanOptions& options);

// cellblock doctor
struct DoctorOptions {
    std::optional<std::string> engine;  // instead of the policy's
    std::string policy = "default";     // a name or a path
    std::optional<std::string> python;  // instead of the policy's
    bool json = false;
};
int doctor_command(const DoctorOptions& options);

// cellblock daemon [status | stop]
struct DaemonCommandOptions {
    std::optional<std::string> idle;  // instead of the settings'
    int client = -1;                  // a connection, from the program that starts it
};
int daemon_command(const DaemonCommandOptions& options);
struct DaemonStatusOptions {
    bool json = false;
    bool open_metrics = false;
};
int daemon_status_command(const DaemonStatusOptions& options);
int daemon_stop_command();

// The end of each command: waits, 2 s at most, until the daemon has heard what it was told.
void finish_with_daemon();

// cellblock logs
struct LogsOptions {
    std::string whose = "all";  // "daemon", "kernel", "serve" or "all"
    std::string tail = "all";   // how many of each file's last lines, or "all"
    bool follow = false;
};
int logs_command(const LogsOptions& options);

// cellblock relay, cellblock launcher, cellblock font-list: started by cellblock itself, never by people
int relay_command();
int launcher_command();
int font_list_command(const std::string& python);

// cellblock audit verify PATH
struct AuditOptions {
    std::string path;
    std::string head;  // a digest that was kept elsewhere; may be empty
};
int audit_verify_command(const AuditOptions& options);

// The place of a kernelspec: at most one of the first three (none: /usr/local as root, else the user's own
// folder), and at most one of the two names (none: "cellblock").
struct KernelspecPlace {
    bool user = false;
    bool sys_prefix = false;
    std::optional<std::string> prefix;
    std::optional<std::string> name;
    std::optional<std::string> as;  // the name of a kernel whose place is taken
};

// cellblock install
struct InstallOptions {
    KernelspecPlace place;
    std::string display_name = "Python (cellblock)";
    std::string policy = "notebook";
    std::optional<std::string> python;
};
int install_command(const InstallOptions& options);

// cellblock uninstall
int uninstall_command(const KernelspecPlace& place);

// cellblock policy check FILE | show NAME | prompt NAME | reference
int policy_check_command(const std::string& file);
int policy_show_command(const std::string& name_or_path);
int policy_prompt_command(const std::string& name_or_path);
int policy_reference_command();

// cellblock completion bash | zsh | fish, cellblock man-page cellblock | cellblock-policy: on stdout, of the
// commands that `app` has
int completion_command(const CLI::App& app, const std::string& shell);
int man_page_command(const CLI::App& app, const std::string& name);

}  // namespace cellblock::kernel
