"""`cellblock serve` as E2B's clients use it, request by request: tables and charts of results, and streams of input."""

import base64
import json
import time

import pytest
from support import kernels, leftovers
from support.serving import Serving, envelope, request

pytestmark = pytest.mark.cellblock_only("a command of cellblock")


@pytest.fixture(scope="module")
def server(module_place):
    made = Serving(kernels.PROGRAM, module_place)
    yield made
    made.stop()


@pytest.fixture(scope="module")
def first_box(server):
    return server.box()


@pytest.fixture
def box(server, first_box):
    """One sandbox for all, which works on after each test."""
    yield first_box
    assert first_box.out("print(6 * 7)") == "42\n" and server.lives()


# --- tables and charts

def result_of(box, code):
    text, (result,) = box.run(code)
    assert result["type"] == "result" and text == ""
    return result


def test_a_tables_data(box):
    result = result_of(box, "import pandas as pd, numpy as np\npd.DataFrame({'a': [1, 2], 'b': [.5, np.nan]})")
    assert result["data"] == {"a": [1, 2], "b": [0.5, None]} and "<table" in result["html"] and "chart" not in result and "extra" not in result


def test_a_figures_chart(box):
    result = result_of(box, "import matplotlib.pyplot as plt\nplt.plot([1, 4], label='l'); plt.title('T'); plt.show()")
    assert result["chart"]["type"] == "line" and result["chart"]["title"] == "T" and base64.b64decode(result["png"]).startswith(b"\x89PNG")
    assert result["chart"]["elements"] == [{"label": "l", "points": [[0, 1], [1, 4]]}] and not result["is_main_result"] and "extra" not in result


def test_what_is_too_large_is_shown_without_its_data(box):
    result = result_of(box, "pd.DataFrame({'a': range(100_000)})")
    assert "data" not in result and "<table" in result["html"]
    result = result_of(box, "plt.plot(np.zeros(100_000)); plt.show()")
    assert "chart" not in result and "png" in result


GOOD = '{"type": "pie", "title": None, "elements": []}'
DEEP = "[" * 20 + "]" * 20


@pytest.mark.parametrize("mime, value, kept", [
    ("e2b/chart", GOOD, True), ("e2b/chart", '{"type": "superchart", "title": "t", "elements": [%s, %s]}' % (GOOD, GOOD), True),
    ("e2b/chart", '{"type": "other", "title": "t", "elements": []}', False), ("e2b/chart", '{"type": "pie", "elements": []}', False),
    ("e2b/chart", '{"type": "pie", "title": "t", "elements": {}}', False), ("e2b/chart", '{"type": "pie", "title": "t", "elements": %s}' % DEEP, False),
    ("e2b/chart", '{"type": "superchart", "title": "t", "elements": [{"type": "superchart", "title": "t", "elements": []}]}', False),
    ("e2b/chart", '{"type": "superchart", "title": "t", "elements": [5]}', False), ("e2b/chart", "[1]", False), ("e2b/chart", "'text'", False), ("e2b/chart", "b'bytes'", False),
    ("e2b/chart", '{"type": ["pie"], "title": "t", "elements": []}', False), ("e2b/chart", "{}", False),
    ("e2b/data", '{"a": [1]}', True), ("e2b/data", "[1]", False), ("e2b/data", "'{}'", False), ("e2b/data", "b'{}'", False), ("e2b/data", '{"a": %s}' % DEEP, False),
    ("e2b/data", '{"a": [0] * 300_000}', False), ("e2b/data", '{"a": ["x" * (5 << 20)]}', False)], ids=range(20))
def test_what_a_cell_says_of_itself_is_checked(box, mime, value, kept):
    result = result_of(box, "from IPython.display import publish_display_data\npublish_display_data({'text/plain': 'text', %r: %s})" % (mime, value))
    assert result["text"] == "text" and (mime.removeprefix("e2b/") in result) == kept and "extra" not in result


def test_a_policy_without_json_has_neither(place):
    server = Serving(kernels.PROGRAM, place, "--policy", str(place.policy("bare", outputs={"mime": ["text/plain", "image/png"]})))
    try:
        box = server.box()
        text, (result,) = box.run("import matplotlib.pyplot as plt\nplt.plot([1, 4]); plt.show()")
        assert text == "" and result.keys() == {"type", "text", "png", "is_main_result"}
    finally:
        server.stop()


