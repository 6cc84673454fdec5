// `cellblock logs`: shows the logs of this user's daemons, kernels and servers, and where they write what
// they don't keep.
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <cstdint>
#include <functional>
#include <iostream>
#include <map>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "kernel/cli/commands.h"
#include "kernel/cli/program_log.h"
#include "sandbox/api/result.h"
#include "sandbox/api/unique_fd.h"
#include "sandbox/base/escaped_line.h"
#include "sandbox/base/standard_error.h"
#include "sandbox/pool/all_daemons.h"

namespace cellblock::kernel {

namespace {

using namespace sandbox;

constexpr off_t kMostShown = 2 << 20;  // of one file
constexpr std::size_t kAtOnce = 64U << 10;
constexpr std::size_t kLongestLine = 8192;
constexpr std::chrono::milliseconds kPause{200};
constexpr int kFailed = 1;
constexpr const char* kProgramNames[] = {"kernel", "serve"};

// One file, read from where the last reading ended. A file that was replaced or emptied is read from its
// start.
class LogFile {
public:
    explicit LogFile(std::string path) : path_(std::move(path)) {}

    // The next part, of at most kAtOnce bytes, empty at the end. A file that isn't there is empty.
    Result<std::string> next_part() {
        UniqueFd file(::open(path_.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC));
        struct stat info {};
        if (!file.valid() && errno == ENOENT) {
            return std::string();
        }
        if (!file.valid() || ::fstat(file.get(), &info) != 0) {
            return errno_error("read " + path_);
        }
        if (!S_ISREG(info.st_mode) || info.st_uid != ::geteuid()) {
            return Error{"read " + path_, 0, "it is no file of yours", "Remove it"};
        }
        if (info.st_ino != inode_ || info.st_size < at_) {
            inode_ = info.st_ino;
            at_ = std::max<off_t>(0, info.st_size - kMostShown);
            left_out_ = at_ > 0;
        }
        std::string part(kAtOnce, '\0');
        const ssize_t size = ::pread(file.get(), part.data(), part.size(), at_);
        if (size < 0) {
            return errno_error("read " + path_);
        }
        part.resize(static_cast<std::size_t>(size));
        at_ += size;
        return part;
    }

    // The whole lines that came since the last call; of a line that is too long, its start.
    Status read_lines(const std::function<void(std::string_view)>& on_line) {
        while (true) {
            CELLBLOCK_ASSIGN_OR_RETURN(const auto part, next_part());
            if (part.empty()) {
                return Ok{};
            }
            for (const char byte : part) {
                if (byte != '\n') {
                    if (line_.size() < kLongestLine) {
                        line_ += byte;
                    }
                    continue;
                }
                if (!std::exchange(left_out_, false)) {  // the rest of a line whose start isn't shown
                    on_line(line_);
                }
                line_.clear();
            }
        }
    }

    // The start of a line whose end hasn't come.
    [[nodiscard]] const std::string& unfinished() const { return line_; }
    [[nodiscard]] const std::string& path() const { return path_; }

private:
    std::string path_;
    ino_t inode_ = 0;
    off_t at_ = 0;
    bool left_out_ = false;
    std::string line_;
};

class Logs {
public:
    explicit Logs(const LogsOptions& options) : options_(options) {
        if (options.tail != "all") {
            std::from_chars(options.tail.data(), options.tail.data() + options.tail.size(), tail_);
        }
    }

    // Prints the lines that are there by now.
    void show() {
        for (const auto& path : paths()) {
            show_last(file(path));
        }
        if (wants("daemon")) {
            tell_of_daemons_without_a_log();
        }
        for (const auto& one : lost_.found()) {
            std::cout << "\nProcess " << one.process
                      << " has never said why it left, and is gone: it crashed or was killed. "
                      << "Linux's own log tells whether the memory was too little: "
                         "`journalctl --dmesg --grep='Killed process "
                      << one.process << "'`, or `dmesg`. It began so:\n  " << escaped_line(one.began) << "\n";
        }
        if (!anything_) {
            std::cout << "Nothing was logged: " << where_they_are() << "\n";
        }
        std::cout << std::flush;
    }

