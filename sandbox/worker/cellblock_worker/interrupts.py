"""SIGINT: when it becomes a KeyboardInterrupt, and where it has to wait.

On the main thread alone: a cell's code gets the exception; a cell that awaits
is woken with it; between cells it is ignored; inside a shield (a frame being
written, say) it waits for the end of the shield.
"""

import asyncio
import signal
import threading


class Interrupts:
    def __init__(self):
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

    def install(self):
        """Also undoes what a cell has set."""
        if signal.getsignal(signal.SIGINT) != self._handle:
            signal.signal(signal.SIGINT, self._handle)

    def in_child(self):
        self._main = threading.get_ident()
        self._depth = 0
        if signal.getsignal(signal.SIGINT) == self._handle:
            signal.signal(signal.SIGINT, signal.default_int_handler)

    def _handle(self, signum, frame):
        if self._depth:
            self._deferred = True
        elif self.running or self._in_another_task():
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
