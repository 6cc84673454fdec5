// SQLite as values: a connection to one file, statements, Results.
//
// Purpose: everything that the history needs of SQLite's C interface.
//
//     auto database = Database::open(path);
//     auto rows = database->prepare("SELECT line FROM inputs WHERE session = ?1");
//     rows.bind(1, session);
//     while (*rows.step()) { use(rows.number(0)); }
//
// A Database owns its connection and closes it; a Statement must not outlive the Database. One thread.
// Failure: an Error with SQLite's message. open() refuses a file that others may write to, and a file that
// isn't ours.
#pragma once

#include <sqlite3.h>

#include <cstdint>
#include <memory>
#include <string>

#include "sandbox/api/result.h"

namespace cellblock::kernel {

class Statement {
public:
    Statement(sqlite3* connection, const char* sql);

    // Gives the parameter ?`place` its value; counted from 1.
    Statement& bind(int place, std::int64_t value);
    Statement& bind(int place, const std::string& text);
    // True: the next row can be read. False: there is none.
    sandbox::Result<bool> step();
    // Runs the statement to its end.
    sandbox::Status run();
    // A column of the current row, counted from 0.
    [[nodiscard]] std::int64_t number(int column) const;
    [[nodiscard]] std::string text(int column) const;

private:
    struct Finalize {
        void operator()(sqlite3_stmt* statement) const { sqlite3_finalize(statement); }
    };
    sqlite3* connection_;
    std::unique_ptr<sqlite3_stmt, Finalize> statement_;
};

class Database {
public:
    // Makes the file (mode 0600) and its folder (0700) if they are missing.
    static sandbox::Result<Database> open(const std::string& path);

    [[nodiscard]] Statement prepare(const char* sql) const { return {connection_.get(), sql}; }
    [[nodiscard]] sandbox::Status run(const char* sql) const;

private:
    struct Close {
        void operator()(sqlite3* connection) const { sqlite3_close(connection); }
    };
    explicit Database(sqlite3* connection) : connection_(connection) {}
    std::unique_ptr<sqlite3, Close> connection_;
};

}  // namespace cellblock::kernel
