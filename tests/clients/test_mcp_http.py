"""`cellblock serve`: the Model Context Protocol over HTTP, request by request, in both of its eras."""

import base64
import http.client
import json
import pathlib
import secrets
import signal
import socket
import subprocess
import threading
import time

import pytest
from support import kernels, leftovers
from support.certificates import Authority

pytestmark = pytest.mark.cellblock_only("a command of cellblock")
PREFIX = "io.modelcontextprotocol/"
META = {PREFIX + "protocolVersion": "2026-07-28", PREFIX + "clientInfo": {"name": "t", "version": "1"}, PREFIX + "clientCapabilities": {}}
TOOLS = {"execute_code", "reset", "list_files", "read_file", "write_file"}


class Answer:
    """A reply: its status, its headers, and the message in it, of JSON or of one event."""

    def __init__(self, response):
        self.status, self.headers, self.bytes = response.status, response.headers, response.read()
        self.type = response.headers.get("Content-Type", "")
        text = self.bytes.decode()
        if self.type == "text/event-stream":
            lines = [line for line in text.split("\n") if line and not line.startswith(":")]
            assert lines[0] == "event: message" and lines[1].startswith("data: ") and len(lines) == 2, text
            text = lines[1][6:]
        self.message = json.loads(text) if text else None

    @property
    def result(self):
        assert self.status == 200 and "result" in self.message, (self.status, self.bytes)
        return self.message["result"]

    @property
    def error(self):
        return self.status, self.message["error"]["code"]


class Server:
    """`authority`: one that signs its certificate; then it speaks TLS, on TCP alone."""

    def __init__(self, place, *options, token=True, authority=None):
        self.token = secrets.token_hex(16)
        file = place.secret_file("token-" + self.token[:8], self.token + "\n")
        self.path = str(place.root / "run" / ("s-" + self.token[:8]))
        self.tls = authority and authority.client()
        listen = [] if authority else ["--listen", "unix:" + self.path]
        listen += ["--listen", "127.0.0.1:0", "--token-file", str(file)] if token else []
        if authority:
            certificate, key = (pathlib.Path(one).read_text() for one in authority.pair("IP:127.0.0.1"))
            listen += ["--tls-cert", str(place.file("tls.pem", certificate)), "--tls-key", str(place.secret_file("tls.key", key))]
        self.process = subprocess.Popen(place.as_user([str(kernels.PROGRAM), "serve", *listen, *options]), stdin=subprocess.DEVNULL,
                                        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=place.environment(), cwd=place.root)
        self.port = None
        for _ in range(listen.count("--listen")):
            line = self.process.stdout.readline()
            assert line.startswith("listening on "), line + self.process.stderr.read()
            self.port = int(line.rpartition(":")[2]) if ("https://" if authority else "http://") in line else self.port

    def connect(self):
        if self.tls:
            return http.client.HTTPSConnection("127.0.0.1", self.port, timeout=60, context=self.tls)
        connection = http.client.HTTPConnection("127.0.0.1", self.port or 0, timeout=60)
        if self.port is None:
            connection.sock = socket.socket(socket.AF_UNIX)
            connection.sock.connect(self.path)
        return connection

    def begin(self, body, headers=None, method="POST", path="/mcp"):
        """A request that was sent; a header that is None isn't."""
        headers = {"Authorization": "Bearer " + self.token, "Content-Type": "application/json", "Accept": "application/json, text/event-stream",
                   **(headers or {})}
        connection = self.connect()
        data = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
        connection.request(method, path, data, {name: value for name, value in headers.items() if value is not None})
        return connection

    def send(self, body, headers=None, method="POST", path="/mcp"):
        connection = self.begin(body, headers, method, path)
        try:
            return Answer(connection.getresponse())
        finally:
            connection.close()

    def stop(self, number=signal.SIGTERM):
        try:
            self.process.send_signal(number)
            self.process.wait(30)
        finally:
            self.process.kill()
            self.process.wait(30)
            self.process.stdout.close()
            self.process.stderr.close()

    # --- 2026-07-28

    def modern(self, method, params=None, number=1, **headers):
        body = {"jsonrpc": "2.0", "id": number, "method": method, "params": {**(params or {}), "_meta": META}}
        return body, modern_headers(method, params, **headers)

    def ask(self, method, params=None, **headers):
        return self.send(*self.modern(method, params, **headers))

    def call(self, tool, **arguments):
        return self.ask("tools/call", {"name": tool, "arguments": arguments}).result

    def run(self, code, session="default"):
        return text_of(self.call("execute_code", code=code, session=session))


