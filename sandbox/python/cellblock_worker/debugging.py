"""What the worker has of its debugger, which may never be wanted.

It costs nothing until the first request comes: the thread of pipes.py, which waits anyway, then starts the debugger's
own, which imports it.
"""

import threading

from .debug_channel import keep_from_debugger


class Debugging:
    def __init__(self, channel, shell, pipes, interrupts, on_main):
        self._channel = channel
        self._shell = shell
        self._pipes = pipes
        self._interrupts = interrupts
        self._on_main = on_main
        self._debugger = None

    def listen(self):
        if self._channel.available:
            self._pipes.when_readable(self._channel.fileno(), self._start)

    def _start(self):
        keep_from_debugger(threading.current_thread())
        thread = threading.Thread(target=self._run, name="cellblock debugger", daemon=True)
        keep_from_debugger(thread)
        thread.start()

    def _run(self):
        from .debugger import Debugger
        self._debugger = Debugger(self._channel, self._shell, self._interrupts, self._on_main)
        try:
            self._debugger.run()
        except OSError:
            pass  # the host has let go of this worker
        finally:
            self._channel.close()

    def begin_cell(self):
        if self._debugger is not None:
            self._debugger.begin_cell()

    def end_cell(self):
        if self._debugger is not None:
            self._debugger.end_cell()

    def after_fork_in_child(self):
        """A child can't be debugged: nobody would let it go on at a breakpoint."""
        self._channel.close_in_child()
        if self._debugger is not None:
            self._debugger.leave_child_alone()
            self._debugger = None
