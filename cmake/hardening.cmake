# How every target is compiled and linked so that a bug in it is harder to use, the jail library's too, and so that a
# failed check ends the process. tests/checks/test_built.py looks for each of these in the files that were built.
#
# The code between fork and exec may neither allocate nor take a lock. These checks do neither while they hold: the stack
# protector compares a word of the thread's own storage, which fork copies, and _FORTIFY_SOURCE compares sizes. A check
# that fails writes a line to stderr and calls abort(): the new process dies and its parent finds it dead. (libstdc++
# writes that line by fprintf, so if another thread held stderr's lock at the fork, the process waits instead, and the
# policy's start_time ends it.) _GLIBCXX_ASSERTIONS changes no type's layout, so objects that are compiled without it
# (xeus, a Python's extension modules) may be in the same process.
include(CheckPIESupported)
check_pie_supported()
set(CMAKE_POSITION_INDEPENDENT_CODE ON)

add_library(cellblock_hardening INTERFACE)
target_compile_options(cellblock_hardening INTERFACE -fstack-protector-strong -fno-semantic-interposition)
if(CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|AMD64")
  target_compile_options(cellblock_hardening INTERFACE -fcf-protection)
elseif(CMAKE_SYSTEM_PROCESSOR MATCHES "aarch64|arm64")
  target_compile_options(cellblock_hardening INTERFACE -mbranch-protection=standard)
endif()
target_compile_definitions(cellblock_hardening INTERFACE _GLIBCXX_ASSERTIONS)
target_link_options(cellblock_hardening INTERFACE -Wl,-z,relro,-z,now,-z,noexecstack)

# glibc's own checks need an optimizing compiler, and the sanitizers want to see the calls as they are written.
add_library(cellblock_fortify INTERFACE)
target_compile_options(cellblock_fortify INTERFACE -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=3)
