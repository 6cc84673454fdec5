"""The connection with one kernel's process: a thread that has the sockets, and requests whose messages go where the caller wants.

    connection.send("shell", "execute_request", content, sink)

`sink` is called on that thread for each message that answers the request, in their order, then once with None; or once with an
exception, where the answer can't come any more.
"""
from __future__ import annotations

import collections
import os
import threading
import uuid
from typing import Any, Callable, Deque, Dict, Iterable, Mapping, Optional, Set, Tuple

import zmq
from jupyter_client.connect import ConnectionFileMixin

from .errors import KernelDied, SandboxClosed, SandboxError

Sink = Callable[[Any], None]
FILES_TARGET, COMMANDS_TARGET = "cellblock.files", "cellblock.commands"
MOST_AT_ONCE = 500       # messages of one socket, before the others are looked at
LAST_MESSAGES_MS = 100   # so long a dead process's last messages may take
IDLE, REPLY = "idle", "reply"
# What ends a request, if not both. connect_request is asked before the subscription stands, so its idle may be missed.
AWAITED = {"comm_msg": (IDLE,), "connect_request": (REPLY,)}


class Endpoints(ConnectionFileMixin):
    """jupyter_client's sockets and signatures, for a process that it has started."""

    def __init__(self, info: Mapping[str, Any]) -> None:
        super().__init__()
        self.context = zmq.Context()
        self.load_connection_info(dict(info))  # type: ignore[arg-type]


