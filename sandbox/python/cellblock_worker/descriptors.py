"""Where the worker keeps its own descriptors."""

import fcntl
import os


def out_of_the_way(fd):
    """A high number, so that code which closes or reuses low descriptors doesn't hit it."""
    for floor in (600, 200, 64, 10):
        try:
            moved = fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, floor)
        except OSError:
            continue
        os.close(fd)
        return moved
    os.set_inheritable(fd, False)
    return fd
