"""`cellblock serve` under clients that mean harm, and under cells that do: refused, bounded, and others are served on."""

import base64
import contextlib
import json
import os
import pathlib
import resource
import signal
import socket
import subprocess
import threading
import time
import zlib

import pytest
from support import kernels, leftovers
from support.serving import ENDED, KEY, TOKEN, Serving, envelope, request, servers

pytestmark = pytest.mark.cellblock_only("a command of cellblock")
SECRET = "the-host's-own-secret-77123"
MOST_CONNECTIONS = 2048  # HttpServer::kMostConnections
QUARANTINE = 400 if os.environ.get("CELLBLOCK_TEST_SANITIZED") else 0  # MiB that a sanitizer keeps of what was freed
GROWTH = 300 + QUARANTINE  # MiB
HEALTH = b"GET /health HTTP/1.1\r\nHost: a\r\n\r\n"
SLEEPS = "print('on', flush=True)\nimport time\nfor _ in range(600): time.sleep(0.1)"


@pytest.fixture(scope="module")
def started(module_place):
    made = Serving(kernels.PROGRAM, module_place)
    yield made
    made.stop()


@pytest.fixture(scope="module")
def endless_header(started):
    """What a client is told that sends one header after another; it takes kHeaderTime, and nobody waits for it."""
    told = []

    def send():
        with started.line() as line:
            line.send(b"GET /health HTTP/1.1\r\n")
            began = time.monotonic()
            while not line.has_something(0.5) and time.monotonic() - began < 30:
                line.send(b"X: y\r\n")
            told.append((line.answer().status, line.ended(5), time.monotonic() - began))
    thread = threading.Thread(target=send, daemon=True)
    thread.start()
    yield thread, told
    thread.join(60)


@pytest.fixture(scope="module")
def first_box(started, endless_header):
    return started.box()


@pytest.fixture
def server(started):
    """The module's, which must live on after each test."""
    yield started
    assert started.lives(), started.said()


@pytest.fixture
def box(server, first_box):
    """One sandbox for all that don't end it; it works on after each test."""
    yield first_box
    assert first_box.out("print(6 * 7)") == "42\n"


@pytest.fixture
def new_server(module_place):
    with servers(module_place.user) as start:
        yield start


def wait(true, seconds=10):
    found = leftovers.wait_until(true, seconds)
    assert found
    return found


def clean(box):
    box.out("import os, shutil\nfor n in os.listdir(): os.remove(n) if os.path.islink(n) or not os.path.isdir(n) else shutil.rmtree(n)")
    assert box.out("import os; print(os.listdir())") == "[]\n"


# --- half requests

HALVES = {"nothing": b"", "a letter": b"G", "half a line": b"POST /execute HT", "half of the headers": b"GET /health HTTP/1.1\r\nHost: a\r\nX: ",
          "no empty line": b"GET /health HTTP/1.1\r\nHost: a\r\n", "half a body": request("POST", "/v2/sandboxes", KEY, b"{" * 9)[:-5],
          "half a chunk": b"POST /v2/sandboxes HTTP/1.1\r\nHost: a\r\nX-API-Key: %s\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{" % TOKEN.encode()}


@pytest.mark.parametrize("half", HALVES)
def test_half_requests_hold_up_nobody(server, half):
    with contextlib.ExitStack() as stack:
        lines = [stack.enter_context(server.line(unix=number % 2 == 1)) for number in range(50)]
        for line in lines:
            line.send(HALVES[half])
        began = time.monotonic()
        assert server.ask("GET", "/health").status == 200 and time.monotonic() - began < 5
        assert not any(line.has_something(0) for line in lines)


def test_a_request_that_comes_letter_by_letter_is_answered(server):
    with server.line() as line:
        for number in range(len(HEALTH)):
            line.send(HEALTH[number:number + 1])
        assert line.answer().body == b"OK"


def test_an_idle_line_is_no_half_request(server):
    """One that has sent a whole request before is ended without words, not with an answer to nothing."""
    with server.line() as line:
        line.send(request("POST", "/v2/sandboxes", KEY, {"timeout": -1}))
        assert line.answer().status == 400
        assert not line.has_something(0.2)


# --- tokens

API = [("POST", "/v2/sandboxes"), ("POST", "/sandboxes"), ("GET", "/v2/sandboxes"), ("GET", "/sandboxes/{id}"), ("DELETE", "/sandboxes/{id}"),
       ("POST", "/sandboxes/{id}/timeout"), ("POST", "/v2/sandboxes/{id}/connect"), ("GET", "/sandboxes/{id}/metrics"),
       ("POST", "/sandboxes/{id}/pause"), ("GET", "/no/such/path"), ("GET", "/v2/../v2/sandboxes"), ("GET", "//sandboxes")]
OF_BOXES = [("GET", "/files?path=a"), ("POST", "/files?path=a"), ("POST", "/execute"), ("GET", "/contexts"), ("POST", "/contexts"),
            ("DELETE", "/contexts/a"), ("POST", "/contexts/a/restart"), ("POST", "/filesystem.Filesystem/ListDir"),
            ("POST", "/filesystem.Filesystem/Nothing"), ("POST", "/process.Process/Start"), ("POST", "/process.Process/List"), ("PUT", "/execute")]
WRONG = ["", "wrong", TOKEN[:-1], TOKEN + "0", TOKEN.upper(), " ", "Bearer " + TOKEN, TOKEN + "\0"]


@pytest.mark.parametrize("method, path", API, ids=lambda one: str(one))
def test_no_api_without_the_token(server, box, method, path):
    for headers in [{}, *({"X-API-Key": one} for one in WRONG), {"Authorization": TOKEN}, {"Authorization": "Bearer "},
                    {"Authorization": "Basic " + TOKEN}, {"X-Access-Token": TOKEN}, {"X-API-Key": box.headers["X-Access-Token"]}]:
        got = server.ask(method, path.format(id=box.id), headers)
        assert got.status in ((400, 401) if "\0" in "".join(headers.values()) else (401,)), (headers, got)
    assert TOKEN.encode() not in got.body and box.id.encode() not in got.body


def test_a_bearer_token_is_as_good(server):
    assert server.ask("GET", "/v2/sandboxes", {"Authorization": "Bearer " + TOKEN}).status == 200


@pytest.mark.parametrize("method, path", OF_BOXES, ids=lambda one: str(one))
def test_no_sandbox_without_its_own_token(server, box, method, path):
    other = server.box() if path == "/execute" else None
    tokens = [*WRONG, TOKEN, box.id, *([other.headers["X-Access-Token"], other.facts["trafficAccessToken"]] if other else [])]
    if not path.startswith("/contexts"):
        tokens.append(box.facts["trafficAccessToken"])
    for name in ("X-Access-Token", "E2b-Traffic-Access-Token"):
        for token in tokens:
            got = server.ask(method, path, {"E2b-Sandbox-Id": box.id, name: token}, b"{}")
            assert got.status in ((400, 401) if "\0" in token else (401,)), (token, got)
    assert server.ask(method, path, {"E2b-Sandbox-Id": box.id}).status == 401
    if other:
        assert other.end() == 204


@pytest.mark.parametrize("method, path", OF_BOXES, ids=lambda one: str(one))
def test_a_token_opens_no_other_sandbox(server, box, method, path):
    for name in ("", "i", box.id[:-1], box.id + "0", "../" + box.id, box.id + "%00", "*", "i" * 20_000, box.id.upper()):
        headers = {**box.headers, "E2b-Sandbox-Id": name}
        got = server.ask(method, path, headers, b"{}")
        assert got.status in (404, 502), got
        assert len(got.body) < 500
    for name in ("", "i0", box.id + "0"):
        assert server.ask("DELETE", "/sandboxes/" + name, KEY).status in (404, 405)


def test_of_a_strangers_body_nothing_is_read(server, box):
    """It is refused by its head; then the connection ends, whatever else is sent."""
    before = server.memory()
    for headers in ({"E2b-Sandbox-Id": box.id}, {"E2b-Sandbox-Id": "nobody"}, {}):
        head = request("POST", "/files?path=a", [*headers.items(), ("Content-Type", "application/octet-stream"),
                                                 ("Content-Length", str(200 << 20))])
        with server.line() as line:
            line.send(head.replace(b"Content-Length: 0\r\n", b""))
            assert line.answer().status in (401, 502)
            with contextlib.suppress(ConnectionError, TimeoutError):
                line.socket.settimeout(5)
                for _ in range(40):
                    line.send(b"x" * (1 << 20))
            assert line.ended(10)
    assert server.memory() - before < 40


