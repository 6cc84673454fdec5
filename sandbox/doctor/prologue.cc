// The Python that every attempt may use, and how an attempt becomes a cell.
#include "sandbox/doctor/attempts.h"

#include "sandbox/base/text.h"

namespace cellblock::sandbox::doctor {

namespace {

constexpr const char* kPrologue = R"PY(
import ctypes, errno, glob, json, os, platform, resource, signal, socket, stat, subprocess, sys, tempfile, time

host = json.loads(bytes.fromhex(HOST).decode())
libc = ctypes.CDLL(None, use_errno=True)
NUMBERS = dict(zip(
    "mount chroot unshare setns ptrace process_vm_readv bpf io_uring_setup userfaultfd perf_event_open keyctl"
    " kexec_load init_module reboot personality clock_settime sethostname syslog open_by_handle_at mknodat"
    " pidfd_getfd swapon pivot_root socketpair inotify_init1".split(),
    (165, 161, 272, 308, 101, 310, 321, 425, 323, 298, 250, 246, 175, 169, 135, 227, 170, 103, 304, 259, 438, 167, 155,
     53, 294)
    if platform.machine() == "x86_64" else
    (40, 51, 97, 268, 117, 270, 280, 425, 282, 241, 219, 104, 105, 142, 92, 112, 161, 116, 265, 33, 438, 224, 41,
     199, 26)))


class Stopped(Exception):
    """It didn't get through, though no call failed."""


class Skipped(Exception):
    """It can't be tried here."""


def call(name, *arguments):
    """A system call; raises OSError."""
    result = libc.syscall(NUMBERS[name], *arguments)
    if result == -1:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return result


def probe(name, *arguments):
    """A call with arguments that can do no harm: a complaint about them means that the kernel took it."""
    try:
        call(name, *arguments)
        return "the kernel did it"
    except OSError as error:
        if error.errno in (errno.EPERM, errno.EACCES, errno.ENOSYS, errno.EAFNOSUPPORT):
            raise
        return "the kernel took the call (%s)" % error.strerror


def status(name):
    with open("/proc/self/status") as lines:
        return next(line.split(None, 1)[1].strip() for line in lines if line.startswith(name + ":"))


def words(error):
    if isinstance(error, OSError) and error.errno:
        return os.strerror(error.errno)
    return str(error) if isinstance(error, (Stopped, Skipped)) else type(error).__name__ + (": %s" % error if str(error) else "")


def report(attempt):
    try:
        outcome, what = "reached", attempt() or "it worked"
    except Skipped as reason:
        outcome, what = "not tried", words(reason)
    except (Exception, MemoryError) as error:
        outcome, what = "stopped", words(error)
    print("\n" + json.dumps({"outcome": outcome, "what": str(what)[:200]}))
)PY";

}  // namespace

std::string prologue(const std::string& host_json) {
    // Hexadecimal, so that no quoting of Python's matters.
    return "HOST = \"" + hex(host_json) + "\"\n" + kPrologue;
}

std::string cell_of(const Attempt& attempt) {
    std::string cell = "def attempt():\n";
    std::string line;
    for (const char* at = attempt.code; *at != '\0'; ++at) {
        if (line.empty() && *at != '\n') {
            line = "    ";
        }
        line += *at;
        if (*at == '\n') {
            cell += line;
            line.clear();
        }
    }
    return cell + line + "\nreport(attempt)\n";
}

}  // namespace cellblock::sandbox::doctor
