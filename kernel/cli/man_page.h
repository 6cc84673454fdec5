// The manual's pages, as man reads them.
//
// Purpose: `cellblock man-page NAME` prints one; the build installs them (cmake/install.cmake). cellblock(1)
// is made of the program's own commands and options, cellblock-policy(5) of the table of policy keys, so that
// neither falls behind.
//
// Pure functions; nothing fails.
#pragma once

#include <string>
#include <vector>

#include "kernel/cli/command_tree.h"

namespace cellblock::kernel {

std::string program_man_page(const std::vector<Command>& commands);
std::string policy_man_page();

}  // namespace cellblock::kernel
