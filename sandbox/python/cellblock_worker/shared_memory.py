"""mmap.mmap(-1, …) where no control group bounds memory: there the system call filter refuses anonymous memory that
is shared, as it may be there without any process that has it. A file without a name does the same, and is bounded."""

import mmap
import os
import resource
import tempfile

PLACE = "/dev/shm"
ANONYMOUS = getattr(mmap, "MAP_ANONYMOUS", 0x20)


class SharedMap(mmap.mmap):
    """As mmap.mmap, but that shared memory without a file is a file's."""

    __slots__ = ()

    def __new__(cls, fileno, length, *rest, **more):
        try:
            return super().__new__(cls, fileno, length, *rest, **more)
        except PermissionError:
            if fileno != -1:
                raise
        with tempfile.TemporaryFile(dir=PLACE if os.path.isdir(PLACE) else None, buffering=0) as file:
            room = os.fstatvfs(file.fileno())
            if length > room.f_bavail * room.f_frsize:
                raise OSError(12, "Cannot allocate memory: the policy's limits.disk bounds shared memory")
            os.ftruncate(file.fileno(), length)
            if rest:
                rest = (rest[0] & ~ANONYMOUS, *rest[1:])
            elif "flags" in more:
                more["flags"] &= ~ANONYMOUS
            return super().__new__(cls, file.fileno(), length, *rest, **more)


def install():
    """RLIMIT_AS is set where no control group bounds memory."""
    if resource.getrlimit(resource.RLIMIT_AS)[1] != resource.RLIM_INFINITY and mmap.mmap is not SharedMap:
        SharedMap.__name__ = SharedMap.__qualname__ = "mmap"
        SharedMap.__module__ = "mmap"
        mmap.mmap = SharedMap
