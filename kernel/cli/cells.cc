#include "kernel/cli/cells.h"

#include <nlohmann/json.hpp>

#include "sandbox/base/json_text.h"

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

using nlohmann::json;

constexpr int kDeepestNotebook = 64;

// A notebook's text, which is a string or a list of lines.
std::string source_of(const json& cell) {
    for (const char* key : {"source", "input"}) {  // the second is format 3's
        const auto found = cell.find(key);
        if (found == cell.end()) {
            continue;
        }
        if (found->is_string()) {
            return found->get<std::string>();
        }
        std::string text;
        for (const auto& line : *found) {
            text += line.is_string() ? line.get<std::string>() : "";
        }
        return text;
    }
    return {};
}

// The member `key` if it is a list, otherwise an empty list.
const json& list_of(const json& object, const char* key) {
    static const json none = json::array();
    const auto found = object.is_object() ? object.find(key) : object.end();
    return found != object.end() && found->is_array() ? *found : none;
}

void add_cells(const json& list, std::vector<std::string>& cells) {
    for (const auto& cell : list) {
        if (cell.is_object() && cell.value("cell_type", json()) == "code") {
            std::string source = source_of(cell);
            if (source.find_first_not_of(" \t\r\n") != std::string::npos) {
                cells.push_back(std::move(source));
            }
        }
    }
}

}  // namespace

sandbox::Result<std::vector<std::string>> notebook_cells(std::string_view text) {
    const sandbox::Error no_notebook{"read the notebook", 0, "it is not a Jupyter notebook",
                                     "Give a .ipynb file of format 3 or 4, or a Python file"};
    if (!sandbox::json_depth_within(text, kDeepestNotebook)) {
        return no_notebook;
    }
    const auto notebook = json::parse(text, nullptr, false);
    if (!notebook.is_object() || !notebook.value("nbformat", json()).is_number()) {
        return no_notebook;
    }
    std::vector<std::string> cells;
    add_cells(list_of(notebook, "cells"), cells);
    for (const auto& sheet : list_of(notebook, "worksheets")) {
        add_cells(list_of(sheet, "cells"), cells);
    }
    if (cells.empty()) {
        cells.emplace_back();
    }
    return cells;
}

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
