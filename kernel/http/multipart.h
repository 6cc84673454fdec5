// multipart/form-data (RFC 7578): the parts of a request's body.
//
//     auto parts = read_multipart(request.header("content-type"), request.body);
//     if (!parts) { ... parts.error() says what is wrong ... }
//
// Contents are views of the body, which must outlive them. Plain functions; at most 1,000 parts.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "sandbox/api/result.h"

namespace cellblock::kernel {

struct FormPart {
    std::string name;
    std::optional<std::string> file_name;
    std::string_view content;
};

sandbox::Result<std::vector<FormPart>> read_multipart(std::string_view content_type, std::string_view body);

}  // namespace cellblock::kernel
