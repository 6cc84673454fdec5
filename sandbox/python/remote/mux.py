"""Several streams over stdin and stdout, from the inside (relay/README.md has the format)."""

import os
import select
import socket
from time import monotonic

GREETING = b"\0cellblock relay 1\n"
OPEN, DATA, CREDIT, CLOSE, END = 1, 2, 3, 4, 5
FIRST = 1 << 31          # from here on channels are connections to the proxy
HEADER = 9
WINDOW = 256 * 1024
MOST_DATA = 64 * 1024
MOST_QUEUED = 128 * 1024  # of bytes that wait for stdout, but for the control's
LINGER = 2.0              # seconds for a dead worker's last words


class Lane:
    """Our end of one of a worker's sockets."""

    def __init__(self, number, end):
        self.number = number
        self.socket = end
        self.room = WINDOW       # that the host takes
        self.pending = bytearray()  # for the worker
        self.watched = 0


class Mux:
    """What the warden believes to be its control socket."""

    def __init__(self):
        self.source, self.sink = os.dup(0), os.dup(1)
        os.dup2(2, 1)
        null = os.open(os.devnull, os.O_RDONLY)
        os.dup2(null, 0)
        os.close(null)
        os.set_blocking(self.source, False)
        os.set_blocking(self.sink, False)
        self.poller = select.epoll()
        self.poller.register(self.source, select.EPOLLIN)
        self.sink_is_watched = False
        self.lanes = {}       # by number
        self.by_fd = {}
        self.connections = None  # where there is a proxy: connections.Connections
        self.half_closed = set()  # closed here, not yet by the host
        self.room = WINDOW    # of channel 0
        self.urgent, self.bulk = [GREETING], []
        self.queued = 0       # bytes in bulk
        self.writing = b""
        self.input = bytearray()
        self.control = bytearray()
        self.descriptors = []
        self.ended = False

    # --- as a socket

    def fileno(self):
        return self.poller.fileno()

    def sendall(self, data):
        self.put(DATA, 0, len(data), data)
        self.room -= len(data)
        self.flush()

    def close(self):
        for lane in self.lanes.values():
            lane.socket.close()
        if self.connections:
            self.connections.close()
        self.poller.close()
        os.close(self.source)
        os.close(self.sink)

    # --- towards the host

    def put(self, kind, number, length, data=b""):
        frame = bytes((kind,)) + number.to_bytes(4, "big") + length.to_bytes(4, "big") + bytes(data)
        if number == 0 or kind == CREDIT:
            self.urgent.append(frame)
        else:
            self.bulk.append(frame)
            self.queued += len(frame)

    def flush(self):
        while True:
            if not self.writing:
                if self.urgent:
                    self.writing = self.urgent.pop(0)
                elif self.bulk:
                    self.writing = self.bulk.pop(0)
                    self.queued -= len(self.writing)
                else:
                    break
            try:
                self.writing = self.writing[os.write(self.sink, self.writing):]
            except BlockingIOError:
                break
            except OSError:
                self.ended = True
                return
        self.watch_sink(bool(self.writing))

    def may_queue(self):
        return self.queued < MOST_QUEUED

    def watch_sink(self, wanted):
        if wanted != self.sink_is_watched:
            self.sink_is_watched = wanted
            if wanted:
                self.poller.register(self.sink, select.EPOLLOUT)
            else:
                self.poller.unregister(self.sink)

    def watch(self, lane):
        wanted = (select.EPOLLIN if lane.room > 0 and self.may_queue() else 0) \
            | (select.EPOLLOUT if lane.pending else 0)
        if wanted == lane.watched:
            return
        if not lane.watched:
            self.poller.register(lane.socket.fileno(), wanted)
        elif wanted:
            self.poller.modify(lane.socket.fileno(), wanted)
        else:
            self.poller.unregister(lane.socket.fileno())  # an end would wake us again and again
        lane.watched = wanted

    # --- one round

    def pump(self, wait=0):
        for fd, events in self.poller.poll(wait):
            if fd == self.source:
                self.read_source()
            elif fd in self.by_fd:
                self.serve(self.by_fd[fd], events)
            elif self.connections:
                self.connections.serve(fd, events)
        self.flush()
        for lane in self.lanes.values():
            self.watch(lane)
        if self.connections:
            self.connections.watch_all()

    def serve(self, lane, events):
        if events & select.EPOLLOUT or lane.pending:
            self.write_lane(lane)
        if events & (select.EPOLLIN | select.EPOLLHUP | select.EPOLLERR) and lane.number in self.lanes \
                and lane.room > 0 and self.may_queue():
            self.read_lane(lane)

    def read_lane(self, lane):
        try:
            data = lane.socket.recv(min(MOST_DATA, lane.room))
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if data:
            lane.room -= len(data)
            self.put(DATA, lane.number, len(data), data)
        else:
            self.end_lane(lane)

    def write_lane(self, lane):
        """What the worker takes; the host is given the same room again."""
        size = len(lane.pending)
        try:
            while lane.pending:
                del lane.pending[:lane.socket.send(lane.pending)]
        except BlockingIOError:
            pass
        except OSError:
            lane.pending.clear()  # it doesn't read any more; what it wrote still counts
        if size > len(lane.pending):
            self.put(CREDIT, lane.number, size - len(lane.pending))

    def end_lane(self, lane):
        self.forget(lane)
        self.half_closed.add(lane.number)
        self.put(CLOSE, lane.number, 0)

    def forget(self, lane):
        del self.lanes[lane.number], self.by_fd[lane.socket.fileno()]
        if lane.watched:
            self.poller.unregister(lane.socket.fileno())
        lane.socket.close()

    # --- from the host

    def read_source(self):
        try:
            data = os.read(self.source, 4 * MOST_DATA)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self.ended = True
            return
        self.input += data
        at = 0
        while len(self.input) - at >= HEADER:
            kind = self.input[at]
            number = int.from_bytes(self.input[at + 1:at + 5], "big")
            length = int.from_bytes(self.input[at + 5:at + 9], "big")
            size = length if kind == DATA else 0
            if len(self.input) - at < HEADER + size:
                break
            self.obey(kind, number, length, self.input[at + HEADER:at + HEADER + size])
            at += HEADER + size
        del self.input[:at]

    def obey(self, kind, number, length, data):
        lane = self.lanes.get(number)
        if number >= FIRST:
            if self.connections:
                self.connections.obey(kind, number, length, data)
        elif kind == DATA and number == 0:
            self.control += data
            self.put(CREDIT, 0, length)
        elif kind == CREDIT and number == 0:
            self.room += length
        elif kind == OPEN:
            self.open_lane(number)
        elif kind == DATA and lane:
            lane.pending += data
            self.write_lane(lane)
        elif kind == CREDIT and lane:
            lane.room += length
        elif kind == CLOSE and lane:
            self.forget(lane)
            self.put(CLOSE, number, 0)
        elif kind == CLOSE:
            self.half_closed.discard(number)

    def open_lane(self, number):
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        lane = self.lanes[number] = self.by_fd[ours.fileno()] = Lane(number, ours)
        lane.watched = select.EPOLLIN
        self.poller.register(ours.fileno(), select.EPOLLIN)
        self.descriptors.append(theirs.detach())

    def empty_lanes(self):
        """A dead worker's last words go before the word of its death."""
        until = monotonic() + LINGER
        while self.lanes and not self.ended and monotonic() < until:
            self.pump(0.02)
            for lane in list(self.lanes.values()):
                self.serve(lane, select.EPOLLIN)
        for lane in list(self.lanes.values()):
            self.end_lane(lane)
        while self.bulk and not self.ended and monotonic() < until:
            self.pump(0.02)
