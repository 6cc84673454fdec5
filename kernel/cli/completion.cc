#include "kernel/cli/completion.h"

namespace cellblock::kernel {

namespace {

// `text` with `before` in front of each of `letters`.
std::string escaped(const std::string& text, const std::string& letters, const std::string& before) {
    std::string out;
    for (const char letter : text) {
        if (letters.find(letter) != std::string::npos) {
            out += before;
        }
        out += letter;
    }
    return out;
}

// `text` with each newline as a space, as a description has one line.
std::string in_one_line(std::string text) {
    for (char& letter : text) {
        letter = letter == '\n' ? ' ' : letter;
    }
    return text;
}

std::string joined(const std::vector<std::string>& words, const std::string& separator) {
    std::string out;
    for (const auto& word : words) {
        out += (out.empty() ? "" : separator) + word;
    }
    return out;
}

// A word that no `case` of a shell takes for a pattern.
std::string quoted(const std::string& text) {
    return "'" + text + "'";
}

// --- bash

constexpr const char* kBashHead =
    R"bash(# Completes cellblock's command line in bash. Printed by `cellblock completion bash`.

# The names of the user's and the program's JSON files of a kind: policies or engines.
_cellblock_names() { # program kind
    local program folder file
    program=$(realpath "$(type -P "${1/#\~/$HOME}")" 2>/dev/null)
    for folder in "${XDG_CONFIG_HOME:-$HOME/.config}" "${program%/*}/../share" "${program%/*}/share"; do
        for file in "$folder/cellblock/$2"/*.json; do
            [[ -e $file ]] || continue
            file=${file##*/}
            printf '%s\n' "${file%.json}"
        done
    done
}

_cellblock() {
    local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD - 1]} command='' kind='' words='' i
    COMPREPLY=()
    if [[ $current == "=" ]]; then
        current=''
    elif [[ $previous == "=" ]]; then
        previous=${COMP_WORDS[COMP_CWORD - 2]}
    fi
    for ((i = 1; i < COMP_CWORD; i++)); do
        if [[ ${COMP_WORDS[i]} == "--" ]]; then
            kind=file
            break
        fi
        case "${command:+$command }${COMP_WORDS[i]}" in
            )bash";

constexpr const char* kBashTail = R"bash(    case $kind in
        file)
            compopt -o filenames 2>/dev/null
            mapfile -t COMPREPLY < <(compgen -f -- "$current")
            ;;
        folder)
            compopt -o filenames 2>/dev/null
            mapfile -t COMPREPLY < <(compgen -d -- "$current")
            ;;
        policy)
            compopt -o filenames 2>/dev/null
            mapfile -t COMPREPLY < <(compgen -W "$(_cellblock_names "$1" policies)" -- "$current"
                compgen -d -- "$current"
                compgen -f -X '!*.json' -- "$current")
            ;;
        engine) mapfile -t COMPREPLY < <(compgen -W "native $(_cellblock_names "$1" engines)" -- "$current") ;;
        words) mapfile -t COMPREPLY < <(compgen -W "$words" -- "$current") ;;
    esac
}

complete -F _cellblock cellblock
)bash";

// The lines that set `kind`, and `words` where the value is one of some.
std::string bash_kind(const CommandOption& option) {
    switch (option.kind) {
        case ValueKind::file:
            return "kind=file";
        case ValueKind::folder:
            return "kind=folder";
        case ValueKind::policy:
            return "kind=policy";
        case ValueKind::engine:
            return "kind=engine";
        case ValueKind::choice:
            return "kind=words words=" + quoted(joined(option.choices, " "));
        case ValueKind::text:
        case ValueKind::none:
            break;
    }
    return "kind=nothing";
}

// The cases of options that take a value, and of those that have it behind them.
std::string bash_values(const std::vector<Command>& commands) {
    std::string out;
    for (const auto& command : commands) {
        for (const auto& option : command.options) {
            if (option.kind == ValueKind::none) {
                continue;
            }
            std::vector<std::string> patterns;
            for (const auto& name : option.names) {
                patterns.push_back(quoted(command.name() + ":" + name));
            }
            out += "            " + joined(patterns, " | ") + ") " + bash_kind(option) + " ;;\n";
        }
    }
    return out;
}

std::string bash_options(const std::vector<Command>& commands) {
    std::string out;
    for (const auto& command : commands) {
        std::vector<std::string> names;
        for (const auto& option : command.options) {
            names.insert(names.end(), option.names.begin(), option.names.end());
        }
        out += "            " + quoted(command.name()) + ") words=" + quoted(joined(names, " ")) + " ;;\n";
    }
    return out;
}