class Session:
    """A client that begins with `initialize`."""

    def __init__(self, server, version="2025-11-25"):
        self.server, self.last = server, 0
        params = {"protocolVersion": version, "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}}
        begun = server.send({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": params})
        self.id, self.result = begun.headers.get("Mcp-Session-Id"), begun.result
        self.headers = {"Mcp-Session-Id": self.id, "MCP-Protocol-Version": version}

    def request(self, method, params=None):
        self.last += 1
        return {"jsonrpc": "2.0", "id": self.last, "method": method, **({} if params is None else {"params": params})}

    def ask(self, method, params=None, **headers):
        return self.server.send(self.request(method, params), {**self.headers, **headers})

    def notify(self, method, params=None):
        return self.server.send({"jsonrpc": "2.0", "method": method, "params": params or {}}, self.headers)

    def begin_call(self, code):
        request = self.request("tools/call", {"name": "execute_code", "arguments": {"code": code}})
        return request["id"], self.server.begin(request, self.headers)

    def run(self, code, **more):
        return text_of(self.ask("tools/call", {"name": "execute_code", "arguments": {"code": code, **more}}).result)

    def end(self):
        return self.server.send(None, self.headers, "DELETE")


def modern_headers(method, params=None, **more):
    headers = {"MCP-Protocol-Version": "2026-07-28", "Mcp-Method": method}
    name = {"tools/call": "name", "resources/read": "uri"}.get(method)
    if name:
        headers["Mcp-Name"] = params[name]
    return {**headers, **{key.replace("_", "-"): value for key, value in more.items()}}


def text_of(result):
    return "".join(one["text"] for one in result["content"] if one["type"] == "text")


@pytest.fixture(scope="module")
def started(user_place):
    made = Server(user_place)
    yield made
    made.stop()


@pytest.fixture
def server(started):
    yield started
    assert started.run("6 * 7") == "42\n"


@pytest.fixture
def own(place):
    """own(option, …) gives a server of the test's own."""
    made = []

    def start(*options, **more):
        made.append(Server(place, *options, **more))
        return made[-1]

    yield start
    for one in made:
        one.stop()


# --- who may ask

@pytest.mark.parametrize("headers, status", [
    ({"Authorization": None}, 401), ({"Authorization": "Bearer wrong"}, 401), ({"Authorization": "Basic wrong"}, 401),
    ({"Authorization": None, "X-API-KEY": "wrong"}, 401), ({"Origin": "http://evil.example"}, 403), ({"Origin": "null"}, 403),
    ({"Origin": "http://localhost.evil.example:80"}, 403), ({"Origin": "http://127.0.0.1.evil.example"}, 403), ({"Origin": "http://[::2]"}, 403),
    ({"Origin": "http://localhost:6274"}, 200), ({"Origin": "https://127.0.0.1"}, 200), ({"Origin": "http://[::1]:80"}, 200),
    ({"Origin": "http://evil.example", "Authorization": None}, 403), ({"Host": "proxy.example"}, 200),
], ids=str)
def test_tokens_and_origins(server, headers, status):
    answer = server.ask("tools/list", **headers)
    assert answer.status == status
    assert ("WWW-Authenticate" in answer.headers) == (status == 401) and (status == 200 or "error" in answer.message)


def test_the_token_as_an_api_key(server):
    assert server.ask("tools/list", Authorization=None, **{"X-API-KEY": server.token}).status == 200


def test_without_a_token_the_host_is_this_machine(own):
    server = own(token=False)
    for host, status in (("localhost", 200), ("127.0.0.1:80", 200), ("[::1]:80", 200), ("[::1]", 200), ("evil.example", 403), ("", 403)):
        assert server.ask("tools/list", Authorization=None, Host=host).status == status, host
    assert server.run("1 + 1") == "2\n"


# --- what HTTP asks of a message

def test_other_methods_and_types(server):
    for method in ("GET", "PUT", "PATCH", "OPTIONS"):
        answer = server.send(None, method=method)
        assert answer.status == 405 and answer.headers["Allow"] == "POST, DELETE", method
    assert server.send(None, {"MCP-Protocol-Version": "2026-07-28"}, "DELETE").status == 405
    assert server.ask("tools/list", Content_Type="text/plain").status == 415 and server.ask("tools/list", Content_Type=None).status == 415
    assert server.ask("tools/list", Accept="text/html").status == 406
    for accept, given in (("application/json", "application/json"), ("application/json, text/event-stream", "application/json"), ("*/*", "application/json"),
                          (None, "application/json"), ("text/event-stream", "text/event-stream"), ("Text/Event-Stream;q=1", "text/event-stream")):
        answer = server.ask("tools/list", Accept=accept)
        assert answer.type == given and {one["name"] for one in answer.result["tools"]} == TOOLS


@pytest.mark.parametrize("body, code", [(b"rubbish", -32700), (b"[1]", -32600), (b"", -32700), (b"\xff", -32700), (b"[" * 100_000, -32600),
                                        (b'{"a":' * 1000, -32700), (b'{"jsonrpc": "1.0", "id": 7, "method": "ping"}', -32600),
                                        (b'{"jsonrpc": "2.0", "id": {}, "method": "ping"}', -32600)], ids=lambda one: str(one)[:30])
def test_bad_messages(server, body, code):
    for headers in ({}, {"MCP-Protocol-Version": "2026-07-28"}):
        assert server.send(body, headers).error == (400, code)


def test_bodies_are_bounded(server):
    for token, length, status in ((server.token, 33 << 20, 413), ("wrong", 65 << 10, 413), ("wrong", 1 << 10, 401)):
        connection = server.connect()
        connection.putrequest("POST", "/mcp")
        for name, value in (("Authorization", "Bearer " + token), ("Content-Length", str(length))):
            connection.putheader(name, value)
        connection.endheaders(b"x" * length if length < 2048 else None)
        assert connection.getresponse().status == status
        connection.close()
    assert "limits.code" in server.run("#" * (20 << 20))


# --- 2026-07-28

def test_the_stateless_era(server):
    found = server.ask("server/discover")
    assert found.result["supportedVersions"] == ["2026-07-28"] and found.result["resultType"] == "complete"
    assert "Mcp-Session-Id" not in found.headers
    listed = server.ask("tools/list").result
    assert {one["name"] for one in listed["tools"]} == TOOLS and listed["ttlMs"] == 0 and listed["cacheScope"]
    result = server.call("execute_code", code="import matplotlib.pyplot as plt\nprint('on')\nplt.plot([1, 4]); plt.show()\nx = 7")
    text, image = result["content"]
    assert text["text"] == "on\n" and base64.b64decode(image["data"]).startswith(b"\x89PNG") and result["resultType"] == "complete"
    assert server.run("x") == "7\n" and "NameError" in server.run("x", session="other")
    assert server.call("execute_code", code="1/0")["isError"]


@pytest.mark.parametrize("change, error", [
    ({"MCP-Protocol-Version": None}, (400, -32020)), ({"MCP-Protocol-Version": "2025-11-25"}, (400, -32020)), ({"MCP-Protocol-Version": "2030-01-01"}, (400, -32020)),
    ({"Mcp-Method": None}, (400, -32020)), ({"Mcp-Method": "tools/list"}, (400, -32020)), ({"Mcp-Method": "Tools/Call"}, (400, -32020)),
    ({"Mcp-Name": None}, (400, -32020)), ({"Mcp-Name": "reset"}, (400, -32020)), ({"Mcp-Name": "=?base64?cmVzZXQ=?="}, (400, -32020)),
    ({"Mcp-Name": "=?base64?ZXhlY3V0ZV9jb2Rl!?="}, (400, -32020)), ({"Mcp-Name": "=?base64?ZXhlY3V0ZV9jb2Rl?="}, None), ({"Mcp-Session-Id": "any"}, None),
], ids=str)
def test_headers_say_what_the_body_says(server, change, error):
    answer = server.ask("tools/call", {"name": "execute_code", "arguments": {"code": "'ran'"}}, **change)
    assert answer.error == error if error else text_of(answer.result) == "'ran'\n"


def test_headers_that_come_twice(server):
    for name, values in (("Mcp-Method", ["tools/list", "tools/list"]), ("MCP-Protocol-Version", ["2026-07-28"] * 2)):
        body, headers = server.modern("tools/list")
        connection = server.connect()
        connection.putrequest("POST", "/mcp")
        data = json.dumps(body).encode()
        for key, value in {"Authorization": "Bearer " + server.token, "Content-Type": "application/json", "Content-Length": str(len(data)), **headers}.items():
            if key != name:
                connection.putheader(key, value)
        for value in values:
            connection.putheader(name, value)
        connection.endheaders(data)
        assert Answer(connection.getresponse()).error == (400, -32020)
        connection.close()


def test_versions_and_methods_that_arent_there(server):
    body, headers = server.modern("tools/list", MCP_Protocol_Version="2030-01-01")
    body["params"]["_meta"] = {**META, PREFIX + "protocolVersion": "2030-01-01"}
    answer = server.send(body, headers)
    assert answer.error == (400, -32022) and answer.message["error"]["data"] == {"supported": ["2026-07-28"], "requested": "2030-01-01"}
    assert server.send({"jsonrpc": "2.0", "id": 1, "method": "ping"}, {"MCP-Protocol-Version": "2030-01-01"}).error == (400, -32022)
    for method in ("no/such", "initialize", "ping"):
        assert server.ask(method).error == (404, -32601), method
    assert server.ask("tools/call", {"name": "no_such"}).error == (400, -32602)
    assert server.ask("resources/read", {"uri": "cellblock://output/999"}).error == (400, -32602)
    for missing in ("protocolVersion", "clientCapabilities"):
        body, headers = server.modern("tools/list")
        body["params"]["_meta"] = {key: value for key, value in META.items() if key != PREFIX + missing}
        assert server.send(body, headers).error == (400, -32602)


def test_notifications_and_answers(server):
    headers = {"MCP-Protocol-Version": "2026-07-28"}
    told = server.send({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 1}}, headers)
    assert told.status == 202 and told.bytes == b""
    assert server.send({"jsonrpc": "2.0", "id": 1, "result": {}}, headers).status == 400


def test_a_connection_that_closes_interrupts_its_cell_and_no_other(server):
    slow = "import os, time\nopen('at', 'a').write('x')\ntime.sleep(60)"
    server.run("1", session="c")
    running = [server.begin(*server.modern("tools/call", {"name": "execute_code", "arguments": {"code": slow, "session": "c"}})) for _ in range(2)]
    other = server.begin(*server.modern("tools/call", {"name": "execute_code", "arguments": {"code": "'other'", "session": "c"}}))
    assert leftovers.wait_until(lambda: text_of(server.call("list_files", session="c")) == "at  1\n", 30)
    begun = time.monotonic()
    running[1].close()  # waits, and has the same id as the one that runs
    running[0].close()
    assert text_of(Answer(other.getresponse()).result) == "'other'\n" and time.monotonic() - begun < 20
    other.close()
    assert server.run("len(open('at').read())", session="c") == "1\n"
    server.call("reset", session="c")


def test_a_slow_answer_isnt_silent(server):
    code = "import time; time.sleep(17); 'late'"
    begun = [(session, accept, first, server.begin(*server.modern(
        "tools/call", {"name": "execute_code", "arguments": {"code": code, "session": session}}, Accept=accept)))
        for session, accept, first in (("late", "application/json", b"\n"), ("later", "text/event-stream", b":\n\n"))]
    for session, accept, first, connection in begun:
        response = connection.getresponse()
        assert response.headers["Content-Type"] == accept and response.headers.get("Content-Length") is None
        assert response.peek(1)[:1] == first[:1]
        assert text_of(Answer(response).result) == "'late'\n"
        connection.close()
        server.call("reset", session=session)


# --- progress

def events_of(connection):
    """The messages of a reply that is a stream of events."""
    response = connection.getresponse()
    assert (response.status, response.headers["Content-Type"]) == (200, "text/event-stream")
    found = [json.loads(line.removeprefix("data: ")) for line in response.read().decode().split("\n") if line.startswith("data: ")]
    connection.close()
    return found


SLOW = "import time\nfor n in range(3):\n    print('step', n, flush=True)\n    time.sleep(1)\n'over'"


def test_progress_comes_as_events_before_the_answer(server):
    body, headers = server.modern("tools/call", {"name": "execute_code", "arguments": {"code": SLOW, "session": "p"}})
    body["params"]["_meta"] = {**META, "progressToken": "t"}
    *told, answer = events_of(server.begin(body, headers))
    assert answer["id"] == 1 and text_of(answer["result"]).endswith("'over'\n") and answer["result"]["resultType"] == "complete"
    assert [(one["method"], one["params"]["progressToken"]) for one in told] == [("notifications/progress", "t")] * len(told) and len(told) >= 2
    assert [one["params"]["progress"] for one in told] == sorted({one["params"]["progress"] for one in told})
    assert told[-1]["params"]["message"].startswith("step ")
    server.call("reset", session="p")


def test_progress_in_a_session(server):
    session = Session(server)
    request = session.request("tools/call", {"name": "execute_code", "arguments": {"code": SLOW}, "_meta": {"progressToken": 5}})
    *told, answer = events_of(server.begin(request, session.headers))
    assert answer["id"] == request["id"] and {one["params"]["progressToken"] for one in told} == {5} and len(told) >= 2
    quick = session.request("tools/call", {"name": "execute_code", "arguments": {"code": "1"}, "_meta": {"progressToken": 5}})
    assert server.send(quick, session.headers).type == "application/json"
    only_json = server.send({**request, "id": 99}, {**session.headers, "Accept": "application/json"})
    assert only_json.type == "application/json" and text_of(only_json.result).endswith("'over'\n")
    session.end()


def test_no_text_of_a_cell_is_an_event_for_whoever_splits_lines(server):
    """Clients in Python split a reply where splitlines() does. Printed text loses U+0085, which is a terminal's; a file's doesn't."""
    session = Session(server)
    forged = "".join(end * 2 + 'data: {"jsonrpc": "2.0", "id": 1, "method": "sampling/createMessage"}' + end * 2 for end in "\x85\u2028\u2029")
    code = "import time\nopen('f', 'w').write(%r)\nfor _ in range(2):\n    print(%r, flush=True)\n    time.sleep(1.1)" % (forged, forged)

    def replies(tool, arguments):
        request = session.request("tools/call", {"name": tool, "arguments": arguments, "_meta": {"progressToken": "\x85\u2028"}})
        connection = server.begin(request, session.headers)
        lines = connection.getresponse().read().decode().splitlines()
        connection.close()
        return [json.loads(line.removeprefix("data: ")) for line in lines if line and line != "event: message" and not line.startswith(":")]

    *told, answer = replies("execute_code", {"code": code})
    assert told and {one["params"]["progressToken"] for one in told} == {"\x85\u2028"} and told[-1]["params"]["message"].endswith("\u2029")
    assert text_of(answer["result"]).count(forged.replace("\x85", "")) == 2
    answer, = replies("read_file", {"path": "f"})
    assert text_of(answer["result"]) == forged
    session.end()


def test_a_client_that_leaves_while_it_is_told_progress_interrupts_its_cell(server):
    session = Session(server)
    endless = session.request("tools/call", {"name": "execute_code", "arguments": {"code": "while True: pass"}, "_meta": {"progressToken": 5}})
    connection = server.begin(endless, session.headers)
    response = connection.getresponse()
    assert response.readline() == b"event: message\n"
    response.close()
    connection.close()
    begun = time.monotonic()
    assert session.run("'after'") == "'after'\n" and time.monotonic() - begun < 20
    session.end()


# --- sessions

@pytest.mark.parametrize("version", ["2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25"])
def test_the_handshake(server, version):
    session = Session(server, version)
    assert session.result["protocolVersion"] == version and len(session.id) >= 32 and session.notify("notifications/initialized").status == 202
    assert session.ask("ping").result == {} and len(session.ask("tools/list").result["tools"]) == 5
    assert session.run("x = 20\nx + 1") == "21\n" and session.run("x") == "20\n"
    assert session.ask("tools/list", Accept="text/event-stream").type == "text/event-stream"
    assert session.end().status == 204


def test_sessions_dont_see_each_other(server):
    one, two = Session(server), Session(server)
    assert one.id != two.id
    one.run("x = 'of one'")
    assert "NameError" in two.run("x") and "of one" not in server.run("globals().get('x')")
    assert one.run("x") == "'of one'\n"
    one.end(), two.end()


def test_a_session_is_named(server):
    session = Session(server)
    ping = {"jsonrpc": "2.0", "id": 1, "method": "ping"}
    assert server.send(ping).status == 400 and server.send(ping, {"MCP-Protocol-Version": "2025-11-25"}).status == 400
    assert server.send(ping, {"Mcp-Session-Id": session.id[:-1] + "g"}).status == 404
    assert server.send(ping, {"Mcp-Session-Id": session.id}).result == {}
    assert server.send(ping, {"Mcp-Session-Id": session.id, "MCP-Protocol-Version": "1999-01-01"}).status == 400
    assert server.send(ping, {"Mcp-Session-Id": session.id, "Authorization": None}).status == 401
    assert server.send(None, {}, "DELETE").status == 400 and server.send(None, {"Mcp-Session-Id": "none"}, "DELETE").status == 404
    assert session.end().status == 204 and session.end().status == 404 and server.send(ping, {"Mcp-Session-Id": session.id}).status == 404
    assert session.notify("notifications/initialized").status == 404


def test_errors_of_a_session_come_with_status_200(server):
    session = Session(server)
    answer = session.ask("no/such")
    assert answer.error == (200, -32601) and session.ask("tools/call", {"name": "none"}).error == (200, -32602)
    assert server.send({"jsonrpc": "2.0", "id": 7, "result": {}}, session.headers).status == 202
    session.end()


def test_a_cancelled_call_is_interrupted(server):
    session = Session(server)
    session.run("1")
    number, connection = session.begin_call("import time; time.sleep(60)")
    time.sleep(0.5)
    assert session.notify("notifications/cancelled", {"requestId": number}).status == 202
    answer = Answer(connection.getresponse())
    assert answer.error == (200, -32800) and answer.message["id"] == number
    assert session.run("'after'") == "'after'\n"
    _, connection = session.begin_call("import time; time.sleep(60)")
    time.sleep(0.5)
    connection.close()
    begun = time.monotonic()
    assert session.run("'after'") == "'after'\n" and time.monotonic() - begun < 20
    session.end()


def test_the_end_of_a_session_answers_what_waits_and_ends_its_sandbox(server):
    session = Session(server)
    before = leftovers.descendants(server.process.pid)
    assert session.run("1") == "1\n"
    tree = {pid: start for pid, start in leftovers.descendants(server.process.pid).items() if pid not in before}
    assert tree
    _, connection = session.begin_call("while True: pass")
    time.sleep(0.3)
    assert session.end().status == 204
    answer = Answer(connection.getresponse())
    assert answer.result["isError"] and "ended" in text_of(answer.result)
    assert leftovers.wait_until(lambda: not leftovers.living(tree), 20)


# --- bounds

def test_sessions_are_bounded_and_spare_ones_make_room(own):
    server = own("--sandboxes", "40")
    busy = Session(server)
    busy.run("x = 1")
    spare = [Session(server) for _ in range(31)]
    more = Session(server)
    assert more.ask("ping").result == {} and spare[0].ask("ping").status == 404 and spare[1].ask("ping").result == {}
    assert busy.run("x") == "1\n"


def test_sandboxes_are_bounded(own):
    server = own("--sandboxes", "2")
    one, two = Session(server), Session(server)
    assert one.run("1") == "1\n" and server.run("2") == "2\n"
    refused = two.ask("tools/call", {"name": "execute_code", "arguments": {"code": "3"}}).result
    assert refused["isError"] and "no room" in text_of(refused)
    one.end()
    assert two.run("3") == "3\n"


def test_what_is_idle_ends(own):
    server = own("--mcp-idle", "2")
    session = Session(server)
    session.run("x = 1")
    server.run("x = 1")
    assert session.run("import time; time.sleep(3); x") == "1\n"  # a session whose cell runs isn't idle
    tree = leftovers.descendants(server.process.pid)
    assert tree and leftovers.wait_until(lambda: not leftovers.living(tree), 20)
    time.sleep(2)
    assert session.ask("ping").status == 404 and "NameError" in server.run("x")


def test_many_at_once(server):
    texts = {}

    def run(number):
        texts[number] = server.run("%d * 2" % number, session="many-%d" % (number % 3))

    threads = [threading.Thread(target=run, args=(number,)) for number in range(30)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert texts == {number: "%d\n" % (number * 2) for number in range(30)}
    for number in range(3):
        server.call("reset", session="many-%d" % number)


def test_nothing_is_left_of_a_server(place):
    for number in (signal.SIGTERM, signal.SIGKILL):
        server = Server(place)
        try:
            session = Session(server)
            server.run("1")
            _, connection = session.begin_call("while True: pass")
            assert leftovers.wait_until(lambda one=server: len(leftovers.descendants(one.process.pid)) >= 4, 60)
            tree = leftovers.descendants(server.process.pid)
        finally:
            server.stop(number)
        assert leftovers.wait_until(lambda found=tree: not leftovers.living(found), 20)
        if number == signal.SIGTERM:
            assert "ended" in text_of(Answer(connection.getresponse()).result)
        connection.close()


def test_over_https(own, place, tmp_path):
    """Both eras, a picture, an answer that takes its time, and a connection that closes."""
    server = own(authority=Authority(tmp_path))
    session = Session(server)
    assert session.run("x = 1\nx") == server.run("1") == "1\n"
    _, image = server.call("execute_code", code="import matplotlib.pyplot as plt\nprint('on')\nplt.plot([1, 4]); plt.show()")["content"]
    assert base64.b64decode(image["data"]).startswith(b"\x89PNG")
    assert len(text_of(server.call("execute_code", code="print('x' * 20_000)"))) > 1000
    connection = server.begin(*server.modern("tools/call", {"name": "execute_code", "arguments": {"code": "import time; time.sleep(16); 'late'"}},
                                             Accept="text/event-stream"))
    response = connection.getresponse()
    assert response.peek(1)[:1] == b":" and text_of(Answer(response).result) == "'late'\n"
    connection.close()
    _, connection = session.begin_call("import time; time.sleep(60)")
    time.sleep(0.5)
    connection.close()
    begun = time.monotonic()
    assert session.run("x") == "1\n" and time.monotonic() - begun < 20
    assert server.ask("tools/list", Authorization="Bearer wrong").status == 401
    assert session.end().status == 204


def test_where_no_sandbox_can_be_had_the_model_is_told(own, place):
    server = own("--policy", str(place.policy("none", python="/no/such/python")))
    assert "/no/such/python" in server.run("1") and "/no/such/python" in Session(server).run("1")
