// Reading lines.
#include "sandbox/audit/verify.h"

#include <array>
#include <cerrno>
#include <filesystem>
#include <fstream>
#include <limits>
#include <nlohmann/json.hpp>

#include "sandbox/audit/log.h"
#include "sandbox/base/digests.h"

namespace cellblock::sandbox {

namespace {

constexpr std::size_t kMostFindings = 100;

// The digest that this line gives for the one before; nothing if it is no line of ours.
std::optional<std::string> claimed(const std::string& line) {
    if (line.size() > kLongestAuditLine) {
        return std::nullopt;
    }
    const auto record = nlohmann::json::parse(line, nullptr, /*allow_exceptions=*/false);
    const auto* previous = record.is_object() && record.contains("previous")
                               ? record["previous"].get_ptr<const std::string*>()
                               : nullptr;
    return previous != nullptr ? std::optional(*previous) : std::nullopt;
}

// Of a line that is longer than a log's may be no more is kept than shows it.
bool next_line(std::istream& file, std::string& line) {
    std::array<char, kLongestAuditLine + 2> kept{};
    file.getline(kept.data(), kept.size());
    const bool whole = !file.fail() && !file.eof();  // its end was read, and counted
    line.assign(kept.data(), static_cast<std::size_t>(file.gcount()) - (whole ? 1 : 0));
    if (file.fail() && !line.empty()) {
        file.clear();
        file.ignore(std::numeric_limits<std::streamsize>::max(), '\n');
        return true;
    }
    return !file.fail();
}

}  // namespace

Result<AuditVerdict> verify_audit(const std::string& path, const std::string& head) {
    std::error_code failed;
    const auto status = std::filesystem::status(path, failed);
    if (failed || !std::filesystem::is_regular_file(status)) {
        return Error{"read the audit log " + path, failed.value(), failed ? "" : "it is no file", {}};
    }
    std::ifstream file(path, std::ios::binary);
    if (!file || file.peek() == std::ifstream::traits_type::eof()) {
        const int code = file.is_open() ? 0 : errno;
        return Error{"read the audit log " + path, code, code == 0 ? "it is empty" : "", {}};
    }
    AuditVerdict verdict;
    verdict.head = kNoLineBefore;
    bool seen_head = head.empty();
    const auto find = [&](std::string what) {
        if (verdict.findings.size() < kMostFindings) {
            verdict.findings.push_back({verdict.lines, std::move(what)});
        }
    };
    for (std::string line; next_line(file, line);) {
        ++verdict.lines;
        if (file.eof()) {
            find("it has no end: it was cut off, or somebody is writing it");
        }
        const auto previous = claimed(line);
        if (!previous) {
            find("this is no line of an audit log: it was changed, or cut off by a crash");
        } else if (*previous != verdict.head) {
            find(verdict.lines == 1
                     ? "it is not the first line that was written: lines before it are missing"
                     : "it doesn't follow the line before it: one of the two was changed, or lines "
                       "between them were removed, added or moved");
        }
        verdict.head = sha256(line);
        seen_head = seen_head || verdict.head == head;
    }
    if (!seen_head) {
        find("no line has the digest " + head.substr(0, 64) +
             ": lines at the end are missing, or were changed");
    }
    return verdict;
}

}  // namespace cellblock::sandbox
