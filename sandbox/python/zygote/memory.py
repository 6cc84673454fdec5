"""How a zygote's memory is laid out, so that a fork shares as much of it as can be.

What was freed during the imports lies scattered, and a fork would use it first: each page of it that it writes to becomes
a page of its own. Once it is taken, what a fork needs lies side by side in new pages.
"""

import ctypes
import os
import re
import sys

LARGEST, SMALLEST, LINEAR = 65536, 24, 2048  # bytes; below LINEAR in steps of malloc's own
STEP = 16
BYTES_HEADER = sys.getsizeof(b"")
HUGE = 2 << 20
MADV_COLLAPSE = 25

kept = []


def settle():
    take_blocks()
    try:
        take_chunks(ctypes.CDLL(None))
    except AttributeError:
        pass  # libc isn't glibc 2.33 or later
    join_pages(ctypes.CDLL(None))


def free_blocks():
    """{size: how many blocks of Python's own allocator are free, within pools that are in use}, as Python tells on stderr."""
    before, (reader, writer) = os.dup(2), os.pipe()
    try:
        os.dup2(writer, 2)
        sys._debugmallocstats()
    finally:
        os.dup2(before, 2)
        os.close(before)
        os.close(writer)
    with open(reader) as file:
        rows = re.findall(r"^ *\d+ +(\d+) +\d+ +\d+ +(\d+)$", file.read(), re.MULTILINE)
    return {int(size): int(free) for size, free in rows}


def take_blocks():
    """By objects of just these sizes."""
    for size, count in free_blocks().items():
        if size > BYTES_HEADER + 1:
            kept.extend([bytes(size - BYTES_HEADER) for _ in range(count)])
        elif size == STEP:
            kept.extend([object() for _ in range(count)])
        else:
            kept.extend([float(number) for number in range(count)])


class Mallinfo(ctypes.Structure):
    _fields_ = [(name, ctypes.c_size_t) for name in ("arena", "ordblks", "smblks", "hblks", "hblkhd", "usmblks",
                                                     "fsmblks", "uordblks", "fordblks", "keepcost")]


def take_chunks(libc):
    """malloc's, below the last one, which reaches up to the heap's end."""
    libc.malloc.restype, libc.malloc.argtypes, libc.free.argtypes = ctypes.c_void_p, [ctypes.c_size_t], [ctypes.c_void_p]
    libc.sbrk.restype, libc.sbrk.argtypes, libc.mallinfo2.restype = ctypes.c_void_p, [ctypes.c_ssize_t], Mallinfo
    size = LARGEST
    while size >= SMALLEST:
        last = libc.sbrk(0) - libc.mallinfo2().keepcost
        place = libc.malloc(size)
        if place is None or place >= last:
            libc.free(place)
            size = size // 2 if size > LINEAR else size - STEP


def join_pages(libc):
    """Huge pages, where Linux makes them of others (6.1): a fork then copies less of the tables of pages."""
    libc.madvise.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
    for begin, end in own_memory():
        for place in range(-(-begin // HUGE) * HUGE, end - HUGE + 1, HUGE):
            libc.madvise(place, HUGE, MADV_COLLAPSE)


def own_memory():
    with open("/proc/self/maps") as maps:
        for line in maps:
            part = line.split()
            if part[1] == "rw-p" and (len(part) < 6 or part[5] == "[heap]"):
                yield tuple(int(place, 16) for place in part[0].split("-"))
