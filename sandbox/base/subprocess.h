// Other programs as processes: one that is run to its end for its output, and programs of cellblock's own.
//
// Purpose: programs are started by argv, never through a shell, with empty standard input and without any
// other of our descriptors. Threads: every function may be called while other threads run, but
// raise_file_limit().
//
//     auto told = run_subprocess({.argv = {"docker", "version"}, .time_limit = std::chrono::seconds(5)});
//     if (told && told->exit_status == 0) { use(told->output); }
#pragma once

#include <sys/types.h>

#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "sandbox/api/result.h"

namespace cellblock::sandbox {

// --- a program that is run for its output

struct Subprocess {
    std::vector<std::string> argv;  // a program's path or its name on PATH, then its arguments
    std::chrono::milliseconds time_limit;
    std::size_t output_limit = 256U << 10;  // bytes of each stream
    bool joined = false;                    // standard error goes where standard output goes
    bool cuts_output = false;               // surplus output is thrown away; otherwise it is an Error
};

struct SubprocessOutput {
    int exit_status = 0;  // 128 + signal if a signal ended the program
    std::string output;
    std::string errors;  // empty if joined
};

// Runs the program and waits for its end. Error: the program could not be started, took too long (closing its
// output and going on is no answer) or printed too much. Its process group is then killed; the program itself
// is collected.
Result<SubprocessOutput> run_subprocess(const Subprocess& wanted);

// The same for probes and lists, whose only good end is status 0: the program's standard output, at most 256
// KiB. Error: also any other status; the message is what the program wrote, printable.
Result<std::string> output_of(const std::vector<std::string>& argv, std::chrono::milliseconds time_limit);

// Where an executable program lies: `name` is a path, or is looked for on PATH. Empty: nowhere.
std::string program_path(const std::string& name);

// --- a program of cellblock's own: `cellblock relay`, `cellblock launcher`, `cellblock-helper cleaner`

// Number of the first descriptor that such a program is given.
inline constexpr int kFirstGiven = 3;

struct OwnProgram {
    const char* word;                                          // the command, for example "relay"
    std::vector<int> descriptors;                              // they become 3, 4, ...; at most 5
    std::optional<std::vector<std::string>> environment = {};  // nullopt: the caller's
    std::string program = {};                                  // its path; empty: `cellblock`
};

// Starts it in a session of its own, with standard input and output on /dev/null. The caller has to wait for
// the process. Error: nothing was started.
Result<pid_t> start_own(const OwnProgram& wanted);

// --- how many files a program may have open: the soft limit RLIMIT_NOFILE
//
// Linux compares the number of all descriptors of a user that are on their way through Unix sockets with the
// sender's limit. Cells of an ordinary user belong to that user too, so cellblock's own processes raise their
// limit far above a cell's and can always send a descriptor. Other programs get the limit as it was before:
// some still count on numbers below 1,024 (select). All functions leave the limit as it is where it can't be
// changed.

// As far as the hard limit allows. Call it before there is a second thread.
void raise_file_limit();

// In a child of ours, before it becomes another program. Async-signal-safe.
void give_back_file_limit();

// The same for a child that has become another program already.
void give_back_file_limit(pid_t child);

// Makes the kernel's table of this process's descriptors large enough for most sessions. Call it before there
// is a second thread: a table that grows later, first at the 65th descriptor, keeps its thread waiting for
// all processors (synchronize_rcu), 2 to 20 ms.
void grow_descriptor_table();

}  // namespace cellblock::sandbox
