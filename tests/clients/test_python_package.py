"""The Python package of share/python: sandboxes for programs, with state, files, figures, and providers' result shapes."""

import asyncio
import base64
import doctest
import hashlib
import importlib
import io
import itertools
import json
import os
import pathlib
import re
import signal
import subprocess
import sys
import threading
import time

import pytest
from support import kernels, leftovers

PACKAGES = kernels.REPO / "share" / "python"
sys.path.insert(0, str(PACKAGES))

import cellblock  # noqa: E402

pytestmark = pytest.mark.cellblock_only("the package starts cellblock itself")

PLOT = "import matplotlib.pyplot as plt\nplt.plot([1, 4, 9])\nplt.show()"
SPIN = "print('on', flush=True)\nwhile True: pass"
NO_SLEEP = "while cat /proc/[0-9]*/comm 2>/dev/null | grep -q sleep; do :; done"  # waits for their end
PIXEL = base64.b64encode(b"\x89PNG pixel").decode()


def at_home(place, patch):
    """This process is in that place, for all that the package starts."""
    for name, value in {**place.environment(), "CELLBLOCK": kernels.PROGRAM}.items():
        patch.setenv(name, value)
    patch.delenv("CELLBLOCK_POLICY", raising=False)


@pytest.fixture
def home(place, monkeypatch):
    at_home(place, monkeypatch)
    return place


@pytest.fixture(scope="module")
def shared_box(module_place):
    with pytest.MonkeyPatch.context() as patch:
        at_home(module_place, patch)
        with cellblock.Sandbox(python=kernels.PYTHON) as made:
            yield made


@pytest.fixture
def box(shared_box):
    yield shared_box
    assert shared_box.run("6 * 7").text == "42"


def sandbox(**options):
    return cellblock.Sandbox(**{"python": kernels.PYTHON, **options})


def runtime_files(place):
    return sorted(path.name for path in (place.root / "run").iterdir() if path.name != "cellblock")


# --- cells

def test_state_lasts_over_runs(box):
    assert box.run("x = 20").status == "ok"
    done = box.run("print('printed'); import sys; print('warned', file=sys.stderr); x + 1")
    assert (done.stdout, done.stderr, done.text, done.ok, done.state) == ("printed\n", "warned\n", "21", True, "intact")
    assert done.results[0].is_main_result and done.error is None and done.files == ()
    assert done.usage.wall_seconds > 0 and done.usage.output_bytes > 0 and done.execution_count > 1


def test_a_plot_comes_as_png(box):
    shown, = [one for one in box.run(PLOT).results if one.png]
    assert shown.png.startswith(b"\x89PNG\r\n\x1a\n") and not shown.is_main_result and "png" in shown.formats()


def test_other_representations(box):
    done = box.run("from IPython.display import HTML, JSON, Markdown, Latex, display\n"
                   "for one in (HTML('<b>b</b>'), Markdown('*m*'), Latex('$x$'), JSON({'a': [1]})): display(one)")
    html, markdown, latex, as_json = done.results
    assert html.html == "<b>b</b>" and markdown.markdown == "*m*" and latex.latex == "$x$" and as_json.json == {"a": [1]}
    assert html.png is None and html.pdf is None


def test_updates_and_clear_output_are_as_in_a_notebook(box):
    done = box.run("from IPython.display import display, clear_output\nprint('gone')\nclear_output()\nprint('stays')\n"
                   "handle = display('old', display_id=True)\nhandle.update('new')")
    assert done.stdout == "stays\n" and [one.text for one in done.results] == ["'new'"]


def test_an_error_is_told_by_the_result(box):
    done = box.run("def f():\n    1 / 0\nprint('before')\nf()")
    assert (done.status, done.ok, done.error.name, done.error.value) == ("error", False, "ZeroDivisionError", "division by zero")
    assert "line 2" in done.error.traceback and "\x1b" not in done.error.traceback and done.stdout == "before\n"


def test_input_is_refused(box):
    assert box.run("input('name? ')").error.name == "StdinNotImplementedError"


# --- ends of cells