def test_each_event_is_one_line_for_whoever_splits_lines(box):
    """Python's clients split a reply where splitlines() does."""
    ends = "\n\r\x0b\x0c\x1c\x1d\x1e\x85\u2028\u2029\u2027\xa0"
    got = box.ask("POST", "/execute", {"code": "x = %r\nprint(x)\nfrom IPython.display import JSON, display\ndisplay(JSON({x: x}))\nx" % ends})
    events = [json.loads(line) for line in got.body.decode().splitlines()]
    assert "\u2028\u2029\u2027\xa0" in "".join(one["text"] for one in events if one["type"] == "stdout")
    assert [one["json"] for one in events if "json" in one] == [{ends: ends}] and events[-1] == {"type": "end_of_execution"}


# --- streams of input

class Stream:
    """A call of StreamInput, of which one message is sent after another."""

    def __init__(self, box, tag, **more):
        self.line = box.server.line()
        headers = {**box.headers, "Content-Type": "application/connect+json", "Transfer-Encoding": "chunked", **more}
        self.line.send(request("POST", "/process.Process/StreamInput", headers).replace(b"Content-Length: 0\r\n", b""))
        if tag:
            self.send({"start": {"process": {"tag": tag}}})

    def chunk(self, data):
        self.line.send(b"%x\r\n%s\r\n" % (len(data), data))

    def send(self, message):
        self.chunk(envelope(message))

    def write(self, data):
        self.send({"data": {"input": {"stdin": base64.b64encode(data).decode()}}})

    def end(self):
        self.line.send(b"0\r\n\r\n")
        return self.answer()

    def answer(self):
        return self.line.answer()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.line.close()


class Command:
    """A command that runs, and what it has written."""

    def __init__(self, box, line, tag):
        self.box, self.tag, self.out = box, tag, b""
        self.line = box.server.line()
        self.line.send(box.bytes_of("/process.Process/Start", envelope({"process": {"cmd": "/bin/sh", "args": ["-c", line]}, "stdin": True, "tag": tag}),
                                    {"Content-Type": "application/connect+json"}))
        assert self.line.head().status == 200 and "start" in self.message()["event"]

    def message(self):
        size = int(self.line.file.readline(), 16)
        data = self.line.file.read(size)
        assert self.line.file.read(2) == b"\r\n"
        return json.loads(data[5:5 + int.from_bytes(data[1:5], "big")])  # the last one has the stream's end behind it

    def until(self, text):
        while text not in self.out:
            event = self.message()["event"]
            assert "end" not in event, (self.out, event)
            self.out += base64.b64decode(event.get("data", {}).get("stdout", ""))
        return self.out

    def close_input(self):
        assert self.box.call("process.Process/CloseStdin", {"process": {"tag": self.tag}}).status == 200

    def kill(self):
        self.box.call("process.Process/SendSignal", {"process": {"tag": self.tag}, "signal": "SIGNAL_SIGKILL"})
        assert leftovers.wait_until(lambda: not self.box.call("process.Process/List", {}).json()["processes"], 10)
        self.line.close()


@pytest.fixture
def start(box):
    """start(line) gives a command that takes input."""
    made = []

    def begin(line):
        made.append(Command(box, line, "t%d" % len(made)))
        return made[-1]

    yield begin
    for one in made:
        one.kill()


def test_each_message_is_passed_on_as_it_comes(box, start):
    cat = start("cat")
    with Stream(box, cat.tag) as stream:
        for number in range(5):
            stream.write(b"line %d\n" % number)
            assert cat.until(b"line %d\n" % number)
            assert not stream.line.has_something(0)
        message = envelope({"data": {"input": {"stdin": base64.b64encode(b"cut\n").decode()}}})
        for place in range(len(message)):
            stream.chunk(message[place:place + 1])
        assert cat.until(b"cut\n") and stream.end().envelopes() == [(0, {}), (2, {})]
    again = Stream(box, cat.tag)
    again.write(b"again\n")
    assert cat.until(b"again\n")
    again.line.close()  # a client that leaves lets the command run
    assert box.call("process.Process/SendInput", {"process": {"tag": cat.tag}, "input": {"stdin": base64.b64encode(b"still\n").decode()}}).status == 200
    assert cat.until(b"still\n")


