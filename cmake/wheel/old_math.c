// glibc 2.29 has these functions a second time, and a program is linked with the newer ones (SQLite's
// mathematics): by the linker's --wrap it gets the older ones.
#ifdef __x86_64__
#define OLD "GLIBC_2.2.5"
#else
#define OLD "GLIBC_2.17"
#endif

double old_exp(double);
double old_log(double);
double old_pow(double, double);
__asm__(".symver old_exp,exp@" OLD);
__asm__(".symver old_log,log@" OLD);
__asm__(".symver old_pow,pow@" OLD);

__attribute__((visibility("hidden"))) double __wrap_exp(double x) {
    return old_exp(x);
}
__attribute__((visibility("hidden"))) double __wrap_log(double x) {
    return old_log(x);
}
__attribute__((visibility("hidden"))) double __wrap_pow(double x, double y) {
    return old_pow(x, y);
}
