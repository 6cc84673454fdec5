// The system calls that a jail's processes get, by name.
//
// Purpose: one place to read what is allowed, and why. Everything that isn't
// here is refused; calls that are allowed only with certain arguments
// (arch_prctl, clone, fcntl, ioctl, mknod, mmap, msync, personality, prctl, socket,
// socketpair; those on another process's share) have their rules in seccomp.cc.
// Names, so that each machine's numbers are libseccomp's business; a name that
// a machine doesn't have is skipped there.
// Ownership, threads: constants.
#pragma once

#include <cstdint>
#include <span>

namespace cellblock::sandbox::jail {

// Whatever the arguments.
std::span<const char* const> allowed_calls();

// As allowed_calls(), where the sum of memory is bounded by a cgroup: their
// memory belongs to no process's address space, so no resource limit sees it.
std::span<const char* const> calls_with_memory_of_their_own();

// Refused as if the kernel had never had them, because programs then take an
// older call; the others are refused as not permitted.
std::span<const char* const> calls_said_to_be_missing();

// For a warm Python, whose forks walk into jails of their own; among them some that are said to be missing to
// others.
std::span<const char* const> calls_that_make_jails();
std::span<const std::uint64_t> prctls_that_make_jails();

// Answered with success, and not done: they would make the host's disks work,
// at no cost to the caller.
std::span<const char* const> calls_left_undone();

// Of those above, for jails without namespaces. Not allowed there at all:
std::span<const char* const> calls_that_need_namespaces();
// Allowed only for the caller itself: their first argument is 0.
std::span<const char* const> calls_on_one_process();
// Not supported there, programs hear: Landlock doesn't judge them, and the values are the user's.
std::span<const char* const> calls_that_read_attributes();
// Where the jail's user is the caller's own, answered with success and not
// done: Landlock doesn't judge them, and the caller's files lie outside.
std::span<const char* const> calls_on_owned_files();

std::span<const std::uint64_t> allowed_ioctls();
std::span<const std::uint64_t> allowed_prctls();
std::span<const std::uint64_t> allowed_fcntls();
std::span<const std::uint64_t> allowed_arch_prctls();

}  // namespace cellblock::sandbox::jail
