"""`cellblock serve` and a client of it on bare sockets, so that a test can say anything at all to the server."""

import base64
import contextlib
import json
import os
import pathlib
import re
import select
import signal
import socket
import ssl
import struct
import subprocess

from support import kernels, leftovers

TOKEN = "a-token-of-the-tests-0123456789"
KEY = {"X-API-Key": TOKEN}
ENDED = (ConnectionError, ssl.SSLError)  # how a connection may end that the other side breaks off


class Answer:
    """A response: its status, headers by small letters, and body; `whole` unless the connection ended within it."""

    def __init__(self, status, headers):
        self.status, self.headers, self.body, self.whole = status, headers, b"", False

    def json(self):
        return json.loads(self.body)

    def lines(self):
        return [json.loads(line) for line in self.body.splitlines()]

    def envelopes(self):
        """(flags, message) of each message of a stream."""
        found, rest = [], self.body
        while len(rest) >= 5:
            flags, size = struct.unpack(">BI", rest[:5])
            found.append((flags, json.loads(rest[5:5 + size])))
            rest = rest[5 + size:]
        assert not rest, rest
        return found

    def error(self):
        """The code of a stream's error, or of a unary call's."""
        if "connect+json" in self.headers.get("content-type", "") and self.status == 200:
            flags, last = self.envelopes()[-1]
            assert flags == 2
            return last["error"]["code"]
        return self.json()["code"]

    def __repr__(self):
        return "<%s %r %s>" % (self.status, self.body[:300], "" if self.whole else "cut")


class Line:
    """One connection. `tls`: an ssl.SSLContext to speak TLS by."""

    def __init__(self, address, timeout=30, tls=None):
        self.socket = socket.socket(socket.AF_UNIX if isinstance(address, str) else socket.AF_INET, socket.SOCK_STREAM)
        self.socket.settimeout(timeout)
        self.socket.connect(address)
        if tls:
            self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # else the request waits until the handshake was acknowledged
            self.socket = tls.wrap_socket(self.socket, server_hostname="localhost")
        self.file = self.socket.makefile("rb")

    def send(self, data):
        try:
            self.socket.sendall(data)
        except ssl.SSLError as error:
            raise ConnectionError(error) from error

    def send_some(self, data):
        """Sends without waiting, where the socket doesn't block; gives how much."""
        try:
            return self.socket.send(data)
        except (BlockingIOError, ssl.SSLWantWriteError):
            return 0

    def head(self):
        """The next response's status and headers; None: the connection has ended."""
        try:
            first = self.file.readline()
        except ENDED:
            return None
        if not first:
            return None
        version, status = first.split(b" ", 2)[:2]
        assert version == b"HTTP/1.1", first
        headers = {}
        while (line := self.file.readline()) not in (b"\r\n", b""):
            name, _, value = line.decode("latin-1").partition(":")
            headers[name.strip().lower()] = value.strip()
        return Answer(int(status), headers)

    def answer(self, has_body=True):
        found = self.head()
        if found is None:
            return None
        try:
            self._body(found, has_body)
        except (*ENDED, ValueError):
            pass
        return found

    def _body(self, found, has_body):
        if not has_body or found.status in (100, 204):
            found.whole = True
        elif found.headers.get("transfer-encoding") == "chunked":
            while (size := int(self.file.readline(), 16)) > 0:
                piece = self.file.read(size)
                found.body += piece
                assert len(piece) < size or self.file.read(2) == b"\r\n"
            found.whole = self.file.readline() == b"\r\n"
        elif "content-length" in found.headers:
            size = int(found.headers["content-length"])
            found.body = self.file.read(size)
            found.whole = len(found.body) == size
        else:
            found.body = self.file.read()
            found.whole = True

    def ended(self, timeout=30):
        """Whether the server ends the connection, and says nothing more before."""
        self.socket.settimeout(timeout)
        try:
            return self.file.read(1) == b""
        except ENDED:
            return True
        except TimeoutError:
            return False

    def has_something(self, timeout):
        if isinstance(self.socket, ssl.SSLSocket) and self.socket.pending():
            return True
        waiting = select.poll()
        waiting.register(self.socket, select.POLLIN)
        return bool(waiting.poll(timeout * 1000))

    def close(self):
        self.file.close()
        self.socket.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def request(method, path, headers=(), body=b"", version="HTTP/1.1"):
    """A request's bytes. Of a dict the body is JSON; of a pair of headers each is sent."""
    if isinstance(body, (dict, list)):
        body = json.dumps(body).encode()
    pairs = [("Host", "localhost"), *(headers.items() if isinstance(headers, dict) else headers)]
    if body or method == "POST":
        pairs.append(("Content-Length", str(len(body))))
    as_bytes = lambda one: one if isinstance(one, bytes) else one.encode()  # noqa: E731
    return (as_bytes(method) + b" " + as_bytes(path) + b" " + version.encode() + b"\r\n"
            + b"".join(as_bytes(name) + b": " + as_bytes(value) + b"\r\n" for name, value in pairs) + b"\r\n" + body)


