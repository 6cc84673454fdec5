// The inputs of sessions past, in a file.
//
// Purpose: adds this session's inputs to the file, and gives those of others.
// Several kernels use one file at once. A session gets its number with its first line.
// Ownership: owns the connection. The file is bounded in lines and bytes; the
// oldest go first. Threads: one.
// Failure: an Error of the file; the caller goes on without.
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

    // This session's number: of the next one, until it has a line.
    sandbox::Result<std::int64_t> session();
    sandbox::Status add(int number, const std::string& input);

    // Of other sessions, the oldest first.
    sandbox::Result<HistoryLines> tail(std::size_t n);
    // `session` as in a request: below 0 counts back from this one.
    sandbox::Result<HistoryLines> range(std::int64_t session, std::int64_t start,
                                        std::optional<std::int64_t> stop);
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
