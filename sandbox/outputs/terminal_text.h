// Text as a terminal or a front end may show it: colours and nothing else.
//
// Purpose: what programs print is text with control sequences, and some of
// these write titles and clipboards, ask the terminal for answers that it types,
// or move over what was shown before. Kept: newline, tab, carriage return,
// backspace, colours (SGR) and "erase to the end of the line". Also gone:
// one-character C1 controls and the overrides of the direction of text.
// Input is valid UTF-8; so is what comes out.
// Ownership: a filter remembers a sequence that is cut in two by its bounds.
// Threads: one for each filter. Failure: none.
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
