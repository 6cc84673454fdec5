"""Inputs that outlive their session, where the policy's `history` says so."""

import json
import stat
import subprocess

import pexpect
import pytest
from clients import test_console
from support import kernels

pytestmark = pytest.mark.cellblock_only("a key of the policy")


@pytest.fixture
def session(place, start):
    """session(*cells) runs a whole session with a kept history; without cells it gives the client."""
    policy = place.policy("keeps", history="keep")

    def run(*cells):
        kernel = start(policy=policy)
        for cell in cells:
            kernel.client.run(cell).ok()
        if cells:
            assert not kernel.stop()
        return kernel.client if not cells else kernel

    return run


def history(client, **fields):
    return client.ask("history_request", {"output": False, "raw": True, **fields}).content["history"]


def test_49_the_next_session_reaches_the_lines_of_the_one_before(session, place):
    session("a = 1", "b = 'zwei 😀'")
    client = session()
    assert history(client, hist_access_type="tail", n=10) == [[1, 1, "a = 1"], [1, 2, "b = 'zwei 😀'"]]
    client.run("c = 3").ok()
    assert history(client, hist_access_type="tail", n=2) == [[1, 2, "b = 'zwei 😀'"], [2, 1, "c = 3"]]
    assert history(client, hist_access_type="range", session=-1, start=1, stop=2) == [[1, 1, "a = 1"]]
    assert history(client, hist_access_type="range", session=0) == [[2, 1, "c = 3"]]
    assert history(client, hist_access_type="search", pattern="a*") == [[1, 1, "a = 1"]]
    file = place.root / "data" / "cellblock" / "history.sqlite"
    assert [stat.S_IMODE(one.stat().st_mode) for one in (file, file.parent)] == [0o600, 0o700]


def test_49_two_kernels_keep_theirs_at_once(session):
    one, two = session(), session()
    for number in range(5):
        one.run("one%d = 1" % number).ok()
        two.run("two%d = 1" % number).ok()
    assert len(history(one, hist_access_type="search", pattern="*")) == 10
    assert [line[2] for line in history(one, hist_access_type="range", session=0)] == ["one%d = 1" % n for n in range(5)]


def test_49_the_history_magic_reaches_earlier_sessions(session):
    session("first = 1", "second = 2", "third = 3")
    client = session()
    found = client.run("%history -g *second*").ok().stdout
    assert "1/2: second = 2" in found
    assert client.run("%history ~1/1-2").ok().stdout == "first = 1\nsecond = 2\n"
    assert "third = 3" in client.run("%history -l 4").ok().stdout
    assert client.run("%rerun ~1/3\nthird * 2").ok().status == "ok"
    assert client.run("third").ok().result == "3"
    assert client.run("%history -o 1-2").ok().status == "ok"


def test_49_a_cells_questions_are_bounded(session):
    session("first = 1")
    client = session()
    run = client.run("ip = get_ipython()\nfor n in range(40): ip.history_manager.search('*')")
    assert run.content["ename"] == "UsageError" and "32 times" in run.content["evalue"], run.content
    assert client.run("%history -g first").ok().stdout
    assert client.run("get_ipython().history_manager.search('*' * 300)").content["ename"] == "UsageError"


def test_49_threads_and_tasks_do_not_ask(session):
    client = session()
    code = ("import threading\ntold = []\n"
            "def ask():\n    try: get_ipython().history_manager.search('*')\n    except Exception as e: told.append(str(e))\n"
            "t = threading.Thread(target=ask); t.start(); t.join(); told")
    assert "its threads" in client.run(code).ok().result


LIAR = """
import gc, json, os, struct
from cellblock_worker.channel import Channel
gc.unfreeze()  # what a start has made is among the objects again
channel = next(one for one in gc.get_objects() if type(one) is Channel)
me = __import__('cellblock_worker.cells').cells.current()
def ask(**more):
    header = json.dumps({'type': 'history_request', 'cell': me, 'request': 1, 'access': 'search', 'pattern': '*', 'n': None,
                         'unique': False, **more}).encode()
    os.write(channel.fileno(), struct.pack('>II', len(header), 0) + header)
"""
LIES = {"for another cell": "ask(cell=me + 1)", "without end": "for _ in range(40): ask()",
        "a long pattern": "ask(pattern='*' * 257)", "an unknown way": "ask(access='all')",
        "a huge number": "ask(access='range', session=1 << 70, start=1, stop=None)",
        "no whole number": "ask(access='range', session=0.5, start=1, stop=None)", "too many": "ask(n=1 << 31)",
        "a list": "ask(pattern=['*'])"}


