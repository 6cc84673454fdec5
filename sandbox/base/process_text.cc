#include "sandbox/base/process_text.h"

#include <sys/wait.h>

#include <csignal>
#include <cstring>

#include "sandbox/base/utf8.h"

namespace cellblock::sandbox {

namespace {

constexpr std::size_t kMaxText = 2000;

}  // namespace

std::string printable(std::string_view text) {
    text = text.substr(text.size() > kMaxText ? text.size() - kMaxText : 0);
    std::string out;
    while (!text.empty()) {
        const std::size_t size = utf8_length(text, 0);
        const auto lead = static_cast<unsigned char>(text[0]);
        const bool c1 = size == 2 && lead == 0xc2 && static_cast<unsigned char>(text[1]) < 0xa0;
        const bool control = c1 || (size == 1 && (lead < 0x20 || lead == 0x7f));
        if (size == 0 || (control && text[0] != '\n' && text[0] != '\t')) {
            out += '?';
        } else {
            out += text.substr(0, size);
        }
        text.remove_prefix(size == 0 ? 1 : size);
    }
    while (!out.empty() && (out.back() == '\n' || out.back() == ' ')) {
        out.pop_back();
    }
    return out;
}

std::string describe_end(int wait_status, std::string_view text) {
    std::string out;
    if (WIFSIGNALED(wait_status)) {
        const int number = WTERMSIG(wait_status);
        const char* name = ::sigabbrev_np(number);
        out = "the sandbox was ended by signal " + std::to_string(number) +
              (name != nullptr ? " (SIG" + std::string(name) + ")" : "");
    } else if (WEXITSTATUS(wait_status) != 0) {
        out = "the sandbox's first process left with status " + std::to_string(WEXITSTATUS(wait_status));
    }
    const std::string wrote = printable(text);
    return wrote.empty() ? out : out.empty() ? wrote : out + "; it wrote: " + wrote;
}

}  // namespace cellblock::sandbox
