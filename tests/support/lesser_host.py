"""Runs a program as on a host that lacks something: the system calls that are named fail in it and its children.

Use: lesser_host.py CALL[:ERRNO][,CALL...] PROGRAM [ARGUMENT...]

A real filter of the kernel, as container runtimes set one, so the program meets a real refusal. ERRNO is a name such as
EPERM; ENOSYS if it isn't said.
"""

import ctypes
import errno
import os
import platform
import struct
import sys

# Since 424 numbers are the same on every machine.
CALLS = {
    "x86_64": {"landlock_create_ruleset": 444, "unshare": 272, "clone3": 435, "seccomp": 317, "memfd_create": 319},
    "aarch64": {"landlock_create_ruleset": 444, "unshare": 97, "clone3": 435, "seccomp": 277, "memfd_create": 279},
}

LOAD_NUMBER = (0x20, 0, 0, 0)  # BPF_LD | BPF_W | BPF_ABS, at seccomp_data.nr
ALLOW = (0x06, 0, 0, 0x7FFF0000)
PR_SET_NO_NEW_PRIVS, PR_SET_SECCOMP, MODE_FILTER = 38, 22, 2


def program(denied):
    lines = [LOAD_NUMBER]
    for number, error in denied:
        lines.append((0x15, 0, 1, number))  # if equal, the next line; else skip it
        lines.append((0x06, 0, 0, 0x00050000 | error))
    return lines + [ALLOW]


def deny(denied):
    lines = b"".join(struct.pack("HBBI", *line) for line in program(denied))
    body = ctypes.create_string_buffer(lines, len(lines))
    head = struct.pack("HxxxxxxQ", len(lines) // 8, ctypes.addressof(body))
    libc = ctypes.CDLL(None, use_errno=True)
    # As root the filter needs no no_new_privs, but the jail works with it too.
    if libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) or libc.prctl(PR_SET_SECCOMP, MODE_FILTER, head, 0, 0):
        raise OSError(ctypes.get_errno(), "can't set the filter")


def main():
    calls = CALLS[platform.machine()]
    wanted = [text.partition(":") for text in sys.argv[1].split(",")]
    deny([(calls[name], getattr(errno, error or "ENOSYS")) for name, _, error in wanted])
    os.execvp(sys.argv[2], sys.argv[2:])


if __name__ == "__main__":
    main()
