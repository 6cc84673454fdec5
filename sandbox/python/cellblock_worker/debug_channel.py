"""The worker's second socket: a debugger's requests in, replies and events out (FRAMES.md).

Descriptor and threads are ours: a debugger doesn't stop them.
"""

import os
import socket
import sys
import threading

from . import frames
from .descriptors import out_of_the_way

MAX_CONTENT = 8 << 20


class DebugChannel:
    def __init__(self, fd):
        self._socket = socket.socket(fileno=out_of_the_way(fd))
        self._socket.setblocking(True)
        self._parser = frames.Parser()
        self._lock = threading.Lock()
        missing = what_is_missing()
        self.available = missing is None
        self._send({"type": "debugger", "available": self.available, "missing": missing,
                    "python": sys.version.split()[0]})

    def fileno(self):
        return self._socket.fileno()

    def close(self):
        self._socket.close()

    def close_in_child(self):
        """Whatever the child has made of the number."""
        try:
            os.close(self._socket.detach())
        except OSError:
            pass

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
