"""A Jupyter client on bare ZMQ sockets. It never sleeps: it waits for what it awaits.

Purpose: send well- or malformed frames, collect whatever comes, in order.
Ownership: its sockets and context. Threads: one.
Failure: TimedOut, which tells what did come.
"""

import contextlib
import re
import time
import uuid

import zmq

from support.patience import SLOWNESS
from support.wire import Maker, Message

# Shown, and then cleared, where a first cell waits long for its sandbox: on a machine that is busy.
NOTICE = re.compile(r"starting sandbox \([\w-]+\)…\n")
PATIENCE = 60.0 * SLOWNESS  # seconds; generous, the machine may be busy

CHANNELS = {"shell": "shell_port", "control": "control_port", "stdin": "stdin_port",
            "iopub": "iopub_port", "hb": "hb_port"}


class TimedOut(AssertionError):
    pass


def address(info, port_key):
    transport, host, port = info.get("transport") or "tcp", info.get("ip") or "127.0.0.1", info[port_key]
    return "%s://%s%s%s" % (transport, host, ":" if transport == "tcp" else "-", port)


def encrypt(socket, info):
    """As jupyter_client does, where the connection file has keys: client and kernel share the pair."""
    if info.get("curve_publickey"):
        socket.curve_serverkey = socket.curve_publickey = info["curve_publickey"].encode()
        socket.curve_secretkey = info["curve_secretkey"].encode()


class Run:
    """What one request gave: its reply and its iopub messages from busy to idle."""

    def __init__(self, request, messages):
        self.id = request
        self.messages = messages  # of this request, in order of arrival, all channels
        self.replies = [one for one in messages if one.channel in ("shell", "control")]
        self.reply = self.replies[0] if self.replies else None
        self.iopub = [one for one in messages if one.channel == "iopub"]

    def of(self, *kinds):
        return [one for one in self.iopub if one.type in kinds]

    def text(self, name):
        return "".join(one.content["text"] for one in self.of("stream") if one.content["name"] == name)

    @property
    def content(self):
        return self.reply.content

    @property
    def status(self):
        return self.reply.content["status"]

    @property
    def stdout(self):
        return self.text("stdout")

    @property
    def stderr(self):
        text = self.text("stderr")
        return NOTICE.sub("", text, 1) if self.of("clear_output") else text

    @property
    def result(self):
        """The text of the only execute_result."""
        found = self.of("execute_result")
        assert len(found) == 1, "not one result but %s" % self.iopub
        return found[0].content["data"]["text/plain"]

    @property
    def states(self):
        return [one.state for one in self.of("status")]

    @property
    def types(self):
        return [one.type for one in self.iopub]

    @property
    def mimes(self):
        return [set(one.content["data"]) for one in self.of("display_data", "execute_result")]

    @property
    def traceback(self):
        return "\n".join(self.content.get("traceback", []))

    def ok(self):
        assert self.status == "ok", (self.content, self.stderr)
        return self

    def __repr__(self):
        return "<run %s>" % self.messages


