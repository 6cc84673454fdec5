// %%timeout, %%usage
#include "sandbox/session/cell_options.h"

#include <algorithm>
#include <optional>
#include <utility>
#include <vector>

namespace cellblock::sandbox {

namespace {

constexpr std::string_view kTimeout = "%%timeout";
constexpr std::string_view kUsage = "%%usage";
constexpr const char* kTimeLimit = "time limit";  // the client's
constexpr std::size_t kMostTime = 40;             // bytes of it
constexpr const char* kAsComment = "# ";
constexpr std::string_view kBlank = " \t\r";
constexpr std::string_view kSpace = " \t\r\n";

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

// `name`: of whatever asks for it.
Result<std::chrono::milliseconds> read_time(const std::string& name, std::string_view argument,
                                            const Policy& policy) {
    const std::string text(argument.substr(0, kMostTime));
    auto time = parse_duration(only_digits(text) ? text + "s" : text);
    if (!time || time->count() <= 0) {
        return Error{name, 0, "'" + text + "' is no time",
                     "Write the seconds, or a unit with them: " + name + " 120, " + name + " 2m"};
    }
    if (*time > policy.limits.cell_time_max) {
        return Error{name + " " + text,
                     0,
                     "policy \"" + policy.name + "\" allows a cell at most " +
                         format_duration(policy.limits.cell_time_max) + " (key limits.cell_time_max)",
                     {}};
    }
    return *time;
}

// A line of options: the rest after that name, or nothing where it is another one's.
std::optional<std::string_view> after(std::string_view line, std::string_view name) {
    if (!line.starts_with(name) ||
        (line.size() > name.size() && kBlank.find(line[name.size()]) == std::string_view::npos)) {
        return std::nullopt;
    }
    return trimmed(line.substr(name.size()));
}

// Whether the line is an option.
Result<bool> read_option(std::string_view line, const Policy& policy, CellOptions& options) {
    if (const auto argument = after(line, kTimeout)) {
        CELLBLOCK_ASSIGN_OR_RETURN(options.time, read_time(std::string(kTimeout), *argument, policy));
        return true;
    }
    if (const auto argument = after(line, kUsage)) {
        if (!argument->empty()) {
            return Error{"%%usage", 0, "it takes no argument", {}};
        }
        options.show_usage = true;
        return true;
    }
    return false;
}

}  // namespace

Result<CellOptions> read_cell_options(std::string code, const Policy& policy,
                                      const std::optional<std::string>& time_limit) {
    CellOptions options{{}, policy.limits.cell_time, policy.show_usage};
    std::vector<std::pair<std::size_t, std::size_t>> lines;  // where each begins, and its length
    auto first = code.find_first_not_of(kSpace);
    while (first != std::string::npos) {
        const auto end = std::min(code.find('\n', first), code.size());
        const auto is_option =
            read_option(std::string_view(code).substr(first, end - first), policy, options);
        if (!is_option) {
            return is_option.error();
        }
        if (!*is_option) {
            break;
        }
        lines.emplace_back(first, end - first);
        first = code.find_first_not_of(kSpace, end);
    }
    // IPython drops empty lines at the top, and tracebacks would be a line off: as a comment the line keeps
    // its place.
    const bool nothing_follows = first == std::string::npos || code.compare(first, 2, "%%") == 0;
    std::for_each(lines.rbegin(), lines.rend(), [&](const auto& line) {
        if (nothing_follows) {
            code.erase(line.first, line.second);
        } else {
            code.insert(line.first, kAsComment);
        }
    });
    options.code = std::move(code);
    if (time_limit) {
        CELLBLOCK_ASSIGN_OR_RETURN(options.time, read_time(kTimeLimit, *time_limit, policy));
    }
    return options;
}

}  // namespace cellblock::sandbox
