// The content of kernel_info_reply: names and versions, the banner, and whether there is a debugger.
#pragma once

#include <nlohmann/json.hpp>

#include "sandbox/api/session.h"

namespace cellblock::kernel {

// The reply's content without the protocol's version. While the sandbox has said neither its Python's version
// nor whether it has a debugger, the reply has "3" and no debugger.
nlohmann::json kernel_info_content(const sandbox::Session& session);

}  // namespace cellblock::kernel