def envelope(message):
    text = message if isinstance(message, bytes) else json.dumps(message).encode()
    return struct.pack(">BI", 0, len(text)) + text


class Box:
    """A sandbox of the server's."""

    def __init__(self, server, **members):
        self.server = server
        made = server.ask("POST", "/v2/sandboxes", KEY, {"templateID": "base", "timeout": 600, **members})
        assert made.status == 201, made
        self.facts = made.json()
        self.id = self.facts["sandboxID"]
        self.headers = {"E2b-Sandbox-Id": self.id, "E2b-Sandbox-Port": "49999", "X-Access-Token": self.facts["envdAccessToken"]}

    def ask(self, method, path, body=b"", headers=()):
        return self.server.ask(method, path, {**self.headers, **dict(headers)}, body)

    def bytes_of(self, path, body, headers=()):
        return request("POST", path, {**self.headers, **dict(headers)}, body)

    def begin(self, code, **members):
        """A connection on which this code was asked for."""
        line = self.server.line()
        line.send(self.bytes_of("/execute", {"code": code, **members}))
        return line

    def run(self, code, **members):
        """(text of standard output, other events)."""
        got = self.ask("POST", "/execute", {"code": code, **members})
        assert got.status == 200 and got.whole, got
        events = got.lines()
        assert events[-1] == {"type": "end_of_execution"}
        return ("".join(one["text"] for one in events if one["type"] == "stdout"), [one for one in events if one["type"] in ("error", "result")])

    def out(self, code):
        text, others = self.run(code)
        assert not others, others
        return text

    def call(self, method, message, headers=()):
        """A unary call."""
        return self.ask("POST", "/" + method, message, {"Content-Type": "application/json", **dict(headers)})

    def stream(self, method, message, headers=()):
        body = message if isinstance(message, bytes) else envelope(message)
        return self.ask("POST", "/" + method, body, {"Content-Type": "application/connect+json", **dict(headers)})

    def command(self, *argv, **members):
        """(status or error, standard output) of a command."""
        found = self.stream("process.Process/Start", {"process": {"cmd": argv[0], "args": list(argv[1:]), **members}, "stdin": False})
        messages = [one for _, one in found.envelopes()]
        out = b"".join(base64.b64decode(one["event"]["data"].get("stdout", "")) for one in messages if "data" in one.get("event", {}))
        ends = [one["event"]["end"]["status"] for one in messages if "end" in one.get("event", {})]
        return (ends[0] if ends else messages[-1].get("error")), out

    def put(self, path, content):
        return self.ask("POST", "/files?path=" + path, content, {"Content-Type": "application/octet-stream"})

    def end(self):
        return self.server.ask("DELETE", "/sandboxes/" + self.id, KEY).status


