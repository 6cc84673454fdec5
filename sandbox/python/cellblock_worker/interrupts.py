"""SIGINT: when it becomes a KeyboardInterrupt, and where it has to wait.

On the main thread alone: a cell's code gets the exception; a cell that awaits
is woken with it; between cells it is ignored; inside a shield (a frame being
written, say) it waits for the end of the shield.

A signal that comes just before the main thread waits in the kernel (for a sleep, a lock) doesn't end that wait, and its
handler runs only afterwards. Another thread therefore looks whether it ran (Arrivals), and sends the signal once more.
"""

import _signal  # signal's own functions look for an enum first
import asyncio
import os
import signal
import threading

from .descriptors import out_of_the_way


class Interrupts:
    def __init__(self):
        self.arrivals = Arrivals()
        self._main = threading.get_ident()
        self._depth = 0
        self._deferred = False
        self.running = False              # a cell's code has the main thread
        self.wake = None                  # ends the await of a cell that waits
        self.request_waits = lambda: False  # has a request come that wasn't read yet?
        self.taken = False                # a request was read, and its cell isn't over
        self.early = False                # an interrupt for a cell that hasn't begun
        self.main_task = None
        self.before_raise = lambda: None  # a debugger lets go of the cell that it has stopped

    def open(self):
        self.arrivals.open()
        self.install()

    def install(self):
        """Also undoes what a cell has set."""
        self.arrivals.install()
        if _signal.getsignal(signal.SIGINT) != self._handle:
            _signal.signal(signal.SIGINT, self._handle)

    def in_child(self):
        self.arrivals.in_child()
        self._main = threading.get_ident()
        self._depth = 0
        if signal.getsignal(signal.SIGINT) == self._handle:
            signal.signal(signal.SIGINT, signal.default_int_handler)

    def close(self):
        self.in_child()
        self.arrivals.close()

    def count(self):
        """How many there were so far."""
        return self.arrivals.handled

    def repeat(self):
        """From another thread, a while after a signal came: sends it again if its handler hasn't run."""
        if self.arrivals.waiting() and signal.getsignal(signal.SIGINT) == self._handle:
            signal.pthread_kill(self._main, signal.SIGINT)

    def _handle(self, signum, frame):
        self.arrivals.end()
        if self._depth:
            self._deferred = True
        elif self.running or self._in_another_task():
            self._deferred = False  # one that waited for the shield's end just now is this one
            self.before_raise()
            raise KeyboardInterrupt
        elif self.wake is not None:
            self.wake()
        elif self.taken or self.request_waits():
            self.early = True

    def _in_another_task(self):
        """Code of a task that a cell left behind holds the loop?"""
        try:
            task = asyncio.current_task()
        except RuntimeError:
            return False
        return task is not None and task is not self.main_task

    # --- the shield: `with interrupts:`

    def __enter__(self):
        if threading.get_ident() == self._main:
            self._depth += 1

    def __exit__(self, *_):
        if threading.get_ident() == self._main:
            self._depth -= 1
            if self._deferred and not self._depth:
                self._deferred = False
                self._handle(signal.SIGINT, None)

    # --- a cell's beginning and end

    def begin(self):
        self._deferred = False
        self.running = True
        if self.early:
            self.early = False
            raise KeyboardInterrupt

    def end(self):
        self.running = False
        self.taken = False
        self.early = False  # it was meant for what is over now
        self._deferred = False
        self.wake = None

    async def drive(self, coroutine):
        """Awaits a cell's coroutine so that an interrupt reaches it as KeyboardInterrupt."""
        return await _Driver(self, coroutine)


class Arrivals:
    """Python writes each signal's number into a pipe when it comes, before its handler runs; that of SIGINT empties it."""

    def __init__(self):
        self.handled = 0            # how often the handler of SIGINT ran
        self._seen = None            # _handled when a SIGINT was last seen to have come
        self._reader = self._writer = None  # until open()

    def open(self):
        self._reader, self._writer = map(out_of_the_way, os.pipe())
        for fd in (self._reader, self._writer):
            os.set_blocking(fd, False)

    def fileno(self):
        return self._reader

    def install(self):
        try:
            _signal.set_wakeup_fd(self._writer, warn_on_full_buffer=False)
        except (OSError, ValueError):
            pass  # a cell has closed it: then it goes without

    def in_child(self):
        _signal.set_wakeup_fd(-1)

    def close(self):
        for fd in (self._reader, self._writer):
            os.close(fd)

    def _read(self):
        try:
            return os.read(self._reader, 4096)
        except OSError:
            return b""

    def note(self):
        """From another thread: has a SIGINT come whose handler hasn't run?"""
        handled = self.handled
        if signal.SIGINT not in self._read():
            return False
        self._seen = handled
        return True

    def waiting(self):
        """Has the handler still not run? Asked once for each that was noted."""
        seen, self._seen = self._seen, None
        return seen is not None and seen == self.handled

    def end(self):
        """By the handler."""
        self._read()
        self.handled += 1


class _Driver:
    def __init__(self, interrupts, coroutine):
        self._interrupts = interrupts
        self._coroutine = coroutine
        self._interrupted = False

    def _wake(self):
        # The loop may be asleep: only call_soon_threadsafe wakes it from a signal's handler.
        self._interrupted = True
        task = self._interrupts.main_task
        task.get_loop().call_soon_threadsafe(task.cancel)

    def __await__(self):
        interrupts = self._interrupts
        value = error = None
        while True:
            try:
                interrupts.wake = None
                interrupts.running = True
                if error is None:
                    yielded = self._coroutine.send(value)
                else:
                    yielded = self._coroutine.throw(error)
            except StopIteration as finished:
                return finished.value
            except KeyboardInterrupt as interrupt:
                if self._coroutine.cr_frame is None:
                    raise  # the cell's end
                value, error = None, interrupt  # raised in this frame: meant for the cell
                continue
            interrupts.wake = self._wake
            interrupts.running = False
            value = error = None
            try:
                value = yield yielded
            except asyncio.CancelledError as cancelled:
                error = self._translate(cancelled)
            except BaseException as other:
                error = other

    def _translate(self, cancelled):
        if not self._interrupted:
            return cancelled
        self._interrupted = False
        task = self._interrupts.main_task
        if hasattr(task, "uncancel"):
            task.uncancel()
        return KeyboardInterrupt()
