// Which modules a cell's code names in its import statements.
//
// Purpose: what sessions import is learned by the daemon (the policy's `preload`: "auto"). It is read from
// the code's text, in the host: the sandbox has no say in it. A statement inside of a text counts too, which
// is no harm, and one that isn't at the beginning of a line or behind a semicolon doesn't. Threads: pure.
// Failure: none.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace cellblock::sandbox {

// At most 32 dotted names, each once. `from a import b` gives a and, where b is in lower case, a.b, which may
// be no module.
std::vector<std::string> import_names(std::string_view code);

}  // namespace cellblock::sandbox
