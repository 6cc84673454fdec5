// The warden of a warm jail: its first process, a fork of a warm Python that stays in C.
//
// Purpose: does what sandbox/python/warden.py does where a jail is entered by
// the start of a program, in the same words (channel/FRAMES.md). Of Python's
// memory it writes to next to nothing, so all of it stays shared, and a Python
// that doesn't run costs a start no time.
// Ownership: descriptor 3 is the host's. Threads: one. Failure: what it can't
// read ends it, with the reason on descriptor 2, and its end is the jail's.
#pragma once

#include "sandbox/jail/memory_watch.h"

namespace cellblock::sandbox::jail {

struct WorkerDescriptors {
    int socket = -1;
    int debugger = -1;  // -1: the policy has none
};

// To be called by PID 1. Serves the host until it has gone, and returns in each worker that it forks, and
// nowhere else. `python`: its version, for the host. `watch`: over the memory of the jail's processes, where
// no control group bounds it.
WorkerDescriptors be_warm_warden(const char* python, const MemoryWatch& watch);

}  // namespace cellblock::sandbox::jail
