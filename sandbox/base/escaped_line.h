// Text that anybody may have written, made fit for a terminal, with nothing lost.
//
//     std::cout << escaped_line("a\x1b[31mb") << "\n";  // a\x1b[31mb, as it stands here
//
// Purpose: a log is shown as it is (text.h's printable() drops what it doesn't show, and cuts). Threads: a
// pure function. Failure: none; any bytes have an answer.
#pragma once

#include <string>
#include <string_view>

namespace cellblock::sandbox {

// One line, in which control characters, bytes that are no UTF-8, and characters that turn the direction of
// writing are shown by their numbers ("\x1b", "\u202e"). Tabs stay.
std::string escaped_line(std::string_view line);

}  // namespace cellblock::sandbox
