// Secrets of the host: the values of headers that the broker writes.
//
// Purpose: a policy names a secret, and only this host knows its value. It is that of the environment
// variable of this name, or else the content of a file of this name in the folder `secrets` of the user's
// settings (~/.config/cellblock/secrets/NAME), which must be the user's own and nobody else's to read (mode
// 0600). No shared state. An Error says which secret is missing, and where it may be put.
#pragma once

#include <map>
#include <string>

#include "sandbox/api/policy.h"
#include "sandbox/api/result.h"

namespace cellblock::sandbox::network {

// A visible text of 8 bytes to 8 KiB; one newline at the file's end is cut.
Result<std::string> read_secret(const std::string& name);

// All that the rules name, by their names.
Result<std::map<std::string, std::string>> read_secrets(const NetworkRules& rules);

}  // namespace cellblock::sandbox::network
