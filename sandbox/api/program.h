// The installed `cellblock` whose files the sandboxes of an embedding program use.
//
// A sandbox needs more than the library: the Python worker, the shipped policies and engines, the jail
// library, the warden, and the program `cellblock` itself, which runs as the relay, the cleaner of outputs
// and the daemon. The program `cellblock` finds these files beside itself. Another program that links the
// library says once, before it loads a policy or makes a Session, which installed `cellblock` to use; its
// version must be the library's. The CMake package defines CELLBLOCK_PROGRAM, the path of the program that
// was installed with the library:
//
//   cellblock::sandbox::use_program(CELLBLOCK_PROGRAM);
//   auto policy = cellblock::sandbox::load_policy("default");
//
// A program that doesn't call use_program() uses the files beside itself, or, if there are none, those of the
// program that the environment variable CELLBLOCK_PROGRAM names. Where nothing is found, no code runs: each
// cell's outcome is `unavailable`, and its error names the missing file.
#pragma once

#include <string>

namespace cellblock::sandbox {

// `path`: an absolute path, or a path relative to the working directory. Call it while the process has one
// thread.
void use_program(const std::string& path);

}  // namespace cellblock::sandbox
