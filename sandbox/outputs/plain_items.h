// PlainRules: what of an output can be judged without a parser, in the session's own process.
//
// By outputs.mime of the policy a type is shown or isn't; text becomes a terminal's text (terminal_text.h),
// and pixels are judged by their header (image.h). All else is for BundleRules (bundle.h), in the cleaner's
// process. Plain values, for one thread. Nothing fails: what isn't what its type says is left out.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "sandbox/api/policy.h"
#include "sandbox/api/types.h"
#include "sandbox/outputs/notices.h"

namespace cellblock::sandbox {

class PlainRules {
public:
    explicit PlainRules(const OutputRules& rules) : rules_(rules) {}

    // May that type be shown, by outputs.mime, outputs.html and, for widgets, outputs.comms?
    [[nodiscard]] bool allows(const std::string& type) const;
    // Why an item of that type was left out.
    [[nodiscard]] LeftOut::Why why_not(const std::string& type) const;
    // Bytes of that type.
    [[nodiscard]] bool admits(const std::string& type, const Bytes& bytes) const;

    // Text and bytes of a bundle; JSON is left out. Changes `data`, and gives what was left out, for a
    // notice.
    std::vector<LeftOut> admit(std::vector<MimeItem>& data) const;

    // May the user_expressions of a cell's end be shown as they are? Where each value is a short text as the
    // worker writes it, {"status":"ok","data":{"text/plain":"42"},"metadata":{}}, in printable ASCII, with no
    // other escapes than \", \\ and \n. The cleaner would change nothing in such a text.
    [[nodiscard]] bool admits_expressions(std::string_view json_text) const;

private:
    OutputRules rules_;
};

// A type that image.h judges by its header.
bool is_pixels(const std::string& type);

// A type that is a document with elements: outputs.html says what becomes of it.
bool is_markup(const std::string& type);

}  // namespace cellblock::sandbox
