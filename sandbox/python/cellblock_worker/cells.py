"""Which cell is the code at hand part of?

A context variable says so on the main thread and in tasks; a thread belongs to
the cell that started it, however long it lives.
"""

import contextvars
import threading

_cell = contextvars.ContextVar("cellblock_cell")
cell_of_context = _cell.get  # with a default: what to give where no cell set it
_latest = 0
_active = threading._active  # by thread id; threading.current_thread() would make dummies


def current():
    cell = _cell.get(None)
    if cell is not None:
        return cell
    thread = _active.get(threading.get_ident())
    return getattr(thread, "_cellblock_cell", _latest)


def latest():
    """The cell that runs, or ran last: what a child process prints belongs to it."""
    return _latest


def begin(cell):
    global _latest
    _latest = cell
    _cell.set(cell)


def join(cell):
    """From here on this thread (or task) belongs to that cell."""
    _cell.set(cell)


def follow_threads():
    """Lets each new thread know its cell."""
    start = threading.Thread.start

    def start_in_cell(self):
        self._cellblock_cell = current()
        start(self)

    start_in_cell.__doc__ = start.__doc__
    start_in_cell.__name__ = start_in_cell.__qualname__ = "start"
    threading.Thread.start = start_in_cell
