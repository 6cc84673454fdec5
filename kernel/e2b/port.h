// SessionPort: the session of a box, for the parts that the box is made of.
//
// Plain values; the session and the environment outlive them.
#pragma once

#include <functional>
#include <map>
#include <string>

#include "sandbox/api/session.h"

namespace cellblock::kernel {

// The working directory as code and clients of E2B know it.
constexpr const char* kHome = "/home/user";

struct SessionPort {
    sandbox::Session& session;
    // Each request to the session is followed by this call, as the session's next deadline may be another
    // then.
    std::function<void()> settle;
    // Variables that the sandbox was created with, for all code and commands.
    const std::map<std::string, std::string>& environment;
};

}  // namespace cellblock::kernel
