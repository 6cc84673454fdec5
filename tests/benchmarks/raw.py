"""A client for measuring: it never sleeps, and reads messages only when the clock has stopped.

Ownership: its sockets and context. Threads: one. Failure: Late, which tells what came.
"""

import time

import zmq

from support import client as plain
from support.wire import Maker, Message

PATIENCE = 120.0
RECONNECT_MS = 1  # a kernel that is just coming up is found at once


class Late(AssertionError):
    pass


class Exchange:
    """What one request brought, and how many seconds it took until both its reply and its idle were there."""

    def __init__(self, seconds, messages):
        self.seconds = seconds
        self._run = plain.Run("", messages)

    def __getattr__(self, name):  # stdout, result, content …
        return getattr(self._run, name)


class Client:
    def __init__(self, info):
        self._info = info
        self._maker = Maker(info["key"])
        self._context = zmq.Context()
        self._poller = zmq.Poller()
        self._shell = self._open(zmq.DEALER, "shell_port")
        self._iopub = self._open(zmq.SUB, "iopub_port")

    def _open(self, kind, port):
        socket = self._context.socket(kind)
        socket.setsockopt(zmq.LINGER, 0)
        socket.setsockopt(zmq.RECONNECT_IVL, RECONNECT_MS)
        socket.setsockopt(zmq.RCVHWM, 0)
        if kind == zmq.SUB:
            socket.setsockopt(zmq.SUBSCRIBE, b"")
        socket.connect(plain.address(self._info, port))
        self._poller.register(socket, zmq.POLLIN)
        return socket

    def close(self):
        for socket in (self._shell, self._iopub):
            socket.close(0)
        self._context.term()

    def ready(self):
        """Until the kernel answers and the subscription is known to hold."""
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            try:
                self.ask("kernel_info_request", {}, patience=0.5)
                return self
            except Late:
                pass
        raise Late("the kernel isn't ready after %d s" % PATIENCE)

    def send(self, kind, content):
        """Gives the request's id, and when it was sent."""
        header = self._maker.header(kind)
        frames = self._maker.frames(header, content)
        begun = time.perf_counter()
        self._shell.send_multipart(frames)
        return header["msg_id"].encode(), begun

    def arrivals(self, patience):
        """(channel, frames, time) of what comes, in order of arrival."""
        end = time.monotonic() + patience
        while True:
            ready = dict(self._poller.poll(max(0.0, end - time.monotonic()) * 1000))
            if not ready:
                raise Late("nothing more within %g s" % patience)
            for channel, socket in (("shell", self._shell), ("iopub", self._iopub)):
                while socket in ready:
                    try:
                        frames = socket.recv_multipart(zmq.NOBLOCK)
                    except zmq.Again:
                        break
                    yield channel, frames, time.perf_counter()

    def ask(self, kind, content, patience=PATIENCE):
        request, begun = self.send(kind, content)
        came, replied, idle = [], False, False
        for channel, frames, now in self.arrivals(patience):
            came.append((channel, frames))
            if channel == "shell":
                replied = replied or _parent(frames, request)
            elif not idle and frames[0].endswith(b"status"):
                idle = _parent(frames, request) and b"idle" in frames[-1]
            if replied and idle:
                return Exchange(now - begun, self._read(came, request))
        raise AssertionError("unreachable")

    def first(self, kind, content, wanted, patience=PATIENCE):
        """When, by the clock, the first message of that type and parent came, and the message."""
        request, _ = self.send(kind, content)
        came = []
        for channel, frames, now in self.arrivals(patience):
            came.append((channel, frames))
            if _parent(frames, request) and b'"%s"' % wanted.encode() in _header(frames):
                return now, self._read(came, request)[-1]
            if channel == "shell" and _parent(frames, request) and wanted != "execute_reply":
                patience = 5  # what isn't there soon was sent before the subscription, or never
        raise AssertionError("unreachable")

    def run(self, code, **fields):
        return self.ask("execute_request", execution(code, **fields))

    def _read(self, came, request):
        return [Message(channel, frames, self._maker.signer) for channel, frames in came if _parent(frames, request)]


def execution(code, **fields):
    return {"code": code, "silent": False, "store_history": True, "user_expressions": {}, "allow_stdin": False,
            "stop_on_error": True, **fields}


def _parts(frames):
    return frames[frames.index(b"<IDS|MSG>") + 2:]


def _header(frames):
    return _parts(frames)[0]


def _parent(frames, request):
    return request in _parts(frames)[1]
