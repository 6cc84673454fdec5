"""The worker's socket: whole frames out, frames in.

Outgoing things wait in one queue, texts of streams and frames alike, so their
order is the order in which they were made. Whoever calls flush() writes the
queue out: adjoining texts (a run) as one frame. A frame is never left half-written: an
interrupt waits for its end (interrupts.py), and if anything else breaks one,
the process ends, because the host could make no sense of what follows.

All of it also works where a cell has used up the memory: what goes out leaves the queue only once it was written, what
comes in has its place already, and the reserve (memory.py) is lent to both.
"""

import collections
import os
import select
import socket
import threading
import time

from . import frames
from .descriptors import out_of_the_way
from .memory import OUT_OF_MEMORY

FLUSH_SECONDS = 0.01     # how long text may wait for more
FLUSH_CHARACTERS = 64 * 1024
CHUNK_CHARACTERS = 256 * 1024
SMALL = 16 * 1024        # bytes that go out with one call, parts joined
RECEIVED = 256 * 1024    # bytes that are taken in at once
ACCOUNTS = 256
NO_RUN = (None, None, ())
BROKEN = 71              # the process's exit status once its socket is unusable


class Endless:
    """A reserve where nothing bounds the memory, or before it is known."""

    def __enter__(self):
        pass

    def __exit__(self, *_):
        pass

    def insist(self, work):
        return work()

    def after_fork_in_child(self):
        pass


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
        self._received = memoryview(bytearray(RECEIVED))
        self._unread = 0             # bytes of it that the parser hasn't got yet
        self._parser = frames.Parser()
        self.inbox = collections.deque()
        self._offset = 0             # characters of the queue's first text that are written already
        self.reserve = Endless()

    def open(self, fd):
        self.in_child = self.armed = False
        self._socket = socket.socket(fileno=out_of_the_way(fd))
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
        self.queue(frames.encode(header, buffers), cell, cost)
        self.flush()

    def queue(self, encoded, cell=None, cost=0):
        self._run = NO_RUN
        self._queue.append((encoded, cell, cost, None))

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
                except MemoryError:
                    self.reserve.insist(self._write_queue)
                finally:
                    self._writer = None

    def _push_all(self, parts):
        try:
            if sum(map(len, parts)) <= SMALL:
                parts = _joined(parts)
            for part in parts:
                self._socket.sendall(part)
        except MemoryError:
            os._exit(OUT_OF_MEMORY)  # perhaps after half of the frame
        except BaseException:
            os._exit(BROKEN)  # the host is gone, or would get half a frame

    def _write_queue(self):
        queue = self._queue
        while queue:
            item = queue[0]  # until it was written
            if len(item) == 3:
                self._write_run(item)
            else:
                parts, cell, cost, _ = item
                self._spend(cell, cost)
                self._push_all(parts)
            queue.popleft()
        self._sent_at = time.monotonic()

    def _write_run(self, run):
        if self._run is run:
            self._run = NO_RUN
        cell, name, texts = run  # another thread may add one even now
        left = len(texts)
        while left:
            count, chunk, offset = self._next_chunk(texts, left)
            data = chunk.encode("utf-8", "replace")
            parts = frames.encode({"type": "stream", "cell": cell, "name": name, "text": 0}, (data,))
            waiting = max(0, self._waiting - len(chunk))
            is_cut = self._spent.get(cell, 0) > self.output_bytes
            if not is_cut:
                self._spend(cell, len(chunk))
            del texts[:count]  # from here on nothing needs memory
            left -= count
            self._waiting, self._offset = waiting, offset
            if not is_cut:
                self._push_all(parts)

    def _next_chunk(self, texts, most):
        """Some texts, or a piece of one: how many are then done, what to write, where to go on in the next."""
        if self._waiting <= CHUNK_CHARACTERS and not self._offset:  # nearly always
            text = "".join(texts[:most])
            if len(text) <= CHUNK_CHARACTERS:  # what waits is counted roughly
                return most, text, 0
        first = texts[0]
        if len(first) - self._offset > CHUNK_CHARACTERS:
            end = self._offset + CHUNK_CHARACTERS
            return 0, first[self._offset:end], end
        count, length = 1, len(first) - self._offset
        while count < most and length + len(texts[count]) <= CHUNK_CHARACTERS:
            length += len(texts[count])
            count += 1
        return count, "".join(texts[:count])[self._offset:], 0

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
                with self.reserve:
                    self._take()

    def _take(self):
        if not self._unread:
            try:
                count = self._socket.recv_into(self._received, RECEIVED, socket.MSG_DONTWAIT)
            except BlockingIOError:
                return
            except MemoryError:
                os._exit(OUT_OF_MEMORY)  # how much has come isn't known
            except OSError:
                count = 0
            if not count:
                os._exit(0)  # the host has let go of this worker
            self._unread = count
        try:
            self._sort()
        except MemoryError:
            self.reserve.insist(self._sort)

    def _sort(self):
        if self._unread:
            self._parser.feed(self._received[:self._unread])
            self._unread = 0
        while self._parser.next_into(self.inbox):
            pass

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
        self._waiting = self._offset = 0
        self.reserve.after_fork_in_child()
        try:
            os.close(self._socket.detach())
        except OSError:
            pass


def _joined(parts):
    try:
        return (b"".join(parts),)
    except MemoryError:
        return parts
