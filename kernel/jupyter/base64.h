// Base64 as the Jupyter world writes bytes in JSON: one line, padded.
// Threads: no shared state. Failure: none.
#pragma once

#include <string>
#include <string_view>

namespace cellblock::kernel {

std::string base64(std::string_view bytes);

}  // namespace cellblock::kernel
