"""Pages that a session's first cell will write to.

They are the zygote's, which has found them out, and copied at the first write: in all a millisecond or two, for which a
worker that waits for its first cell has the time.
"""

import array

MADV_POPULATE_WRITE = 23  # Linux 5.14; before that it is refused, and the cell copies them
AT_ONCE = 16

ranges = array.array("Q")  # begin, length, begin, length, … in bytes; empty in a cold start
madvise = None             # libc's, made where these are found out


def copy(has_work):
    """Ends early when there is something to do."""
    for number in range(0, len(ranges), 2):
        if number % (2 * AT_ONCE) == 0 and has_work():
            return
        madvise(ranges[number], ranges[number + 1], MADV_POPULATE_WRITE)
