// glibc has this file since 2.32, and libstdc++ includes it; old_glibc.c has the variable.
#pragma once
#pragma GCC system_header

extern char __libc_single_threaded __attribute__((visibility("hidden")));