// The kinds of what may stand where neither an option nor its value does.
std::string bash_arguments(const std::vector<Command>& commands) {
    std::string out;
    for (const auto& command : commands) {
        if (!command.commands.empty()) {
            out += "            " + quoted(command.name()) +
                   ") kind=words words=" + quoted(joined(command.commands, " ")) + " ;;\n";
        } else if (!command.arguments.empty()) {
            out += "            " + quoted(command.name()) + ") " + bash_kind(command.arguments.front()) +
                   " ;;\n";
        }
    }
    return out;
}

// --- zsh

constexpr const char* kZshHead =
    R"zsh(#compdef cellblock
# Completes cellblock's command line in zsh. Printed by `cellblock completion zsh`.

# The functions that complete values. Two underscores, as one stands before a command's name.
# Sets `names` to the names of the user's and the program's JSON files of a kind: policies or engines.
_cellblock__names() {
    local program=${commands[cellblock]:A}
    names=({${XDG_CONFIG_HOME:-$HOME/.config},${program:h}/../share,${program:h}/share}/cellblock/$1/*.json(N:t:r))
}

_cellblock__policies() {
    local -a names
    _cellblock__names policies
    _alternative 'policies:policy:compadd -a names' 'files:file:_files -g "*.json"'
}

_cellblock__engines() {
    local -a names expl
    _cellblock__names engines
    _wanted engines expl engine compadd - native $names
}
)zsh";

constexpr const char* kZshTail = R"zsh(
if [ "${funcstack[1]}" = _cellblock ]; then
    _cellblock "$@"
else
    compdef _cellblock cellblock
fi
)zsh";

std::string zsh_text(const std::string& text) {
    std::string out;
    for (const char letter : escaped(in_one_line(text), "\\[]:", "\\")) {
        out += letter == '\'' ? std::string("'\\''") : std::string(1, letter);
    }
    return out;
}

std::string zsh_value(const CommandOption& option) {
    std::string action = " ";
    switch (option.kind) {
        case ValueKind::file:
            action = "_files";
            break;
        case ValueKind::folder:
            action = "_files -/";
            break;
        case ValueKind::policy:
            action = "_cellblock__policies";
            break;
        case ValueKind::engine:
            action = "_cellblock__engines";
            break;
        case ValueKind::choice:
            action = "(" + joined(option.choices, " ") + ")";
            break;
        case ValueKind::text:
        case ValueKind::none:
            break;
    }
    return ":" + zsh_text(option.value) + ":" + action;
}

// One line for each name: each excludes the others, unless the option may be given several times.
std::string zsh_option(const CommandOption& option) {
    std::string out;
    const bool takes_value = option.kind != ValueKind::none;
    for (const auto& name : option.names) {
        const std::string equals = !takes_value ? "" : name.starts_with("--") ? "=" : "+";
        const std::string start = option.repeated ? "*" : "(" + joined(option.names, " ") + ")";
        out += " \\\n        '" + start + name + equals + "[" + zsh_text(option.meaning) + "]" +
               (takes_value ? zsh_value(option) : "") + "'";
    }
    return out;
}

std::string zsh_function(const std::vector<Command>& commands, const Command& command) {
    const std::string name = "_cellblock" + (command.words.empty() ? "" : "_" + command.name("_"));
    std::string arguments;
    for (const auto& option : command.options) {
        arguments += zsh_option(option);
    }
    if (command.commands.empty()) {
        for (const auto& argument : command.arguments) {
            arguments +=
                std::string(" \\\n        '") + (argument.repeated ? "*" : "") + zsh_value(argument) + "'";
        }
        return "\n" + name + "() {\n    _arguments -s :" + arguments + "\n}\n";
    }
    std::string described;
    for (const auto& word : command.commands) {
        const std::string longer = (command.words.empty() ? "" : command.name() + " ") + word;
        if (const auto* one = find_command(commands, longer)) {
            described += "                '" + word + ":" + zsh_text(one->meaning) + "'\n";
        }
    }
    return "\n" + name + "() {\n    local context state state_descr line curcontext=$curcontext\n" +
           "    local -a words_here\n    typeset -A opt_args\n    _arguments -C -s :" + arguments +
           " \\\n        '1: :->command' \\\n        '*:: :->arguments'\n" +
           "    case $state in\n        command)\n            words_here=(\n" + described +
           "            )\n            _describe -t commands command words_here\n            ;;\n" +
           "        arguments)\n            (( $+functions[" + name + "_$words[1]] )) && " + name +
           "_$words[1]\n            ;;\n    esac\n}\n";
}

// --- fish

constexpr const char* kFishHead =
    R"fish(# Completes cellblock's command line in fish. Printed by `cellblock completion fish`.

# The names of the user's and the program's JSON files of a kind: policies or engines.
function __cellblock_names
    set -l program (realpath (command -s cellblock) 2>/dev/null)
    set -l folders $HOME/.config
    set -q XDG_CONFIG_HOME; and set folders $XDG_CONFIG_HOME
    set -l beside (dirname -- $program)
    for file in {$folders,$beside/../share,$beside/share}/cellblock/$argv[1]/*.json
        string replace -r '\.json$' '' (basename $file)
    end
end

# Whether the commands that were typed so far are these.
function __cellblock_at
    set -l typed
    for word in (commandline -opc)[2..-1]
        test "$word" = --; and break
        set -l longer (string join ' ' -- $typed $word)
        contains -- "$longer" $__cellblock_commands; and set typed "$longer"
    end
    test "$typed" = "$argv"
end

complete -c cellblock -e
complete -c cellblock -f
)fish";

std::string fish_text(const std::string& text) {
    return "'" + escaped(in_one_line(text), "\\'", "\\") + "'";
}

// The completions that may stand in an option's or an argument's place.
std::string fish_value(const CommandOption& option) {
    switch (option.kind) {
        case ValueKind::file:
            return " -F";
        case ValueKind::folder:
            return " -f -a '(__fish_complete_directories)'";
        case ValueKind::policy:
            return " -f -a '(__cellblock_names policies; __fish_complete_suffix .json)'";
        case ValueKind::engine:
            return " -f -a '(echo native; __cellblock_names engines)'";
        case ValueKind::choice:
            return " -f -a " + fish_text(joined(option.choices, " "));
        case ValueKind::text:
        case ValueKind::none:
            break;
    }
    return " -f";
}

std::string fish_option(const CommandOption& option) {
    std::string out;
    for (const auto& name : option.names) {
        out += name.starts_with("--") ? " -l " + name.substr(2) : " -s " + name.substr(1);
    }
    if (option.kind != ValueKind::none) {
        out += " -r" + fish_value(option);
    }
    return out + " -d " + fish_text(option.meaning);
}

}  // namespace

std::string bash_completion(const std::vector<Command>& commands) {
    std::vector<std::string> names;
    for (const auto& command : commands) {
        if (!command.words.empty()) {
            names.push_back(quoted(command.name()));
        }
    }
    return kBashHead + joined(names, " | ") + ") command=${command:+$command }${COMP_WORDS[i]} ;;\n" +
           "        esac\n    done\n" + "    if [[ -z $kind ]]; then\n        case $command:$previous in\n" +
           bash_values(commands) + "        esac\n    fi\n" +
           "    if [[ -z $kind && $current == -* ]]; then\n        kind=words\n        case $command in\n" +
           bash_options(commands) +
           "        esac\n    elif [[ -z $kind ]]; then\n        case $command in\n" +
           bash_arguments(commands) + "        esac\n    fi\n" + kBashTail;
}

std::string zsh_completion(const std::vector<Command>& commands) {
    std::string out = kZshHead;
    for (const auto& command : commands) {
        out += zsh_function(commands, command);
    }
    return out + kZshTail;
}

std::string fish_completion(const std::vector<Command>& commands) {
    std::string out = kFishHead;
    out += "set -g __cellblock_commands";
    for (const auto& command : commands) {
        out += command.words.empty() ? "" : " " + quoted(command.name());
    }
    out += "\n";
    for (const auto& command : commands) {
        const std::string at = "complete -c cellblock -n " +
                               fish_text("__cellblock_at " + (command.words.empty() ? "" : command.name()));
        for (const auto& word : command.commands) {
            const std::string longer = (command.words.empty() ? "" : command.name() + " ") + word;
            const auto* one = find_command(commands, longer);
            out += at + " -a " + word + " -d " + fish_text(one == nullptr ? "" : one->meaning) + "\n";
        }
        for (const auto& option : command.options) {
            out += at + fish_option(option) + "\n";
        }
        if (command.commands.empty() && !command.arguments.empty()) {
            out += at + fish_value(command.arguments.front()) + "\n";
        }
    }
    return out;
}

}  // namespace cellblock::kernel
