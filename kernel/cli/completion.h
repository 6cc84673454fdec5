// Scripts that complete cellblock's command line in a shell.
//
// Purpose: `cellblock completion SHELL` prints such a script. It knows all commands and options, and offers
// files, folders, and the names of policies and engines that the program finds at the time. The script starts
// no program of cellblock's, so completing is quick and has no effect.
//
// The commands are those of commands_of(). Pure functions; nothing fails.
#pragma once

#include <string>
#include <vector>

#include "kernel/cli/command_tree.h"

namespace cellblock::kernel {

std::string bash_completion(const std::vector<Command>& commands);
std::string zsh_completion(const std::vector<Command>& commands);
std::string fish_completion(const std::vector<Command>& commands);

}  // namespace cellblock::kernel