@pytest.mark.parametrize("lie", LIES.values(), ids=LIES)
def test_49_a_question_that_breaks_the_rules_ends_the_sandbox(session, lie):
    client = session()
    run = client.run(LIAR + lie + "\nimport time; time.sleep(20)")
    assert run.content["ename"] == "ProtocolViolation", run.content
    assert client.run("6 * 7").ok().result == "42"


def test_49_where_nothing_is_kept_the_magic_names_the_key(start, place):
    client = start().client
    client.run("a = 1").ok()
    for code in ("%history -g a", "%history ~1/1-3"):
        run = client.run(code)
        assert run.content["ename"] == "UsageError" and "key history" in run.content["evalue"], run.content
    assert "a = 1" in client.run("%history").ok().stdout
    lie = client.run(LIAR + "ask()\nimport time; time.sleep(20)")
    assert lie.content["ename"] == "ProtocolViolation"
    assert not (place.root / "data" / "cellblock").exists()


def test_49_a_client_that_wants_no_file_has_none(place, start):
    """nbclient says so in ipykernel's words."""
    kernel = start(policy=place.policy("keeps", history="keep"), extra=["--HistoryManager.hist_file=:memory:"])
    kernel.client.run("a = 1").ok()
    assert history(kernel.client, hist_access_type="tail", n=5) == [[1, 1, "a = 1"]]
    assert not (place.root / "data" / "cellblock").exists()


def test_49_a_file_that_is_broken_costs_a_warning(place, start):
    file = place.file("broken.sqlite", "x" * 5000)
    file.chmod(0o600)
    kernel = start(policy=place.policy("keeps", history=str(file)))
    kernel.client.run("a = 1").ok()
    assert history(kernel.client, hist_access_type="tail", n=5) == [[1, 1, "a = 1"]]
    assert "aren't kept" in kernel.said() and "history" in kernel.said()
    told = kernel.client.run("%history -g a").content
    assert told["ename"] == "UsageError" and "can't be had" in told["evalue"], told


def test_49_cells_do_not_see_the_file(session, place):
    session("a = 1")
    file = place.root / "data" / "cellblock" / "history.sqlite"
    assert file.exists()
    assert session().run("import os; os.path.exists(%r)" % str(file)).ok().result == "False"


def test_49_a_run_from_the_command_line_keeps_nothing(program, place):
    done = subprocess.run([program, "run", "--policy", place.policy("keeps", history="keep"),
                           str(place.file("code.py", "get_ipython().run_line_magic('history', '-g a')"))],
                          capture_output=True, text=True, env=place.environment(), timeout=60, check=False)
    assert done.returncode == 1 and "can't be had" in done.stderr, done
    assert not (place.root / "data" / "cellblock").exists()


def test_49_arrow_up_in_the_console_shows_the_past_sessions_line(session, place):
    if kernels.PYTHON != "/usr/bin/python3":
        pytest.skip("jupyter console is Debian's")
    session("past_line = 'from ' + 'before'")
    folder = place.root / "data" / "kernels" / test_console.NAME
    folder.mkdir(parents=True)
    (folder / "kernel.json").write_text(json.dumps({
        "argv": [*kernels.default_command(), "--policy", place.policy("keeps", history="keep")],
        "display_name": "under test", "language": "python", "interrupt_mode": "message"}))
    console = test_console.Console(place)
    try:
        console.prompt(1)
        console.child.send("\x1b[A")
        console.expect("past_line")
        console.child.send("\r")
        console.prompt(2)
        console.cell("past_line + '!'")
        console.expect("from before!")
        console.prompt(3)
        console.child.send("exit\r")
        console.expect(pexpect.EOF)
    finally:
        console.child.close(force=True)
