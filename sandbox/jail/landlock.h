// Landlock: a second lock on files, signals and abstract sockets.
//
// Purpose: were a mount shown by mistake, or a folder writable that shouldn't
// be, this still holds: below the jail's root everything may be read and run,
// and only the writable places may be changed. Nothing inside can signal a
// process or reach an abstract socket outside. The network is judged only for a
// builder of packages: a cell's is its own and empty.
// Ownership: plain values, decided in the host. Threads: lock_files runs after
// fork and allocates nothing.
// Failure: a kernel without Landlock gives abi 0, and lock_files does nothing;
// `layers` tells. A kernel that has it and refuses is a Failure.
// Source: Documentation/userspace-api/landlock.rst of Linux.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "sandbox/jail/report.h"

namespace cellblock::sandbox::jail {

struct FileStep;

// The rights that a jail has at a place and below it.
struct LandlockRule {
    std::string path;  // inside the jail
    std::uint64_t rights = 0;
};

struct Landlock {
    int abi = 0;                       // the kernel's version of it; 0: none
    std::uint64_t handled = 0;         // rights that need a rule
    std::uint64_t scoped = 0;          // what may not reach outside
    std::uint64_t network = 0;         // rights that need one of the ports
    std::vector<std::uint16_t> ports;  // of TCP that may be connected to
    std::vector<LandlockRule> rules;
};

// This kernel's version of Landlock. 0: it has none, or it is switched off.
int landlock_abi();

Landlock plan_landlock(const std::vector<FileStep>& files, int abi);

// No TCP but to these ports, on kernels that can say so (ABI 4, Linux 6.7).
void lock_ports(Landlock& plan, std::vector<std::uint16_t> ports);

// Where Landlock is the wall itself: `visible` (binds; their sources) may be
// read, the three folders of `box` changed, and nothing else opened.
Landlock plan_landlock_without_namespaces(const std::vector<FileStep>& visible, const std::string& box,
                                          int abi);

// For a process outside of jails: those of `places` that are there may be read and executed, with what lies
// below them, and nothing else opened, made or changed.
Landlock plan_landlock_to_read(const std::vector<std::string>& places, int abi);

// The kernel's version from which no signal leaves a domain.
constexpr int kAbiOfSignals = 6;

// For this process and all that come from it: no signal to others. Needs kAbiOfSignals.
Failure lock_signals();

// Needs no_new_privs. For this process and all that come from it, for good.
Failure lock_files(const Landlock& plan);

// For people: "files, signals, abstract sockets (ABI 7)", or that there is none.
std::string landlock_in_words(int abi);
const char* how_to_get_landlock();

}  // namespace cellblock::sandbox::jail
