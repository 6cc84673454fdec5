"""The proxy's port of a relayed sandbox: what its far end tells the host of programs' connections."""

import os
import pathlib
import select
import socket
import struct
import subprocess
import time

import pytest

from host import PYTHON

GREETING = b"\0cellblock relay 1\n"
OPEN, DATA, CREDIT, CLOSE, END = 1, 2, 3, 4, 5
FIRST = 1 << 31
WINDOW = 256 * 1024


class FarEnd:
    """The test is the relay's host side."""

    def __init__(self, permitted=4):
        script = pathlib.Path(__file__).with_name("python_proxy_port.py")
        self.process = subprocess.Popen([PYTHON, "-I", "-B", str(script), str(permitted)], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=subprocess.PIPE)
        self.port = int(self.process.stderr.readline())
        self.received = b""
        self._read_until(lambda: self.received.startswith(GREETING))
        self.received = self.received[len(GREETING):]

    def _read_until(self, done, patience=10):
        end = time.monotonic() + patience
        while not done():
            ready, _, _ = select.select([self.process.stdout], [], [], max(0, end - time.monotonic()))
            assert ready, "nothing comes"
            self.received += os.read(self.process.stdout.fileno(), 1 << 20)

    def _whole(self):
        return len(self.received) >= 9 and (self.received[0] != DATA or len(self.received) >= 9 + struct.unpack(">I", self.received[5:9])[0])

    def frame(self):
        """(kind, channel, length or data)"""
        self._read_until(self._whole)
        kind, (channel, length) = self.received[0], struct.unpack(">II", self.received[1:9])
        size = length if kind == DATA else 0
        data, self.received = self.received[9:9 + size], self.received[9 + size:]
        return kind, channel, data if kind == DATA else length

    def is_silent(self):
        ready, _, _ = select.select([self.process.stdout], [], [], 0.3)
        return not ready and not self.received

    def send(self, kind, channel, data=b""):
        length = len(data) if kind == DATA else data or 0
        self.process.stdin.write(bytes([kind]) + struct.pack(">II", channel, length) + (data if kind == DATA else b""))
        self.process.stdin.flush()

    def connect(self):
        return socket.create_connection(("127.0.0.1", self.port), timeout=10)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.stdin.close()
        try:
            assert self.process.wait(10) == 0, self.process.stderr.read()
        finally:
            self.process.kill()
            self.process.wait()
            self.process.stdout.close()
            self.process.stderr.close()


@pytest.fixture
def far_end():
    with FarEnd() as made:
        yield made


def test_a_connection_is_a_channel(far_end):
    with far_end.connect() as client:
        assert far_end.frame() == (OPEN, FIRST + 1, 0)
        client.sendall(b"request")
        assert far_end.frame() == (DATA, FIRST + 1, b"request")
        far_end.send(DATA, FIRST + 1, b"answer")
        assert client.recv(100) == b"answer" and far_end.frame() == (CREDIT, FIRST + 1, 6)
        client.shutdown(socket.SHUT_WR)
        assert far_end.frame() == (CLOSE, FIRST + 1, 0)
        far_end.send(DATA, FIRST + 1, b"and more")
        far_end.send(END, FIRST + 1)
        assert client.recv(100) == b"and more" and client.recv(100) == b""
        assert {far_end.frame()[0], far_end.frame()[0]} == {CREDIT, END}
    assert far_end.is_silent()


def test_the_brokers_last_words_are_delivered_and_the_program_may_still_speak(far_end):
    with far_end.connect() as client:
        far_end.frame()
        far_end.send(DATA, FIRST + 1, b"refused")
        far_end.send(CLOSE, FIRST + 1)
        assert client.recv(100) == b"refused" and client.recv(100) == b""
        client.sendall(b"what?")
        assert [far_end.frame(), far_end.frame()] == [(CREDIT, FIRST + 1, 7), (DATA, FIRST + 1, b"what?")]
    assert far_end.frame() == (CLOSE, FIRST + 1, 0)
    far_end.send(END, FIRST + 1)
    assert far_end.frame() == (END, FIRST + 1, 0)


def test_a_program_that_is_gone_is_told(far_end):
    client = far_end.connect()
    far_end.frame()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    client.close()
    assert far_end.frame() == (END, FIRST + 1, 0)
    far_end.send(DATA, FIRST + 1, b"too late")
    far_end.send(CREDIT, FIRST + 1, 5)
    far_end.send(CLOSE, FIRST + 1)
    far_end.send(END, FIRST + 1)
    assert far_end.is_silent()
    with far_end.connect():
        assert far_end.frame() == (OPEN, FIRST + 2, 0)


def test_no_more_are_taken_than_are_permitted():
    with FarEnd(2) as far_end:
        clients = [far_end.connect() for _ in range(5)]
        assert [far_end.frame() for _ in range(2)] == [(OPEN, FIRST + 1, 0), (OPEN, FIRST + 2, 0)]
        assert far_end.is_silent()
        far_end.send(END, FIRST + 1)
        assert far_end.frame() == (END, FIRST + 1, 0) and far_end.is_silent()
        far_end.send(CREDIT, FIRST, 2)
        assert [far_end.frame() for _ in range(2)] == [(OPEN, FIRST + 3, 0), (OPEN, FIRST + 4, 0)] and far_end.is_silent()
        for one in clients:
            one.close()


def test_no_more_is_sent_than_the_host_takes(far_end):
    with far_end.connect() as client:
        far_end.frame()
        client.settimeout(0.5)
        with pytest.raises(socket.timeout):
            client.sendall(bytes(64 << 20))
        received = 0
        while received < WINDOW:
            received += len(far_end.frame()[2])
        assert received == WINDOW and far_end.is_silent()
        far_end.send(CREDIT, FIRST + 1, 1000)
        assert far_end.frame() == (DATA, FIRST + 1, bytes(1000)) and far_end.is_silent()


def test_a_program_that_doesnt_read_holds_up_no_other(far_end):
    with far_end.connect() as stuck, far_end.connect() as client:
        assert {far_end.frame()[1], far_end.frame()[1]} == {FIRST + 1, FIRST + 2}
        stuck.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        for _ in range(WINDOW // 65536):
            far_end.send(DATA, FIRST + 1, bytes(65536))
        far_end.send(DATA, FIRST + 2, b"quick")
        assert client.recv(100) == b"quick"
        far_end.send(END, FIRST + 1)  # what was sent still arrives
        left = WINDOW
        while left and (data := stuck.recv(65536)):
            left -= len(data)
        assert left == 0 and stuck.recv(10) == b""


def test_a_port_that_is_taken_ends_the_start():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        code = "import sys; sys.path.insert(0, %r); from remote import connections; connections.listen(%d)" % (
            str(pathlib.Path(__file__).resolve().parents[2] / "sandbox" / "python"), taken.getsockname()[1])
        assert subprocess.run([PYTHON, "-I", "-c", code], capture_output=True).returncode == 1
