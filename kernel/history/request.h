// A history request as a client or a cell sends it, and the lines that answer it.
//
// Purpose: reads the content of a Jupyter history_request, and a cell's question, into one type. Plain values
// without shared state. Odd fields get their defaults.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "sandbox/api/types.h"

namespace cellblock::kernel {

struct HistoryRequest {
    enum class Access { tail, range, search };
    Access access = Access::tail;
    bool output = false;
    std::size_t n = 10;               // for tail: how many
    std::optional<std::size_t> most;  // for search: how many at most
    std::int64_t session = 0;         // 0: this one; -1: the one before
    std::int64_t start = 1;
    std::optional<std::int64_t> stop;  // excluded
    std::string pattern = "*";
    bool unique = false;
};

struct HistoryLine {
    std::int64_t session = 0;
    std::int64_t number = 0;
    std::string input;
    std::optional<std::string> output;
};
using HistoryLines = std::vector<HistoryLine>;  // the oldest first

HistoryRequest read_history_request(const nlohmann::json& content);
HistoryRequest read_history_question(const sandbox::HistoryQuestion& question);

}  // namespace cellblock::kernel