def test_a_timeout(box):
    box.run("kept = 1")
    done = box.run("import time; time.sleep(60)", timeout=0.5)
    assert (done.status, done.state, done.error.name) == ("timeout", "intact", "CellTimeout") and "500 ms" in done.error.value
    assert box.run("kept").text == "1"


@pytest.mark.parametrize("first", ["%%timeout 500\n", "\n  %%timeout 500\n%%usage\n\n", "%%usage\n%%timeout\t9m \n"])
def test_code_cant_grant_itself_more_than_the_timeout(box, first):
    begun = time.monotonic()
    assert box.run(first + "import time; time.sleep(100)", timeout=0.5).status == "timeout"
    assert time.monotonic() - begun < 30


def test_a_timeout_leaves_the_code_as_it_is(box):
    done = box.run("x = 1\n1 / 0", timeout=30)
    assert done.code == "x = 1\n1 / 0" and "line 2\n" in done.error.traceback and "timeout" not in done.error.traceback


def test_a_timeout_with_a_cell_magic(box):
    assert box.run("%%capture found\nprint(1)", timeout=30).ok and box.run("found.stdout").text == r"'1\n'"
    assert box.run("%%timeout 20", timeout=30).status == "ok"


def test_more_time_than_the_policy_allows_is_refused_and_nothing_runs(box):
    done = box.run("print('ran')", timeout=100000)
    assert done.status == "error" and "limits.cell_time_max" in done.error.value and done.stdout == ""


@pytest.mark.parametrize("timeout", [0, -1, float("nan")])
def test_a_timeout_that_is_none(box, timeout):
    with pytest.raises(ValueError, match="timeout"):
        box.run("1", timeout=timeout)


@pytest.mark.parametrize("code, name", [("import os; os._exit(3)", "WorkerDied"),
                                        ("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)", "WorkerDied")])
def test_a_killed_worker_loses_variables_and_no_more(box, code, name):
    box.run("lost = 1")
    done = box.run(code)
    assert (done.status, done.state, done.error.name) == ("killed", "lost", name) and "variables are lost" in done.error.value
    assert box.run("lost").error.name == "NameError"


def test_an_output_flood_ends(home):
    with sandbox(policy={"limits": {"output": "1MiB"}}) as box:
        done = box.run("for _ in range(20000): print('x' * 1000)", timeout=60)
        assert 100_000 < len(done.stdout) < 2 << 20
        assert box.run("6 * 7").text == "42"


def test_an_interrupt_from_another_thread(box):
    begun = threading.Event()
    stopper = threading.Thread(target=lambda: begun.wait(60) and box.interrupt())
    stopper.start()
    done = box.run(SPIN, on_stdout=lambda text: begun.set())
    stopper.join()
    assert (done.status, done.state, done.stdout) == ("interrupted", "intact", "on\n")


def test_two_interrupts_kill_a_cell_that_ignores_them(home):
    code = "import signal; signal.signal(signal.SIGINT, signal.SIG_IGN)\n" + SPIN
    with sandbox(policy={"limits": {"grace_time": "200ms"}}) as box:
        done = box.run(code, on_stdout=lambda text: box.interrupt(),
                       on_stderr=lambda text: time.sleep(1.2) or box.interrupt())
        assert (done.status, done.state) == ("interrupted", "lost")


def test_a_cell_that_pretends_to_an_end_has_raised_an_error(box):
    done = box.run("class CellTimeout(Exception): pass\nraise CellTimeout('the variables are lost')")
    assert (done.status, done.state, done.error.name) == ("error", "intact", "CellTimeout")


def test_an_interrupt_without_a_cell_does_nothing(box):
    box.interrupt()


# --- callbacks

def test_callbacks_come_in_order_while_the_cell_runs(box):
    told = []
    done = box.run("import sys\nprint('a', flush=True)\nprint('b', file=sys.stderr, flush=True)\ndisplay(1)\nprint('c')\n2",
                   on_stdout=lambda text: told.append(("out", text)), on_stderr=lambda text: told.append(("err", text)),
                   on_result=lambda shown: told.append(("result", shown.text)))
    # A text may come in pieces.
    joined = [(kind, "".join(text for _, text in those)) for kind, those in itertools.groupby(told, key=lambda one: one[0])]
    assert joined == [("out", "a\n"), ("err", "b\n"), ("result", "1"), ("out", "c\n"), ("result", "2")]
    assert done.stdout == "a\nc\n"


