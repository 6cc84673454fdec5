// The program's command line as plain data, for completions and the man page.
//
// Purpose: main.cc tells CLI11 the commands and their options; commands_of() reads them from there, so that
// what is made of them can't differ from what the program takes:
//
//     for (const Command& command : commands_of(app)) { std::cout << command.name() << "\n"; }
//
// Hidden commands and options, whose group is empty, are left out. Plain values; nothing fails.
#pragma once

#include <string>
#include <vector>

namespace CLI {  // NOLINT(readability-identifier-naming): CLI11 calls itself so
class App;
}

namespace cellblock::kernel {

// The kinds of values, by what a shell may offer in their place.
enum class ValueKind { none, text, choice, file, folder, policy, engine };

// An option, or without names an argument that is known by its place.
struct CommandOption {
    std::vector<std::string> names;    // "-e", "--env"
    std::string value;                 // for people: "NAME[=VALUE]"; empty: a flag
    ValueKind kind = ValueKind::none;  // none: a flag
    std::vector<std::string> choices;
    std::string meaning;
    bool required = false;
    bool repeated = false;
};

struct Command {
    std::vector<std::string> words;  // {"daemon", "status"}; none for the program itself
    std::string meaning;
    std::string footer;
    bool needs_command = false;  // one of its commands must follow
    std::vector<CommandOption> options;
    std::vector<CommandOption> arguments;
    std::vector<std::string> commands;  // the next word: "status", "stop"

    // The words with a separator between them: "daemon status".
    std::string name(const std::string& separator = " ") const;
};

// The program first; each command comes before its own commands.
std::vector<Command> commands_of(const CLI::App& app);

// The command of that name, or nullptr.
const Command* find_command(const std::vector<Command>& commands, const std::string& name);

}  // namespace cellblock::kernel
