// What cleaning costs: a piece of markup that is repeated four times as often may not cost much more
// than four times as much.
//
// The input is three texts that the byte 1f parts: a beginning, a piece, an end. In the piece each
// byte 1e stands for the number of its repetition.
#include <time.h>

#include <cstdint>
#include <string>

#include "sandbox/base/text.h"
#include "sandbox/outputs/css.h"
#include "sandbox/outputs/html.h"
#include "sandbox/outputs/markdown.h"
#include "sandbox/outputs/svg.h"
#include "sandbox/outputs/terminal_text.h"
#include "tests/fuzz/must.h"

using namespace cellblock::sandbox;

namespace {

constexpr std::size_t kFew = 16U << 10;  // bytes
constexpr std::size_t kMany = 4 * kFew;

double seconds() {
    timespec now{};
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) * 1e-9;
}

std::string repeated(const std::string& piece, std::size_t bytes) {
    std::string out;
    for (std::size_t number = 0; out.size() < bytes; ++number) {
        for (const char c : piece) {
            c == '\x1e' ? out.append(std::to_string(number)) : out += c;
        }
    }
    return out;
}

template <class Clean>
void check(const Clean& clean, const std::string& few, const std::string& many) {
    const auto cost = [&](const std::string& text) {
        const double start = seconds();
        (void)clean(text);
        return seconds() - start;
    };
    // Of a quadratic cost three quarters would be too much; a hiccup isn't there each time.
    for (int i = 0; i < 5; ++i) {
        const double all = cost(many);
        if (all < 0.05 || all < 9 * cost(few)) {
            return;
        }
    }
    must(false);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string text(reinterpret_cast<const char*>(data), size);
    const std::size_t first = text.find('\x1f');
    const std::size_t second = first == std::string::npos ? first : text.find('\x1f', first + 1);
    if (second == std::string::npos || second == first + 1 || size > 4096 || !is_utf8(text)) {
        return 0;
    }
    const std::string piece = text.substr(first + 1, second - first - 1);
    const std::string few = text.substr(0, first) + repeated(piece, kFew) + text.substr(second + 1);
    const std::string many = text.substr(0, first) + repeated(piece, kMany) + text.substr(second + 1);
    check(inert_html, few, many);
    check(inert_svg, few, many);
    check(inert_markdown, few, many);
    check(inert_latex, few, many);
    check(terminal_text, few, many);
    check([](const std::string& one) { return inert_declarations(one); }, few, many);
    check([](const std::string& one) { return inert_stylesheet(one, ".s"); }, few, many);
    return 0;
}
