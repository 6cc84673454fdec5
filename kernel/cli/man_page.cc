#include "kernel/cli/man_page.h"

#include "sandbox/base/text.h"
#include "sandbox/policy/key_table.h"

namespace cellblock::kernel {

namespace {

// Text that man shows as it is. `code` in backticks, as in the policy's reference, becomes bold.
std::string plain(const std::string& text) {
    std::string out;
    bool bold = false;
    for (const char letter : text) {
        switch (letter) {
            case '\\':
                out += "\\e";
                break;
            case '-':
                out += "\\-";
                break;
            case '`':
                bold = !bold;
                out += bold ? "\\fB" : "\\fR";
                break;
            case '\n':
                out += "\n.br\n";
                break;
            case '.':
            case '\'':
                out +=
                    out.empty() || out.back() == '\n' ? std::string("\\&") + letter : std::string(1, letter);
                break;
            default:
                out += letter;
        }
    }
    return out;
}

std::string bold(const std::string& text) {
    return "\\fB" + plain(text) + "\\fR";
}
std::string placeholder(const std::string& text) {
    return "\\fI" + plain(text) + "\\fR";
}

std::string header(const std::string& title, const std::string& section, const std::string& manual) {
    return ".TH " + title + " " + section + " \"\" \"cellblock " CELLBLOCK_VERSION "\" \"" + manual + "\"\n";
}

std::string item(const std::string& term, const std::string& text) {
    return ".TP\n" + term + "\n" + text + "\n";
}

std::string option_item(const CommandOption& option) {
    std::string term;
    for (const auto& name : option.names) {
        term += (term.empty() ? "" : ", ") + bold(name);
    }
    if (!option.value.empty()) {
        term += (term.empty() ? "" : " ") + placeholder(option.value);
    }
    return item(term, plain(option.meaning));
}

// "cellblock run [OPTIONS] FILE [ARGUMENTS...]"
std::string usage(const Command& command) {
    std::string out = bold("cellblock" + std::string(command.words.empty() ? "" : " ") + command.name());
    out += command.options.empty() ? "" : " [" + placeholder("OPTIONS") + "]";
    for (const auto& argument : command.arguments) {
        const std::string name = placeholder(argument.value) + (argument.repeated ? "..." : "");
        out += argument.required ? " " + name : " [" + name + "]";
    }
    if (!command.commands.empty()) {
        out += command.needs_command ? " " + placeholder("COMMAND") : " [" + placeholder("COMMAND") + "]";
    }
    return out;
}

std::string command_section(const Command& command) {
    std::string out = ".SS " + usage(command) + "\n" + plain(command.meaning) + ".\n";
    for (const auto& argument : command.arguments) {
        out += option_item(argument);
    }
    for (const auto& option : command.options) {
        if (option.names.back() != "--help") {
            out += option_item(option);
        }
    }
    return out + (command.footer.empty() ? "" : ".PP\n" + plain(command.footer) + "\n");
}

constexpr const char* kAround = R"(.SH ENVIRONMENT
.TP
.B CELLBLOCK_POLICY
The policy of a kernel, a name or a path, before the one of its kernelspec.
.TP
.B CELLBLOCK_DAEMON
With the value 0 no daemon is started and none is asked for a sandbox.
.TP
.B NO_COLOR
With any value, tracebacks have no colours.
.SH FILES
.TP
.I ~/.config/cellblock/policies/
The user's policies, which are found by their names; they go before those that were installed with the program.
.TP
.I ~/.config/cellblock/engines/
The user's templates of engines.
.TP
.I ~/.config/cellblock/daemon.json
The settings of the user's daemon.
.SH SEE ALSO
.BR cellblock\-policy (5)
)";

}  // namespace

std::string program_man_page(const std::vector<Command>& commands) {
    const Command& program = commands.front();
    std::string out = header("CELLBLOCK", "1", "User Commands");
    out +=
        ".SH NAME\ncellblock \\- run Python code in a sandbox, as a Jupyter kernel or from the command "
        "line\n";
    out += ".SH SYNOPSIS\n" + usage(program) + "\n.SH DESCRIPTION\n" + plain(program.meaning) + "\n";
    out +=
        ".PP\nA cell can neither read the files of its user nor change them, reach the network, fill the "
        "machine or hang "
        "the session, unless the policy allows it.\n.SH OPTIONS\n";
    for (const auto& option : program.options) {
        out += option_item(option);
    }
    out += ".SH COMMANDS\nEach command has the option " + bold("--help") + ".\n";
    for (const auto& command : commands) {
        const bool has_use = command.commands.empty() || !command.needs_command;
        out += command.words.empty() || !has_use ? "" : command_section(command);
    }
    const std::string examples = program.footer;
    out += ".SH EXAMPLES\n.EX\n";
    for (const auto& line : sandbox::split_at(examples, '\n')) {
        if (line.starts_with("  ")) {
            out += plain(line.substr(2)) + "\n";
        }
    }
    return out + ".EE\n" + kAround;
}

std::string policy_man_page() {
    std::string out = header("CELLBLOCK-POLICY", "5", "File Formats");
    out +=
        ".SH NAME\ncellblock\\-policy \\- what a sandbox of cellblock may do\n.SH DESCRIPTION\n"
        "A policy is one JSON document that says everything about a sandbox: time, memory, files, packages, "
        "outputs, "
        "engine. The option " +
        bold("--policy") + " of " + bold("cellblock") +
        "(1) takes the path of such a file, or a policy's name. A name is looked for in "
        "\\fI~/.config/cellblock/policies/\\fR, "
        "then among the policies that were installed: " +
        bold("default") + " is strict and shows no file of the user, " + bold("notebook") +
        " shows the notebook's own folder through a copy\\-on\\-write overlay.\n.PP\n" +
        "Whatever a policy leaves out has its default. An unknown key, a wrong type or a bad unit is an "
        "error, and nothing "
        "runs. " +
        bold("cellblock policy check") + " finds such mistakes, and " + bold("cellblock policy show") +
        " prints a policy with every key.\n.SH KEYS\nA key with a dot is a member of an object: " +
        bold("limits.memory") + " is " + bold("{\"limits\": {\"memory\": \"2GiB\"}}") + ".\n";
    for (const auto& key : sandbox::policy_table()) {
        out += item(bold(key.path) + " (" + plain(key.type) + ")",
                    plain(key.meaning) + "\n.br\nDefault: " + plain(key.fallback) +
                        (key.allowed.empty() ? "" : "\n.br\nAllowed: " + plain(key.allowed)));
    }
    return out + ".SH EXAMPLE\n.EX\n" +
           plain(
               R"({"limits": {"cell_time": "30s", "memory": "2GiB"}, "packages": {"allow": ["seaborn"]}})") +
           "\n.EE\n.SH SEE ALSO\n.BR cellblock (1)\n";
}

}  // namespace cellblock::kernel
