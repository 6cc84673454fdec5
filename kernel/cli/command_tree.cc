#include "kernel/cli/command_tree.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <map>

#include "sandbox/base/text.h"

namespace cellblock::kernel {

namespace {

// A validator's description follows the name of the type behind a colon, as in "NUMBER:INT in [1 - 100]".
std::string value_of(const CLI::Option& option) {
    const std::string type = option.get_type_name();
    return type.substr(0, type.find(':', type.starts_with("PATH[:") ? 6 : 0));
}

ValueKind kind_of(const std::string& value) {
    static const std::map<std::string, ValueKind> kinds{
        {"FILE", ValueKind::file},     {"PATH", ValueKind::file},      {"PATH[:INSIDE]", ValueKind::file},
        {"PYTHON", ValueKind::file},   {"DIR", ValueKind::folder},     {"POLICY", ValueKind::policy},
        {"ENGINE", ValueKind::engine}, {"ARGUMENTS", ValueKind::file}, {"COMMAND", ValueKind::file},
    };
    if (value.find('|') != std::string::npos) {
        return ValueKind::choice;
    }
    const auto found = kinds.find(value);
    return found == kinds.end() ? ValueKind::text : found->second;
}

CommandOption described(const CLI::Option& option) {
    CommandOption out;
    for (const auto& name : option.get_snames()) {
        out.names.push_back("-" + name);
    }
    for (const auto& name : option.get_lnames()) {
        out.names.push_back("--" + name);
    }
    out.meaning = option.get_description();
    out.required = option.get_required();
    if (option.get_type_size() == 0 || option.get_items_expected_max() == 0) {
        return out;  // a flag
    }
    out.value = value_of(option);
    out.kind = kind_of(out.value);
    if (out.kind == ValueKind::choice) {
        out.choices = sandbox::split_at(out.value, '|');
    }
    out.repeated = option.get_multi_option_policy() == CLI::MultiOptionPolicy::TakeAll ||
                   option.get_items_expected_max() > 1;
    return out;
}

void add(const CLI::App& app, const std::vector<std::string>& words, std::vector<Command>& out) {
    Command command{.words = words,
                    .meaning = app.get_description(),
                    .footer = app.get_footer(),
                    .needs_command = app.get_require_subcommand_min() > 0,
                    .options = {},
                    .arguments = {},
                    .commands = {}};
    for (const auto* option : app.get_options()) {
        if (option->get_group().empty()) {
            continue;
        }
        (option->get_positional() ? command.arguments : command.options).push_back(described(*option));
    }
    const auto shown =
        app.get_subcommands(std::function([](const CLI::App* one) { return !one->get_group().empty(); }));
    for (const auto* one : shown) {
        command.commands.push_back(one->get_name());
    }
    out.push_back(std::move(command));
    for (const auto* one : shown) {
        auto longer = words;
        longer.push_back(one->get_name());
        add(*one, longer, out);
    }
}

}  // namespace

std::string Command::name(const std::string& separator) const {
    std::string out;
    for (const auto& word : words) {
        out += (out.empty() ? "" : separator) + word;
    }
    return out;
}

std::vector<Command> commands_of(const CLI::App& app) {
    std::vector<Command> out;
    add(app, {}, out);
    return out;
}

const Command* find_command(const std::vector<Command>& commands, const std::string& name) {
    const auto found = std::find_if(commands.begin(), commands.end(),
                                    [&](const Command& one) { return one.name() == name; });
    return found == commands.end() ? nullptr : &*found;
}

}  // namespace cellblock::kernel