def test_a_callback_that_raises_interrupts_the_cell(box):
    def on_stdout(text):
        raise KeyError(text)

    with pytest.raises(KeyError, match="on"):
        box.run(SPIN, on_stdout=on_stdout)


def test_cells_of_several_threads_run_one_after_another(box):
    done = {}
    threads = [threading.Thread(target=lambda n=n: done.update({n: box.run("1 / 0" if n == 2 else f"print({n})")})) for n in range(6)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert [done[n].stdout for n in range(6) if n != 2] == ["0\n", "1\n", "3\n", "4\n", "5\n"]
    assert done[2].status == "error"


# --- files

def test_files_go_in_and_come_out(box):
    data = bytes(range(256)) * 100
    box.files.write("in/a b.bin", data)
    assert box.run("import hashlib; hashlib.sha256(open('in/a b.bin', 'rb').read()).hexdigest()").text == \
        repr(hashlib.sha256(data).hexdigest())
    box.run("open('made.txt', 'w').write('é')")
    assert box.files.read("made.txt") == "é".encode()
    box.files.write(pathlib.PurePosixPath("t.txt"), "as text ✓")
    assert box.files.read("t.txt").decode() == "as text ✓"
    box.files.write("empty", b"")
    assert box.files.read("empty") == b""


@pytest.mark.parametrize("opened", [False, True])
def test_a_large_file_is_whole_or_not_there(box, opened):
    data = os.urandom(1 << 20) * 40
    box.files.write("large/f", io.BytesIO(data) if opened else data)
    assert [(one.name, one.size) for one in box.files.list("large")] == [("f", len(data))]
    assert box.files.read("large/f") == data
    with pytest.raises(OSError, match="limits.disk"):
        box.files.write("large/g", bytes(400 << 20))
    assert [one.name for one in box.files.list("large")] == ["f"]
    box.files.remove("large", with_content=True)


def test_the_beginning_of_a_file(box):
    box.files.write("long", bytes(range(256)) * 100_000)
    for most in (0, 1, 300, (16 << 20) + 5, 1 << 30):
        assert box.files.read("long", most=most) == (bytes(range(256)) * 100_000)[:most]


def test_folders(box):
    box.files.make("d/e")
    box.files.write("d/f", "abc")
    assert [(one.name, one.type) for one in box.files.list("d")] == [("e", "folder"), ("f", "file")]
    box.files.move("d/f", "d/g/h")
    assert box.files.read("d/g/h") == b"abc" and box.files.list("d")[1].modified > 1.7e9
    box.files.remove("d/g/h")
    box.files.remove("d", with_content=True)
    assert "d" not in [one.name for one in box.files.list()]


def test_many_names(box):
    box.run("import os; os.makedirs('many', exist_ok=True)\nfor n in range(1100): open('many/%04d' % n, 'w').close()")
    assert [one.name for one in box.files.list("many")] == ["%04d" % n for n in range(1100)]


@pytest.mark.parametrize("error, act", [
    (FileNotFoundError, lambda files: files.read("no/such")), (IsADirectoryError, lambda files: files.read(".")),
    (FileNotFoundError, lambda files: files.list("no/such")), (FileNotFoundError, lambda files: files.remove("no")),
    (OSError, lambda files: files.write("/proc/version", "x")), (TypeError, lambda files: files.write("x", io.StringIO("text")))])
def test_what_cant_be_done_with_a_file_is_pythons_own_error(box, error, act):
    with pytest.raises(error):
        act(box.files)


def test_a_file_while_a_cell_runs(box):
    code = "import time\nprint('on', flush=True)\nfor _ in range(600):\n    time.sleep(0.1)\n    try: print(open('go').read()); break\n" \
           "    except OSError: pass"
    assert "went" in box.run(code, on_stdout=lambda text: "on" in text and box.files.write("go", "went")).stdout


def test_kept_files_are_told(home):
    policy = {"files": [{"sandbox": "/work", "mode": "empty", "keep": {"to": "results"}}]}
    with sandbox(policy=policy, cwd=home.root / "work") as box:
        done = box.run("open('out.csv', 'w').write('a,b'); open('x.py', 'w').write('1');")
    kept, = done.files
    assert (kept.name, kept.size, kept.mime) == ("out.csv", 3, "text/csv") and pathlib.Path(kept.path).read_text() == "a,b"
    assert kept.sha256 == hashlib.sha256(b"a,b").hexdigest()


# --- life

def test_two_sandboxes_at_a_time(home):
    with sandbox() as one, sandbox() as other:
        one.run("x = 1")
        other.run("x = 2")
        assert one.run("x").text == "1" and other.run("x").text == "2" and one.pid != other.pid
    assert runtime_files(home) == []


def test_reset_begins_anew(box):
    box.run("x = 1; open('f', 'w').write('f')")
    before = box.pid
    box.reset()
    assert box.pid != before and box.run("x").error.name == "NameError"
    assert box.files.list() == []


def test_reset_while_a_cell_runs(box):
    begun, ended = threading.Event(), []

    def run():
        ended.append(box.run(SPIN, on_stdout=lambda text: begun.set()).status)

    running = threading.Thread(target=run)
    running.start()
    assert begun.wait(60)
    box.reset()
    running.join(30)
    assert ended == ["killed"]


def test_a_closed_sandbox_says_so(home):
    box = sandbox()
    process = box.pid
    box.close()
    box.close()
    for use in (lambda: box.run("1"), lambda: box.files.list(), box.interrupt, box.reset):
        with pytest.raises(cellblock.SandboxClosed):
            use()
    assert not leftovers.is_alive(process) and runtime_files(home) == []


def test_a_forgotten_sandbox_ends(home):
    box = sandbox()
    process = box.pid
    del box
    assert leftovers.wait_until(lambda: not leftovers.is_alive(process), 10) and runtime_files(home) == []


def test_no_file_lies_in_the_runtime_folder_while_it_lives(home):
    with sandbox(policy={"python": kernels.PYTHON, "imports": ["math"]}) as box:
        assert runtime_files(home) == []
        box.reset()
        assert runtime_files(home) == [] and box.run("import math").ok and not box.run("import json").ok


def test_tcp_where_the_path_is_too_long(home, monkeypatch):
    monkeypatch.setenv("JUPYTER_RUNTIME_DIR", str(home.root / "run" / ("x" * 90)))
    with sandbox() as box:
        assert box.run("1").text == "1"
        box.reset()
        assert box.run("2").text == "2"


def test_a_kernel_that_is_killed_leaves_its_last_words(home):
    with sandbox() as box:
        threading.Timer(0.5, os.kill, (box.pid, signal.SIGKILL)).start()
        with pytest.raises(cellblock.KernelDied, match="has ended"):
            box.run(SPIN)
        with pytest.raises(cellblock.KernelDied):
            box.files.list()
        box.reset()
        assert box.run("1 + 1").text == "2"
    assert runtime_files(home) == []


def test_a_program_that_isnt_cellblock(home, tmp_path):
    fake = tmp_path / "cellblock"
    fake.write_text("#!/bin/sh\necho 'no licence for this' >&2\nexit 3\n")
    fake.chmod(0o755)
    with pytest.raises(cellblock.KernelDied, match="no licence for this") as raised:
        cellblock.Sandbox(program=fake)
    assert raised.value.last_words == "no licence for this" and runtime_files(home) == []


def test_a_kernel_that_never_answers(home, tmp_path):
    fake = tmp_path / "cellblock"
    fake.write_text("#!/bin/sh\necho waiting >&2\nexec sleep 100\n")
    fake.chmod(0o755)
    with pytest.raises(cellblock.SandboxError, match="within 0.5 s; it said:\nwaiting"):
        cellblock.Sandbox(program=fake, start_timeout=0.5)


ENDS = """
import sys
sys.path.insert(0, %r)
import cellblock
box = cellblock.Sandbox(python=%r, policy={"limits": {"cell_time": "60s"}})
box.run("import subprocess; child = subprocess.Popen(['sleep', '1000'], start_new_session=True)")
print(box.pid, flush=True)
%s
"""


def program_of(home, rest):
    return subprocess.Popen([sys.executable, "-c", ENDS % (str(PACKAGES), kernels.PYTHON, rest)], stdout=subprocess.PIPE,
                            stderr=subprocess.PIPE, text=True)


def test_a_program_that_is_killed_leaves_nothing(home):
    program = program_of(home, "box.run('while True: pass')")
    kernel = int(program.stdout.readline())
    tree = {**leftovers.descendants(kernel), kernel: leftovers.stat_of(kernel)[3]}
    assert len(tree) >= 3
    program.kill()
    program.communicate()
    assert leftovers.wait_until(lambda: not leftovers.living(tree), 5), [leftovers.command_line(pid) for pid in leftovers.living(tree)]
    assert leftovers.wait_until(lambda: runtime_files(home) == [], 5), runtime_files(home)


@pytest.mark.parametrize("rest, status", [("", 0), ("raise SystemExit(3)", 3), ("1 / 0", 1)])
def test_a_program_that_ends_without_closing_leaves_nothing(home, rest, status):
    program = program_of(home, rest)
    kernel = int(program.stdout.readline())
    errors = program.communicate(timeout=60)[1]
    assert program.returncode == status and not leftovers.is_alive(kernel), errors
    assert runtime_files(home) == [] and ("Traceback" in errors) == (rest == "1 / 0"), errors


def test_a_fork_leaves_the_parents_sandbox_alone(home):
    program = program_of(home, "import os\npid = os.fork()\nif pid == 0:\n    try: box.run('1')\n    except cellblock.SandboxError as error:"
                               " print(error, flush=True)\n    sys.exit()\nos.waitpid(pid, 0)\nprint(box.run('6 * 7').text)")
    told = program.communicate(timeout=60)[0].splitlines()
    assert "belongs to the process that made it" in told[1] and told[2] == "42"


# --- the program and its policy

def test_a_program_that_isnt_there_says_what_to_do(home, monkeypatch):
    with pytest.raises(cellblock.ProgramNotFound, match="argument program names /no/such"):
        cellblock.Sandbox(program="/no/such")
    monkeypatch.setenv("CELLBLOCK", "/nowhere/cellblock")
    with pytest.raises(cellblock.ProgramNotFound, match="CELLBLOCK names /nowhere/cellblock"):
        cellblock.Sandbox()


def test_the_program_is_found_on_path_and_beside_the_package(home, monkeypatch, tmp_path):
    module = importlib.import_module("cellblock.program")
    monkeypatch.delenv("CELLBLOCK")
    monkeypatch.setenv("PATH", str(tmp_path))
    beside = tmp_path / "prefix" / "bin" / "cellblock"
    monkeypatch.setattr(module, "BESIDE", (beside,))
    with pytest.raises(cellblock.ProgramNotFound, match="no program cellblock on PATH"):
        cellblock.find_program()
    for path in (beside, tmp_path / "cellblock"):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("#!/bin/sh\n")
        path.chmod(0o755)
        assert cellblock.find_program() == str(path)


@pytest.mark.parametrize("policy, words", [({"limits": {"memroy": "1GiB"}}, "memroy"), ("no-such-policy", "no-such-policy"),
                                           ({"require": ["no-such-layer"]}, "no-such-layer")])
def test_a_wrong_policy_runs_nothing_and_gives_the_kernels_words(home, policy, words):
    with cellblock.Sandbox(policy=policy) as box:
        done = box.run("print('ran')")
    assert (done.status, done.stdout, done.error.name) == ("unavailable", "", "SandboxUnavailable") and words in done.error.value


def test_the_policy_as_dict_file_and_variable(home, monkeypatch):
    def allowed(**options):
        with cellblock.Sandbox(**options) as box:
            return [name for name in ("json", "math", "string") if box.run("import " + name).ok]

    math = home.policy("math", imports=["math"])
    monkeypatch.chdir(home.root / "work")
    assert allowed(policy="math.json") == ["math"] and allowed(policy=pathlib.Path(math)) == ["math"]
    monkeypatch.setenv("CELLBLOCK_POLICY", math)
    assert allowed() == ["math"]
    assert allowed(policy={"python": kernels.PYTHON, "imports": ["json"]}) == ["json"]
    with pytest.raises(ValueError, match="JSON"):
        cellblock.Sandbox(policy={"limits": {"memory": object()}})


def test_by_default_no_file_of_the_host_is_seen(home):
    home.file("mine.txt", "mine")
    with sandbox(cwd=home.root / "work") as box:
        assert box.run("import os; os.path.exists('mine.txt')").text == "False"
        assert box.run(f"import os; os.path.exists({str(home.root)!r})").text == "False"


# --- asyncio

def test_the_async_twin(home):
    async def main():
        told = []

        async def on_stdout(text):
            await asyncio.sleep(0)
            told.append(text)

        async with cellblock.AsyncSandbox(python=kernels.PYTHON) as box, cellblock.AsyncSandbox(python=kernels.PYTHON) as other:
            await asyncio.gather(box.run("x = 1"), other.run("x = 2"))
            assert [(await one.run("x")).text for one in (box, other)] == ["1", "2"]
            assert (await box.run("print('a'); 1 / 0", on_stdout=on_stdout)).error.name == "ZeroDivisionError" and "".join(told) == "a\n"
            assert (await box.run("import time; time.sleep(60)", timeout=0.5)).status == "timeout"
            await box.files.write("d/f", bytes(20 << 20))
            assert [one.size for one in await box.files.list("d")] == [20 << 20] and await box.files.read("d/f") == bytes(20 << 20)
            await box.files.move("d/f", "g")
            await box.files.make("h")
            await box.files.remove("d", with_content=True)
            assert [one.name for one in await box.files.list()] == ["g", "h"]
            with pytest.raises(FileNotFoundError):
                await box.files.read("none")
            running = asyncio.ensure_future(box.run(SPIN, on_stdout=lambda text: begun.set()))
            begun = asyncio.Event()
            await begun.wait()
            await box.interrupt()
            assert (await running).status == "interrupted"
            await box.reset()
            assert (await box.run("x")).error.name == "NameError"
        with pytest.raises(cellblock.SandboxClosed):
            await box.run("1")
        assert await box.close() is None
        with pytest.raises(cellblock.SandboxClosed, match="make another"):
            await box.start()

    asyncio.run(main())
    assert runtime_files(home) == []


def test_a_cancelled_task_interrupts_its_cell(home):
    async def main():
        async with cellblock.AsyncSandbox(python=kernels.PYTHON) as box:
            with pytest.raises(asyncio.TimeoutError):
                await asyncio.wait_for(box.run(SPIN), 1)
            begun = time.monotonic()
            assert (await box.run("1")).text == "1" and time.monotonic() - begun < 20

    asyncio.run(main())


INSIDE_A_LOOP = """
import asyncio, sys
import cellblock

async def main():
    with cellblock.Sandbox(python=sys.argv[1]) as box:
        return box.run("6 * 7").text

print(asyncio.run(main()), "nest_asyncio" in sys.modules)
"""


def test_a_blocking_sandbox_inside_a_loop(home):
    """jupyter_client's own blocking manager would have changed asyncio for the whole program."""
    done = subprocess.run([sys.executable, "-c", INSIDE_A_LOOP, kernels.PYTHON], capture_output=True, text=True, timeout=120,
                          env={**os.environ, "PYTHONPATH": str(PACKAGES)})
    assert done.stdout == "42 False\n", done.stderr


# --- the shapes of providers

def result(status="ok", **members):
    return cellblock.Result("code", status, **members)


def test_anthropics_tool_result(box):
    block = box.run("print('drawn')\n" + PLOT).to_anthropic("toolu_1")
    text, image = block["content"]
    assert (block["type"], block["tool_use_id"], block["is_error"]) == ("tool_result", "toolu_1", False)
    assert text == {"type": "text", "text": "drawn\n"}
    assert (image["type"], image["source"]["type"], image["source"]["media_type"]) == ("image", "base64", "image/png")
    assert base64.b64decode(image["source"]["data"]).startswith(b"\x89PNG")
    failed = box.run("print('x')\n1 / 0").to_anthropic("toolu_2")
    assert failed["is_error"] and failed["content"][0]["text"].startswith("x\n") and "ZeroDivisionError" in failed["content"][0]["text"]
    assert box.run("pass").to_anthropic("toolu_3")["content"] == []  # a blank text is refused there
    json.dumps([block, failed])


def test_openais_code_interpreter_call(box):
    item = box.run("print('drawn')\n" + PLOT).to_openai("ci_1", "cntr_1")
    logs, image = item.pop("outputs")
    assert logs == {"type": "logs", "logs": "drawn\n"} and image["url"].startswith("data:image/png;base64,iVBOR")
    assert item == {"type": "code_interpreter_call", "id": "ci_1", "code": "print('drawn')\n" + PLOT, "container_id": "cntr_1",
                    "status": "completed"}
    assert result().to_openai()["id"] != result().to_openai()["id"]
    assert [result(one).to_openai()["status"] for one in ("error", "timeout", "interrupted", "killed", "unavailable")] == \
        ["failed", "incomplete", "incomplete", "failed", "failed"]


def test_geminis_parts(box):
    outcome, image = box.run("print('drawn')\n" + PLOT).to_gemini()
    assert outcome == {"code_execution_result": {"outcome": "OUTCOME_OK", "output": "drawn\n"}}
    assert image["inline_data"]["mime_type"] == "image/png" and base64.b64decode(image["inline_data"]["data"]).startswith(b"\x89PNG")
    assert [result(one).to_gemini()[0]["code_execution_result"]["outcome"] for one in ("error", "timeout", "killed")] == \
        ["OUTCOME_FAILED", "OUTCOME_DEADLINE_EXCEEDED", "OUTCOME_FAILED"]


def test_e2bs_execution():
    shown = cellblock.Output({"text/plain": "'t'", "image/png": PIXEL, "application/x": 1}, is_main_result=True)
    error = cellblock.Error("E", "v", "t")
    assert result("error", stdout="o", results=(shown,), error=error, execution_count=3).to_e2b() == {
        "results": [{"text": "'t'", "png": PIXEL, "is_main_result": True, "extra": {"application/x": 1}}],
        "logs": {"stdout": ["o"], "stderr": []}, "error": {"name": "E", "value": "v", "traceback": "t"}, "execution_count": 3}
    assert result().to_e2b()["error"] is None


def test_a_models_text_has_what_a_person_would_read():
    outputs = (cellblock.Output({"text/plain": "plain"}), cellblock.Output({"text/plain": "<Figure>", "image/png": PIXEL}))
    made = result("timeout", stdout="out", stderr="err", results=outputs, error=cellblock.Error("CellTimeout", "stopped", ""))
    assert made.to_gemini()[0]["code_execution_result"]["output"] == "out\nerr\nplain\nCellTimeout: stopped"


# --- commands

def test_a_commands_streams_are_bytes_and_texts(box):
    done = box.commands.run("printf 'a\\377\\033[2J'; echo err >&2; exit 4")
    assert (done.exit_code, done.stdout_bytes, done.stdout, done.stderr) == (4, b"a\xff\x1b[2J", "a\ufffd\x1b[2J", "err\n")
    assert (done.ok, done.signal, done.timed_out, done.cut, done.error) == (False, None, False, False, None)


def test_a_command_beside_a_cell(box):
    seen = []
    done = box.run("import time, os\nprint('on', flush=True)\nwhile not os.path.exists('made'): time.sleep(0.01)",
                   on_stdout=lambda text: seen.append(box.commands.run("touch made; echo beside").stdout))
    assert done.status == "ok" and seen == ["beside\n"]


def test_a_commands_large_input_and_output(box):
    data = os.urandom(9 << 20)
    done = box.commands.run(["cat"], input=data)
    assert done.stdout_bytes == data
    counted = box.commands.run(["wc", "-c"], input="é" * 10)
    assert counted.stdout.split() == ["20"]
    assert box.commands.run(["true"], input=data).ok  # it reads none of it


def test_callbacks_get_a_commands_text_while_it_runs(box):
    texts, errors = [], []
    box.commands.run("printf '\\303'; sleep 0.3; printf '\\251'; echo err >&2", on_stdout=texts.append, on_stderr=errors.append)
    assert "".join(texts) == "é" and "".join(errors) == "err\n"
    with pytest.raises(ZeroDivisionError):
        box.commands.run("echo $$; exec sleep 100", timeout=0, on_stdout=lambda text: 1 / 0)
    assert box.commands.run(NO_SLEEP, timeout=20).ok


def test_a_commands_time_is_the_callers_or_the_policys(home):
    with sandbox(policy={"limits": {"cell_time": "1s"}}) as box:
        assert box.commands.run("sleep 100").timed_out
        late = box.commands.run(["sleep", "100"], timeout=0.3)
        assert (late.exit_code, late.timed_out) == (124, True) and late.to_openai()["outcome"] == {"type": "timeout"}
        assert box.commands.run("sleep 1.5", timeout=0).ok
        with pytest.raises(ValueError):
            box.commands.run("true", timeout=-1)


def test_commands_that_cant_be_run(box):
    done = box.commands.run(["no-such-program"])
    assert done.exit_code == 127 and "no-such-program" in done.error and done.to_openai()["stderr"] == done.error
    assert box.commands.run("true", timeout=1e7).exit_code == 126
    assert "program's name" in box.commands.run([]).error
    with pytest.raises(ValueError, match="object of texts"):
        box.commands.run("true", env={"A": 1})


def test_commands_end_with_their_sandbox(home):
    box = sandbox()
    running = box.commands.start(["sleep", "100"])
    resetting = threading.Timer(0.3, box.reset)
    resetting.start()
    with pytest.raises(cellblock.SandboxClosed):
        running.wait()
    resetting.join()
    assert box.commands.run("echo again").stdout == "again\n"
    running = box.commands.start(["sleep", "100"])
    box.close()
    with pytest.raises(cellblock.SandboxClosed):
        running.wait()
    with pytest.raises(cellblock.SandboxClosed):
        box.commands.run("true")


def test_commands_of_an_async_sandbox(home):
    async def main():
        async with cellblock.AsyncSandbox(python=kernels.PYTHON) as box:
            texts = []

            async def on_stdout(text):
                await asyncio.sleep(0)
                texts.append(text)

            done, other = await asyncio.gather(box.commands.run("sleep 0.3; echo one", on_stdout=on_stdout),
                                               box.commands.run(["cat"], input="two"))
            assert done.ok and texts == ["one\n"] and other.stdout == "two"
            with pytest.raises(asyncio.TimeoutError):
                await asyncio.wait_for(box.commands.run("exec sleep 100", timeout=0), 0.5)
            assert (await box.commands.run(NO_SLEEP, timeout=20)).ok
            shell = await box.commands.start(["sh"], takes_input=True)
            await shell.write("echo $((6 * 7))\n")
            assert shell.is_running
            await shell.close_input()
            assert (await shell.wait()).stdout == "42\n"

    asyncio.run(main())


# --- the package itself

@pytest.mark.parametrize("name", ["", ".commands", ".errors", ".files", ".program", ".results", ".sandbox", ".session_pool", ".session_types", ".sessions"])
def test_every_example_of_the_docstrings_runs(home, monkeypatch, name):
    monkeypatch.chdir(home.root / "work")
    done = doctest.testmod(importlib.import_module("cellblock" + name), optionflags=doctest.ELLIPSIS)
    assert done.attempted and not done.failed


@pytest.mark.parametrize("name, told, picture", [
    ("sandbox_session.py", "the total is 14", "plot.png"), ("data_agent.py", "('2026-11', 367) 116.5", "chart.png"),
    ("mcp_client.py", "a square: 49", "figure.png")])
def test_the_examples_run(home, name, told, picture):
    done = subprocess.run([sys.executable, kernels.REPO / "examples" / name], capture_output=True, text=True, timeout=120, check=False,
                          cwd=home.root / "work", env={**os.environ, "PYTHONPATH": str(PACKAGES)})
    assert done.returncode == 0, done.stderr
    assert told in done.stdout and (home.root / "work" / picture).read_bytes().startswith(b"\x89PNG")


def test_it_says_which_version_it_is_and_that_it_has_types():
    said = re.search(r'^version = "(.*)"', (PACKAGES / "pyproject.toml").read_text(), re.MULTILINE)[1]
    assert f"project(cellblock VERSION {said} " in (kernels.REPO / "CMakeLists.txt").read_text()
    assert (PACKAGES / "cellblock" / "py.typed").exists()
