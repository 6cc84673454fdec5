// Splitting at `# %%`.
#include "kernel/commands/cells.h"

namespace cellblock::kernel {

namespace {

bool is_marker(std::string_view line) {
    if (line.empty() || line.front() != '#') {
        return false;
    }
    const auto text = line.find_first_not_of(" \t", 1);
    return text != std::string_view::npos && line.substr(text, 2) == "%%";
}

bool has_code(std::string_view cell) {
    while (!cell.empty()) {
        const auto end = std::min(cell.find('\n'), cell.size());
        const std::string_view line = cell.substr(0, end);
        if (!is_marker(line) && line.find_first_not_of(" \t\r") != std::string_view::npos) {
            return true;
        }
        cell.remove_prefix(std::min(end + 1, cell.size()));
    }
    return false;
}

}  // namespace

std::vector<std::string> split_cells(std::string_view source) {
    std::vector<std::string> cells;
    std::size_t begin = 0;
    for (std::size_t at = 0; at < source.size();) {
        const auto end = std::min(source.find('\n', at), source.size());
        if (at > begin && is_marker(source.substr(at, end - at))) {
            cells.emplace_back(source.substr(begin, at - begin));
            begin = at;
        }
        at = end + 1;
    }
    cells.emplace_back(source.substr(std::min(begin, source.size())));
    std::erase_if(cells, [](const std::string& cell) { return !has_code(cell); });
    if (cells.empty()) {
        cells.emplace_back();
    }
    return cells;
}

}  // namespace cellblock::kernel
