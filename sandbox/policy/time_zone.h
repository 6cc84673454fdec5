// The time zone of whoever starts a session holds in its sandbox too.
#pragma once

#include "sandbox/api/policy.h"

namespace cellblock::sandbox {

// Adds this process's TZ to the variables that the sandbox gets, if the policy says nothing of TZ. A value
// that names a file by its path, or that is odd otherwise, isn't passed.
void pass_time_zone(Policy& policy);

}  // namespace cellblock::sandbox
