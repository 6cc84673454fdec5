// BundleRules: which representations of an output are shown, by MIME type.
//
// Of a bundle the types stay that `outputs.mime` of the policy names, each made harmless in its own way
// (html.h, svg.h, image.h ...); the others are left out, and admit() returns them for a notice. Bytes other
// than pixels, and JSON other than charts, pass as they are. Plain values, for one thread. Nothing fails:
// what isn't what its type says is left out.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "sandbox/api/policy.h"
#include "sandbox/api/types.h"
#include "sandbox/outputs/notices.h"
#include "sandbox/outputs/plain_items.h"

namespace cellblock::sandbox {

class BundleRules {
public:
    explicit BundleRules(const OutputRules& rules) : plain_(rules), rules_(rules) {}

    // Changes `data`. Gives what was left out, for a notice; what was lost within HTML isn't told where
    // another form of the output is shown. HTML of which nothing visible stays is left out as a whole, so
    // that the text beside it is shown.
    std::vector<LeftOut> admit(std::vector<MimeItem>& data) const;

    // The same for a bundle within other JSON: {"text/plain": "…"}. True if anything may have been changed.
    bool admit(nlohmann::json& bundle) const;

    // Text in a bundle of that type; nothing if it may not be shown.
    [[nodiscard]] std::optional<std::string> inert(const std::string& type, std::string text) const;

    // As PlainRules::allows().
    [[nodiscard]] bool allows(const std::string& type) const { return plain_.allows(type); }

private:
    [[nodiscard]] bool is_filtered_chart(const std::string& type) const;
    [[nodiscard]] bool is_sanitized_html(const std::string& type) const;
    // What was lost of an item goes to `lost`. False: all of it was.
    bool admit_item(MimeItem& item, std::vector<LeftOut>& lost) const;

    PlainRules plain_;
    OutputRules rules_;
};

// Without what makes a front end trust an output, or put it into a frame of its own.
RawJson inert_metadata(const RawJson& metadata);

}  // namespace cellblock::sandbox
