// Notices: what was left out of an output, in words for a person.
//
// A notice says what isn't shown, why, and what to do about it. This is the one place for their texts. Pure
// functions.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace cellblock::sandbox {

struct LeftOut {
    enum class Why {
        not_listed,        // outputs.mime has no such type
        html_dropped,      // outputs.html is `drop`
        not_what_it_says,  // a picture that is none, JSON where text belongs
        refused,           // its own filter found something; `detail` says what
        script,            // HTML that shows nothing without its script; `detail`: whose, or empty
        frame,             // these four: `detail` is the host of its address, kWithin, or empty
        image,
        sound,
        video,
        styles,  // HTML that is nothing but styles for the rest of the page
        other,   // HTML of nothing but elements that aren't shown
    };

    // A detail: the element's address holds the contents themselves, and these aren't let through.
    static constexpr const char* kWithin = "data:";

    std::string type;  // the MIME type
    Why why = Why::not_listed;
    std::string detail;
};

// One sentence or two without a line's end. `policy`: the policy's name.
std::string notice(const LeftOut& what, std::string_view policy);

// Of everything that one output lost, the part that a person needs to know: a figure is one thing, however
// many representations it has. nullptr: nothing was lost.
const LeftOut* most_telling(const std::vector<LeftOut>& left_out);

}  // namespace cellblock::sandbox
