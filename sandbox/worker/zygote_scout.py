"""Which pages of a zygote's memory a session's first cell writes to.

A fork of the zygote plays such a session and looks which pages became its own meanwhile. Each worker that waits for its
first cell then has those copied (cellblock_worker/first_pages.py).
"""

import array
import ctypes
import os
import signal
import traceback

import zygote_rehearsal
from cellblock_worker import first_pages

CELL = "6 * 7"
MAX_BYTES = 1 << 20
PAGE = os.sysconf("SC_PAGE_SIZE")
PRESENT_AND_MINE = 1 << 63 | 1 << 56  # of an entry of /proc/PID/pagemap: nobody else maps it


def scout():
    first_pages.madvise = ctypes.CDLL(None).madvise
    first_pages.madvise.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        play(writer)
    os.close(writer)
    with open(reader, "rb") as pipe:
        told = pipe.read(MAX_BYTES)
    if os.waitpid(pid, 0)[1] == 0:
        first_pages.ranges.frombytes(told)


def play(writer):
    status = 1
    try:
        signal.alarm(zygote_rehearsal.SECONDS)
        places = writable()
        with zygote_rehearsal.process_restored():
            stage = zygote_rehearsal.Stage()
            before = set(own_pages(places))  # a worker's start has those too
            stage.run(CELL)
            found = ranges(page for page in own_pages(places) if page not in before).tobytes()
        if len(found) <= MAX_BYTES:
            with open(writer, "wb") as pipe:
                pipe.write(found)
            status = 0
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(status)


def writable():
    """[(begin, end)] of what a write would copy."""
    found = []
    with open("/proc/self/maps") as maps:
        for line in maps:
            place, rights = line.split(None, 2)[:2]
            if rights == "rw-p":
                begin, _, end = place.partition("-")
                found.append((int(begin, 16), int(end, 16)))
    return found


def own_pages(places):
    """Their addresses."""
    with open("/proc/self/pagemap", "rb", buffering=0) as pagemap:
        for begin, end in places:
            pagemap.seek(begin // PAGE * 8)
            entries = array.array("Q")
            entries.frombytes(pagemap.read((end - begin) // PAGE * 8))
            for number, entry in enumerate(entries):
                if entry & PRESENT_AND_MINE == PRESENT_AND_MINE:
                    yield begin + number * PAGE


def ranges(pages):
    """begin, length, begin, length, … in bytes."""
    found = array.array("Q")
    for page in pages:
        if found and found[-2] + found[-1] == page:
            found[-1] += PAGE
        else:
            found.extend((page, PAGE))
    return found