class Client:
    def __init__(self, info, subscribe=True, iopub_bound=0):
        self.info = info
        self.maker = Maker(info.get("key", ""))
        self.identity = uuid.uuid4().hex.encode()
        self._context = zmq.Context()
        self._sockets = {}
        self._poller = zmq.Poller()
        self.log = []        # all messages, in order of arrival
        self.unverified = []  # frames that could not be read as a message
        self.on_input = None  # called with the input_request, gives the answer (or None: nothing is sent)
        for channel in CHANNELS:
            if channel != "iopub" or subscribe:
                self._open(channel, iopub_bound)

    def _open(self, channel, bound):
        kind = {"iopub": zmq.SUB, "hb": zmq.REQ}.get(channel, zmq.DEALER)
        socket = self._context.socket(kind)
        socket.setsockopt(zmq.LINGER, 0)
        socket.setsockopt(zmq.SNDTIMEO, int(PATIENCE * 1000))
        socket.setsockopt(zmq.RECONNECT_IVL, 5)
        encrypt(socket, self.info)
        if kind == zmq.DEALER:
            socket.setsockopt(zmq.IDENTITY, self.identity)
        if kind == zmq.SUB:
            socket.setsockopt(zmq.RCVHWM, bound)
            socket.setsockopt(zmq.SUBSCRIBE, b"")
        if kind == zmq.REQ:
            socket.setsockopt(zmq.REQ_RELAXED, 1)
        socket.connect(address(self.info, CHANNELS[channel]))
        self._sockets[channel] = socket
        if channel != "hb":
            self._poller.register(socket, zmq.POLLIN)

    def close(self):
        for socket in self._sockets.values():
            socket.close(0)
        self._context.term()

    # --- sending

    def send_frames(self, channel, frames):
        self._sockets[channel].send_multipart(frames)

    def send(self, channel, kind, content=None, metadata=None, buffers=(), parent=None):
        """Sends a request and gives its id."""
        header = self.maker.header(kind)
        self.send_frames(channel, self.maker.frames(header, content or {}, parent, metadata, buffers))
        return header["msg_id"]

    def execute(self, code, metadata=None, **fields):
        content = {"code": code, "silent": False, "store_history": True, "user_expressions": {},
                   "allow_stdin": self.on_input is not None, "stop_on_error": True, **fields}
        return self.send("shell", "execute_request", content, metadata)

    def answer(self, request, value):
        self.send("stdin", "input_reply", {"status": "ok", "value": value}, parent=request.header)

    # --- receiving

    def pump(self, timeout):
        """Takes what has come; waits for at most `timeout` seconds for the first of it."""
        ready = self._poller.poll(max(0, int(timeout * 1000)))
        for socket, _ in ready:
            channel = next(name for name, one in self._sockets.items() if one is socket)
            with contextlib.suppress(zmq.Again):
                for _ in range(2000):
                    self._take(channel, socket.recv_multipart(zmq.NOBLOCK))
        return bool(ready)

    def _take(self, channel, frames):
        message = Message(channel, frames, self.maker.signer)
        self.log.append(message)
        if message.type == "input_request" and self.on_input is not None:
            value = self.on_input(message)
            if value is not None:
                self.answer(message, value)

    def wait(self, happened, what, timeout=PATIENCE):
        """Pumps until happened() is true (and gives that)."""
        end = time.monotonic() + timeout
        while True:
            found = happened()
            if found:
                return found
            left = end - time.monotonic()
            if left <= 0:
                raise TimedOut("no %s within %g s; last came %r" % (what, timeout, self.log[-8:]))
            self.pump(left)

    def of(self, request):
        return [one for one in self.log if one.parent_id == request]

    def first(self, request, *kinds, timeout=PATIENCE, where=None):
        """The first message to that request of one of these types. A slow start's notice isn't the cell's."""
        def look():
            return next((one for one in self.log if one.parent_id == request and one.type in kinds
                         and (where is None or where(one))
                         and not (one.type == "stream" and NOTICE.fullmatch(one.content["text"]))), None)
        return self.wait(look, "%s for %s" % ("/".join(kinds), request), timeout)

    def finish(self, request, timeout=PATIENCE, reply=True):
        """Waits for the reply and for idle, in whatever order they come."""
        seen = {"place": 0, "reply": not reply, "idle": False}

        def finished():
            for one in self.log[seen["place"]:]:
                if one.parent_id == request:
                    seen["reply"] = seen["reply"] or (one.channel in ("shell", "control"))
                    seen["idle"] = seen["idle"] or one.state == "idle"
            seen["place"] = len(self.log)
            return seen["reply"] and seen["idle"]

        self.wait(finished, "end (%s) of %s" % (seen, request), timeout)
        return Run(request, self.of(request))

    # --- whole exchanges

    def run(self, code, timeout=PATIENCE, metadata=None, **fields):
        return self.finish(self.execute(code, metadata, **fields), timeout)

    def ask(self, kind, content=None, channel="shell", timeout=PATIENCE, **options):
        """Request and reply with busy and idle."""
        return self.finish(self.send(channel, kind, content, **options), timeout)

    def fence(self, channel="shell", timeout=PATIENCE):
        """Returns once the kernel has handled all that was sent to that channel before."""
        return self.ask("kernel_info_request", channel=channel, timeout=timeout)

    def ready(self, timeout=PATIENCE):
        """Until the kernel answers and the subscription is known to hold."""
        end = time.monotonic() + timeout
        while time.monotonic() < end:
            request = self.send("shell", "kernel_info_request")
            with contextlib.suppress(TimedOut):
                self.first(request, "kernel_info_reply", timeout=end - time.monotonic())
                if "iopub" not in self._sockets:
                    return self
                self.first(request, "status", timeout=0.3, where=lambda one: one.state == "idle")
                self.log.clear()
                return self
        raise TimedOut("the kernel was not ready within %g s; came %r" % (timeout, self.log[-8:]))

    def heartbeat(self, data=b"ping", timeout=5.0):
        socket = self._sockets["hb"]
        socket.poll(int(timeout * 1000), zmq.POLLOUT)
        try:
            socket.send(data, zmq.NOBLOCK)  # a connection that was there may be refused meanwhile
        except zmq.Again:
            raise TimedOut("no connection for a heartbeat within %g s" % timeout) from None
        if not socket.poll(int(timeout * 1000)):
            raise TimedOut("no heartbeat within %g s" % timeout)
        return socket.recv()

    # --- extras

    def subscribe(self, topic):
        """Another subscriber, whose raw frames are of interest."""
        socket = self._context.socket(zmq.SUB)
        socket.setsockopt(zmq.LINGER, 0)
        socket.setsockopt(zmq.SUBSCRIBE, topic)
        encrypt(socket, self.info)
        socket.connect(address(self.info, "iopub_port"))
        return socket

    def read(self, frames, channel="iopub"):
        return Message(channel, frames, self.maker.signer)
