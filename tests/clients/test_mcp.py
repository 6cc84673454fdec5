"""`cellblock mcp`: the Model Context Protocol on standard input and output, message by message."""

import base64
import fcntl
import json
import select
import subprocess
import time

import pytest
from support import kernels, leftovers

pytestmark = pytest.mark.cellblock_only("a command of cellblock")
MODERN = {"io.modelcontextprotocol/protocolVersion": "2026-07-28", "io.modelcontextprotocol/clientInfo": {"name": "t", "version": "1"},
          "io.modelcontextprotocol/clientCapabilities": {}}


class Server:
    def __init__(self, program, place, *options):
        self.process = subprocess.Popen(place.as_user([str(program), "mcp", *options]), stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=subprocess.PIPE, env=place.environment(), cwd=place.root)
        self.last, self.answers, self.buffered = 0, {}, b""

    def raw(self, data):
        self.process.stdin.write(data)
        self.process.stdin.flush()

    def send(self, method, params=None, **more):
        self.raw(json.dumps({"jsonrpc": "2.0", "method": method, **({} if params is None else {"params": params}), **more}).encode() + b"\n")

    def begin(self, method, params=None):
        self.last += 1
        self.send(method, params, id=self.last)
        return self.last

    def begin_code(self, code, token, **more):
        return self.begin("tools/call", {"name": "execute_code", "arguments": {"code": code}, "_meta": {"progressToken": token, **more}})

    def until_answer(self, number):
        """(the notifications before it, the answer to that request)."""
        told = []
        while (message := self.message()).get("id") != number:
            told.append(message)
        return told, message

    def message(self, timeout=60):
        while b"\n" not in self.buffered:
            assert select.select([self.process.stdout], [], [], timeout)[0], "no message came"
            piece = self.process.stdout.read1(1 << 20)
            assert piece, self.process.stderr.read()
            self.buffered += piece
        line, _, self.buffered = self.buffered.partition(b"\n")
        return json.loads(line)

    def end(self, number):
        while number not in self.answers:
            message = self.message()
            self.answers[message["id"]] = message
        return self.answers.pop(number)

    def ask(self, method, params=None):
        return self.end(self.begin(method, params))

    def call(self, tool, **arguments):
        return self.ask("tools/call", {"name": tool, "arguments": arguments})["result"]

    def text(self, tool, **arguments):
        result = self.call(tool, **arguments)
        assert not result["isError"], result
        return "".join(one["text"] for one in result["content"] if one["type"] == "text")

    def error(self, tool, **arguments):
        result = self.call(tool, **arguments)
        assert result["isError"], result
        return result["content"][0]["text"]

    def stop(self):
        self.process.stdin.close()
        try:
            self.process.wait(30)
        finally:
            self.process.kill()
            self.process.stdout.close()
            self.process.stderr.close()


@pytest.fixture(scope="module")
def started(user_place):
    made = Server(kernels.PROGRAM, user_place)
    made.ask("initialize", {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}})
    made.send("notifications/initialized")
    yield made
    made.stop()


@pytest.fixture
def server(started):
    yield started
    assert started.text("execute_code", code="6 * 7") == "42\n"