class Connection:
    """`popen` is the kernel's process, whose end ends all requests; `last_words` gives what it wrote to stderr."""

    def __init__(self, info: Mapping[str, Any], popen: Any, last_words: Callable[[], str]) -> None:
        self.files_comm, self.commands_comm = uuid.uuid4().hex, uuid.uuid4().hex
        self._endpoints = Endpoints(info)
        self._session = self._endpoints.session
        self._sockets = {"shell": self._endpoints.connect_shell(), "control": self._endpoints.connect_control(),
                         "iopub": self._endpoints.connect_iopub()}
        self._popen, self._last_words = popen, last_words
        self._owner = os.getpid()
        self._process = os.pidfd_open(popen.pid)
        self._wake_read, self._wake_write = os.pipe()
        os.set_blocking(self._wake_write, False)
        self._lock = threading.Lock()  # of what follows
        self._outgoing: Deque[Tuple[str, str, Mapping[str, Any], Iterable[bytes], Optional[Sink],
                                    Optional[Mapping[str, Any]]]] = collections.deque()
        self._end: Optional[SandboxError] = None  # why nothing more can be asked
        self._closing = False
        self._waiting: Dict[str, Tuple[Sink, Set[str]]] = {}  # of the thread
        self._unheard = {"shell", "control", "iopub"}  # of the thread: channels of which it isn't known yet that they work
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._serve, name="cellblock-connection", daemon=True)
        self._thread.start()
        self.send("shell", "connect_request", {}, lambda message: self._heard("shell"))
        self.send("control", "connect_request", {}, lambda message: self._heard("control"))
        for comm, target in ((self.files_comm, FILES_TARGET), (self.commands_comm, COMMANDS_TARGET)):
            self.send("control", "comm_open", {"comm_id": comm, "target_name": target, "data": {}})

    def wait_ready(self, seconds: float) -> None:
        """Returns once all sockets are connected, and nothing that the kernel publishes can be missed."""
        if not self._ready.wait(seconds):
            words = self._last_words()
            raise SandboxError(f"the kernel has not answered within {seconds:g} s" + (f"; it said:\n{words}" if words else ""))
        if self._end is not None:
            raise self._end

    def send(self, channel: str, kind: str, content: Mapping[str, Any], sink: Optional[Sink] = None,
             buffers: Iterable[bytes] = (), metadata: Optional[Mapping[str, Any]] = None) -> None:
        if os.getpid() != self._owner:
            raise SandboxError("a sandbox belongs to the process that made it; make another one after a fork")
        with self._lock:
            if self._end is not None:
                raise self._end
            self._outgoing.append((channel, kind, content, buffers, sink, metadata))
            self._wake()

    def expect_end(self, reason: SandboxError) -> None:
        """The process will leave because it was asked to: `reason` is what later requests, and those unanswered, are told."""
        with self._lock:
            self._end = self._end or reason

    def ask_to_leave(self, reason: SandboxError) -> None:
        """Asks the process to end itself; `reason` as in expect_end()."""
        self.expect_end(reason)
        with self._lock:
            self._outgoing.append(("control", "shutdown_request", {"restart": False}, (), None, None))
            self._wake()

    def close(self) -> None:
        self.expect_end(SandboxClosed("the sandbox is closed"))
        with self._lock:
            self._closing = True
            self._wake()
        if threading.current_thread() is not self._thread:  # which may collect a forgotten sandbox
            self._thread.join(5)

    def _wake(self) -> None:
        try:
            os.write(self._wake_write, b"x")
        except OSError:
            pass  # the pipe is full, so the thread wakes anyway, or the thread has ended

    # --- on the thread

    def _serve(self) -> None:
        poller = zmq.Poller()
        for one in (*self._sockets.values(), self._process, self._wake_read):
            poller.register(one, zmq.POLLIN)
        try:
            while not self._closing:
                ready = dict(poller.poll())
                if self._wake_read in ready:
                    os.read(self._wake_read, 4096)
                    self._send_all()
                for socket in self._sockets.values():
                    if socket in ready:
                        self._receive(socket)
                if self._process in ready:
                    self._receive_the_rest()
                    break
        finally:
            self._finish()

    def _send_all(self) -> None:
        while True:
            with self._lock:
                if not self._outgoing:
                    return
                channel, kind, content, buffers, sink, metadata = self._outgoing.popleft()
            message = self._session.msg(kind, dict(content), metadata=dict(metadata) if metadata else None)
            if sink is not None:
                self._waiting[message["header"]["msg_id"]] = (sink, set(AWAITED.get(kind, (IDLE, REPLY))))
            self._session.send(self._sockets[channel], message, buffers=list(buffers))

    def _receive(self, socket: Any) -> None:
        for _ in range(MOST_AT_ONCE):
            try:
                _, message = self._session.recv(socket)
            except Exception:  # what isn't signed, or is no message, isn't the kernel's
                continue
            if message is None:
                return
            self._dispatch(message)

    def _receive_the_rest(self) -> None:
        poller = zmq.Poller()
        for socket in self._sockets.values():
            poller.register(socket, zmq.POLLIN)
        while ready := poller.poll(LAST_MESSAGES_MS):
            for socket, _ in ready:
                self._receive(socket)

    def _dispatch(self, message: Mapping[str, Any]) -> None:
        kind = message["header"]["msg_type"]
        if kind == "iopub_welcome":
            self._heard("iopub")
            return
        request = (message.get("parent_header") or {}).get("msg_id", "")
        found = self._waiting.get(request)
        if found is None:
            return
        sink, awaited = found
        sink(message)
        if kind == "status" and message["content"].get("execution_state") == "idle":
            awaited.discard(IDLE)
        elif kind.endswith("_reply"):
            awaited.discard(REPLY)
        if not awaited:
            del self._waiting[request]
            sink(None)

    def _heard(self, channel: str) -> None:
        self._unheard.discard(channel)
        if not self._unheard:
            self._ready.set()

    def _finish(self) -> None:
        with self._lock:
            self._end = self._end or KernelDied(f"the kernel's process {self._popen.pid} has ended", self._last_words())
            unsent = [one[4] for one in self._outgoing if one[4] is not None]
            self._outgoing.clear()
        for sink in (*(sink for sink, _ in self._waiting.values()), *unsent):
            sink(self._end)
        self._waiting.clear()
        self._ready.set()  # wait_ready() raises the reason
        for socket in self._sockets.values():
            socket.close(0)
        self._endpoints.context.destroy(0)
        with self._lock:
            for fd in (self._process, self._wake_read, self._wake_write):
                os.close(fd)
            self._wake_write = -1
