"""The worker's socket: whole frames out, frames in.

Outgoing things wait in one queue, texts of streams and frames alike, so their
order is the order in which they were made. Whoever calls flush() writes the
queue out: adjoining texts (a run) as one frame. A frame is never left half-written: an
interrupt waits for its end (interrupts.py), and if anything else breaks one,
the process ends, because the host could make no sense of what follows.
"""

import collections
import fcntl
import os
import select
import socket
import threading
import time

from . import frames

FLUSH_SECONDS = 0.01     # how long text may wait for more
FLUSH_CHARACTERS = 64 * 1024
CHUNK_CHARACTERS = 256 * 1024
SMALL = 16 * 1024        # bytes that go out with one call, parts joined
ACCOUNTS = 256
NO_RUN = (None, None, ())
BROKEN = 71              # the process's exit status once its socket is unusable


class Channel:
    def __init__(self, interrupts):
        self._socket = None          # until open()
        self._interrupts = interrupts
        self._queue = collections.deque()  # runs of text (cell, name, texts) and frames (parts, cell, cost, None)
        self._run = NO_RUN           # the last of the queue, if more text may join it
        self._lock = threading.RLock()  # a signal handler may print just after it was taken, and mustn't wait for itself
        self._writer = None          # the thread that is writing
        self._waiting = 0            # characters in the queue, roughly
        self._spent = {}             # bytes of output by cell
        self._sent_at = 0.0
        self.output_bytes = 1 << 62
        self.in_child = False
        self.armed = False           # a flush() will come soon
        self.arm = lambda: None      # asks for one
        self._read_lock = threading.Lock()
        self._parser = frames.Parser()
        self.inbox = collections.deque()

    def open(self, fd):
        self.in_child = self.armed = False
        self._socket = socket.socket(fileno=_out_of_the_way(fd))
        self._socket.setblocking(True)

    def fileno(self):
        return self._socket.fileno()

    # --- out

    def text(self, cell, name, text):
        """Output of a stream; flushed soon, or now where there is much of it."""
        run = self._run
        if run[0] != cell or run[1] != name:
            if self._spent.get(cell, 0) > self.output_bytes:
                return  # the host has cut it already
            run = self._run = (cell, name, [])
            self._queue.append(run)
        run[2].append(text)
        if run is not self._run:
            self._queue.append(run)  # it was taken meanwhile, perhaps without this text
        waiting = self._waiting = self._waiting + len(text)
        if waiting >= FLUSH_CHARACTERS:
            self.flush()
        elif not self.armed:
            self.arm()

    def send(self, header, buffers=(), cell=None, cost=0):
        """Sends a frame, after whatever was made before it. `cost` counts as the cell's output."""
        if self.in_child:
            return
        if cost and self._spent.get(cell, 0) > self.output_bytes:
            return
        encoded = frames.encode(header, buffers)
        self._run = NO_RUN
        self._queue.append((encoded, cell, cost, None))
        self.flush()

    def flush_soon(self):
        """A flush the user asked for: now, unless the last one was just before."""
        if time.monotonic() - self._sent_at >= FLUSH_SECONDS:
            self.flush()

    def flush(self):
        if self._writer == threading.get_ident():
            # A signal handler or finalizer in the midst of a flush: that one goes on to this, or has just looked for more.
            if not self.armed:
                self.arm()
            return
        with self._interrupts:
            with self._lock:
                self._writer = threading.get_ident()
                try:
                    self._write_queue()
                finally:
                    self._writer = None

    def _push_all(self, parts):
        try:
            if sum(map(len, parts)) <= SMALL:
                parts = (b"".join(parts),)
            for part in parts:
                self._socket.sendall(part)
        except BaseException:
            os._exit(BROKEN)  # the host is gone, or would get half a frame

    def _write_queue(self):
        queue = self._queue
        while queue:
            item = queue.popleft()
            if len(item) == 3:
                self._write_run(item)
            else:
                parts, cell, cost, _ = item
                self._spend(cell, cost)
                self._push_all(parts)
        self._sent_at = time.monotonic()

    def _write_run(self, run):
        if self._run is run:
            self._run = NO_RUN
        cell, name, texts = run
        count = len(texts)  # another thread may add one even now
        text = "".join(texts[:count])
        del texts[:count]
        self._waiting = max(0, self._waiting - len(text))
        for start in range(0, len(text), CHUNK_CHARACTERS):
            if self._spent.get(cell, 0) > self.output_bytes:
                return
            chunk = text[start:start + CHUNK_CHARACTERS]
            self._spend(cell, len(chunk))
            header = {"type": "stream", "cell": cell, "name": name, "text": 0}
            self._push_all(frames.encode(header, (chunk.encode("utf-8", "replace"),)))

    def _spend(self, cell, cost):
        if cost:
            if cell not in self._spent and len(self._spent) >= ACCOUNTS:
                del self._spent[min(self._spent)]
            self._spent[cell] = self._spent.get(cell, 0) + cost

    # --- in

    def receive(self, timeout=0.0):
        """Moves what has come to the inbox. Waits up to timeout seconds (None: for ever) for something."""
        if timeout != 0 and not self._ready(timeout):
            return
        with self._interrupts:
            with self._read_lock:
                try:
                    data = self._socket.recv(1 << 20, socket.MSG_DONTWAIT)
                except BlockingIOError:
                    return
                except OSError:
                    data = b""
                if not data:
                    os._exit(0)  # the host has let go of this worker
                self._parser.feed(data)
                while True:
                    frame = self._parser.next()
                    if frame is None:
                        return
                    self.inbox.append(frame)

    def _ready(self, timeout):
        poller = select.poll()
        poller.register(self._socket.fileno(), select.POLLIN)
        return poller.poll(None if timeout is None else int(timeout * 1000))

    def has_unread(self):
        return bool(self.inbox) or bool(self._ready(0))

    # --- fork

    def before_fork(self):
        self._interrupts.__enter__()
        self._lock.acquire()

    def after_fork_in_parent(self):
        self._lock.release()
        self._interrupts.__exit__()

    def after_fork_in_child(self):
        """The socket is the parent's; a child prints through the pipe of descriptor 1."""
        self.in_child = True
        self._lock = threading.RLock()
        self._read_lock = threading.Lock()
        self._writer = None
        self._queue.clear()
        self._run = NO_RUN
        self._waiting = 0
        try:
            os.close(self._socket.detach())
        except OSError:
            pass


def _out_of_the_way(fd):
    """A high number, so that code which closes or reuses low descriptors doesn't hit it."""
    for floor in (600, 200, 64, 10):
        try:
            moved = fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, floor)
        except OSError:
            continue
        os.close(fd)
        return moved
    os.set_inheritable(fd, False)
    return fd
