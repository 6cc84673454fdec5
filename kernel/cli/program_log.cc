#include "kernel/cli/program_log.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <climits>
#include <cstdio>
#include <iostream>
#include <mutex>
#include <streambuf>
#include <tuple>

#include "sandbox/api/unique_fd.h"
#include "sandbox/base/escaped_line.h"
#include "sandbox/base/files.h"
#include "sandbox/base/process.h"
#include "sandbox/base/resources.h"
#include "sandbox/base/standard_error.h"
#include "sandbox/base/text.h"

namespace cellblock::kernel {

using namespace sandbox;

namespace {

constexpr std::size_t kMostOfOne = 64U << 10;
constexpr std::size_t kLongestLine = 4096;
constexpr int kFractionDigits = 3;
constexpr std::string_view kBegan = "began: ";
constexpr std::string_view kEnded = "ended: ";

bool is_ours_alone(int file, struct stat& info) {
    return ::fstat(file, &info) == 0 && S_ISREG(info.st_mode) && info.st_uid == ::geteuid() &&
           info.st_nlink == 1 && (info.st_mode & 077U) == 0;
}

UniqueFd open_log(const std::string& name) {
    const auto paths = program_logs(name);
    constexpr int kInANewHome = 3;  // .local, state, cellblock
    if (paths.empty() || !make_folders(state_directory(), kInANewHome)) {
        return {};
    }
    const auto open = [&] {
        return UniqueFd(::open(paths.back().c_str(),
                               O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC,
                               0600));
    };
    UniqueFd file = open();
    struct stat info {};
    if (file.valid() && is_ours_alone(file.get(), info) && info.st_size > kMaxProgramLog &&
        ::rename(paths.back().c_str(), paths.front().c_str()) == 0) {
        file = open();
    }
    return file.valid() && is_ours_alone(file.get(), info) ? std::move(file) : UniqueFd();
}

std::string host_name() {
    char name[HOST_NAME_MAX + 1] = {};
    return ::gethostname(name, sizeof name - 1) == 0 ? escaped_line(name) : std::string();
}

// The words of a line's head: "TIME HOST NAME[PID]: text".
struct LogLine {
    std::string_view host;
    pid_t process = 0;
    std::string_view text;
};

LogLine parse(std::string_view line) {
    LogLine read;
    const auto time_end = std::min(line.find(' '), line.size());
    const auto host_end = std::min(line.find(' ', time_end + 1), line.size());
    const auto open = line.find('[', host_end);
    const auto close = line.find("]: ", host_end);
    if (open == std::string_view::npos || close == std::string_view::npos || open > close) {
        return read;
    }
    read.host = line.substr(time_end + 1, host_end - time_end - 1);
    std::from_chars(line.data() + open + 1, line.data() + close, read.process);
    read.text = line.substr(close + 3);
    return read;
}

}  // namespace

// Passes everything on to the buffer that was std::cerr's before, and each whole line to the file.
class ProgramLog::Tee final : public std::streambuf {
public:
    Tee(const std::string& name, std::streambuf* below)
        : file_(open_log(name)),
          head_(" " + host_name() + " " + name + "[" + std::to_string(::getpid()) + "]: "),
          below_(below) {}

    void write_line(std::string_view text) {
        const std::lock_guard<std::mutex> held(mutex_);
        write(text);
    }

protected:
    int overflow(int character) override {
        if (character == traits_type::eof()) {
            return 0;
        }
        const char byte = traits_type::to_char_type(character);
        return xsputn(&byte, 1) == 1 ? character : traits_type::eof();
    }

    std::streamsize xsputn(const char* text, std::streamsize size) override {
        const std::lock_guard<std::mutex> held(mutex_);
        for (const char byte : std::string_view(text, static_cast<std::size_t>(size))) {
            if (byte == '\n') {
                keep(line_);
                line_.clear();
            } else if (line_.size() < kLongestLine) {
                line_ += byte;
            }
        }
        return below_ == nullptr ? size : below_->sputn(text, size);
    }

    int sync() override {
        const std::lock_guard<std::mutex> held(mutex_);
        return below_ == nullptr ? 0 : below_->pubsync();
    }

private:
    // A line of std::cerr's.
    void keep(std::string_view text) {
        if (kept_ > kMostOfOne) {
            return;
        }
        kept_ += head_.size() + text.size();
        write(kept_ > kMostOfOne ? "it writes too much; the rest isn't kept here" : text);
    }

    void write(std::string_view text) {
        if (file_.valid()) {
            const std::string line = utc_text(std::chrono::system_clock::now(), kFractionDigits) + head_ +
                                     escaped_line(text.substr(0, kLongestLine)) + "\n";
            std::ignore =
                ::write(file_.get(), line.data(), line.size());  // as a whole, so that lines don't mix
        }
    }

    std::mutex mutex_;
    UniqueFd file_;
    std::string head_;
    std::streambuf* below_;
    std::string line_;
    std::size_t kept_ = 0;
};

ProgramLog::ProgramLog(const std::string& name, const std::string& facts)
    : tee_(std::make_unique<Tee>(name, std::cerr.rdbuf())), before_(std::cerr.rdbuf()) {
    tee_->write_line(std::string(kBegan) + facts + ", standard error: " + standard_error_of(::getpid()));
    std::cerr.rdbuf(tee_.get());
}

ProgramLog::~ProgramLog() {
    std::cerr.rdbuf(before_);
    tee_->write_line(std::string(kEnded) + why_);
}

std::vector<std::string> program_logs(const std::string& name) {
    const std::string folder = state_directory();
    if (folder.empty()) {
        return {};
    }
    const std::string path = folder + "/" + name + ".log";
    return {path + ".1", path};
}

void LostPrograms::read(std::string_view line) {
    static const std::string this_host = host_name();
    const LogLine one = parse(line);
    if (one.process <= 0 || one.host != this_host) {
        return;
    }
    if (one.text.starts_with(kBegan) || one.text.starts_with(kEnded)) {
        std::erase_if(open_, [&](const LostProgram& other) { return other.process == one.process; });
    }
    if (one.text.starts_with(kBegan)) {
        open_.push_back({one.process, std::string(line)});
    }
}

std::vector<LostProgram> LostPrograms::found() const {
    std::vector<LostProgram> lost;
    std::copy_if(open_.begin(), open_.end(), std::back_inserter(lost), [](const LostProgram& one) {
        return process_start_time(std::to_string(one.process)).empty();
    });
    return lost;
}

}  // namespace cellblock::kernel