def test_the_connection_goes_on_after_a_stream(box, start):
    cat = start("cat")
    with Stream(box, cat.tag) as stream:
        stream.write(b"one\n")
        assert stream.end().whole
        stream.line.send(request("GET", "/health"))
        assert stream.line.answer().body == b"OK" and cat.until(b"one\n")
    with box.server.line() as line:
        body = envelope({"start": {"process": {"tag": cat.tag}}}) + envelope({"data": {"input": {"stdin": base64.b64encode(b"two\n").decode()}}})
        line.send(box.bytes_of("/process.Process/StreamInput", body, {"Content-Type": "application/connect+json"}) + request("GET", "/health"))
        assert line.answer().envelopes()[-1] == (2, {}) and line.answer().body == b"OK" and cat.until(b"two\n")


def test_a_stream_waits_for_its_command(server, box, start):
    slow = start("sleep 2; wc -c")
    before, piece = server.memory(), b"x" * 65536
    with Stream(box, slow.tag) as stream:
        began = time.monotonic()
        for _ in range(320):
            stream.write(piece)
        assert time.monotonic() - began > 1.5 and server.memory() - before < 30
        assert stream.end().envelopes()[-1] == (2, {})
    slow.close_input()
    assert slow.until(b"%d" % (320 * 65536))


def test_a_command_that_never_reads_holds_up_its_stream_alone(server, box, start):
    never = start("sleep 1000")
    before = server.memory()
    with Stream(box, never.tag) as stream:
        stream.line.socket.settimeout(1)
        with pytest.raises(TimeoutError):
            for _ in range(1000):
                stream.write(b"x" * 65536)
        assert server.memory() - before < 30 and box.out("print(1)") == "1\n"
        never.kill()


def test_a_stream_whose_command_has_ended(box, start):
    head = start("head -c 4")
    with Stream(box, head.tag) as stream:
        stream.write(b"abcd")
        assert head.until(b"abcd") and "end" in head.message()["event"]
        assert stream.end().envelopes()[-1] == (2, {})
    head = start("head -c 4")
    with Stream(box, head.tag) as stream:
        stream.write(b"abcd")
        assert head.until(b"abcd") and "end" in head.message()["event"]
        stream.write(b"more")
        assert stream.answer().error() == "not_found" and stream.line.ended(10)


@pytest.mark.parametrize("bytes_, code", [
    (envelope({"start": {"process": {"tag": "none"}}}) + envelope({"data": {"input": {"stdin": "eA=="}}}), "not_found"),
    (envelope({"data": {"input": {"stdin": "eA=="}}}), "not_found"), (envelope({"data": {"input": {"stdin": "no base64!"}}}), "invalid_argument"),
    (envelope({"data": {"input": {}}}), "invalid_argument"), (envelope(b"[1]"), "invalid_argument"), (envelope(b"[" * 5000), "invalid_argument"),
    (b"\1" + envelope({})[1:], "invalid_argument"), (b"\0\xff\xff\xff\xff", "resource_exhausted"), (b"\0\0\x40\0\1", "resource_exhausted")], ids=range(9))
def test_a_message_that_is_none_ends_the_stream_and_its_connection(box, bytes_, code):
    with Stream(box, None) as stream:
        stream.chunk(bytes_)
        assert stream.answer().error() == code and stream.line.ended(10)


def test_a_stream_that_ends_within_a_message_or_names_nobody(box, start):
    cat = start("cat")
    with Stream(box, cat.tag) as stream:
        stream.chunk(envelope({})[:-1])
        assert stream.end().error() == "invalid_argument"
    with Stream(box, None) as stream:
        assert stream.end().error() == "not_found"
    with Stream(box, None) as stream:
        stream.line.send(b"zz\r\n")  # no chunk: the connection ends
        assert stream.answer() is None


def test_a_stream_that_names_nobody_is_ended_in_its_time(box):
    with Stream(box, None) as stream:
        stream.line.socket.settimeout(60)
        began = time.monotonic()
        assert stream.answer().error() == "not_found" and 25 < time.monotonic() - began < 45


def test_a_stream_without_the_token_is_refused_unread(box):
    with Stream(box, None, **{"X-Access-Token": "wrong"}) as stream:
        assert stream.answer().status == 401 and stream.line.ended(10)


def test_streams_end_with_their_sandbox(server):
    box = server.box()
    cat = Command(box, "cat", "t")
    with Stream(box, "t") as stream:
        stream.write(b"on\n")
        assert cat.until(b"on\n") and box.end() == 204
        assert stream.answer().error() == "unavailable"
    cat.line.close()
