"""The worker's second socket: a debugger's requests in, replies and events out (FRAMES.md).

It costs nothing until the first request comes: the thread of pipes.py, which waits anyway, then starts the debugger's
own. Descriptor and threads are ours: a debugger doesn't stop them.
"""

import os
import socket
import threading

from . import frames
from .channel import _out_of_the_way

MAX_CONTENT = 8 << 20


class DebugChannel:
    def __init__(self, fd):
        self._socket = socket.socket(fileno=_out_of_the_way(fd))
        self._socket.setblocking(True)
        self._parser = frames.Parser()
        self._lock = threading.Lock()
        missing = what_is_missing()
        self.available = missing is None
        self._send({"type": "debugger", "available": self.available, "missing": missing})

    def fileno(self):
        return self._socket.fileno()

    def close(self):
        self._socket.close()

    def _send(self, header, buffers=()):
        with self._lock:
            for part in frames.encode(header, buffers):
                self._socket.sendall(part)

    def reply(self, request, content):
        """False: it is too large; nothing was sent."""
        if len(content) > MAX_CONTENT:
            return False
        self._send({"type": "debug_reply", "request": request, "content": 0}, (content,))
        return True

    def event(self, content):
        self._send({"type": "debug_event", "content": 0}, (content,))

    def receive(self):
        """The requests that have come: (number, JSON text, does no cell run?). None at the end of file."""
        data = self._socket.recv(1 << 20)
        if not data:
            return None
        self._parser.feed(data)
        found = []
        while True:
            frame = self._parser.next()
            if frame is None:
                return found
            header, buffers = frame
            found.append((header["request"], buffers[header["content"]], header["idle"]))


def what_is_missing():
    """For debugging: debugpy, or sockets for it to listen on. None: nothing."""
    import importlib.util
    try:
        if importlib.util.find_spec("debugpy") is None:
            return "debugpy"
    except (ImportError, ValueError):
        return "debugpy"
    try:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
    except OSError:
        return "sockets"
    return None


def keep_from_debugger(thread):
    thread.pydev_do_not_trace = thread.is_pydev_daemon_thread = True


class Debugging:
    """What the worker has of its debugger, which may never be wanted."""

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

    def after_fork_in_child(self):
        """A child can't be debugged: nobody would let it go on at a breakpoint."""
        try:
            os.close(self._channel._socket.detach())
        except OSError:
            pass
        if self._debugger is not None:
            self._debugger.leave_child_alone()
            self._debugger = None