# --- what is no request

def chunked(body, *more, key=TOKEN):
    return request("POST", "/v2/sandboxes", [("X-API-Key", key), ("Transfer-Encoding", "chunked"), *more]).replace(b"Content-Length: 0\r\n", b"") + body


GOOD = b'b\r\n{"timeout":\r\n'
BAD = {
    "two lengths": request("POST", "/v2/sandboxes", [*KEY.items(), ("Content-Length", "5")], b"{}"),
    "two lengths alike": request("POST", "/v2/sandboxes", [*KEY.items(), ("Content-Length", "2")], b"{}"),
    "a list of lengths": request("POST", "/x", [("Content-Length", "0, 0")]).replace(b"Content-Length: 0\r\n", b""),
    "length and chunks": chunked(b"0\r\n\r\n", ("Content-Length", "5")),
    "chunks and length": request("POST", "/x", [("Content-Length", "5"), ("Transfer-Encoding", "chunked")]).replace(b"Content-Length: 0\r\n", b""),
    "two codings": chunked(b"0\r\n\r\n", ("Transfer-Encoding", "chunked")),
    "two codings, one other": chunked(b"0\r\n\r\n", ("Transfer-Encoding", "identity")),
    "gzip": b"POST /v2/sandboxes HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip\r\n\r\n",
    "gzip, chunked": b"POST /v2/sandboxes HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    "chunked, gzip": b"POST /v2/sandboxes HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n",
    "xchunked and a length": b"POST /v2/sandboxes HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: xchunked\r\nContent-Length: 3\r\n\r\nabc",
    "identity": b"POST /v2/sandboxes HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: identity\r\n\r\n",
    "chunks in 1.0": b"POST /v2/sandboxes HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "two hosts": request("GET", "/health", [("Host", "other")]),
    "a negative length": request("POST", "/x", [("Content-Length", "-1")]).replace(b"Content-Length: 0\r\n", b""),
    "a signed length": request("POST", "/x", [("Content-Length", "+5")]).replace(b"Content-Length: 0\r\n", b""),
    "a length in hex": request("POST", "/x", [("Content-Length", "0x5")]).replace(b"Content-Length: 0\r\n", b""),
    "a huge length": request("POST", "/x", [("Content-Length", "9" * 40)]).replace(b"Content-Length: 0\r\n", b""),
    "no length": request("POST", "/x", [("Content-Length", "")]).replace(b"Content-Length: 0\r\n", b""),
    "a chunk 0x5": chunked(b'0x5\r\n{"a":\r\n0\r\n\r\n'), "a negative chunk": chunked(b"-1\r\n{}\r\n0\r\n\r\n"),
    "a huge chunk": chunked(b"fffffffffffffffff\r\n{}\r\n0\r\n\r\n"), "a chunk's blank": chunked(b" 2\r\n{}\r\n0\r\n\r\n"),
    "a chunk without size": chunked(b"\r\n{}\r\n0\r\n\r\n"), "a chunk that is longer": chunked(b"2\r\n{}}\r\n0\r\n\r\n"),
    "a chunk with LF": chunked(b"2\n{}\n0\n\n"), "letters for a chunk": chunked(b"zz\r\n{}\r\n0\r\n\r\n"),
    "LF alone": b"GET /health HTTP/1.1\nHost: a\n\n", "LF in headers": b"GET /health HTTP/1.1\r\nHost: a\nX: y\r\n\r\n",
    "CR alone": b"GET /health HTTP/1.1\rHost: a\r\r", "NUL in a header": b"GET /health HTTP/1.1\r\nHost: a\r\nX: a\0b\r\n\r\n",
    "NUL in a name": b"GET /health HTTP/1.1\r\nHost: a\r\nX\0: a\r\n\r\n", "NUL in the path": b"GET /hea\0lth HTTP/1.1\r\nHost: a\r\n\r\n",
    "NUL in a query": b"GET /v2/sandboxes?a=%00 HTTP/1.1\r\nHost: a\r\n\r\n", "NUL in a path's %": b"GET /health%00 HTTP/1.1\r\nHost: a\r\n\r\n",
    "half a %": b"GET /health%2 HTTP/1.1\r\nHost: a\r\n\r\n", "no hex %": b"GET /%zz HTTP/1.1\r\nHost: a\r\n\r\n",
    "a blank before the colon": b"GET /health HTTP/1.1\r\nHost : a\r\n\r\n", "a first line that goes on": b"GET /health HTTP/1.1 x\r\nHost: a\r\n\r\n",
    "a folded first header": b"GET /health HTTP/1.1\r\n Host: a\r\n\r\n", "two blanks": b"GET  /health HTTP/1.1\r\nHost: a\r\n\r\n",
    "no colon": b"GET /health HTTP/1.1\r\nHost: a\r\nnothing\r\n\r\n", "an empty name": b"GET /health HTTP/1.1\r\nHost: a\r\n: b\r\n\r\n",
    "0.9": b"GET /health\r\n\r\n", "2.0": b"GET /health HTTP/2.0\r\nHost: a\r\n\r\n", "1.2": b"GET /health HTTP/1.2\r\nHost: a\r\n\r\n",
    "HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(200), "SSH": b"SSH-2.0-x\r\n\r\n",
    "absolute": b"GET http://localhost/health HTTP/1.1\r\nHost: a\r\n\r\n", "an authority": b"GET localhost:80 HTTP/1.1\r\nHost: a\r\n\r\n",
    "an asterisk": b"OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", "no path": b"GET  HTTP/1.1\r\nHost: a\r\n\r\n", "a relative path": b"GET health HTTP/1.1\r\nHost: a\r\n\r\n",
    "65 parameters": b"GET /v2/sandboxes?" + b"&".join(b"a%d=1" % one for one in range(65)) + b" HTTP/1.1\r\nHost: a\r\n\r\n",
}


@pytest.mark.parametrize("name", BAD)
def test_what_is_no_request_is_refused_and_ends_the_connection(server, name):
    """With another request right behind it, which must not be answered."""
    with server.line() as line:
        with contextlib.suppress(ConnectionError):
            line.send(BAD[name] + HEALTH)
        first = line.answer()
        assert first is None or first.status in (400, 413), first
        assert line.ended(10)


@pytest.mark.parametrize("name, status, data", [
    ("a line of 100 kB", 431, b"GET /" + b"a" * 100_000 + b" HTTP/1.1\r\nHost: a\r\n\r\n"),
    ("a line that never ends", 431, b"G" * 100_000), ("a header of 40 kB", 431, request("GET", "/health", {"X": "y" * 40_000})),
    ("101 headers", 431, request("GET", "/health", [("X%d" % one, "y") for one in range(100)])),
    ("headers without end", 431, b"GET /health HTTP/1.1\r\n" + b"X: y\r\n" * 20_000),
    ("empty lines", 400, b"\r\n" * 50_000), ("NUL bytes", 400, bytes(100_000)),
], ids=lambda one: one if isinstance(one, str) else "")
def test_headers_have_bounds(server, name, status, data):
    got = server.say(data)
    assert got is None or got.status in (status, 400), got
    assert got is not None or name in ("empty lines", "NUL bytes", "a line that never ends", "headers without end")


def test_a_hundred_headers_and_a_folded_one_are_taken(server):
    assert server.say(request("GET", "/health", [("X%d" % one, "y") for one in range(99)])).status == 200
    got = server.say(b"GET /health HTTP/1.1\r\nHost: a\r\nX: y\r\n  z\r\n\r\n")
    assert got.status in (200, 400)


