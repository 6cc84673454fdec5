"""input(), getpass(), pdb: asked through the host."""

import time


def ask(host, code, *answers, **options):
    asked = []
    waiting = list(answers)

    def answer(frame):
        asked.append(frame)
        return waiting.pop(0)

    return host.execute(code, answer, allow_stdin=True, **options), asked


def test_input(host):
    result, asked = ask(host, "name = input('who? ')\nprint('hi', name)", "Ada")
    assert result.stdout == "hi Ada\n"
    assert asked[0]["prompt"] == "who? " and asked[0]["password"] is False


def test_getpass_asks_for_a_password(host):
    result, asked = ask(host, "import getpass\ngetpass.getpass('secret: ')", "s3")
    assert result.result == "'s3'" and asked[0]["password"] is True and asked[0]["prompt"] == "secret: "


def test_output_comes_before_the_question(host):
    result, _ = ask(host, "print('first'); input()", "x")
    assert [frame["type"] for frame in result.frames][:2] == ["stream", "input_request"]


def test_request_numbers_rise(host):
    _, asked = ask(host, "input(); input()", "a", "b")
    assert asked[0]["request"] < asked[1]["request"]


def test_end_of_file(host):
    result, _ = ask(host, "input()", "\x04")
    assert result.error["ename"] == "EOFError"


def test_without_stdin_it_is_an_error(host):
    error = host.execute("input()").error
    assert error["ename"] == "StdinNotImplementedError"  # in ipykernel's words, as programs look for them
    assert error["evalue"] == "raw_input was called, but this frontend does not support input requests."
    assert host.execute("import getpass; getpass.getpass()").error["ename"] == "StdinNotImplementedError"


def test_stale_answers_are_dropped(host):
    host.send({"type": "input_reply", "request": 9999, "value": "stale"})
    cell = host.begin("input()", allow_stdin=True)
    request = host.until("input_request")["request"]
    host.send({"type": "input_reply", "request": request - 1, "value": "stale"})
    host.send({"type": "input_reply", "request": request, "value": "right"})
    assert host.finish(cell).result == "'right'"


def test_other_frames_wait(host):
    cell = host.begin("input()", allow_stdin=True)
    request = host.until("input_request")["request"]
    other = host.begin("'after'")
    host.send({"type": "input_reply", "request": request, "value": "v"})
    assert host.finish(cell).result == "'v'"
    assert host.finish(other).result == "'after'"


def test_input_in_an_awaiting_cell_and_a_thread(host):
    result, _ = ask(host, "import asyncio\nawait asyncio.sleep(0)\ninput()", "a")
    assert result.result == "'a'"
    result, _ = ask(host, "await asyncio.to_thread(input, 'q')", "t")
    assert result.result == "'t'"
    result, _ = ask(host, "import threading\ngot = []\nt = threading.Thread(target=lambda: got.append(input()))\n"
                          "t.start(); t.join(); got", "j")
    assert result.result == "['j']"


def test_an_interrupt_breaks_input(host):
    cell = host.begin("input()", allow_stdin=True)
    host.until("input_request")
    time.sleep(0.1)
    host.interrupt()
    assert host.finish(cell).error["ename"] == "KeyboardInterrupt"
    assert host.execute("1").result == "1"


def test_breakpoint(host):
    result, asked = ask(host, "def f():\n    secret = 41\n    breakpoint()\n    return secret\nf()", "p secret + 1", "c")
    assert "42" in result.stdout and result.result == "41" and len(asked) == 2


def test_pdb_set_trace(host):
    result, _ = ask(host, "import pdb\nx = 3\npdb.set_trace()\ny = x", "p x * 2", "c")
    assert "6" in result.stdout and result.status == "ok"


def test_debug_magic(host):
    host.execute("def broken():\n    inside = 77\n    return 1 / 0\nbroken()")
    result, asked = ask(host, "%debug", "p inside", "q")
    assert "77" in result.stdout and "pdb" in asked[0]["prompt"]


def test_breakpoint_stops_again_after_a_quit(host):
    for answer, ended in (("q", "error"), ("c", "ok"), ("q", "error"), ("c", "ok")):
        asked = []
        result = host.execute("breakpoint()\nx = 1", answer=lambda frame: asked.append(frame) or answer, allow_stdin=True)
        assert result.status == ended and len(asked) == 1, (result.frames, asked)


def test_an_interrupt_breaks_pdb(host):
    for code in ("import pdb; pdb.set_trace()", "breakpoint()", "%debug"):
        host.execute("1/0")
        cell = host.begin(code, allow_stdin=True)
        host.until("input_request")
        time.sleep(0.1)
        host.interrupt()
        host.finish(cell, timeout=10)
        assert host.execute("1").result == "1"


def test_an_interrupt_that_comes_with_the_question_breaks_pdb(host):
    """As soon as a client has the question it may send one; the worker is still busy with having sent it."""
    for when in ("before", "after"):
        result, asked = ask(host, "import pdb\nchannel = input.__self__._channel\nsend = channel.send\n"
                            "def interrupted(header, *rest):\n"
                            "    if header['type'] != 'input_request': return send(header, *rest)\n"
                            "    channel.send = send\n"
                            "    if %r == 'after': send(header, *rest)\n"
                            "    raise KeyboardInterrupt\n"
                            "channel.send = interrupted\npdb.set_trace()" % when, "c")
        assert len(asked) == (when == "after") and "--KeyboardInterrupt--" in result.stdout, result.frames
        assert result.error["ename"] == "BdbQuit", result.error