@pytest.mark.parametrize("asked, given", [("2024-11-05", "2024-11-05"), ("2025-11-25", "2025-11-25"), ("1999-01-01", "2025-11-25"), (None, "2025-11-25")])
def test_the_handshake(server, asked, given):
    result = server.ask("initialize", {"protocolVersion": asked, "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}})["result"]
    assert result["protocolVersion"] == given and result["serverInfo"]["name"] == "cellblock" and "tools" in result["capabilities"]
    server.ask("initialize", {"protocolVersion": "2025-11-25"})


def test_the_stateless_era(server):
    found = server.ask("server/discover", {"_meta": MODERN})["result"]
    assert found["supportedVersions"] == ["2026-07-28"] and found["resultType"] == "complete"
    listed = server.ask("tools/list", {"_meta": MODERN})["result"]
    assert listed["ttlMs"] == 0 and listed["cacheScope"] and len(listed["tools"]) == 5
    called = server.ask("tools/call", {"name": "execute_code", "arguments": {"code": "1 + 1"}, "_meta": MODERN})["result"]
    assert called["resultType"] == "complete" and called["content"] == [{"type": "text", "text": "2\n"}]
    other = server.ask("tools/list", {"_meta": {"io.modelcontextprotocol/protocolVersion": "2030-01-01"}})["error"]
    assert other["code"] == -32022 and other["data"]["supported"] == ["2026-07-28"]
    assert server.ask("server/discover", {})["error"]["code"] == -32601


def test_the_tools_tell_what_code_may_do(server):
    tools = {one["name"]: one for one in server.ask("tools/list")["result"]["tools"]}
    assert set(tools) == {"execute_code", "reset", "list_files", "read_file", "write_file"}
    assert "Network: none" in tools["execute_code"]["description"]
    assert tools["execute_code"]["inputSchema"]["required"] == ["code"] and tools["read_file"]["annotations"]["readOnlyHint"]


def test_text_values_figures_and_state(server):
    result = server.call("execute_code", code="import matplotlib.pyplot as plt\nx = 20\nprint('printed')\nplt.plot([1, 4]); plt.show()\nx + 1")
    text, image = result["content"]
    assert text["text"] == "printed\n21\n" and not result["isError"]
    assert image["mimeType"] == "image/png" and base64.b64decode(image["data"]).startswith(b"\x89PNG")
    assert server.text("execute_code", code="x") == "20\n" and server.text("execute_code", code="y = 1") == "(no output)"


def test_errors_and_limits_in_the_ladders_words(server):
    told = server.error("execute_code", code="print('before')\n1/0")
    assert told.startswith("before\n") and "ZeroDivisionError" in told and "\x1b" not in told
    assert "stopped after 500 ms; your variables are intact" in server.error("execute_code", code="while True: pass", timeout=0.5)
    assert "NameError" in server.error("execute_code", code="x = 1\ndel x\nx")


def test_sessions_dont_see_each_other_and_can_be_reset(server):
    server.text("execute_code", code="x = 'of a'", session="a")
    assert "NameError" in server.error("execute_code", code="x", session="b")
    assert server.text("execute_code", code="x", session="a") == "'of a'\n"
    assert server.text("reset", session="a") and "NameError" in server.error("execute_code", code="x", session="a")
    for name in ("c", "d", "e", "f", "g"):
        server.text("execute_code", code="1", session=name)
    assert "sessions" in server.error("execute_code", code="1", session="i")
    for name in "abcdefg":
        server.text("reset", session=name)


def test_files(server):
    assert "wrote 4 bytes" in server.text("write_file", path="in/a b.txt", content="é✓"[:1] + "ab")
    server.text("write_file", path="b.bin", content_base64=base64.b64encode(b"\xff\x00\x01").decode())
    assert server.text("execute_code", code="open('b.bin', 'rb').read()") == "b'\\xff\\x00\\x01'\n"
    assert server.text("list_files") == "b.bin  3\nin/\n" and server.text("list_files", path="in") == "a b.txt  4\n"
    assert server.text("read_file", path="in/a b.txt") == "éab"
    blob = server.call("read_file", path="b.bin")["content"][0]["resource"]
    assert base64.b64decode(blob["blob"]) == b"\xff\x00\x01"
    server.text("execute_code", code="import matplotlib.pyplot as plt; plt.plot([1]); plt.savefig('p.png'); plt.close()")
    assert server.call("read_file", path="p.png")["content"][0]["mimeType"] == "image/png"
    assert "No such file" in server.error("read_file", path="none") and "No such file" in server.error("list_files", path="none")
    server.text("execute_code", code="open('big', 'wb').truncate(20_000_000)")
    assert "8 MiB" in server.error("read_file", path="big")
    server.text("execute_code", code="import shutil, os; shutil.rmtree('in'); [os.remove(n) for n in ('b.bin', 'p.png', 'big')]")
    assert server.text("list_files") == "(no files)"


def test_long_text_is_cut_and_kept_as_a_resource(server):
    result = server.call("execute_code", code="for n in range(20_000): print('line', n)")
    text, link = result["content"]
    assert len(text["text"]) < 51_000 and "left out" in text["text"] and text["text"].endswith("line 19999\n") and link["type"] == "resource_link"
    whole = server.ask("resources/read", {"uri": link["uri"]})["result"]["contents"][0]["text"]
    assert whole == "".join("line %d\n" % n for n in range(20_000))
    assert link["uri"] in [one["uri"] for one in server.ask("resources/list")["result"]["resources"]]
    assert server.ask("resources/read", {"uri": "cellblock://output/9999"})["error"]["code"] == -32002


def test_a_cancelled_call_is_interrupted_and_not_answered(server):
    number = server.begin("tools/call", {"name": "execute_code", "arguments": {"code": "import time; time.sleep(50)"}})
    waiting = server.begin("tools/call", {"name": "execute_code", "arguments": {"code": "print('never')"}})
    time.sleep(0.5)
    server.send("notifications/cancelled", {"requestId": waiting})
    server.send("notifications/cancelled", {"requestId": number})
    assert server.text("execute_code", code="'after'") == "'after'\n"
    assert number not in server.answers and waiting not in server.answers


def test_calls_queue_and_files_and_pings_are_answered_meanwhile(server):
    first = server.begin("tools/call", {"name": "execute_code", "arguments": {"code": "import time, os\nwhile not os.path.exists('go'): time.sleep(0.01)\n'one'"}})
    second = server.begin("tools/call", {"name": "execute_code", "arguments": {"code": "'two'"}})
    assert server.ask("ping")["result"] == {}
    server.text("write_file", path="go", content="")
    assert server.end(first)["result"]["content"][0]["text"] == "'one'\n" and server.end(second)["result"]["content"][0]["text"] == "'two'\n"
    server.text("execute_code", code="os.remove('go')")


@pytest.mark.parametrize("token, meta", [("a", {}), (7, {}), ("m", MODERN)])
def test_progress_is_told_while_code_runs(server, token, meta):
    code = "import time\nprint('first\\n' + 'x' * 300, end='', flush=True)\ntime.sleep(1.5)\nprint('\\n 50%\\r 60%', flush=True)\ntime.sleep(2)\n'over'"
    told, answer = server.until_answer(server.begin_code(code, token, **meta))
    assert answer["result"]["content"][0]["text"].endswith("'over'\n") and len(told) >= 3
    assert all(one["method"] == "notifications/progress" and "id" not in one and one["params"]["progressToken"] == token for one in told)
    steps = [one["params"]["progress"] for one in told]
    assert all(one < later for one, later in zip(steps, steps[1:]))
    printed = [one["params"]["message"].strip() for one in told if one["params"]["message"] != "runs"]
    assert printed[0] == "x" * 200 and printed[-1] == "60%"


def test_calls_that_wait_are_told_progress_too(server):
    begun = time.monotonic()
    first = server.begin_code("import time; time.sleep(2.5)", "first")
    second = server.begin_code("'second'", "second")
    told, answer = server.until_answer(first)
    assert "error" not in answer and {(one["params"]["progressToken"], one["params"]["message"]) for one in told} == {
        ("first", "runs"), ("second", "waits for another call")}
    told, answer = server.until_answer(second)
    is_slow = time.monotonic() - begun >= 3  # the third second ended while it ran; by the first two it waited
    assert {(one["params"]["progressToken"], one["params"]["message"]) for one in told} <= ({("second", "runs")} if is_slow else set())
    assert answer["result"]["content"][0]["text"] == "'second'\n"


def test_progress_is_told_a_second_after_a_call_came_whatever_came_before(server):
    """A call that ended before its second was over doesn't make the next one's shorter."""
    for seconds in (0.6, 0.6, 0.6):
        begun = time.monotonic()
        told, answer = server.until_answer(server.begin_code(f"import time; time.sleep({seconds})", "short"))
        assert "result" in answer and (told == [] or time.monotonic() - begun >= 1)


def test_progress_is_for_whom_has_a_token_and_for_code_alone(server):
    for token in ({}, [], None, 1.5, True, "x" * 300):
        told, answer = server.until_answer(server.begin_code("import time; time.sleep(1.2)", token))
        assert told == [] and "result" in answer
    for meta in ([], "a"):
        told, answer = server.until_answer(server.begin("tools/call", {"name": "execute_code", "arguments": {"code": "1"}, "_meta": meta}))
        assert told == [] and "result" in answer
    told, answer = server.until_answer(server.begin("tools/call", {"name": "list_files", "arguments": {}, "_meta": {"progressToken": 1}}))
    assert told == [] and "result" in answer


def test_a_cancelled_call_has_no_progress(server):
    number = server.begin_code("import time\ntry:\n    time.sleep(50)\nexcept KeyboardInterrupt:\n    time.sleep(2)", "gone")
    assert server.message()["params"]["progressToken"] == "gone"
    server.send("notifications/cancelled", {"requestId": number})
    told, _ = server.until_answer(server.begin("tools/call", {"name": "execute_code", "arguments": {"code": "'after'"}}))
    assert told == []


def test_a_client_that_does_not_read_holds_up_no_cell(server):
    """Its notifications are left out once the pipe is full; answers wait for it."""
    fcntl.fcntl(server.process.stdout, fcntl.F_SETPIPE_SZ, 4096)
    calls = [server.begin_code("import time; time.sleep(1.2); print('x' * 100, flush=True); time.sleep(%d)" % (n == 0), "x" * 150 + str(n)) for n in range(40)]
    time.sleep(3)
    answers = [server.until_answer(calls[0])]
    assert 1 <= len(answers[0][0]) < 40
    for number in calls[1:]:
        server.send("notifications/cancelled", {"requestId": number})
    server.until_answer(server.begin("ping"))  # before it comes what was told of them meanwhile


def test_a_reset_answers_what_waits(server):
    first = server.begin("tools/call", {"name": "execute_code", "arguments": {"code": "while True: pass", "session": "r"}})
    second = server.begin("tools/call", {"name": "execute_code", "arguments": {"code": "1", "session": "r"}})
    server.text("reset", session="r")
    assert all("reset" in server.end(one)["result"]["content"][0]["text"] for one in (first, second))


@pytest.mark.parametrize("line, code", [
    (b"rubbish", -32700), (b"[1, 2]", -32600), (b'{"id": 1}x', -32700), (b'{"jsonrpc": "1.0", "id": 7, "method": "ping"}', -32600),
    (b'{"jsonrpc": "2.0", "id": 7, "method": 7}', -32600), (b'{"jsonrpc": "2.0", "id": {}, "method": "ping"}', -32600),
    (b'{"jsonrpc": "2.0", "id": 7, "method": "ping", "params": [1]}', -32600), (b'{"jsonrpc": "2.0", "id": 7, "method": "no/such"}', -32601),
    (b'{"jsonrpc": "2.0", "id": 7, "method": "tools/call"}', -32602),
    (b'{"jsonrpc": "2.0", "id": 7, "method": "tools/call", "params": {"name": "no_such"}}', -32602),
    (b'{"jsonrpc": "2.0", "id": 7, "method": "tools/call", "params": {"name": "reset", "arguments": []}}', -32602),
    (b"[" * 100_000, -32600), (b'{"a":' * 1000, -32700), (b"\xff\xfe", -32700), (b'{"jsonrpc": "2.0", "id": 1.5, "method": "ping"}', -32600),
], ids=lambda one: str(one)[:40])
def test_bad_messages_are_answered_with_an_error(server, line, code):
    server.raw(line + b"\n")
    message = server.message()
    assert message["error"]["code"] == code and message["id"] in (None, 7), message


def test_messages_that_are_no_requests_are_passed_over(server):
    for line in (b"\n", b"  \r\n", b'{"jsonrpc": "2.0", "id": 1, "result": {}}\n', b'{"jsonrpc": "2.0", "method": "notifications/none"}\n',
                 b'{"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 12345}}\n'):
        server.raw(line)
    assert server.ask("ping")["result"] == {}


def test_a_line_without_end_is_refused(server):
    server.raw(b'{"jsonrpc": "2.0", "id": 7, "method": "ping", "x": "' + b"y" * (33 << 20) + b'"}\n')
    assert server.message()["error"]["code"] == -32700


@pytest.mark.parametrize("tool, arguments, part", [
    ("execute_code", {}, "needs the argument"), ("execute_code", {"code": 7}, "must be a string"), ("execute_code", {"code": "1", "x": 1}, "no argument"),
    ("execute_code", {"code": "1", "timeout": "5"}, "must be a number"), ("execute_code", {"code": "1", "timeout": 0}, "above 0"),
    ("execute_code", {"code": "1", "timeout": 1e8}, "limits.cell_time_max"), ("execute_code", {"code": "1", "session": "a/b"}, "session's name"),
    ("write_file", {"path": "a"}, "needs one of"), ("write_file", {"path": "a", "content_base64": "=a"}, "base64"),
    ("read_file", {"path": ""}, "4095"),
])
def test_bad_arguments_are_told_to_the_model(server, tool, arguments, part):
    assert part in server.error(tool, **arguments)


def test_nothing_is_left_when_its_client_goes_or_it_is_killed(user_place):
    for end in (lambda one: one.process.stdin.close(), lambda one: one.process.kill()):
        server = Server(kernels.PROGRAM, user_place)
        begun = server.begin("tools/call", {"name": "execute_code", "arguments": {"code": "print('on', flush=True)\nwhile True: pass"}})
        assert leftovers.wait_until(lambda one=server: len(leftovers.descendants(one.process.pid)) >= 2, 60) and begun
        tree = leftovers.descendants(server.process.pid)
        end(server)
        assert leftovers.wait_until(lambda found=tree: not leftovers.living(found), 10)
        server.process.kill()
        server.process.wait(30)


def test_a_policy_that_is_none_is_told(user_place):
    done = subprocess.run([str(kernels.PROGRAM), "mcp", "--policy", "no-such"], stdin=subprocess.DEVNULL, capture_output=True, timeout=60,
                          env=user_place.environment(), check=False)
    assert done.returncode == 2 and b"no-such" in done.stderr


def test_where_no_sandbox_can_be_had_the_model_is_told(user_place):
    server = Server(kernels.PROGRAM, user_place, "--policy", str(user_place.policy("none", python="/no/such/python")))
    assert "/no/such/python" in server.error("execute_code", code="1") and "/no/such/python" in server.error("read_file", path="a")
    server.stop()
