"""Which pages of a zygote's memory a session's first cell writes to.

A fork of the zygote plays such a session. Another one watches from outside, so as to write to nothing itself, and tells
which pages the first became the only owner of. Each worker that waits for its first cell then has those copied
(cellblock_worker/first_pages.py).
"""

import array
import ctypes
import os
import signal
import traceback

from cellblock_worker import first_pages

from . import warm_up

CELL = "6 * 7"
MAX_BYTES = 1 << 20
PAGE = os.sysconf("SC_PAGE_SIZE")
PRESENT_AND_MINE = 1 << 63 | 1 << 56  # of an entry of /proc/PID/pagemap: nobody else maps it
PR_SET_PDEATHSIG = 1


def prefault():
    libc = ctypes.CDLL(None)
    libc.madvise.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
    reader, writer = os.pipe()
    watcher = forked(libc, lambda: watch(libc, writer))
    os.close(writer)
    with open(reader, "rb") as pipe:
        told = pipe.read(MAX_BYTES)
    if os.waitpid(watcher, 0)[1] == 0:
        first_pages.madvise = libc.madvise
        first_pages.ranges.frombytes(told)


def forked(libc, work):
    """A child that does it, and dies with us."""
    parent, pid = os.getpid(), os.fork()
    if pid != 0:
        return pid
    status = 1
    try:
        libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        if os.getppid() == parent:
            work()
            status = 0
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(status)


def watch(libc, writer):
    signal.alarm(warm_up.SECONDS)
    player = forked(libc, play)
    wait_for_stop(player)
    places = writable(player)
    before = set(own_pages(player, places))  # a worker's start has those too
    os.kill(player, signal.SIGCONT)
    wait_for_stop(player)
    found = ranges(page for page in own_pages(player, places) if page not in before).tobytes()
    os.kill(player, signal.SIGKILL)
    if len(found) <= MAX_BYTES:
        with open(writer, "wb") as pipe:
            pipe.write(found)


def play():
    """Stops before the cell and after it."""
    with warm_up.process_restored():
        stage = warm_up.Stage()
        stage.open()
        os.kill(os.getpid(), signal.SIGSTOP)
        stage.run(CELL)
        os.kill(os.getpid(), signal.SIGSTOP)


def wait_for_stop(pid):
    if not os.WIFSTOPPED(os.waitpid(pid, os.WUNTRACED)[1]):
        raise RuntimeError("the session for practice has ended")


def writable(pid):
    """[(begin, end)] of what a write would copy."""
    found = []
    with open("/proc/%d/maps" % pid) as maps:
        for line in maps:
            place, rights = line.split(None, 2)[:2]
            if rights == "rw-p":
                begin, _, end = place.partition("-")
                found.append((int(begin, 16), int(end, 16)))
    return found


def own_pages(pid, places):
    """Their addresses."""
    with open("/proc/%d/pagemap" % pid, "rb", buffering=0) as pagemap:
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
