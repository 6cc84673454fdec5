// The inputs of earlier sessions, in an SQLite file.
//
// Purpose: adds this session's inputs to the file and finds those of other sessions. Several kernels use one
// file at the same time. A session gets its number with its first line. The file is bounded in lines and
// bytes; the oldest inputs are removed first.
//
// Owns the connection. One thread. Failure: an Error of the file; the caller goes on without it.
#pragma once

#include "kernel/history/database.h"
#include "kernel/history/request.h"
#include "kernel/history/search.h"

namespace cellblock::kernel {

class HistoryStore {
public:
    struct Bounds {
        std::int64_t lines = 100'000;
        std::int64_t bytes = 64 << 20;
    };
    static constexpr std::size_t kMaxInput = 64U << 10;  // of one cell; longer ones aren't kept
    static constexpr int kAddsBetweenTrims = 100;

    static sandbox::Result<HistoryStore> open(const std::string& path, Bounds bounds);

    // This session's number. Before its first line it is the number that the next session will get.
    sandbox::Result<std::int64_t> session();
    sandbox::Status add(int number, const std::string& input);

    // The last `n` inputs of other sessions, the oldest first.
    sandbox::Result<HistoryLines> tail(std::size_t n);
    // The lines from `start` to before `stop`. A negative `session` counts back from this one, as in a
    // request.
    sandbox::Result<HistoryLines> range(std::int64_t session, std::int64_t start,
                                        std::optional<std::int64_t> stop);
    // Offers the inputs of other sessions to `search`, the newest first.
    sandbox::Status search(Search& search);

private:
    HistoryStore(Database database, Bounds bounds) : database_(std::move(database)), bounds_(bounds) {}
    sandbox::Status trim();
    sandbox::Result<std::int64_t> session_before(std::int64_t places);

    Database database_;
    Bounds bounds_;
    std::optional<std::int64_t> session_;
    int adds_ = 0;
};

}  // namespace cellblock::kernel
