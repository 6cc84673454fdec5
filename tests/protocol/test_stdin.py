"""Lines 41-45: input(), getpass, pdb."""

import pytest
from support.client import TimedOut


def test_41_input_is_asked_of_the_client_and_answered(client):
    client.on_input = lambda request: "an ünusual 😀 answer"
    run = client.run("value = input('who? ')\nprint(value)")
    assert run.ok().stdout == "an ünusual 😀 answer\n"
    request, = [one for one in run.messages if one.channel == "stdin"]
    assert request.type == "input_request"
    assert request.content == {"prompt": "who? ", "password": False}


def test_41_several_inputs_in_one_cell(client):
    answers = iter(["a", "b", "c"])
    client.on_input = lambda request: next(answers)
    assert client.run("[input() for _ in range(3)]").result == "['a', 'b', 'c']"


def test_41_the_prompt_comes_after_what_was_printed(client):
    client.on_input = lambda request: "x"
    assert client.run("print('before')\n_ = input('p')\nprint('after')").stdout == "before\nafter\n"


def test_41_it_goes_to_the_requesting_clients_identity(kernel, client):
    other = kernel.connect()
    asked = []
    other.on_input = lambda request: asked.append(request) or "from the other"
    client.on_input = lambda request: "from the first"
    assert client.run("input()").result == "'from the first'"
    assert other.run("input()").result == "'from the other'"
    assert len(asked) == 1
    other.pump(0)
    assert [one.channel for one in client.log].count("stdin") == 1


def test_41_end_of_file(client):
    client.on_input = lambda request: "\x04"
    assert client.run("input()").content["ename"] == "EOFError"


def test_41_stale_replies_are_discarded(client):
    client.send("stdin", "input_reply", {"status": "ok", "value": "stale"})
    client.fence()
    client.on_input = lambda request: "fresh"
    assert client.run("input()").result == "'fresh'"


def test_41_a_reply_of_an_interrupted_input_is_discarded(client):
    asked = []
    client.on_input = lambda request: asked.append(request) and None
    first = client.execute("input('one')")
    client.wait(lambda: asked, "input_request")
    client.send("control", "interrupt_request")
    client.finish(first)
    client.answer(asked[0], "stale")
    client.on_input = lambda request: "fresh"
    assert client.run("input('two')").result == "'fresh'"


@pytest.mark.ipykernel_fails("it reads the one stdin socket, whoever answers")
def test_41_another_clients_reply_is_not_taken(kernel, client):
    other = kernel.connect()
    asked = []
    client.on_input = lambda request: asked.append(request) and None
    cell = client.execute("input()")
    client.wait(lambda: asked, "input_request")
    other.send("stdin", "input_reply", {"status": "ok", "value": "forged"}, parent=asked[0].header)
    other.fence("control")
    with pytest.raises(TimedOut):
        client.finish(cell, timeout=1)
    client.answer(asked[0], "true")
    assert client.finish(cell).result == "'true'"


def test_42_getpass_asks_for_a_password(client):
    client.on_input = lambda request: "secret"
    run = client.run("import getpass\ngetpass.getpass('pass: ')")
    assert run.result == "'secret'"
    request, = [one for one in run.messages if one.channel == "stdin"]
    assert request.content == {"prompt": "pass: ", "password": True}


@pytest.mark.parametrize("code", ["input()", "import getpass; getpass.getpass()"])
def test_43_without_allow_stdin_it_is_an_error(client, code):
    run = client.run(code, allow_stdin=False)
    assert run.status == "error" and run.content["ename"] == "StdinNotImplementedError"
    assert not [one for one in run.messages if one.channel == "stdin"]


def test_43_sys_stdin_does_not_hang(client):
    client.run("import sys; sys.stdin.read(1)", timeout=20)
    assert client.run("1").result == "1"


@pytest.mark.ipykernel_fails("6.17 still aborts cells sent after the error was told")
@pytest.mark.parametrize("code", ["input()", "import getpass; getpass.getpass()",
                                  "kept = 5\nimport pdb\npdb.set_trace()\nx = 1"], ids=["input", "getpass", "pdb"])
def test_44_an_interrupt_breaks_input(client, code):
    asked = []
    client.on_input = lambda request: asked.append(request) and None
    cell = client.execute(code)
    client.wait(lambda: asked, "input_request")
    request = client.send("control", "interrupt_request")
    client.first(request, "interrupt_reply")
    run = client.finish(cell, timeout=20)
    if run.status == "error":
        assert run.content["ename"] in ("KeyboardInterrupt", "BdbQuit")
    else:
        assert "pdb" in code, "the cell went on"
    client.on_input = None
    client.fence()
    assert client.run("1").result == "1"


def answers_to(client, *lines):
    """Answers a debugger; 'q' in the end, so that nothing hangs."""
    waiting = list(lines)
    client.on_input = lambda request: waiting.pop(0) if waiting else "q"


def test_45_debug_after_an_error(client):
    client.run("def broken(value):\n    half = value / 2\n    return half / 0\nbroken(8)")
    answers_to(client, "p half", "up", "q")
    assert "4.0" in client.run("%debug").stdout


@pytest.mark.ipykernel_fails("it hands breakpoint() to debugpy")
def test_45_breakpoint(client):
    answers_to(client, "p local", "c")
    run = client.run("def f():\n    local = 'seen'\n    breakpoint()\n    return 'went on'\nf()")
    assert "'seen'" in run.stdout and run.result == "'went on'"


def test_45_post_mortem(client):
    answers_to(client, "p number", "q")
    run = client.run("import pdb, sys\ntry:\n    number = 17\n    1/0\nexcept ZeroDivisionError:\n"
                     "    pdb.post_mortem(sys.exc_info()[2])")
    assert "17" in run.stdout
