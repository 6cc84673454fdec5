// %%timeout
#include "sandbox/cell_options.h"

namespace cellblock::sandbox {

namespace {

constexpr std::string_view kMagic = "%%timeout";
constexpr std::string_view kBlank = " \t\r";

std::string_view trimmed(std::string_view text) {
    const auto first = text.find_first_not_of(kBlank);
    if (first == std::string_view::npos) {
        return {};
    }
    return text.substr(first, text.find_last_not_of(kBlank) - first + 1);
}

bool only_digits(std::string_view text) {
    return !text.empty() && text.find_first_not_of("0123456789.") == std::string_view::npos;
}

Result<std::chrono::milliseconds> read_time(std::string_view argument, const Policy& policy) {
    const std::string text(argument);
    auto time = parse_duration(only_digits(text) ? text + "s" : text);
    if (!time || time->count() <= 0) {
        return Error{"%%timeout", 0, "'" + text.substr(0, 40) + "' is no time",
                     "Write the seconds, or a unit with them: %%timeout 120, %%timeout 2m"};
    }
    if (*time > policy.limits.cell_time_max) {
        return Error{"%%timeout " + text,
                     0,
                     "policy \"" + policy.name + "\" allows a cell at most " +
                         format_duration(policy.limits.cell_time_max) + " (key limits.cell_time_max)",
                     {}};
    }
    return *time;
}

}  // namespace

Result<CellOptions> read_cell_options(std::string code, const Policy& policy) {
    const auto first = code.find_first_not_of(" \t\r\n");
    if (first == std::string::npos || code.compare(first, kMagic.size(), kMagic) != 0) {
        return CellOptions{std::move(code), policy.limits.cell_time};
    }
    const auto end = std::min(code.find('\n', first), code.size());
    const std::string_view line(code.data() + first, end - first);
    const std::string_view rest = line.substr(kMagic.size());
    if (!rest.empty() && kBlank.find(rest.front()) == std::string_view::npos) {
        return CellOptions{std::move(code), policy.limits.cell_time};  // another magic's name
    }
    auto time = read_time(trimmed(rest), policy);
    if (!time) {
        return time.error();
    }
    // IPython drops empty lines at the top, and tracebacks would be a line off: a comment holds the place.
    const auto next = code.find_first_not_of(" \t\r\n", end);
    const bool cell_magic = next != std::string::npos && code.compare(next, 2, "%%") == 0;
    code.replace(first, end - first, cell_magic || next == std::string::npos ? "" : "#");
    return CellOptions{std::move(code), *time};
}

}  // namespace cellblock::sandbox
