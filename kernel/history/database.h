// SQLite, as values: a connection to one file, statements, Results.
//
// Purpose: all that history needs of SQLite's C interface.
// Ownership: a Database owns its connection and closes it; a Statement owns its
// program and must not outlive the Database. Threads: one.
// Failure: an Error with SQLite's message. A file that others may write to, or
// that is no file of ours, isn't opened.
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

    Statement& bind(int place, std::int64_t value);
    Statement& bind(int place, const std::string& text);
    // True: a row. False: none is left.
    sandbox::Result<bool> step();
    // Runs it to its end.
    sandbox::Status run();
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
    // Makes the file (0600) and its folder (0700) where they aren't.
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
