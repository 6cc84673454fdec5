"""Memory for the worker's own work, which cells can't use up.

The limits on a process's memory have a hard value, and a soft one that holds. Three levels, the lowest first:

HELD     holds between cells and while a cell runs: a cell, and the threads that it leaves behind, get no more
SHOWING  while a cell's error is shown (a traceback needs memory too), and for a cell that begins with no room at all: it
         may delete what fills the memory
OWN      the hard limit: for the moment in which the worker takes a request, sends a frame or tells of a full memory

No wall: a cell may raise its own soft limit. Where even the last level doesn't do, the process ends with a status that the
host tells as what it is.
"""

import _thread
import mmap
import os
import resource
import time

RESERVE = 32 << 20   # between HELD and the hard limit
LAST = 8 << 20       # between SHOWING and the hard limit
ROOM = 4 << 20       # a cell that begins with less has no room
HELD, SHOWING, OWN = range(3)
TRIES = range(50)    # how often something is tried with all the memory that there is
PAUSE = 0.02
OUT_OF_MEMORY = 72   # the exit status; sandbox_host.cc knows it


class Reserve:
    def __init__(self):
        limits = [_Limit(kind) for kind in (resource.RLIMIT_DATA, resource.RLIMIT_AS)]
        self._limits = [one for one in limits if one.hard > 0]
        self._lock = _thread.RLock()
        self._lent = 0
        self._level = OWN

    def hold_back(self):
        """Before a cell, and after whatever may have taken memory."""
        if self._limits:
            self._set(HELD)
            self.give_room()

    def give_room(self):
        """After a cell's code, for what is still to be done."""
        if self._limits and self._level == HELD and not _has_room():
            self._set(SHOWING)

    def settle(self):
        """After a cell. Where there was room behind its code nothing has changed since."""
        if self._level != HELD:
            self.hold_back()

    def release(self):
        """For a cell's error."""
        self._set(SHOWING)

    def open_up(self):
        """For what is to work before a cell begins."""
        self._set(OWN)

    def _set(self, level):
        with self._lock:
            self._level = level
            if not self._lent:
                for one in self._limits:
                    one.set(level)

    # `with reserve:` nothing in here needs new memory

    def __enter__(self):
        with self._lock:
            self._lent += 1
            if self._lent == 1:
                for one in self._limits:
                    one.lend()

    def __exit__(self, *_):
        with self._lock:
            self._lent -= 1
            if not self._lent:
                for one in self._limits:
                    one.take_back(self._level)

    def insist(self, work):
        """Does work(), with all the memory that there is; where it fails for memory again and again, this is the end."""
        for _ in TRIES:
            try:
                with self:
                    return work()
            except MemoryError:
                time.sleep(PAUSE)  # another thread may give some back
        os._exit(OUT_OF_MEMORY)

    def after_fork_in_child(self):
        self._lock = _thread.RLock()
        if self._lent:
            self._lent = 1
            self.__exit__()


class _Limit:
    def __init__(self, kind):
        self._kind = kind
        soft, hard = resource.getrlimit(kind)
        self.hard = hard
        reserve = min(RESERVE, hard // 8)
        self._levels = ((hard - reserve, hard), (hard - min(LAST, reserve // 4), hard), (hard, hard))
        self._now = self._before = (soft, hard)

    def _exchange(self, limit):
        """Gives the limit that there was; None, and nothing has changed: a cell has lowered the hard one."""
        try:
            return resource.prlimit(0, self._kind, limit)
        except MemoryError:
            return self._now
        except (OSError, ValueError):
            return None

    def set(self, level):
        wanted = self._levels[level]
        if self._now == wanted:
            return
        found = self._exchange(wanted)
        if found == self._now:
            self._now = wanted
        elif found is not None:
            resource.setrlimit(self._kind, found)  # a cell has set its own

    def lend(self):
        try:
            self._before = self._exchange(self._levels[OWN]) or resource.getrlimit(self._kind)
        except MemoryError:
            pass  # the one that was last found

    def take_back(self, level):
        before = self._before
        if before == self._now:
            before = self._now = self._levels[level]
        try:
            resource.setrlimit(self._kind, before)
        except ValueError:
            pass


def _has_room():
    try:
        mmap.mmap(-1, ROOM, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS).close()
        return True
    except (OSError, MemoryError):
        return False
