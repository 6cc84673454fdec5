// Writing lines.
#include "sandbox/audit/log.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <nlohmann/json.hpp>
#include <tuple>

#include "sandbox/api/unique_fd.h"
#include "sandbox/base/digests.h"
#include "sandbox/base/outcome_names.h"
#include "sandbox/base/text.h"

namespace cellblock::sandbox {

namespace {

Error audit_error(const std::string& path, int code, std::string message) {
    return Error{"write the audit log " + path, code, std::move(message),
                 "Nothing runs without it. See the policy's key \"audit\""};
}

// A regular file of our own, never a link: whoever may write into the folder must not lead us elsewhere.
Result<UniqueFd> open_log(const std::string& path) {
    UniqueFd file(::open(path.c_str(),
                         O_RDWR | O_CREAT | O_APPEND | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK | O_NOCTTY, 0600));
    if (!file.valid()) {
        return audit_error(path, errno, errno == ELOOP ? "it is a symbolic link" : "");
    }
    struct stat info {};
    if (::fstat(file.get(), &info) != 0 || !S_ISREG(info.st_mode)) {
        return audit_error(path, 0, "it is no regular file");
    }
    if (info.st_uid != ::geteuid() || info.st_nlink != 1 || (info.st_mode & 022U) != 0) {
        return audit_error(
            path, 0, "it must be yours alone: another user owns it or may write to it, or it has two names");
    }
    return file;
}

// The last line, without its end. A last line that has none was cut off; it is ended first.
Result<std::string> last_line(int file, const std::string& path) {
    const off_t size = ::lseek(file, 0, SEEK_END);
    const off_t start = size > static_cast<off_t>(2 * kLongestAuditLine)
                            ? size - static_cast<off_t>(2 * kLongestAuditLine)
                            : 0;
    std::string tail(static_cast<std::size_t>(size - start), '\0');
    if (::pread(file, tail.data(), tail.size(), start) != static_cast<ssize_t>(tail.size())) {
        return audit_error(path, errno, "");
    }
    if (tail.empty()) {
        return std::string();
    }
    if (tail.back() != '\n') {
        if (::write(file, "\n", 1) != 1) {
            return audit_error(path, errno, "");
        }
    } else {
        tail.pop_back();
    }
    return tail.substr(tail.rfind('\n') == std::string::npos ? 0 : tail.rfind('\n') + 1);
}

}  // namespace

AuditLog::AuditLog(const Policy& policy)
    : path_(policy.audit),
      policy_name_(policy.name),
      policy_digest_(path_.empty() ? "" : sha256(policy_to_json(policy))),
      session_(path_.empty() ? "" : random_hex(8)) {}

Status AuditLog::prepare() const {
    CELLBLOCK_ASSIGN_OR_RETURN(auto file, open_log(path_));
    const off_t size = ::lseek(file.get(), 0, SEEK_END);
    // Room for the line is taken now: a disk that is full is a reason not to begin.
    if (::fallocate(file.get(), FALLOC_FL_KEEP_SIZE, size, kLongestAuditLine) != 0 && errno != EOPNOTSUPP &&
        errno != ENOSYS) {
        return audit_error(path_, errno, "");
    }
    return Ok{};
}

template <class Record>
Status AuditLog::add(Record record) const {
    CELLBLOCK_ASSIGN_OR_RETURN(auto file, open_log(path_));
    if (::flock(file.get(), LOCK_EX) != 0) {
        return audit_error(path_, errno, "");
    }
    CELLBLOCK_ASSIGN_OR_RETURN(auto before, last_line(file.get(), path_));
    record["previous"] = before.empty() ? std::string(kNoLineBefore) : sha256(before);
    const std::string line = record.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace) + "\n";
    const off_t size = ::lseek(file.get(), 0, SEEK_END);
    const ssize_t written = ::write(file.get(), line.data(), line.size());
    if (written != static_cast<ssize_t>(line.size()) || ::fdatasync(file.get()) != 0) {
        const int code = written < 0 ? errno : ENOSPC;
        std::ignore = ::ftruncate(file.get(), size);  // no half line
        return audit_error(path_, code, "");
    }
    return Ok{};
}

Status AuditLog::append(const std::string& code_digest, std::size_t code_bytes, const Outcome& outcome,
                        bool cut) const {
    return add(nlohmann::ordered_json{{"time", utc_text(std::chrono::system_clock::now(), 3)},
                                      {"session", session_},
                                      {"policy", policy_name_.substr(0, 1000)},
                                      {"policy_digest", policy_digest_},
                                      {"code_digest", code_digest},
                                      {"code_bytes", code_bytes},
                                      {"status", name_of(outcome.status)},
                                      {"rung", name_of(outcome.escalation)},
                                      {"state", name_of(outcome.state)},
                                      {"error", outcome.error ? outcome.error->ename : ""},
                                      {"wall_seconds", outcome.usage.wall_seconds},
                                      {"cpu_seconds", outcome.usage.cpu_seconds},
                                      {"peak_memory_bytes", outcome.usage.peak_memory_bytes},
                                      {"output_bytes", outcome.usage.output_bytes},
                                      {"output_cut", cut}});
}

Status AuditLog::append(const CommandReport& report, const CommandDone& done) const {
    return add(nlohmann::ordered_json{{"time", utc_text(std::chrono::system_clock::now(), 3)},
                                      {"session", session_},
                                      {"policy", policy_name_.substr(0, 1000)},
                                      {"policy_digest", policy_digest_},
                                      {"command_digest", report.digest},
                                      {"command_bytes", report.bytes},
                                      {"exit_code", done.exit_code()},
                                      {"timed_out", done.timed_out},
                                      {"wall_seconds", report.wall_seconds},
                                      {"output_bytes", report.output_bytes},
                                      {"output_cut", done.cut}});
}

Status AuditLog::append(const ConnectionReport& report, std::uint64_t left_out) const {
    nlohmann::ordered_json line{{"time", utc_text(std::chrono::system_clock::now(), 3)},
                                {"session", session_},
                                {"policy", policy_name_.substr(0, 1000)},
                                {"policy_digest", policy_digest_},
                                {"connection", report.host},
                                {"port", report.port},
                                {"address", report.address},
                                {"rule", report.rule},
                                {"verdict", report.allowed ? "allowed" : "refused"},
                                {"reason", report.reason},
                                {"bytes_out", report.sent},
                                {"bytes_in", report.received},
                                {"left_out", left_out}};
    if (!report.request.empty()) {
        line["request"] = report.request;
    }
    return add(std::move(line));
}

}  // namespace cellblock::sandbox
