#include "kernel/history/database.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>

#include "sandbox/api/unique_fd.h"

namespace cellblock::kernel {

using sandbox::Error;
using sandbox::Ok;
using sandbox::Result;
using sandbox::Status;

namespace {

constexpr int kBusyMilliseconds = 2000;  // another kernel writes a line; it takes far less
constexpr int kLongestValue = 1 << 20;   // what a broken file may make us read into memory
constexpr const char* kRemedy = "Remove the file, or name another one: the policy's key \"history\"";

Error failure(sqlite3* connection) {
    return Error{"use the history file", 0, sqlite3_errmsg(connection), kRemedy};
}

Error not_ours(const std::string& path, int code, std::string message) {
    return Error{"open the history file " + path, code, std::move(message), kRemedy};
}

// Makes sure that the file is a regular file of our own, never a link. SQLite gives its two helper files the
// same mode.
Status make_file(const std::string& path) {
    const auto folder = std::filesystem::path(path).parent_path();
    std::error_code failed;
    std::filesystem::create_directories(folder.parent_path(), failed);
    if (::mkdir(folder.c_str(), 0700) != 0 && errno != EEXIST) {
        return not_ours(path, errno, "");
    }
    const sandbox::UniqueFd file(
        ::open(path.c_str(), O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK | O_NOCTTY, 0600));
    if (!file.valid()) {
        return not_ours(path, errno, errno == ELOOP ? "it is a symbolic link" : "");
    }
    struct stat info {};
    if (::fstat(file.get(), &info) != 0 || !S_ISREG(info.st_mode) || info.st_uid != ::geteuid() ||
        info.st_nlink != 1 || (info.st_mode & 022U) != 0) {
        return not_ours(path, 0, "it must be a regular file that is yours alone");
    }
    if ((info.st_mode & 077U) != 0 && ::fchmod(file.get(), 0600) != 0) {
        return not_ours(path, errno, "");
    }
    return Ok{};
}

}  // namespace

Statement::Statement(sqlite3* connection, const char* sql) : connection_(connection) {
    sqlite3_stmt* statement = nullptr;
    sqlite3_prepare_v2(connection, sql, -1, &statement, nullptr);  // step() tells of a failure
    statement_.reset(statement);
}

Statement& Statement::bind(int place, std::int64_t value) {
    sqlite3_bind_int64(statement_.get(), place, value);
    return *this;
}

Statement& Statement::bind(int place, const std::string& text) {
    sqlite3_bind_text(statement_.get(), place, text.data(), static_cast<int>(text.size()), SQLITE_TRANSIENT);
    return *this;
}

Result<bool> Statement::step() {
    const int status = statement_ ? sqlite3_step(statement_.get()) : SQLITE_ERROR;
    if (status != SQLITE_ROW && status != SQLITE_DONE) {
        return failure(connection_);
    }
    return status == SQLITE_ROW;
}

Status Statement::run() {
    for (;;) {
        CELLBLOCK_ASSIGN_OR_RETURN(const auto row, step());
        if (!row) {
            return Ok{};
        }
    }
}

std::int64_t Statement::number(int column) const {
    return sqlite3_column_int64(statement_.get(), column);
}

std::string Statement::text(int column) const {
    const auto* text = sqlite3_column_text(statement_.get(), column);
    const int size = sqlite3_column_bytes(statement_.get(), column);
    return text == nullptr ? std::string() : std::string(text, text + size);
}

Result<Database> Database::open(const std::string& path) {
    CELLBLOCK_RETURN_IF_ERROR(make_file(path));
    sqlite3* connection = nullptr;
    const int opened =
        sqlite3_open_v2(path.c_str(), &connection, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOFOLLOW, nullptr);
    Database database(connection);
    if (opened != SQLITE_OK) {
        return failure(connection);
    }
    sqlite3_busy_timeout(connection, kBusyMilliseconds);
    sqlite3_limit(connection, SQLITE_LIMIT_LENGTH, kLongestValue);
    sqlite3_db_config(connection, SQLITE_DBCONFIG_DEFENSIVE, 1, nullptr);
    // Code that the file itself brings (triggers, views, functions in its schema) isn't run.
    sqlite3_db_config(connection, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, nullptr);
    sqlite3_db_config(connection, SQLITE_DBCONFIG_ENABLE_TRIGGER, 0, nullptr);
    sqlite3_db_config(connection, SQLITE_DBCONFIG_ENABLE_VIEW, 0, nullptr);
    // WAL lets readers and a writer work at the same time, and no line waits for the disk. Where another
    // kernel is about to set it, or the file system can't, everything works as well, only slower.
    (void)database.run("PRAGMA journal_mode=WAL");
    CELLBLOCK_RETURN_IF_ERROR(database.run("PRAGMA synchronous=NORMAL"));
    return database;
}

Status Database::run(const char* sql) const {
    return prepare(sql).run();
}

}  // namespace cellblock::kernel