    // Prints the lines that come, until nobody reads them any more.
    void follow() {
        following_ = true;  // nothing is added to an older log
        while (std::cout.good()) {
            for (const auto& path : paths()) {
                LogFile& one = file(path);
                report(one.read_lines([&](std::string_view line) { print(one, line); }));
            }
            std::cout << std::flush;
            std::this_thread::sleep_for(kPause);
        }
    }

    [[nodiscard]] int status() const { return status_; }

private:
    [[nodiscard]] bool wants(std::string_view whose) const {
        return options_.whose == "all" || options_.whose == whose;
    }

    [[nodiscard]] LogFile& file(const std::string& path) {
        return files_.try_emplace(path, path).first->second;
    }

    std::vector<std::string> paths() {
        std::vector<std::string> found;
        if (wants("daemon")) {
            auto daemons = pool::daemon_logs();
            report(daemons ? Status(Ok{}) : Status(daemons.error()));
            found = daemons ? std::move(*daemons) : found;
        }
        for (const char* name : kProgramNames) {
            if (wants(name)) {
                const auto logs = program_logs(name);
                found.insert(found.end(), following_ && !logs.empty() ? logs.end() - 1 : logs.begin(),
                             logs.end());
            }
        }
        return found;
    }

    void show_last(LogFile& one) {
        std::vector<std::string> lines;
        report(one.read_lines([&](std::string_view line) {
            lost_.read(line);
            lines.emplace_back(line);
        }));
        if (!options_.follow && !one.unfinished().empty()) {
            lines.push_back(one.unfinished());
        }
        anything_ = anything_ || !lines.empty();
        const std::size_t first = lines.size() - std::min(lines.size(), tail_);
        std::for_each(lines.begin() + static_cast<std::ptrdiff_t>(first), lines.end(),
                      [&](const std::string& line) { print(one, line); });
    }

    void print(const LogFile& one, std::string_view line) {
        if (shown_ != one.path()) {
            std::cout << (shown_.empty() ? "" : "\n") << "==> " << one.path() << " <==\n";
            shown_ = one.path();
        }
        std::cout << escaped_line(line) << "\n";
    }

    // A daemon that was started by hand or by a service writes to its standard error.
    void tell_of_daemons_without_a_log() {
        const auto daemons = pool::all_daemons();
        const auto logs = pool::daemon_logs();
        if (!daemons || !logs) {
            return;  // which was told above
        }
        for (const auto& daemon : daemons->figures) {
            const auto process = daemon.value("process", pid_t{0});
            const std::string place = process > 0 ? standard_error_of(process) : std::string();
            if (!place.empty() && std::find(logs->begin(), logs->end(), place) == logs->end()) {
                std::cout << (shown_.empty() ? "" : "\n") << "The daemon " << process << " logs to "
                          << escaped_line(place) << "\n";
                anything_ = true;
            }
        }
    }

    std::string where_they_are() const {
        const auto logs = program_logs(wants("kernel") ? "kernel" : "serve");
        return (options_.whose == "daemon" ? std::string("no daemon runs")
                : logs.empty()             ? std::string("you have no home directory, so no log is kept")
                                           : "there is no " + logs.back()) +
               ". `cellblock logs --help` tells which logs there are";
    }

    void report(const Status& read) {
        if (!read && read.error().text() != failure_) {
            failure_ = read.error().text();
            std::cerr << "cellblock logs: " << failure_ << "\n";
            status_ = kFailed;
        }
    }

    LogsOptions options_;
    std::size_t tail_ = SIZE_MAX;
    std::map<std::string, LogFile> files_;
    LostPrograms lost_;
    std::string shown_;
    std::string failure_;
    bool anything_ = false;
    bool following_ = false;
    int status_ = 0;
};

}  // namespace

int logs_command(const LogsOptions& options) {
    Logs logs(options);
    logs.show();
    if (options.follow) {
        logs.follow();
    }
    return logs.status();
}

}  // namespace cellblock::kernel