@pytest.mark.parametrize("method, status", [("HEAD", 405), ("CONNECT", 405), ("TRACE", 401), ("PUT", 401), ("PROPFIND", 401), ("A" * 1000, 401)])
def test_methods(server, method, status):
    with server.line() as line:
        line.send(request(method, "/v2/sandboxes"))
        got = line.answer(method != "HEAD")
        assert got.status == status, got
        if method == "HEAD":
            assert line.ended(10)
    assert server.ask(method, "/v2/sandboxes", KEY).status == 405


def test_http_1_0(server, box):
    with server.line() as line:
        line.send(request("GET", "/v2/sandboxes", KEY, version="HTTP/1.0"))
        assert box.id in {one["sandboxID"] for one in line.answer().json()} and line.ended(10)
    with server.line() as line:
        line.send(request("POST", "/execute", box.headers, {"code": "print('old')"}, version="HTTP/1.0"))
        got = line.answer()
        assert "transfer-encoding" not in got.headers and got.lines()[-1] == {"type": "end_of_execution"}


def test_pipelined_requests_are_answered_in_their_order(server, box):
    with server.line() as line:
        line.send(HEALTH + box.bytes_of("/execute", {"code": "import time; time.sleep(0.5); print('slow')"}) + HEALTH
                  + request("GET", "/none", KEY) + request("GET", "/v2/sandboxes", KEY) + request("GET", "/none"))
        assert line.answer().body == b"OK" and b"slow" in line.answer().body and line.answer().body == b"OK"
        assert [line.answer().status for _ in range(3)] == [404, 200, 401]
        for _ in range(20):
            line.send(HEALTH * 50)
            assert {line.answer().status for _ in range(50)} == {200}


def test_who_sends_on_while_a_cell_runs_is_bounded(server, box):
    before = server.memory()
    with box.begin(SLEEPS) as line:
        line.socket.setblocking(False)
        sent, end = 0, time.monotonic() + 1
        while time.monotonic() < end and sent < 200 << 20:
            sent += line.send_some(b"x" * (1 << 20))
        assert sent < 100 << 20 and server.memory() - before < 30


def test_expect_100_continue(server):
    head, body = request("POST", "/v2/sandboxes", {**KEY, "Expect": "100-continue"}, {"timeout": -1}).split(b"\r\n\r\n")
    with server.line() as line:
        line.send(head + b"\r\n\r\n")
        assert line.answer().status == 100
        line.send(body)
        assert line.answer().status == 400
    with server.line() as line:
        line.send(head.replace(TOKEN.encode(), b"wrong-wrong-wrong-wrong") + b"\r\n\r\n")
        assert line.answer().status == 401 and line.ended(10)


# --- bodies

def test_a_body_of_1_gb_is_refused_at_once(server, box):
    for path in ("/v2/sandboxes", "/files?path=a", "/execute", "/contexts", "/process.Process/Start"):
        headers = [*KEY.items(), *box.headers.items(), ("Content-Type", "application/octet-stream"), ("Content-Length", str(1 << 30))]
        with server.line() as line:
            line.send(request("POST", path, headers).replace(b"Content-Length: 0\r\n", b""))
            got = line.answer()
            assert got.status == 413 and line.ended(10), got


def test_a_body_of_1_gb_by_chunks_is_refused_at_its_bound(server):
    with server.line() as line:
        line.send(chunked(b""))
        sent = 0
        with contextlib.suppress(ConnectionError):
            while sent < 1 << 30 and not line.has_something(0):
                line.send(b"10000\r\n" + b"x" * 65536 + b"\r\n")
                sent += 65536
        got = line.answer()
        assert sent < 32 << 20 and (got is None or got.status == 413)
    got = server.say(chunked(b"7fffffff\r\n{"))
    assert got.status == 413


@pytest.mark.parametrize("start, piece", [(b"5;", b"x" * 65536), (b"5;a=\"", b"x" * 65536), (b"0\r\n", b"X: y\r\n" * 10_000), (b"0" * 10, b"0" * 65536)],
                         ids=["extension", "quoted", "trailer", "size"])
def test_a_chunks_line_or_trailer_that_never_ends_is_bounded(server, start, piece):
    with server.line() as line:
        line.send(chunked(start))
        sent = 0
        with contextlib.suppress(ConnectionError):
            while sent < 64 << 20 and not line.has_something(0):
                line.send(piece)
                sent += len(piece)
        got = line.answer()
        assert sent < 32 << 20 and (got is None or got.status in (400, 431)), got


def test_a_long_body_of_tiny_chunks_and_extensions(server):
    body = b'{"timeout": -1}'
    got = server.say(chunked(b"".join(b"1;a=b\r\n%c\r\n" % one for one in body) + b"0;x\r\nX-Trailer: y\r\n\r\n"))
    assert got.status == 400 and b"timeout" in got.body


def test_bodies_of_all_requests_together_are_bounded(new_server):
    """The one of three that comes to 512 MiB is refused; what the others took is free after them."""
    server = new_server()
    box, before = server.box(), server.memory()
    head = request("POST", "/files?path=large", [*box.headers.items(), ("Content-Type", "application/octet-stream"), ("Content-Length", str(200 << 20))])
    for _ in range(2):
        with contextlib.ExitStack() as stack:
            lines = [stack.enter_context(server.line()) for _ in range(3)]
            for line in lines:
                line.send(head.replace(b"Content-Length: 0\r\n", b""))
                with contextlib.suppress(ConnectionError):
                    for _ in range(190):
                        line.send(bytes(1 << 20))
            wait(lambda: lines[2].has_something(0))
            assert lines[2].answer().status == 503 and not any(line.has_something(0) for line in lines[:2])
            assert server.memory() - before < 512 + 100 + QUARANTINE
            assert box.out("print(1)") == "1\n"
        wait(lambda: server.memory() - before < 100 + QUARANTINE)
    assert box.put("small", b"x" * 1000).status == 200


# --- many connections

