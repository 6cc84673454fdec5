// The figures that `cellblock daemon status` shows: as text for people, as JSON, as OpenMetrics text.
//
// Purpose: the daemon answers with the JSON, and the program that asked makes the other two from it.
// Ownership: plain values. Threads: pure. Failure: none.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "sandbox/pool/accounting.h"
#include "sandbox/pool/pool.h"
#include "sandbox/pool/zygote.h"

namespace cellblock::sandbox::pool {

struct DaemonStatus {
    int process = 0;
    double uptime_seconds = 0;
    Settings settings;
    Accounting::Figures sandboxes;
    Pool::Figures pool;
    std::vector<Zygote::Figures> zygotes;
    // What is kept for sessions to come: the daemon's own, the zygotes and what waits in the pool.
    std::uint64_t kept_bytes = 0;
    double leaves_in_seconds = -1;  // if nobody asks for anything; -1: not while a session has a sandbox
};

nlohmann::ordered_json status_json(const DaemonStatus& status);
std::string in_words(const nlohmann::ordered_json& status);
// https://github.com/prometheus/OpenMetrics; of all of a user's daemons.
std::string open_metrics(const std::vector<nlohmann::ordered_json>& all);

}  // namespace cellblock::sandbox::pool
