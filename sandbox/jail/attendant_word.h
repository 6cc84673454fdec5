// Messages between a nested jail's first process and its attendant.
//
// Purpose: the messages on their SOCK_SEQPACKET socket. The process says one byte, the attendant answers by
// words until the last one; a word with a failure is the last. Both ends are the same program.
#pragma once

#include <array>
#include <cstdint>

#include "sandbox/base/socket.h"
#include "sandbox/jail/report.h"

namespace cellblock::sandbox::jail {

constexpr char kAttendantHello = 'h';

// One message of the attendant. The descriptors beside it are sources of FileSteps or files of control
// groups; `place` tells which.
struct AttendantWord {
    Failure failure;
    std::uint32_t is_last = 0;
    std::uint32_t count = 0;
    std::array<std::int32_t, kMaxDescriptors> place{};  // a FileStep; below 0: ~place of cgroup_files
};

}  // namespace cellblock::sandbox::jail
