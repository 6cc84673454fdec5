// The policy of a session that a command begins: `cellblock run`, `cellblock exec`.
//
// Plain functions. An Error says what to give instead.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "sandbox/api/policy.h"
#include "sandbox/api/result.h"

namespace cellblock::kernel {

// Loads a policy, "default" where none is named, and prints what is to be known of it on stderr, behind
// "cellblock COMMAND: ". `python`: instead of the policy's. `inputs`: files that it shows as well, each
// PATH or PATH:/path/inside.
sandbox::Result<sandbox::Policy> session_policy(const std::string& command,
                                                const std::optional<std::string>& policy,
                                                const std::optional<std::string>& python,
                                                const std::vector<std::string>& inputs);

// The argument of --timeout: above 0, or 0 where `may_be_none`.
sandbox::Result<std::chrono::milliseconds> read_timeout(const std::string& text, bool may_be_none = false);

}  // namespace cellblock::kernel