@contextlib.contextmanager
def many_files(wanted):
    """Lets this process open so many files."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < wanted:
        pytest.skip("this user may open %d files" % hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, wanted), hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def is_served(server):
    with contextlib.suppress(*ENDED, AssertionError):
        got = server.ask("GET", "/health")
        return got is not None and got.status == 200


def test_10000_connections(server):
    """More than there may be: those that were there first are served on, the others are closed."""
    count = 10_000
    before = server.memory()
    with many_files(count + 300), contextlib.ExitStack() as stack:
        lines = []
        for number in range(count):
            lines.append(stack.enter_context(server.line()))
            if number % 3 == 0:
                with contextlib.suppress(ConnectionError):
                    lines[-1].send(b"GET /health HTTP/1.1\r\nX: " + b"y" * 1000)
        wait(lambda: sum(line.has_something(0) for line in lines) >= count - MOST_CONNECTIONS, 10)
        # Nobody is turned out for those who came later.
        with contextlib.suppress(ConnectionError):
            lines[1].send(HEALTH)
            assert lines[1].answer().status == 200
        assert server.memory() - before < GROWTH and server.process.poll() is None
    wait(lambda: is_served(server), 10)


def test_connections_that_come_and_go(server):
    before = server.memory()
    for number in range(1500):
        with server.line(unix=number % 2 == 0) as line:
            line.send((b"", b"GET /health HT", HEALTH, request("POST", "/v2/sandboxes", KEY, b"{"))[number % 4])
    assert server.memory() - before < 50


# --- slow readers, and clients that go

def grow_slowly(server, before, seconds):
    """The most that the server takes while nobody reads."""
    most, end = 0, time.monotonic() + seconds
    while time.monotonic() < end:
        most = max(most, server.memory() - before)
        time.sleep(0.1)
    return most


def test_a_slow_reader_of_a_cells_flood(server, box):
    before = server.memory()
    lines = [box.begin("for _ in range(100_000): print('x' * 10_000)")]
    assert grow_slowly(server, before, 2) < GROWTH
    lines[0].close()
    assert box.out("print('next')") == "next\n"


def test_a_slow_reader_of_a_commands_flood(server, box):
    """Of a command as much is kept as the policy lets it write."""
    before = server.memory()
    with server.line() as line:
        line.send(box.bytes_of("/process.Process/Start", envelope({"process": {"cmd": "/bin/sh", "args": ["-c", "yes aaaaaaaaaaaaaaaaaaaaaaaaaaaa"]}}),
                               {"Content-Type": "application/connect+json"}))
        assert grow_slowly(server, before, 2) < GROWTH
        (one,) = box.call("process.Process/List", {}).json()["processes"]
        assert box.call("process.Process/SendSignal", {"process": {"pid": one["pid"]}, "signal": "SIGNAL_SIGKILL"}).status == 200
    wait(lambda: not box.call("process.Process/List", {}).json()["processes"])


def test_where_a_policy_lets_cells_write_more_a_slow_reader_is_ended(new_server, module_place):
    """kMostUnread: the connection ends, and with it the cell."""
    server = new_server("--policy", module_place.policy("loud", limits={"output": "2GiB"}))
    box = server.box()
    before = server.memory()
    with box.begin("while True: print('x' * 100_000)") as line, box.begin("print('next')") as waiting:
        assert line.has_something(10)
        assert waiting.answer().lines()[1]["text"] == "next\n"  # once the first one has ended
        assert server.memory() - before < GROWTH
        assert not line.answer().whole


@pytest.mark.long
@pytest.mark.seconds(400)
def test_replies_that_nobody_reads_are_bounded_together(new_server, module_place):
    """kMostUnreadOfAll: 1 GiB. Each connection is below its own bound; the one that comes to theirs together is ended, and with it its cell."""
    server = new_server("--policy", module_place.policy("loud", limits={"output": "2GiB", "cell_time": "5m"}))
    before = server.memory()
    with contextlib.ExitStack() as stack:
        lines = []
        for _ in range(20):
            lines.append(stack.enter_context(server.box().begin("for _ in range(580): print('x' * 100_000)\nimport time\ntime.sleep(600)")))
            had = 0
            while server.memory() > had + 5:  # until its cell has printed
                had = server.memory()
                time.sleep(0.5)
        assert 700 < server.memory() - before < 1024 + GROWTH
        assert not lines[-1].answer().whole and lines[0].head().status == 200
        assert server.box().out("print(1)") == "1\n"


def test_a_slow_reader_of_a_large_file_whose_sandbox_is_killed(server):
    """The download waits for its client while its sandbox goes."""
    box = server.box()
    box.out("_ = open('big', 'wb').write(bytes(100 << 20))")
    before = server.memory()
    with server.line() as line:
        line.send(request("GET", "/files?path=big", box.headers))
        line.has_something(10)
        assert grow_slowly(server, before, 1) < 60
        assert box.end() == 204
        time.sleep(0.3)
        got = line.answer()
        assert got.status == 200 and not got.whole and len(got.body) < 100 << 20
    assert server.ask("GET", "/files?path=big", box.headers).status == 502


def test_who_closes_within_execute_interrupts(server, box):
    for close in (lambda line: line.close(), lambda line: line.socket.shutdown(socket.SHUT_WR),
                  lambda line: line.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0") or line.close()):
        box.out("x = 1")
        line = box.begin(SLEEPS)
        assert b"HTTP/1.1 200" in line.file.readline()
        waiting = box.begin("x = 2")
        wait(lambda: line.has_something(0), 10)
        time.sleep(0.3)
        waiting.close()
        close(line)
        began = time.monotonic()
        assert box.out("print(x)") == "1\n" and time.monotonic() - began < 5
        line.close()


def test_who_closes_within_create_leaves_no_sandbox(server, box):
    known = {one["sandboxID"] for one in server.ask("GET", "/v2/sandboxes", KEY).json()}
    tree = set(server.descendants())
    for delay in (0, 0.005, 0.02, 0.05, 0.1):
        with server.line() as line:
            line.send(request("POST", "/v2/sandboxes", KEY, {}))
            time.sleep(delay)
            if line.has_something(0):
                known.add(line.answer().json()["sandboxID"])
    wait(lambda: {one["sandboxID"] for one in server.ask("GET", "/v2/sandboxes", KEY).json()} <= known)
    for one in known - {box.id}:
        assert server.ask("DELETE", "/sandboxes/" + one, KEY).status == 204
    wait(lambda: set(leftovers.descendants(server.process.pid)) <= tree)


def test_who_closes_within_an_upload_leaves_no_file(server, box):
    for size in (1000, 20 << 20):
        whole = request("POST", "/files?path=half", {**box.headers, "Content-Type": "application/octet-stream"}, b"x" * size)
        with server.line() as line:
            line.send(whole[:-10])
    for _ in range(5):
        with server.line() as line:
            line.send(request("POST", "/files?path=whole", {**box.headers, "Content-Type": "application/octet-stream"}, b"x" * (20 << 20)))
    wait(lambda: "whole" in box.out("import os; print(os.listdir())"))
    assert "half" not in box.out("import os; print(os.listdir())")
    wait(lambda: ".part" not in box.out("import os; print(os.listdir())"))
    assert box.out("import os; print(os.path.getsize('whole')); os.remove('whole')") == "20971520\n"


# --- JSON

DEEP = b"[" * 50_000
VALUES = [None, 0, -1, 2**63, 2**64, 1e300, 1.5, True, False, "", "x", "\0", "a\0b", "=", "\ud800", "é" * 3, "x" * 200_000, [], [[]], ["x"], [None],
          {}, {"x": {}}, {"": ""}, {"a=b": "c"}, {"a\0b": "c"}, {"a": "b\0c"}, {"a": None}, {str(one): "x" for one in range(300)}]
UNARY = {
    "filesystem.Filesystem/ListDir": {"path": "/home/user", "depth": 1}, "filesystem.Filesystem/Stat": {"path": "a"},
    "filesystem.Filesystem/MakeDir": {"path": "/home/user/made"}, "filesystem.Filesystem/Move": {"source": "a", "destination": "b"},
    "filesystem.Filesystem/Remove": {"path": "none"}, "filesystem.Filesystem/CreateWatcher": {"path": "a"},
    "process.Process/List": {"x": 1}, "process.Process/SendInput": {"process": {"pid": 99}, "input": {"stdin": "eA=="}},
    "process.Process/SendSignal": {"process": {"pid": 99}, "signal": "SIGNAL_SIGKILL"}, "process.Process/CloseStdin": {"process": {"pid": 99}},
    "process.Process/Update": {"process": {"tag": "t"}, "pty": {"size": {"rows": 1, "cols": 1}}}, "process.Process/Nothing": {"a": 1},
}
START = {"process": {"cmd": "/bin/true", "args": ["a"], "envs": {"A": "b"}, "cwd": "/"}, "stdin": False, "tag": "t", "pty": {"size": {"rows": 9, "cols": 9}}}


def variants(message):
    """The message with each of its members, on any level, in turn as something else or not there."""
    for name, value in message.items():
        yield {other: one for other, one in message.items() if other != name}
        for one in VALUES:
            yield {**message, name: one}
        if isinstance(value, dict):
            for one in variants(value):
                yield {**message, name: one}


def sent_over(line, box, path, headers, message):
    body = message if isinstance(message, bytes) else json.dumps(message).encode()
    line.send(request("POST", path, {**KEY, **box.headers, **headers}, body))
    return line.answer()


@pytest.mark.parametrize("method", UNARY)
def test_each_field_of_a_call(server, box, method):
    with server.line(timeout=60) as line:
        for message in variants(UNARY[method]):
            got = sent_over(line, box, "/" + method, {"Content-Type": "application/json"}, message)
            assert got.status in (200, 400, 403, 404, 409, 429, 501), (message, got)
            assert got.json() is not None and (got.status == 200 or isinstance(got.error(), str))
    clean(box)


@pytest.mark.parametrize("method, message", [("Start", START), ("Connect", {"process": {"pid": 99, "tag": "x"}})])
def test_each_field_of_a_stream(server, box, method, message):
    for one in variants(message):
        with server.line(timeout=60) as line:
            line.send(box.bytes_of("/process.Process/" + method, envelope(one), {"Content-Type": "application/connect+json", "Connect-Timeout-Ms": "4000"}))
            got = line.answer()
        flags, last = got.envelopes()[-1]
        assert got.status == 200 and flags == 2, (one, got)
        assert last == {} or last["error"]["code"] in ("invalid_argument", "not_found", "permission_denied", "resource_exhausted", "deadline_exceeded"), one


@pytest.mark.parametrize("path, message", [
    ("/execute", {"code": "1", "context_id": None, "language": None, "env_vars": {"A": "b"}}), ("/contexts", {"language": "python", "cwd": "/"}),
    ("/v2/sandboxes", {"templateID": "none", "timeout": 0, "metadata": {"a": "b"}, "envVars": {"A": "b"}, "autoPause": True, "network": {"allowOut": []},
                       "allow_internet_access": True}),
    ("/sandboxes/{id}/timeout", {"timeout": 600}), ("/v2/sandboxes/{id}/connect", {"timeout": 600}),
], ids=lambda one: one if isinstance(one, str) else "")
def test_each_field_of_the_rest(server, box, path, message):
    known = {one["sandboxID"] for one in server.ask("GET", "/v2/sandboxes", KEY).json()}
    (first,) = server.ask("GET", "/contexts", box.headers).json()
    with server.line(timeout=60) as line:
        for one in variants(message):
            got = sent_over(line, box, path.format(id=box.id), {"Content-Type": "application/json"}, one)
            assert got.status in (200, 201, 204, 400, 404, 413, 429), (one, got)
            if path == "/execute" and got.status == 200:
                assert got.whole and got.lines()[-1] == {"type": "end_of_execution"}, (one, got)
            if path == "/contexts" and got.status == 200:
                made = got.json()["id"]
                line.send(request("POST", "/execute", box.headers, {"code": "1", "context_id": made}))
                assert line.answer().lines()[-1] == {"type": "end_of_execution"}, one
                line.send(request("DELETE", "/contexts/" + made, box.headers))
                assert line.answer().status == 204
            assert got.status != 201, one
            if "{id}" in path:  # one of the messages ends the box, but for this
                line.send(request("POST", "/sandboxes/%s/timeout" % box.id, KEY, {"timeout": 600}))
                assert line.answer().status == 204
    assert {one["sandboxID"] for one in server.ask("GET", "/v2/sandboxes", KEY).json()} == known
    assert server.ask("GET", "/contexts", box.headers).json() == [first]
    assert server.ask("POST", "/sandboxes/%s/timeout" % box.id, KEY, {"timeout": 600}).status == 204


TEXTS = {"deep": DEEP, "deep objects": b'{"a":' * 50_000, "deep inside": b'{"code": ' + b"[" * 100 + b"]" * 100 + b"}", "no UTF-8": b'{"code": "\xff\xfe"}',
         "overlong": b'{"code": "\xc0\x80"}', "a surrogate": b'{"code": "\xed\xa0\x80"}', "half": b'{"code": "', "two": b"{} {}", "a list": b"[]", "null": b"null",
         "text": b'"x"', "NUL": b"\0", "NaN": b'{"timeout": NaN}', "1e999": b'{"timeout": 1e999}', "UTF-16": '{"a": 1}'.encode("utf-16"),
         "many": b'{"a": [' + b"1," * 300_000 + b"1]}", "a number of 100 kB": b'{"timeout": ' + b"1" * 100_000 + b"}"}


@pytest.mark.parametrize("name", TEXTS)
def test_what_is_no_message(server, box, name):
    with server.line() as line:
        for path in ("/execute", "/contexts", "/v2/sandboxes", "/sandboxes/%s/timeout" % box.id, "/filesystem.Filesystem/Stat", "/process.Process/List"):
            got = sent_over(line, box, path, {"Content-Type": "application/json"}, TEXTS[name])
            assert got.status == 400, (path, got)
            got.json()
        for body in (envelope(TEXTS[name]), TEXTS[name], b"", b"\0" * 5, b"\1" + envelope({})[1:], b"\0\xff\xff\xff\xff{}", b"\0\0\0\0\3{}"):
            got = sent_over(line, box, "/process.Process/Start", {"Content-Type": "application/connect+json"}, body)
            assert got.status == 200 and got.error() == "invalid_argument"


def test_paths_that_are_no_text(server, box):
    for path in ("%ff%fe", "%c0%80", "%ed%a0%80", "a" * 5000, "/" * 5000, "a/" * 2100, "%0a", "%22%5c", "..", ".", "/", "", "%7f"):
        got = server.ask("GET", "/files?path=" + path, box.headers)
        assert got.status in (400, 403, 404), (path, got)
        got.json()
    for path in ("/%ff", "/sandboxes/%ff%fe", "/contexts/%ff", "/process.Process/%ff", "/filesystem.Filesystem/%ff%00"):
        got = server.ask("DELETE" if "contexts" in path else "POST", path, {**KEY, **box.headers}, b"{}")
        assert got.status in (400, 404, 501), (path, got)
        got.json()
    for query in ("limit=0", "limit=-1", "limit=x", "limit=" + "9" * 50, "metadata=%ff%00", "metadata=%25zz", "nextToken=" + "z" * 999, "state=%ff"):
        assert server.ask("GET", "/v2/sandboxes?" + query, KEY).status in (200, 400), query


def test_header_values_that_are_no_text(server, box):
    for name in ("E2b-Sandbox-Id", "X-Access-Token", "X-API-Key", "Content-Type", "Connect-Timeout-Ms", "Host", "E2b-Sandbox-Port", "Authorization"):
        for value in (b"\xff\xfe", b"\x01", b"9" * 300, b"-1", b"\t\t", b"49983-" + b"\xff" * 10 + b".x"):
            pairs = [(other, text) for other, text in {**box.headers, **KEY}.items() if other != name]
            data = request("POST", "/process.Process/List", [*pairs, (name, value)], b"{}")
            got = server.say(data.replace(b"Host: localhost\r\n", b"") if name == "Host" else data)
            assert got.status in (200, 400, 401, 502), (name, value, got)


# --- forms

def form(box, body, boundary="b", path="", kind=None):
    return box.ask("POST", "/files" + path, body, {"Content-Type": kind or "multipart/form-data; boundary=" + boundary})


def part(name, content, file_name=None):
    more = b"" if file_name is None else b'; filename="%s"' % (file_name if isinstance(file_name, bytes) else file_name.encode())
    return b'--b\r\nContent-Disposition: form-data; name="' + name + b'"' + more + b"\r\n\r\n" + content + b"\r\n"


FORMS = {
    "no boundary": (b"", "multipart/form-data"), "an empty one": (b"--\r\n\r\n----", 'multipart/form-data; boundary=""'),
    "a long one": (b"x", "multipart/form-data; boundary=" + "b" * 71), "nothing": (b"", None), "no end": (part(b"file", b"x", "a"), None),
    "half a boundary": (part(b"file", b"x", "a") + b"--", None), "an end at once": (b"--b--", None), "no headers' end": (b"--b\r\nContent-Disposition: x", None),
    "2,000 parts": (part(b"file", b"x", "p") * 2000 + b"--b--", None), "headers of 1 MB": (b"--b\r\nX: " + b"y" * (1 << 20) + b"\r\n\r\nx\r\n--b--", None),
    "a boundary that goes on": (part(b"file", b"x", "a") + b"--bb\r\n\r\n\r\n--b--", None), "LF alone": (part(b"file", b"x", "a").replace(b"\r\n", b"\n") + b"--b--", None),
    "no file": (part(b"other", b"x", "a") + b"--b--", None), "no name": (part(b"file", b"x") + b"--b--", None), "an empty name": (part(b"file", b"x", "") + b"--b--", None),
    "NUL in a name": (part(b"file", b"x", "a\0b") + b"--b--", None), "%00": (part(b"file", b"x", "a").replace(b'filename="a"', b"filename*=utf-8''a%00b") + b"--b--", None),
    "no UTF-8": (part(b"file", b"x", b"\xff\xfe/x") + b"--b--", None), "a name of 5 kB": (part(b"file", b"x", "a" * 5000) + b"--b--", None),
    "a host's file": (part(b"file", b"x", "/etc/passwd") + b"--b--", None), "a path upwards": (part(b"file", b"x", "../../../etc/x") + b"--b--", None),
    "a folder": (part(b"file", b"x", "/") + b"--b--", None), "compressed": (b"x", "application/gzip"), "an unclosed quote": (b"x", 'multipart/form-data; boundary="b'),
}


@pytest.mark.parametrize("name", FORMS)
def test_forms_that_are_none(server, box, name):
    body, kind = FORMS[name]
    got = form(box, body, kind=kind)
    assert got.status in (400, 403, 404, 415, 503), got
    got.json()
    assert box.out("import os; print(os.listdir())") == "[]\n"


def test_forms_are_taken_as_they_are_meant(server, box):
    content = b"x--b\r\n-b\n--b\r--b--\n\r\n-\r\n--a\r\n\r\n--"  # no line of it begins with the boundary, behind CR LF
    got = form(box, b"before\r\n" + part(b"file", content, "in/one") + part(b"file", b"", 'tw"o'.replace('"', "%22")) + b"--b--\r\nbehind")
    assert got.status == 200 and [one["path"] for one in got.json()] == ["/home/user/in/one", '/home/user/tw"o'], got
    assert server.ask("GET", "/files?path=in/one", box.headers).body == content
    clean(box)


# --- compressed uploads

def gzipped(content, size=None):
    """The content as gzip, or so many MiB of it."""
    packer = zlib.compressobj(1, wbits=31)
    return b"".join(packer.compress(content) for _ in range(size or 1)) + packer.flush()


def put_packed(box, body, path="packed", encoding="gzip", kind="application/octet-stream"):
    return box.ask("POST", "/files?path=" + path, body, {"Content-Type": kind, "Content-Encoding": encoding})


BLOCK = bytes(1 << 20)
MIXED = bytes(range(256)) * 4096  # 1 MiB
PACKED = gzipped(b"packed content " * 1000)
HEAD, REST = PACKED[:10], PACKED[10:]
BROKEN = {
    "nothing": b"", "no gzip": b"plain", "a header alone": HEAD, "half a header": HEAD[:5], "half": PACKED[:60], "no trailer": PACKED[:-8], "half a trailer": PACKED[:-1],
    "another sum": PACKED[:-8] + bytes(4) + PACKED[-4:], "another length": PACKED[:-4] + bytes(4), "a byte behind": PACKED + b"\0", "two files": PACKED * 2,
    "zlib": zlib.compress(b"x"), "raw": zlib.compress(b"x")[2:-4], "flags that aren't there": HEAD[:3] + b"\xe0" + PACKED[4:], "another method": HEAD[:2] + b"\x07" + PACKED[3:],
    "a name without end": HEAD[:3] + b"\x08" + HEAD[4:] + b"x" * 100_000, "more fields than there are": HEAD[:3] + b"\x04" + HEAD[4:] + b"\xff\xff",
    "a false sum of the header": HEAD[:3] + b"\x02" + HEAD[4:] + b"\0\0" + REST, "no such block": HEAD + b"\x07" + bytes(8), "far back": HEAD + b"\x4b\x04\xff\xff\xff" + bytes(8),
    "a dictionary": b"\x78\x20" + bytes(10), "bits changed": PACKED[:30] + b"\xff" * 20 + PACKED[50:],
}


@pytest.mark.parametrize("name", BROKEN)
def test_what_is_broken_gzip_is_refused_and_leaves_nothing(server, box, name):
    box.put("kept", b"as it was")
    for path in ("packed", "kept"):
        got = put_packed(box, BROKEN[name], path)
        assert got.status == 400 and "inflate" in got.json()["message"], got
    assert box.out("import os; print(os.listdir(), open('kept').read())") == "['kept'] as it was\n"
    clean(box)


@pytest.mark.parametrize("content", [b"", b"x", MIXED * 4, MIXED * 4 + b"x", MIXED * 21], ids=len)
def test_compressed_files_arrive_as_they_were(server, box, content):
    for body in (gzipped(content), HEAD[:3] + b"\x08" + HEAD[4:] + b"name\0" + gzipped(content)[10:]):
        got = put_packed(box, body)
        assert got.status == 200 and got.json() == [{"name": "packed", "type": "file", "path": "/home/user/packed"}]
        assert box.ask("GET", "/files?path=packed").body == content
    assert box.out("import os; print(os.listdir())") == "['packed']\n"
    clean(box)


def test_a_compressed_file_that_comes_by_chunks(server, box):
    data = gzipped(MIXED)
    head = request("POST", "/files?path=packed", {**box.headers, "Content-Type": "application/octet-stream", "Content-Encoding": "gzip",
                                                  "Transfer-Encoding": "chunked"}).replace(b"Content-Length: 0\r\n", b"")
    got = server.say(head + b"".join(b"%x\r\n%s\r\n" % (len(data[start:start + 700]), data[start:start + 700]) for start in range(0, len(data), 700)) + b"0\r\n\r\n")
    assert got.status == 200 and box.ask("GET", "/files?path=packed").body == MIXED
    clean(box)


@pytest.mark.parametrize("bomb", [gzipped(BLOCK, 300), gzipped(BLOCK, 270) + b"x", HEAD + b"\0\0\0\xff\xff" * 6_000_000], ids=["300 MiB", "and broken", "blocks of nothing"])
def test_bombs(server, box, bomb):
    """None is held, none is written, and others are served meanwhile."""
    before = server.memory()
    with contextlib.ExitStack() as stack:
        lines = [stack.enter_context(server.line(timeout=60)) for _ in range(3)]
        for line in lines:
            line.send(request("POST", "/files?path=packed", {**box.headers, "Content-Type": "application/octet-stream", "Content-Encoding": "gzip"}, bomb))
        while not all(line.has_something(0) for line in lines):
            began = time.monotonic()
            assert server.ask("GET", "/health").status == 200 and time.monotonic() - began < 1
            assert server.memory() - before < 3 * len(bomb) * 2 // (1 << 20) + 60 + QUARANTINE
        assert {line.answer().status for line in lines} == ({400} if len(bomb) > 4 << 20 else {413})
    assert box.out("import os; print(os.listdir())") == "[]\n"


def test_a_bomb_within_a_bomb_is_a_file(server, box):
    inner = gzipped(BLOCK, 300)
    assert put_packed(box, gzipped(inner)).status == 200
    assert box.ask("GET", "/files?path=packed").body == inner
    clean(box)


def test_where_a_policy_gives_less_disk_less_may_come_out(new_server, module_place):
    server = new_server("--policy", module_place.policy("small", limits={"disk": "8MiB"}))
    box = server.box()
    for size, status in ((10, 413), (9, 413), (6, 200)):
        assert put_packed(box, gzipped(BLOCK, size)).status == status, size
        assert box.out("import os; print(os.listdir())") == ("['packed']\n" if status == 200 else "[]\n")
    assert put_packed(box, gzipped(BLOCK, 6), "another").status == 507  # there is no room for both
    assert box.out("import os; print(os.listdir())") == "['packed']\n"


def test_other_encodings_are_refused(server, box):
    for encoding in ("br", "deflate", "compress", "zstd", "gzip, gzip", "gzip, identity", "gzip\t,", "\xff", "x" * 5000):
        assert put_packed(box, PACKED, encoding=encoding).status == 415, encoding
    for kind in ("multipart/form-data; boundary=b", "text/plain", ""):
        assert put_packed(box, PACKED, kind=kind).status == 415, kind
    assert put_packed(box, PACKED, encoding="identity").status == 200 and box.ask("GET", "/files?path=packed").body == PACKED
    assert box.ask("POST", "/execute", PACKED, {"Content-Encoding": "gzip"}).status == 400
    clean(box)


def test_who_goes_while_a_file_is_inflated(server):
    box = server.box()
    for end in (False, True):
        with server.line() as line:
            line.send(request("POST", "/files?path=packed", {**box.headers, "Content-Type": "application/octet-stream", "Content-Encoding": "gzip"},
                              gzipped(BLOCK, 250)))
            time.sleep(0.1)
            if end:
                assert box.end() == 204
                got = line.answer()
                assert got is None or got.status in (200, 503), got
    assert server.ask("GET", "/files?path=packed", box.headers).status == 502


# --- files of others

def test_no_path_reaches_the_host(server, box, module_place):
    secret = module_place.file("secret.txt", SECRET)
    beside = module_place.file("beside-the-secret", SECRET).name
    tmp = pathlib.Path("/tmp", "cbtest-secret-%d" % os.getpid())
    tmp.write_text(SECRET)
    try:
        worker = str(server.process.pid)
        paths = [str(secret), str(tmp), str(server.token_file), "/etc/shadow", "../../etc/shadow", "/home/user/../../.." + str(secret), "/proc/self/root" + str(secret),
                 "/proc/1/root" + str(secret), "/proc/%s/environ" % worker, "/proc/self/environ", "/proc/1/environ", "/proc/%s/root%s" % (worker, secret),
                 "/proc/self/cwd/../.." + str(secret), "/dev/fd/3", "/proc/self/fd/3", "/proc/self/mem", "/proc/1/mem", "/proc/kcore", "/dev/mem", "/dev/zero",
                 "/proc/1/root", "/sys/kernel/notes", "file://" + str(secret), "~/" + secret.name]
        box.out("import os\nfor n, p in enumerate(%r): os.symlink(p, 'link%%d' %% n)\nos.symlink('/proc/1/root', 'root')\nos.symlink('/', 'up')\nos.mkfifo('fifo')" % paths)
        paths += ["link%d" % number for number in range(len(paths))] + ["root" + str(secret), "up" + str(secret), "fifo", "link0/../../.." + str(secret)]
        for path in paths:
            got = server.ask("GET", "/files?path=" + path, box.headers)
            assert got.status in (200, 400, 403, 404, 503), (path, got)
            for word in (SECRET, TOKEN, "hunter2"):
                assert word.encode() not in got.body, path
            for method in ("ListDir", "Stat"):
                found = box.call("filesystem.Filesystem/" + method, {"path": path})
                assert found.status in (200, 400, 403, 404, 409, 503) and beside.encode() not in found.body
        for path in paths:
            assert box.put(path, b"overwritten").status in (200, 400, 403, 404, 503, 507), path
            box.call("filesystem.Filesystem/Move", {"source": path, "destination": "moved"})
            box.call("filesystem.Filesystem/Remove", {"path": path})
        assert secret.read_text() == SECRET and tmp.read_text() == SECRET and server.token_file.read_text().strip() == TOKEN
        for folder in ("/", "/tmp", "/home", "/root", str(module_place.root)):
            got = box.call("filesystem.Filesystem/ListDir", {"path": folder, "depth": 3})
            assert beside.encode() not in got.body and tmp.name.encode() not in got.body
    finally:
        tmp.unlink()
    clean(box)


def test_nothing_is_left_of_a_long_file_whose_place_is_taken(server, box):
    box.out("import os; os.mkdir('taken')")
    assert box.put("taken", b"x" * (20 << 20)).status >= 400
    assert box.out("print(os.listdir()); os.rmdir('taken')") == "['taken']\n"


def test_a_file_that_is_swapped_for_a_link(server, box, module_place):
    secret = module_place.file("secret.txt", SECRET)
    line = box.begin("import os\nwhile True:\n    for t in ('ok', %r):\n        try: os.symlink(t, 'n')\n        except OSError: pass\n        os.replace('n', 'swapped')" % str(secret))
    try:
        for _ in range(100):
            assert SECRET.encode() not in server.ask("GET", "/files?path=swapped", box.headers).body
            box.put("swapped", b"mine")
        assert secret.read_text() == SECRET
    finally:
        line.close()
    clean(box)


# --- commands

def test_processes_that_arent_there(server, box):
    for process in ({"pid": 1}, {"pid": server.process.pid}, {"pid": 0}, {"pid": 2**63}, {"tag": ""}, {"tag": "x"}, {}):
        for method, message in (("SendInput", {"input": {"stdin": "eA=="}}), ("SendSignal", {"signal": "SIGNAL_SIGKILL"}), ("CloseStdin", {})):
            assert box.call("process.Process/" + method, {"process": process, **message}).status == 404
        assert box.stream("process.Process/Connect", {"process": process}).error() == "not_found"
    assert box.call("process.Process/SendInput", {"process": {"pid": 1}, "input": {"stdin": "no base64!"}}).status == 400


def test_1000_commands_at_once(server, box):
    lines = []
    try:
        for _ in range(1000):
            lines.append(server.line())
            lines[-1].send(box.bytes_of("/process.Process/Start", envelope({"process": {"cmd": "/bin/sleep", "args": ["1000"]}}),
                                        {"Content-Type": "application/connect+json"}))
        refused = []

        def are_answered():
            for line in [line for line in lines if line.has_something(0) and line not in refused]:
                refused.append(line)
            return len(refused) == 1000
        wait(are_answered, 30)
        assert len(box.call("process.Process/List", {}).json()["processes"]) <= 16
    finally:
        for line in lines:
            line.close()
    for one in box.call("process.Process/List", {}).json()["processes"]:
        box.call("process.Process/SendSignal", {"process": {"pid": one["pid"]}, "signal": "SIGNAL_SIGKILL"})
    wait(lambda: not box.call("process.Process/List", {}).json()["processes"])


def test_variables(server, box):
    for envs in ({"A\0B": "c"}, {"A": "b\0c"}, {"A=B": "c"}, {"": "c"}, {"=": ""}):
        end, out = box.command("/usr/bin/env", envs=envs)
        assert end == "exit status 0" and b"\nB" not in out and b"hunter2" not in out or isinstance(end, dict), (envs, end, out)
        got = box.ask("POST", "/execute", {"code": "1", "env_vars": envs})
        assert got.status in (200, 400), got
        assert server.ask("POST", "/v2/sandboxes", KEY, {"envVars": envs, "timeout": 0}).status == 400
    end, out = box.command("/usr/bin/env", envs={"LD_PRELOAD": "/no/such.so", "PATH": "", "PYTHONPATH": "/"})
    assert b"hunter2" not in out
    end, out = box.command("/bin/echo", "a", envs={"LD_PRELOAD": "/no/such.so"})
    assert out == b"a\n" and end == "exit status 0"


def test_too_much_input_for_a_command_is_refused(server, box):
    with server.line() as line:
        line.send(box.bytes_of("/process.Process/Start", envelope({"process": {"cmd": "/bin/sleep", "args": ["1000"]}, "tag": "s"}),
                               {"Content-Type": "application/connect+json"}))
        assert line.head().status == 200
        statuses = [box.call("process.Process/SendInput", {"process": {"tag": "s"}, "input": {"stdin": base64.b64encode(bytes(2 << 20)).decode()}}).status
                    for _ in range(15)]
        assert statuses[0] == 200 and statuses[-1] == 429
    assert box.call("process.Process/SendSignal", {"process": {"tag": "s"}, "signal": "SIGNAL_SIGKILL"}).status == 200
    wait(lambda: not box.call("process.Process/List", {}).json()["processes"])


# --- contexts

def test_contexts_are_bounded_and_may_come_and_go(server, box):
    with server.line(timeout=60) as line:
        for _ in range(3000):
            line.send(request("POST", "/contexts", box.headers, {"cwd": "/tmp"}))
            made = line.answer().json()["id"]
            line.send(request("DELETE", "/contexts/" + made, box.headers))
            assert line.answer().status == 204
    made = [box.ask("POST", "/contexts", {}) for _ in range(40)]
    assert {one.status for one in made} == {200, 429} and len(box.ask("GET", "/contexts").json()) == 32
    for one in made:
        if one.status == 200:
            assert box.ask("DELETE", "/contexts/" + one.json()["id"]).status == 204


def test_the_first_context_may_be_restarted_and_removed(server):
    box = server.box()
    (first,) = box.ask("GET", "/contexts").json()
    box.out("x = 1")
    with box.begin(SLEEPS) as line:
        assert line.head().status == 200
        waiting = box.begin("print(1)")
        assert waiting.head().status == 200
        assert box.ask("POST", "/contexts/%s/restart" % first["id"]).status == 200
    waiting.close()
    assert "NameError" in str(box.run("x"))
    assert box.ask("DELETE", "/contexts/" + first["id"]).status == 204 and box.ask("GET", "/contexts").json() == []
    assert box.ask("POST", "/execute", {"code": "1"}).status == 404
    made = box.ask("POST", "/contexts", {}).json()["id"]
    assert box.run("print(2)", context_id=made)[0] == "2\n"
    assert box.end() == 204


def test_65_executions_at_once(server, box):
    lines = [box.begin(SLEEPS)]
    lines[0].head()
    lines += [box.begin("print(1)") for _ in range(70)]
    statuses = sorted(line.head().status for line in lines[1:])
    assert statuses == [200] * 63 + [429] * 7
    for line in reversed(lines):
        line.close()


# --- cells that attack

@pytest.mark.parametrize("code", [
    "import os, signal; os.kill(os.getpid(), 9)", "import os; os._exit(3)", "import os; os.close(0)\nfor n in range(1, 200):\n    try: os.close(n)\n    except OSError: pass\n",
    "import os\nfor n in range(3, 64):\n    try: os.write(n, b'\\xff' * 100_000)\n    except OSError: pass", "x = []\nwhile True: x.append(bytes(1 << 24))",
    "import os, time\nfor _ in range(50):\n    if os.fork() == 0: time.sleep(1000)", "import os\nwhile True:\n    try: os.fork()\n    except OSError: break", "import sys\nfor _ in range(1024): sys.stdout.write('x' * (1 << 20))",
    "import sys\nwhile True: sys.stderr.write('y')",
], ids=["SIGKILL", "exit", "closes all", "writes to all", "memory", "forks", "fork bomb", "1 GB", "flood of letters"])
def test_cells_that_attack(server, box, code):
    before = server.memory()
    victim = server.box()
    with victim.begin(code) as line:
        began = time.monotonic()
        assert box.out("print(1)") == "1\n" and time.monotonic() - began < 10
        if "while True: sys" not in code:
            got = line.answer()
            assert got.whole and got.lines()[-1] == {"type": "end_of_execution"}, got
        else:
            time.sleep(1)
    assert server.memory() - before < GROWTH
    tree = server.descendants()
    assert victim.end() == 204
    wait(lambda: len(leftovers.living(tree)) < len(tree), 20)


# --- the server's end

def test_kill_9_leaves_nothing_and_another_begins_at_once(new_server):
    server = new_server()
    box = server.box()
    with box.begin(SLEEPS) as line:
        assert line.has_something(10)
        server.kill()
        assert not line.answer().whole
    assert os.path.exists(server.socket)
    again = Serving(kernels.PROGRAM, server.place)
    try:
        assert again.lives() and again.ask("POST", "/execute", box.headers, {"code": "1"}).status == 502
        assert again.box().out("print(1)") == "1\n"
    finally:
        again.stop()


def test_sigterm_ends_what_runs_in_an_ordinary_way(new_server):
    server = new_server()
    box = server.box()
    with box.begin(SLEEPS) as line, box.begin("print(2)") as waiting, server.line() as half, server.line() as create, server.line() as command:
        half.send(request("POST", "/files?path=a", {**box.headers, "Expect": "100-continue", "Content-Type": "application/octet-stream"}, b"x" * 9)[:-5])
        assert half.head().status == 100
        assert line.has_something(10)
        command.send(box.bytes_of("/process.Process/Start", envelope({"process": {"cmd": "/bin/sleep", "args": ["99"]}}), {"Content-Type": "application/connect+json"}))
        assert command.has_something(10)
        time.sleep(0.5)
        create.send(request("POST", "/v2/sandboxes", KEY, {}))
        time.sleep(0.02)
        server.process.send_signal(signal.SIGTERM)
        with contextlib.suppress(ConnectionError):
            half.send(b"x" * 5)
        got = line.answer()
        # A reply without its end: clients look for the sandbox then, and say that it's gone.
        assert not got.whole and [one for one in got.lines() if one["type"] in ("error", "end_of_execution")] == []
        assert not waiting.answer().whole
        assert command.answer().error() == "unavailable"
        assert create.answer().status in (201, 503)
    assert server.process.wait(10) == 0
    server.stop()


def test_sandboxes_end_at_their_time(server):
    box = server.box(timeout=5)  # starting counts, which takes a second on a busy machine
    with box.begin(SLEEPS) as line:
        got = line.answer()
        told = [one["type"] for one in got.lines() if one["type"] != "keepalive"]
        assert not got.whole and told == ["number_of_executions", "stdout"]
    assert server.ask("GET", "/health", box.headers).status == 502
    assert server.ask("GET", "/sandboxes/" + box.id, KEY).status == 404 and box.end() == 404
    assert server.ask("POST", "/execute", box.headers, {"code": "1"}).status == 502


def test_a_sandbox_that_is_killed_tells_all_who_wait(server):
    box = server.box()
    with contextlib.ExitStack() as stack:
        lines = [stack.enter_context(box.begin(SLEEPS)) for _ in range(5)]
        upload = stack.enter_context(server.line())
        upload.send(request("POST", "/files?path=big", {**box.headers, "Content-Type": "application/octet-stream"}, b"x" * (60 << 20)))
        listing = stack.enter_context(server.line())
        listing.send(box.bytes_of("/filesystem.Filesystem/ListDir", {"path": "/", "depth": 32}, {"Content-Type": "application/json"}))
        time.sleep(0.3)
        assert box.end() == 204
        assert not any(line.answer().whole for line in lines)  # each ends at once
        assert upload.answer().status in (200, 503)
        found = listing.answer()
        assert found is None or found.status in (200, 429, 503)


def test_more_sandboxes_than_there_may_be(new_server):
    server = new_server("--sandboxes", "2")
    boxes = [server.box(), server.box()]
    got = server.ask("POST", "/v2/sandboxes", KEY, {})
    assert got.status == 429 and b"--sandboxes" in got.body
    assert boxes[0].end() == 204 and server.box().out("print(1)") == "1\n"


def test_many_create_at_once(new_server):
    server = new_server("--sandboxes", "5")
    found = []

    def create():
        found.append(server.ask("POST", "/v2/sandboxes", KEY, {}).status)
    threads = [threading.Thread(target=create) for _ in range(40)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert sorted(found) == [201] * 5 + [429] * 35


# --- how it begins

def refused(place, *options, status=2):
    done = subprocess.run(place.as_user([str(kernels.PROGRAM), "serve", *options]), env=place.environment(), cwd=place.root, stdin=subprocess.DEVNULL,
                          capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == status, done
    return done.stderr


def test_a_header_that_never_ends_was_ended_in_its_time(server, endless_header):
    thread, told = endless_header
    thread.join(60)
    ((status, has_ended, seconds),) = told
    assert status == 408 and has_ended and 14 < seconds < 25


def test_a_server_without_a_token_of_its_own_does_not_begin(server, module_place):
    good = str(server.token_file)
    assert "--token-file" in refused(module_place, "--listen", "127.0.0.1:0")
    assert "--listen" in refused(module_place)
    path = module_place.file("other-token", TOKEN)
    path.chmod(0o644)
    assert "chmod 600" in refused(module_place, "--listen", "127.0.0.1:0", "--token-file", str(path))
    for text in ("", "short", "two words of a long token", "x" * 5000, "tökentökentökentöken", "two\nlines-of-a-long-token"):
        path.write_text(text)
        path.chmod(0o600)
        if module_place.user:
            subprocess.run(["chown", module_place.user, path], check=True)
        said = refused(module_place, "--listen", "127.0.0.1:0", "--token-file", str(path))
        assert "openssl rand" in said and "> " not in said  # nobody is told to write over a file
    for file in ("/no/such/file", str(module_place.root), "/dev/null"):
        said = refused(module_place, "--listen", "127.0.0.1:0", "--token-file", file)
        assert file in said and ("> " + file in said) == (file == "/no/such/file")
    for address in ("127.0.0.1", "127.0.0.1:", "127.0.0.1:99999", "no.such.host:1", "unix:relative", "unix:", "unix:/" + "a" * 200, "unix:/no/such/folder/s",
                    "unix:" + good, "127.0.0.1:%d" % server.port):
        assert address in refused(module_place, "--listen", address, "--token-file", good, status=1)


def test_two_servers_on_one_path(server, module_place):
    assert "another server" in refused(module_place, "--listen", "unix:" + server.socket, status=1)
    with server.line(unix=True) as line:
        line.send(HEALTH)
        assert line.answer().body == b"OK"
    assert os.stat(server.socket).st_mode & 0o777 == 0o600