class Serving:
    """A server, on TCP and on a Unix socket. `authority`: one that signs its certificate; then it speaks TLS, on TCP alone."""

    def __init__(self, program, place, *options, authority=None):
        self.place = place
        self.socket = str(place.root / "run" / "serve.sock")
        self.token_file = place.secret_file("token", TOKEN + "\n")
        self.tls = None
        if authority:
            self.tls = authority.client()
            self.key_file = place.secret_file("tls.key", "")
            self.use(*authority.pair("DNS:localhost"))
            listen = ["--tls-cert", str(place.root / "work" / "tls.pem"), "--tls-key", str(self.key_file)]
        else:
            listen = ["--listen", "unix:" + self.socket]
        self.argv = place.as_user([str(program), "serve", "--listen", "127.0.0.1:0", *listen, "--token-file", str(self.token_file), *options])
        self.log = open(place.root / "serve.log", "ab")
        self.process = subprocess.Popen(self.argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=self.log,
                                        env={**place.environment(), "SECRET_OF_THE_SERVER": "hunter2"}, cwd=place.root)
        self.first = [self.process.stdout.readline().decode() for _ in range(1 if authority else 2)]
        assert authority and "https://" in self.first[0] or "unix:" in self.first[-1], self.said()
        self.port = int(re.search(r":(\d+)$", self.first[0].strip()).group(1))
        self.known = {}

    def use(self, certificate, key):
        """Puts these files in place of the server's own."""
        self.place.file("tls.pem", pathlib.Path(certificate).read_text())
        self.key_file.write_text(pathlib.Path(key).read_text())

    def said(self):
        return (self.place.root / "serve.log").read_text()

    def line(self, unix=False, timeout=30):
        if self.tls:
            return Line(("127.0.0.1", self.port), timeout, self.tls)
        return Line(self.socket if unix else ("127.0.0.1", self.port), timeout)

    def raw_line(self, timeout=30):
        """A connection by TCP that speaks no TLS of itself."""
        return Line(("127.0.0.1", self.port), timeout)

    def ask(self, method, path, headers=(), body=b""):
        with self.line(timeout=60) as line:
            line.send(request(method, path, headers, body))
            return line.answer(method != "HEAD")

    def say(self, data, has_body=True):
        """The answer to these bytes."""
        with self.line() as line:
            with contextlib.suppress(ConnectionError):
                line.send(data)
            return line.answer(has_body)

    def box(self, **members):
        return Box(self, **members)

    def lives(self):
        return self.process.poll() is None and self.ask("GET", "/health").status == 200

    def descendants(self):
        self.known.update(leftovers.descendants(self.process.pid))
        return leftovers.descendants(self.process.pid)

    def memory(self):
        """MiB of its own."""
        text = pathlib.Path("/proc/%d/status" % self.process.pid).read_text()
        return int(re.search(r"VmRSS:\s+(\d+)", text).group(1)) >> 10

    def kill(self):
        tree = self.descendants()
        self.process.kill()
        self.process.wait(30)
        assert leftovers.wait_until(lambda: not leftovers.living(tree), 20), leftovers.living(tree)
        self.log.close()

    def stop(self):
        """Ends it in the ordinary way; nothing is left."""
        tree = self.descendants()
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        status = self.process.wait(30)
        self.process.stdout.close()
        self.log.close()
        assert status == 0, (status, self.said())
        assert leftovers.wait_until(lambda: not leftovers.living(tree), 20), leftovers.living(tree)
        assert not os.path.exists(self.socket), "the socket is left"
        assert not re.search("Sanitizer|runtime error|assert", self.said()), self.said()


@contextlib.contextmanager
def servers(user, **common):
    """Gives start(*options), which starts a server of that user in a place of its own; all end with the block."""
    with contextlib.ExitStack() as stack:
        def start(*options):
            place = kernels.Place(user)
            stack.callback(place.remove)
            made = Serving(kernels.PROGRAM, place, *options, **common)
            stack.callback(lambda: made.process.poll() is not None or made.stop())
            return made
        yield start
