"""What runs the user's code for a debugger while no cell is stopped: a repr, a property, an expression.

Between cells it has the main thread, where an interrupt reaches it: the host bounds its time, as that of a query. While a
cell runs it has a thread of its own, and its time is bounded here; code that nothing can stop then holds up later
inspections until the cell's end, and nothing else.
"""

import collections
import ctypes
import threading
import time

from .debug_channel import keep_from_debugger
from .debug_request import Failed

SECONDS = 10.0
PATIENCE = 0.05          # most need less
LOOK_SECONDS = 0.1       # between two looks at one that needs more
TOO_LONG = "the inspection took longer than %g s; your variables are intact" % SECONDS
INTERRUPTED = "the inspection was interrupted; your variables are intact"
BEHIND = "an earlier inspection can't be stopped while the cell runs; ask again after the cell's end"


class Inspections:
    """Of the debugger's thread."""

    def __init__(self, on_main):
        self._on_main = on_main             # calls its first argument between cells, its second with the result or None
        self._waiting = collections.deque()
        self._current = None                # while its thread is alive

    def run(self, request, compute):
        """Answers the request with the body that compute() gives."""
        if request.idle:
            self._on_main(lambda: _answer(request, compute),
                          lambda answer: request.send(answer or request.failure(INTERRUPTED)))
        else:
            self._waiting.append((request, compute))
            self.step()

    def timeout(self):
        """How long step() has nothing to do, in milliseconds; None: until the next run()."""
        return None if self._current is None else LOOK_SECONDS * 1000

    def step(self):
        while self._current is None or self._current.ended():
            self._current = None
            if not self._waiting:
                return
            self._current = _OnItsThread(*self._waiting.popleft())
        if self._current.stuck():
            for request, _ in self._waiting:
                request.fail(BEHIND)
            self._waiting.clear()


class _OnItsThread:
    def __init__(self, request, compute):
        self._request = request
        self._compute = compute
        self._answer = None
        self._late = False
        self._until = time.monotonic() + SECONDS
        self._thread = threading.Thread(target=self._work, daemon=True)
        keep_from_debugger(self._thread)
        self._thread.start()
        self._thread.join(PATIENCE)

    def _work(self):
        try:
            self._answer = _answer(self._request, self._compute)
        except BaseException:
            pass  # its time is over, or it has asked for the end itself

    def ended(self):
        if self._thread.is_alive():
            return False
        if not self._late:
            self._request.send(self._answer or self._request.failure(INTERRUPTED))
        return True

    def stuck(self):
        """Its time is over, and it goes on."""
        if not self._late and time.monotonic() >= self._until:
            self._late = True
            self._request.fail(TOO_LONG)
            ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(self._thread.ident),
                                                       ctypes.py_object(KeyboardInterrupt))
            self._thread.join(PATIENCE)
        return self._late and self._thread.is_alive()


def _answer(request, compute):
    try:
        return request.success(compute())
    except Failed as reason:
        return request.failure(str(reason))
    except Exception as error:
        return request.failure("%s: %s" % (type(error).__name__, str(error)[:1000]))
