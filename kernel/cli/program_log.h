// A file that keeps what a program of cellblock's writes to its standard error.
//
// Purpose: who asks why a kernel died or started cold finds an answer also where nobody sees the program's
// standard error (a hub, an editor). While a ProgramLog lives, each line that is written to std::cerr goes to
// the file too, behind the time, the host's name and the process's number:
//
//     ProgramLog log("kernel", "policy \"notebook\", /run/…/kernel-1.json");
//     std::cerr << "cellblock: a cold start: …\n";      // to standard error, and to the file
//     log.ends("a client asked it to");                 // for the last line; without one the program crashed
//     or was killed
//
// The file is state_directory()/NAME.log, the user's alone, for all programs of that name. Above
// kMaxProgramLog it becomes NAME.log.1 when the next program begins; one program adds 64 KiB at most.
// Ownership: a descriptor, which is closed on exec. Threads: std::cerr may be used by any thread while the
// ProgramLog lives; at most one may live. Failure: without a file (no home, a full disk) nothing is kept, and
// nothing else changes.
#pragma once

#include <sys/types.h>

#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace cellblock::kernel {

inline constexpr off_t kMaxProgramLog = 1 << 20;

class ProgramLog {
public:
    // The first line says that the program began, as what (`facts`), and where its standard error goes.
    ProgramLog(const std::string& name, const std::string& facts);
    ~ProgramLog();
    ProgramLog(const ProgramLog&) = delete;
    ProgramLog& operator=(const ProgramLog&) = delete;

    // The reason why the program is about to leave, for the last line, which the destructor writes.
    void ends(const std::string& why) { why_ = why; }

private:
    class Tee;
    std::unique_ptr<Tee> tee_;
    std::streambuf* before_;
    std::string why_ = "it couldn't go on";
};

// The paths of the program's log, the older first, whether the files are there or not. None: the user has no
// home.
std::vector<std::string> program_logs(const std::string& name);

// A program that hasn't said that it leaves, and is gone.
struct LostProgram {
    pid_t process = 0;
    std::string began;  // the line that tells of its begin
};

// Reads a log's lines, in order, and finds who is lost. Processes of other machines are left out: a home may
// be shared.
class LostPrograms {
public:
    void read(std::string_view line);
    [[nodiscard]] std::vector<LostProgram> found() const;

private:
    std::vector<LostProgram> open_;
};

}  // namespace cellblock::kernel
