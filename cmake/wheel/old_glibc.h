// Two functions of glibc 2.32 and 2.34 that the program calls, declared for an older one's headers (old_glibc.c).
#pragma once

#include <sys/types.h>

#ifdef __cplusplus
extern "C" {
#endif
pid_t _Fork(void) __attribute__((visibility("hidden")));
const char* sigabbrev_np(int number) __attribute__((visibility("hidden")));
#ifdef __cplusplus
}
#endif
