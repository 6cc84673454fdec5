// Text as a terminal or a front end may show it: colours and nothing else.
//
// What programs print contains control sequences, and some of these set titles and clipboards, make the
// terminal type answers, or overwrite what was shown before. Kept are newline, tab, carriage return,
// backspace, colours (SGR) and "erase to the end of the line". One-character C1 controls and overrides of the
// direction of text are gone too.
//
//     terminal_text("\x1b[31mred\x1b[0m \x1b]0;title\x07")   // "\x1b[31mred\x1b[0m "
//
// The text must be valid UTF-8, and so is the result. A TerminalTextFilter remembers a sequence that is cut
// by the end of a piece; each belongs to one thread and one stream.
#pragma once

#include <string>
#include <string_view>

namespace cellblock::sandbox {

// For a stream that comes in pieces.
class TerminalTextFilter {
public:
    std::string filter(std::string text);

private:
    enum class State { text, escape, sequence, command_string, string_escape };

    void take(char c, std::string& out);
    void take_text(char c, std::string& out);
    void take_escape(char c, std::string& out);
    void take_sequence(char c, std::string& out);
    void take_command_string(char c, std::string& out);

    State state_ = State::text;
    std::string held_;           // of a sequence; of a character of several bytes
    std::size_t swallowed_ = 0;  // of a command string
};

// For a whole text.
std::string terminal_text(std::string text);

}  // namespace cellblock::sandbox
