// `cellblock completion SHELL` and `cellblock man-page NAME`: what shells and man know of the program.
#include <iostream>

#include "kernel/cli/command_tree.h"
#include "kernel/cli/commands.h"
#include "kernel/cli/completion.h"
#include "kernel/cli/man_page.h"

namespace cellblock::kernel {

int completion_command(const CLI::App& app, const std::string& shell) {
    const auto commands = commands_of(app);
    std::cout << (shell == "bash"  ? bash_completion(commands)
                  : shell == "zsh" ? zsh_completion(commands)
                                   : fish_completion(commands));
    return 0;
}

int man_page_command(const CLI::App& app, const std::string& name) {
    std::cout << (name == "cellblock" ? program_man_page(commands_of(app)) : policy_man_page());
    return 0;
}

}  // namespace cellblock::kernel
