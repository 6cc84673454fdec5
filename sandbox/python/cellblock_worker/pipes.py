"""Descriptors 1 and 2 as pipes: what children, C code and os.write print.

drain() takes what is in the pipes now. It is called before text of sys.stdout
is queued and at a cell's end, so that the order is kept and nothing of a cell
comes after it; a thread does the same while a cell is busy. Nobody waits for
the end of a pipe, so a child that holds one open holds up nothing.
"""

import _thread
import codecs
import fcntl
import os
import select
import threading
import time

from . import cells
from .channel import FLUSH_SECONDS
from .descriptors import out_of_the_way

PIPE_BYTES = 256 * 1024
READ_BYTES = 64 * 1024
NAMES = ("stdout", "stderr")


class Pipes:
    def __init__(self, channel, interrupts):
        self._channel = channel
        self._interrupts = interrupts
        self._lock = threading.RLock()  # as the channel's
        self.owner = None            # the thread that is draining
        self._readers = []
        self._writers = []
        self._decoders = [codecs.getincrementaldecoder("utf-8")("replace") for _ in NAMES]
        self._also = None            # a descriptor, and what to call once when something comes on it

    def open(self):
        self._readers, self._writers = [], []
        for fd in (1, 2):
            reader, writer = os.pipe()
            self._readers.append(out_of_the_way(reader))
            self._writers.append(out_of_the_way(writer))
            os.set_blocking(self._readers[-1], False)
            try:
                fcntl.fcntl(self._readers[-1], 1031, PIPE_BYTES)  # F_SETPIPE_SZ
            except OSError:
                pass
        self._restore_descriptors()
        wake_read, wake_write = os.pipe()
        self._wake_read = out_of_the_way(wake_read)
        self._wake_write = out_of_the_way(wake_write)
        os.set_blocking(self._wake_read, False)
        self._pending = _epoll_out_of_the_way()  # asked before every line: the cheapest way to ask
        for reader in self._readers:
            self._pending.register(reader, select.EPOLLIN)
        self.hold_something = self._pending.poll

    def _restore_descriptors(self):
        for fd, writer in zip((1, 2), self._writers):
            os.dup2(writer, fd)

    def check_descriptors(self):
        """A cell may have closed 1 or 2."""
        for fd, writer in zip((1, 2), self._writers):
            try:
                os.fstat(fd)
            except OSError:
                os.dup2(writer, fd)

    # --- reading

    def drain(self):
        if self._channel.in_child:
            return
        # In this order: what another thread has read but not queued yet must be waited for.
        if not self.hold_something(0) and self.owner is None:
            return
        if self.owner == threading.get_ident():
            return  # a signal handler or finalizer printed in the midst of this
        with self._interrupts, self._channel.reserve:
            with self._lock:
                self.owner = threading.get_ident()
                try:
                    for index, reader in enumerate(self._readers):
                        self._drain_one(index, reader)
                finally:
                    self.owner = None

    def is_free(self):
        """Can this thread drain them without waiting for another?"""
        if not self._lock.acquire(blocking=False):
            return False
        self._lock.release()
        return True

    def _drain_one(self, index, reader):
        left = 4 * PIPE_BYTES  # more than a pipe holds: a busy child can't keep us here
        while left > 0:
            try:
                data = os.read(reader, READ_BYTES)
            except OSError:
                return
            if not data:
                return
            left -= len(data)
            text = self._decoders[index].decode(data)
            if text:
                self._channel.text(cells.latest(), NAMES[index], text)
            if len(data) < READ_BYTES:
                return

    # --- the thread that flushes, drains and sees to interrupts while the main thread is busy

    def start(self):
        self._channel.arm = self._arm
        _thread.start_new_thread(self._watch_on, ())

    def _arm(self):
        self._channel.armed = True
        os.write(self._wake_write, b"!")

    def when_readable(self, fd, call):
        """Lets the thread call that, once, when the descriptor has something to read."""
        self._also = (fd, call)
        os.write(self._wake_write, b"!")

    def _watch_on(self):
        """Without this thread a session would be mute: it goes on where a cell has used up the memory."""
        while True:
            try:
                self._watch()
            except MemoryError:
                time.sleep(FLUSH_SECONDS)
                self._channel.armed = True  # until the flush that it begins with

    def _watch(self):
        poller = select.poll()
        arrivals = self._interrupts.arrivals
        for fd in (*self._readers, self._wake_read, arrivals.fileno()):
            poller.register(fd, select.POLLIN)
        if self._also:
            poller.register(self._also[0], select.POLLIN)
        deadline = time.monotonic() if self._channel.armed else None
        while True:
            wait = None if deadline is None else max(0, deadline - time.monotonic()) * 1000
            for fd, _ in poller.poll(wait):
                if fd == self._wake_read:
                    os.read(fd, 64)
                    if self._also:
                        poller.register(self._also[0], select.POLLIN)
                elif self._also and fd == self._also[0]:
                    poller.unregister(fd)
                    (_, call), self._also = self._also, None
                    call()
                elif fd == arrivals.fileno():
                    if not arrivals.note():
                        continue
                else:
                    self.drain()
                if deadline is None:
                    deadline = time.monotonic() + FLUSH_SECONDS
            if deadline is not None and time.monotonic() >= deadline:
                deadline = None
                self._interrupts.repeat()
                self._channel.armed = False  # before the flush: a text that comes during it arms again
                self._channel.flush()

    # --- fork

    def before_fork(self):
        self._interrupts.__enter__()
        self._lock.acquire()

    def after_fork_in_parent(self):
        self._lock.release()
        self._interrupts.__exit__()

    def after_fork_in_child(self):
        self._lock = threading.RLock()
        self.owner = None
        self._channel.armed = True
        self._pending.close()
        for fd in (*self._readers, *self._writers, self._wake_read, self._wake_write):
            try:
                os.close(fd)
            except OSError:
                pass


def _epoll_out_of_the_way():
    made = select.epoll()
    with made:
        return select.epoll.fromfd(out_of_the_way(os.dup(made.fileno())))
