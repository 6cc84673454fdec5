#include "kernel/history/store.h"

#include <algorithm>
#include <limits>

namespace cellblock::kernel {

using sandbox::Error;
using sandbox::Ok;
using sandbox::Result;
using sandbox::Status;

namespace {

constexpr std::int64_t kVersion = 1;
constexpr std::int64_t kNone = -1;  // no session has this number
constexpr std::int64_t kLast = std::numeric_limits<std::int64_t>::max();

// `bytes` stands before `input`, so that SQLite can add up the sizes without reading the inputs.
constexpr const char* kTables[] = {
    "CREATE TABLE IF NOT EXISTS sessions (session INTEGER PRIMARY KEY AUTOINCREMENT,"
    " begun TEXT NOT NULL DEFAULT CURRENT_TIMESTAMP)",
    "CREATE TABLE IF NOT EXISTS inputs (id INTEGER PRIMARY KEY, session INTEGER NOT NULL,"
    " line INTEGER NOT NULL, bytes INTEGER NOT NULL, input TEXT NOT NULL, UNIQUE (session, line))",
    "PRAGMA user_version=1"};

HistoryLine line_of(const Statement& row) {
    return {row.number(0), row.number(1), row.text(2), std::nullopt};
}

Result<HistoryLines> lines_of(Statement& rows) {
    HistoryLines lines;
    for (;;) {
        CELLBLOCK_ASSIGN_OR_RETURN(const auto row, rows.step());
        if (!row) {
            return lines;
        }
        lines.push_back(line_of(rows));
    }
}

Result<std::int64_t> number_of(Statement rows, std::int64_t otherwise) {
    CELLBLOCK_ASSIGN_OR_RETURN(const auto row, rows.step());
    return row ? rows.number(0) : otherwise;
}

}  // namespace

Result<HistoryStore> HistoryStore::open(const std::string& path, Bounds bounds) {
    CELLBLOCK_ASSIGN_OR_RETURN(auto database, Database::open(path));
    CELLBLOCK_ASSIGN_OR_RETURN(const auto version, number_of(database.prepare("PRAGMA user_version"), 0));
    if (version > kVersion) {
        return Error{"open the history file " + path, 0, "a newer cellblock made it",
                     "Name another one: the policy's key \"history\""};
    }
    for (const char* sql : kTables) {
        if (auto made = version == kVersion ? Status(Ok{}) : database.run(sql); !made) {
            return made.error();
        }
    }
    HistoryStore store(std::move(database), bounds);
    CELLBLOCK_RETURN_IF_ERROR(store.trim());
    return store;
}

Result<std::int64_t> HistoryStore::session() {
    if (session_) {
        return *session_;
    }
    auto last = number_of(database_.prepare("SELECT seq FROM sqlite_sequence WHERE name = 'sessions'"), 0);
    return last ? Result<std::int64_t>(*last + 1) : last;
}

Status HistoryStore::add(int number, const std::string& input) {
    if (input.size() > kMaxInput) {
        return Ok{};
    }
    if (!session_) {
        const auto made = database_.run("INSERT INTO sessions DEFAULT VALUES");
        const auto row = number_of(database_.prepare("SELECT last_insert_rowid()"), kNone);
        if (!made || !row) {
            return made ? row.error() : made.error();
        }
        session_ = *row;
    }
    auto added = database_
                     .prepare(
                         "INSERT OR REPLACE INTO inputs (session, line, bytes, input)"
                         " VALUES (?1, ?2, ?3, ?4)")
                     .bind(1, *session_)
                     .bind(2, number)
                     .bind(3, static_cast<std::int64_t>(input.size()))
                     .bind(4, input)
                     .run();
    if (!added || ++adds_ % kAddsBetweenTrims != 0) {
        return added;
    }
    return trim();
}

Status HistoryStore::trim() {
    const auto inputs = database_
                            .prepare(
                                "DELETE FROM inputs WHERE id IN (SELECT id FROM (SELECT id,"
                                " row_number() OVER newest AS place, sum(bytes) OVER newest AS total"
                                " FROM inputs WINDOW newest AS (ORDER BY id DESC))"
                                " WHERE place > ?1 OR total > ?2)")
                            .bind(1, bounds_.lines)
                            .bind(2, bounds_.bytes)
                            .run();
    return inputs ? database_.run("DELETE FROM sessions WHERE session NOT IN (SELECT session FROM inputs)")
                  : inputs;
}

Result<HistoryLines> HistoryStore::tail(std::size_t n) {
    auto rows = database_.prepare(
        "SELECT session, line, input FROM inputs WHERE session <> ?1 ORDER BY session DESC, line DESC LIMIT "
        "?2");
    rows.bind(1, session_.value_or(kNone)).bind(2, static_cast<std::int64_t>(n));
    auto lines = lines_of(rows);
    if (lines) {
        std::reverse(lines->begin(), lines->end());
    }
    return lines;
}

// The number of the session that came `places` before this one, counting only sessions that are kept.
Result<std::int64_t> HistoryStore::session_before(std::int64_t places) {
    auto rows = database_.prepare(
        "SELECT DISTINCT session FROM inputs WHERE session < ?1 ORDER BY session DESC LIMIT 1 OFFSET ?2");
    rows.bind(1, session_.value_or(kLast)).bind(2, places - 1);
    return number_of(std::move(rows), kNone);
}

Result<HistoryLines> HistoryStore::range(std::int64_t session, std::int64_t start,
                                         std::optional<std::int64_t> stop) {
    CELLBLOCK_ASSIGN_OR_RETURN(const auto number,
                               session < 0 ? session_before(session == -kLast - 1 ? kLast : -session)
                                           : Result<std::int64_t>(session));
    auto rows = database_.prepare(
        "SELECT session, line, input FROM inputs WHERE session = ?1 AND line >= ?2 AND line < ?3 ORDER BY "
        "line");
    rows.bind(1, number).bind(2, start).bind(3, stop.value_or(kLast));
    return lines_of(rows);
}

Status HistoryStore::search(Search& search) {
    auto rows = database_.prepare(
        "SELECT session, line, input FROM inputs WHERE session <> ?1 ORDER BY session DESC, line DESC");
    rows.bind(1, session_.value_or(kNone));
    while (search.goes_on()) {
        CELLBLOCK_ASSIGN_OR_RETURN(const auto row, rows.step());
        if (!row) {
            break;
        }
        search.offer(line_of(rows));
    }
    return Ok{};
}

}  // namespace cellblock::kernel
