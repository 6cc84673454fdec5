// Sound and video within an output.
//
// Purpose: `<audio>` and `<video>` with data: addresses, as IPython.display and
// matplotlib make them: the bytes are of the kind that the address says.
// Ownership, threads: pure. Failure: nothing where it isn't such a file.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace cellblock::sandbox {

// `element`: "audio" or "video". "data:audio/wav;base64,…" in one form.
std::optional<std::string> inert_media_url(std::string_view element, std::string_view url);

}  // namespace cellblock::sandbox
