"""`cellblock-helper broker` by itself: its listening socket, its rules, and what it tells of connections."""

import contextlib
import json
import os
import queue
import socket
import struct
import subprocess
import threading
import time

from . import kernels


def encode(header):
    text = json.dumps(header).encode()
    return struct.pack(">II", len(text), 0) + text


class Broker:
    def __init__(self, allow, deny=(), connections=32, bytes_out=10 << 20, bytes_in=1 << 30, around=(), door=False, secrets=None,
                 authority=None, trusts=None):
        """`around`: a command in whose namespaces it runs. `door`: it is handed its connections, as by a relay. For rules that look at
        requests: `secrets` {name: value}, `authority` (a certificates.Authority) by which it answers as a host, `trusts`: a file of
        certificates that it believes."""
        self.door, self.listener = socket.socketpair(type=socket.SOCK_SEQPACKET) if door else (None, socket.create_server(("127.0.0.1", 0)))
        self.address = self.listener.getsockname()
        self.host, theirs = socket.socketpair()
        self.listener.setblocking(False)
        descriptors = [theirs.fileno(), self.listener.fileno()]
        script = "exec 3<&%d 4<&%d; exec \"$@\"" % tuple(descriptors)
        self.process = subprocess.Popen([*around, "bash", "-c", script, "broker", kernels.HELPER, "broker"], pass_fds=descriptors,
                                        stdin=subprocess.DEVNULL, env={**os.environ, **({"SSL_CERT_FILE": trusts} if trusts else {})})
        theirs.close()
        network = {"allow": list(allow), "deny": list(deny), "connections": connections}
        self.host.sendall(encode({"type": "task", "network": json.dumps(network), "bytes_out": bytes_out, "bytes_in": bytes_in,
                                  "secrets": [part for pair in (secrets or {}).items() for part in pair],
                                  "key": authority.key_text if authority else "", "certificate": authority.text if authority else ""}))
        self.reports = queue.Queue()
        threading.Thread(target=self._listen, daemon=True).start()

    def connect(self, timeout=20):
        if self.door:
            ours, theirs = socket.socketpair()
            with theirs:
                socket.send_fds(self.door, [b"c"], [theirs.fileno()])
            ours.settimeout(timeout)
            return ours
        return socket.create_connection(self.address, timeout=timeout)

    def report(self, timeout=20):
        """The next connection's end."""
        return self.reports.get(timeout=timeout)

    def _listen(self):
        received = b""
        while True:
            try:
                data = self.host.recv(65536)
            except OSError:
                return
            if not data:
                return
            received += data
            while len(received) >= 8 and len(received) >= 8 + int.from_bytes(received[:4], "big"):
                end = 8 + int.from_bytes(received[:4], "big")
                told, received = json.loads(received[8:end]), received[end:]
                assert told.pop("type") == "connection"
                self.reports.put(told)

    def ask(self, request, more=b"", timeout=20):
        """What comes back to this request, to the end."""
        with self.connect(timeout) as client:
            client.sendall(request if isinstance(request, bytes) else request.encode())
            if more:
                client.sendall(more)
            return read_all(client)

    def tunnel(self, target, timeout=20):
        """(the open connection, None), or (None, the refusal)."""
        client = self.connect(timeout)
        with contextlib.suppress(BrokenPipeError):  # it may refuse before it has read what for
            client.sendall(b"CONNECT %s HTTP/1.1\r\n\r\n" % target.encode())
        head = b""
        while b"\r\n\r\n" not in head:
            data = client.recv(1)  # the server's first words may follow at once
            if not data:
                break
            head += data
        if head.startswith(b"HTTP/1.1 200 "):
            return client, None
        client.close()
        return None, head.decode()

    def close(self):
        try:
            self.host.shutdown(socket.SHUT_RDWR)  # its reader wakes up, too
        except OSError:
            pass
        self.host.close()
        self.listener.close()
        if self.door:
            self.door.close()
        try:
            self.process.wait(10)
        finally:
            self.process.kill()
            self.process.wait()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def read_all(client):
    data = b""
    while True:
        try:
            piece = client.recv(65536)
        except ConnectionResetError:
            return data
        if not piece:
            return data
        data += piece


class Server:
    """A server on this host: `serve(connection)` for each connection, in a thread."""

    def __init__(self, serve, address=("127.0.0.1", 0)):
        self.socket = socket.create_server(address, family=socket.AF_INET6 if ":" in address[0] else socket.AF_INET)
        self.port = self.socket.getsockname()[1]
        self.seen = []
        self._serve = serve
        threading.Thread(target=self._loop, daemon=True).start()

    def _loop(self):
        while True:
            try:
                client, _ = self.socket.accept()
            except OSError:
                return
            threading.Thread(target=self._one, args=(client,), daemon=True).start()

    def _one(self, client):
        with client:
            self.seen.append(time.monotonic())
            try:
                self._serve(client)
            except OSError:
                pass

    def close(self):
        self.socket.shutdown(socket.SHUT_RDWR)
        self.socket.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def echo(client):
    while data := client.recv(65536):
        client.sendall(data)


def read_until(client, enough, data=b""):
    """What came behind `data`, with it, once enough(it); b"" where the other end has gone before."""
    while not enough(data):
        piece = client.recv(65536)
        if not piece:
            return b""
        data += piece
    return data


def head_of(client):
    """A request's bytes to the empty line at least; b"" where the client has gone before."""
    return read_until(client, lambda data: b"\r\n\r\n" in data)


def http(client):
    """Answers one request with what it was."""
    data = head_of(client)
    if not data:
        return
    client.settimeout(0.3)
    try:
        while piece := client.recv(65536):
            data += piece
    except socket.timeout:
        pass
    client.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\nConnection: close\r\n\r\n" % len(data) + data)


def descriptors(pid):
    return len(os.listdir("/proc/%d/fd" % pid))


def resident(broker):
    """Its memory, in KiB."""
    with open("/proc/%d/status" % broker.process.pid) as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmRSS"))
