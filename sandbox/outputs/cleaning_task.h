// CleaningTask and Cleaned: what a session gives to a cleaner (cleaner.h), and what it gets back.
//
// Plain values: CleaningRules (cleaning.h) makes the one of the other.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "sandbox/api/types.h"
#include "sandbox/outputs/notices.h"

namespace cellblock::sandbox {

struct CleaningTask {
    enum class Kind {
        display,       // parts: a bundle, and its metadata as the last one
        comm_open,     // name, target; parts: data, metadata
        comm_message,  // name; parts: data, metadata
        comm_close,    // as comm_message
        client_comm,   // name, target: a client opened it. No parts
        reply,         // parts: the content of a query's reply
        debug,         // parts: a message of the Debug Adapter Protocol
        end,           // parts: a cell's user_expressions and payload
    };
    Kind kind = Kind::display;
    std::string name;
    std::string target;
    std::vector<MimeItem> parts;

    [[nodiscard]] std::size_t bytes() const;
};

struct Cleaned {
    std::vector<MimeItem> parts;         // as the task's; of a bundle those that may be shown
    std::vector<LeftOut> left_out;       // of a bundle
    std::optional<std::string> refusal;  // of a comm's message, as CommRules::refuse()
    std::string malformed;               // not empty: what was wrong; nothing else is set then
};

}  // namespace cellblock::sandbox
