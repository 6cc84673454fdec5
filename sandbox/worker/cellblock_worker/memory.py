"""A reserve of memory, so that a cell that used all there is can still be told so.

A traceback needs memory too. While a cell runs, the soft limit on data lies below
the hard one; when its error is shown, the rest may be used. No wall: a cell may
raise its own soft limit, and then dies at the hard one.
"""

import mmap
import resource

RESERVE = 32 << 20
ROOM = 4 << 20  # a cell that begins with less gets the reserve too: it may delete what fills the memory


class Reserve:
    def __init__(self):
        self._soft, self._hard = resource.getrlimit(resource.RLIMIT_DATA)
        self._size = min(RESERVE, self._hard // 8)

    def hold_back(self):
        """Before a cell."""
        if self._hard > 0:
            self._set(self._hard - self._size)
            if not _has_room():
                self._set(self._hard)

    def release(self):
        """Before its error is shown, and after it."""
        if self._hard > 0:
            self._set(self._hard)

    def _set(self, soft):
        limits = resource.getrlimit(resource.RLIMIT_DATA)
        if limits == (self._soft, self._hard) and soft != self._soft:  # else a cell has set its own
            resource.setrlimit(resource.RLIMIT_DATA, (soft, self._hard))
            self._soft = soft


def _has_room():
    try:
        mmap.mmap(-1, ROOM, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS).close()
        return True
    except (OSError, MemoryError):
        return False
