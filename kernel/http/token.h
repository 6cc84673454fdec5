// Secrets in a request: the server's token, and who has it.
//
// Plain functions. Nothing throws.
#pragma once

#include <string_view>

#include "kernel/http/message.h"

namespace cellblock::kernel {

// Compares two secrets; the time that this takes tells nothing of where they differ.
[[nodiscard]] bool is_same_secret(std::string_view given, std::string_view wanted);

// Whether a request bears the server's token, as `Authorization: Bearer TOKEN` or `X-API-KEY: TOKEN`. A
// server with an empty token asks for none.
[[nodiscard]] bool has_token(const HttpRequest& request, std::string_view token);

}  // namespace cellblock::kernel
