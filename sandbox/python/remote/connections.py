"""The proxy's port on the sandbox's loopback: carries each connection over the relay (relay/README.md has the format)."""

import select
import socket

from .mux import CLOSE, CREDIT, DATA, END, FIRST, MOST_DATA, OPEN, WINDOW


def listen(port):
    """Before the first cell runs, so that no program of a cell's has the port."""
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # of those that are accepted, too
    listener.bind(("127.0.0.1", port))
    listener.listen(128)
    listener.settimeout(5)
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as trial:  # a loopback that is down lets one listen
        trial.settimeout(5)
        trial.connect(listener.getsockname())
        listener.accept()[0].close()
    listener.setblocking(False)
    return listener


class Connection:
    """One program's connection to the proxy."""

    def __init__(self, number, end):
        self.number = number
        self.socket = end
        self.room = WINDOW          # that the host takes
        self.pending = bytearray()  # for the program
        self.watched = 0
        self.closed_here = False    # the program sends no more
        self.closed_there = False   # the broker sends no more
        self.ended_there = False    # and takes no more


class Connections:
    """`permitted`: how many may be open. Only as many are accepted; the others wait, as any server's clients do."""

    def __init__(self, mux, listener, permitted):
        self.mux, self.listener, self.permitted = mux, listener, permitted
        self.last = FIRST
        self.open = {}   # by number
        self.by_fd = {}
        self.is_listening = False
        self.watch_listener()

    def close(self):
        for one in self.open.values():
            one.socket.close()
        self.listener.close()

    # --- what is waited for

    def watch_listener(self):
        wanted = self.permitted > 0
        if wanted != self.is_listening:
            self.is_listening = wanted
            if wanted:
                self.mux.poller.register(self.listener.fileno(), select.EPOLLIN)
            else:
                self.mux.poller.unregister(self.listener.fileno())

    def watch_all(self):
        for one in self.open.values():
            self.watch(one)

    def watch(self, one):
        reads = one.room > 0 and not one.closed_here and not one.ended_there and self.mux.may_queue()
        wanted = (select.EPOLLIN if reads else 0) | (select.EPOLLOUT if one.pending else 0)
        if wanted == one.watched:
            return
        if not one.watched:
            self.mux.poller.register(one.socket.fileno(), wanted)
        elif wanted:
            self.mux.poller.modify(one.socket.fileno(), wanted)
        else:
            self.mux.poller.unregister(one.socket.fileno())
        one.watched = wanted

    def serve(self, fd, events):
        if fd == self.listener.fileno():
            self.accept()
        elif fd in self.by_fd:
            one = self.by_fd[fd]
            if one.pending:
                self.write(one)
            if events & ~select.EPOLLOUT and one.watched & select.EPOLLIN and one.number in self.open \
                    and self.mux.may_queue():
                self.read(one)

    # --- from programs

    def accept(self):
        while self.permitted > 0:
            try:
                end, _ = self.listener.accept()
            except BlockingIOError:
                return
            except ConnectionError:
                continue
            except OSError:  # too many files are open: the next is tried when a connection is over
                self.listen_later()
                return
            end.setblocking(False)
            self.permitted -= 1
            self.last += 1
            one = self.open[self.last] = self.by_fd[end.fileno()] = Connection(self.last, end)
            self.mux.put(OPEN, one.number, 0)
            self.watch(one)
        self.watch_listener()

    def listen_later(self):
        if self.open:
            self.is_listening = False
            self.mux.poller.unregister(self.listener.fileno())

    def read(self, one):
        try:
            data = one.socket.recv(min(MOST_DATA, one.room))
        except BlockingIOError:
            return
        except OSError:
            self.end(one)
            return
        if data:
            one.room -= len(data)
            self.mux.put(DATA, one.number, len(data), data)
        else:
            one.closed_here = True
            self.mux.put(CLOSE, one.number, 0)

    def end(self, one):
        """Both directions are over; the host says so too, or has."""
        del self.open[one.number], self.by_fd[one.socket.fileno()]
        if one.watched:
            self.mux.poller.unregister(one.socket.fileno())
        one.socket.close()
        self.mux.put(END, one.number, 0)
        self.watch_listener()

    # --- from the host

    def obey(self, kind, number, length, data):
        if kind == DATA:
            self.take(number, data)
        elif kind == CREDIT and number == FIRST:
            self.permit(length)
        elif kind == CREDIT:
            self.take_credit(number, length)
        elif kind == CLOSE:
            self.take_close(number)
        elif kind == END:
            self.take_end(number)

    def take(self, number, data):
        one = self.open.get(number)
        if one:
            one.pending += data
            self.write(one)

    def write(self, one):
        size = len(one.pending)
        try:
            while one.pending:
                del one.pending[:one.socket.send(one.pending)]
        except BlockingIOError:
            pass
        except OSError:
            self.end(one)
            return
        if size > len(one.pending) and not one.closed_there:
            self.mux.put(CREDIT, one.number, size - len(one.pending))
        self.settle(one)

    def settle(self, one):
        if one.pending:
            return
        if one.ended_there:
            self.end(one)
        elif one.closed_there:
            try:
                one.socket.shutdown(socket.SHUT_WR)
            except OSError:
                self.end(one)

    def permit(self, count):
        self.permitted += count
        self.watch_listener()

    def take_credit(self, number, count):
        if number in self.open:
            self.open[number].room += count

    def take_close(self, number):
        one = self.open.get(number)
        if one:
            one.closed_there = True
            self.settle(one)

    def take_end(self, number):
        one = self.open.get(number)
        if one:
            one.closed_there = one.ended_there = True
            self.settle(one)
