"""`cellblock run`: the second client of Session."""

import base64
import json
import subprocess
import time

import pytest
from support import kernels
from support.client import NOTICE

pytestmark = pytest.mark.cellblock_only("a command of cellblock")


@pytest.fixture(scope="module")
def run_place():
    made = {}

    def get(user):
        if user not in made:
            made[user] = kernels.Place(user)
        return made[user]

    yield get
    for one in made.values():
        one.remove()


ENDS = {  # the code, its exit status, its stdout, and what is in its stderr
    "exit 0": ("import sys\nprint('a')\nsys.exit(0)\n# %%\nprint('never')", 0, "a\n", ""),
    "exit 3": ("import sys\nprint('a')\nsys.exit(3)\nprint('never')", 3, "a\n", ""),
    "exit -1": ("raise SystemExit(-1)", 255, "", ""),
    "exit beyond a byte": ("raise SystemExit(259)", 3, "", ""),
    "exit with a text": ("import sys\nsys.exit('a text')\nprint('never')", 1, "", "a text\n"),
    "exit()": ("print(1); exit(); print('never')", 0, "1\n", ""),
    "quit(4) in a function": ("def f():\n    quit(4)\nf()\nprint('never')", 4, "", ""),
    "atexit": ("import atexit, sys\natexit.register(print, 'bye')\nprint('end')\nsys.exit(5)", 5, "end\nbye\n", ""),
    "atexit after an error": ("import atexit\natexit.register(print, 'bye')\n1/0", 1, "bye\n", "ZeroDivisionError"),
    "threads": ("import threading, time\nfrom concurrent.futures import ThreadPoolExecutor\n"
                "def late(text):\n    time.sleep(0.3)\n    print(text)\n"
                "threading.Thread(target=late, args=('thread',)).start()\n"
                "ThreadPoolExecutor(1).submit(lambda: (time.sleep(0.6), print('pool')))\nprint('end')",
                0, "end\nthread\npool\n", ""),
    "asyncio.run": ("import asyncio\nasync def main():\n    await asyncio.sleep(0.01)\n    return 5\n"
                    "print(asyncio.run(main()))\n# %%\nawait asyncio.sleep(0.01)\nprint('awaited')\n"
                    "# %%\nprint(asyncio.run(main()))", 0, "5\nawaited\n5\n", ""),
    "a loop of one's own": ("import asyncio\nloop = asyncio.new_event_loop()\nasyncio.set_event_loop(loop)\n"
                            "print(loop.run_until_complete(asyncio.sleep(0.01, 7)))", 0, "7\n", ""),
    "a forked child's end": ("import os, sys\nfor end in (lambda: 1/0, lambda: sys.exit(4), lambda: None):\n"
                             "    pid = os.fork()\n    if pid == 0:\n        end()\n        raise SystemExit\n"
                             "    print(os.waitpid(pid, 0)[1] >> 8)", 0, "1\n4\n0\n", "ZeroDivisionError: division"),
}


@pytest.fixture
def run(program, run_place, any_user):
    """run(code, *options, policy={...}) runs `cellblock run` and gives what it did."""
    place = run_place(any_user)

    def call(code, *options, policy=None, name=None, timeout=90):
        policy_options = ["--policy", place.policy(**policy)] if policy is not None else []
        file = str(place.file(name or "code.py", code)) if name != "-" else "-"
        return subprocess.run(place.as_user([program, "run", *policy_options, *options, file]),
                              input=code.encode() if name == "-" else b"", capture_output=True,
                              env=place.environment(), cwd=place.root / "work", timeout=timeout, check=False)

    call.place = place
    return call


def as_json(done):
    assert done.stdout.count(b"\n") == 1, done.stdout
    return json.loads(done.stdout)


def test_a_file_runs_and_its_output_is_printed(run):
    for _ in range(5):
        done = run("import sys\nprint('out')\nprint('err', file=sys.stderr)\n6 * 7")
        if not NOTICE.search(done.stderr.decode()):  # of a start that took more than a second
            break
    assert (done.returncode, done.stdout.decode()) == (0, "out\n42\n"), done
    assert without_notice(done.stderr.decode()) == "err\n"


def test_standard_input(run):
    done = run("print(6 * 7)", name="-")
    assert (done.returncode, done.stdout) == (0, b"42\n"), done


def test_cells_share_variables_and_stop_at_an_error(run):
    done = run("x = 1\n# %%\nprint(x + 1)\n# %% a title\nx / 0\n# %%\nprint('never')\n")
    assert done.returncode == 1 and done.stdout == b"2\n"
    assert b"ZeroDivisionError" in done.stderr


def test_each_cell_has_its_own_deadline(run):
    done = run("import time\ntime.sleep(1.2)\n# %%\ntime.sleep(1.2)\n# %%\nprint('done')", "--timeout", "2s")
    assert (done.returncode, done.stdout) == (0, b"done\n"), done


def test_json_of_success(run):
    told = as_json(run("import sys\nprint('a')\nprint('b', file=sys.stderr)\n[1]", "--json"))
    assert set(told) == {"status", "stdout", "stderr", "results", "error", "files", "files_not_kept", "usage"}
    assert (told["status"], told["stdout"], told["stderr"]) == ("ok", "a\n", "b\n")
    assert told["results"] == [{"text/plain": "[1]"}] and told["error"] is None
    assert set(told["usage"]) == {"wall_seconds", "cpu_seconds", "peak_memory_bytes"}
    assert 0 < told["usage"]["wall_seconds"] < 60


def test_json_of_an_error(run):
    done = run("print('before')\n1/0", "--json")
    told = as_json(done)
    assert done.returncode == 1 and told["status"] == "error" and told["stdout"] == "before\n"
    assert told["error"]["ename"] == "ZeroDivisionError" and told["error"]["evalue"] == "division by zero"
    assert isinstance(told["error"]["traceback"], list)


def test_images_are_base64_in_json(run):
    told = as_json(run("import matplotlib.pyplot as plt\nplt.plot([1, 2])\nplt.show()", "--json"))
    images = [one for one in told["results"] if "image/png" in one]
    assert len(images) == 1
    assert base64.b64decode(images[0]["image/png"]).startswith(b"\x89PNG")


def test_figures_are_written_to_a_folder(run):
    folder = run.place.root / "work" / "figures"
    done = run("import matplotlib.pyplot as plt\nfor n in range(2):\n    plt.figure(); plt.plot([n, 1])\nplt.show()",
               "--plots", str(folder))
    assert done.returncode == 0, done
    files = sorted(folder.iterdir())
    assert len(files) == 2 and all(one.read_bytes().startswith(b"\x89PNG") for one in files)


def test_files_go_in_and_come_out(run):
    work = run.place.root / "work"
    (work / "in.csv").write_text("a,b\n1,2\n")
    code = "import pandas as pd\npd.read_csv('in.csv').to_json('out.json')\nprint(open('/data/b.csv').read(), end='')\nopen('in.csv', 'a')"
    done = run(code, "--file", str(work / "in.csv"), "--file", "%s:/data/b.csv" % (work / "in.csv"),
               "--files", str(work / "results"), "--json")
    told = as_json(done)
    assert told["stdout"] == "a,b\n1,2\n" and told["error"]["ename"] in ("OSError", "PermissionError"), told
    assert [one["name"] for one in told["files"]] == ["out.json"] and told["files_not_kept"] == []
    assert json.loads((work / "results" / "out.json").read_text()) == {"a": {"0": 1}, "b": {"0": 2}}
    assert (work / "in.csv").read_text() == "a,b\n1,2\n"


def test_what_was_kept_is_told_on_stderr(run):
    done = run("open('out.csv', 'w').write('1')\nprint('text')", "--files", str(run.place.root / "work" / "told"))
    assert done.stdout == b"text\n" and NOTICE.sub("", done.stderr.decode()) == "kept out.csv (1 B)\n", done


@pytest.mark.parametrize(("options", "words"), [
    (["--file", "/nowhere/in.csv"], ["--file /nowhere/in.csv", "No such file", "after a colon"]),
    (["--file", "/etc"], ["files[0].host", "system"]),
    (["--file", "/etc/hostname:/proc/x"], ["/proc/x"]),
    (["--files", "/proc/nowhere"], ["--files /proc/nowhere"]),
])
def test_files_that_cant_be(run, options, words):
    done = run("print(1)", *options)
    assert done.returncode in (2, 125) and all(word in done.stderr.decode() for word in words) and done.stdout == b"", done


@pytest.mark.parametrize("code", ["while True: pass", "import time; time.sleep(60)",
                                  "while True:\n    try:\n        while True: pass\n    except BaseException: pass"],
                         ids=["loop", "sleep", "stubborn"])
def test_timeout_is_124(run, code):
    begun = time.monotonic()
    done = run(code, "--timeout", "1s", "--json", policy={"limits": {"grace_time": "500ms"}})
    assert done.returncode == 124 and as_json(done)["status"] == "timeout", done
    assert as_json(done)["error"]["ename"] == "CellTimeout"
    assert time.monotonic() - begun < 20


def test_killed_by_a_limit_is_137(run):
    code = ("import subprocess, sys, time\nkept = bytearray(b'x') * (150 << 20)\n"
            "child = \"import time; x = bytearray(b'x') * (40 << 20); time.sleep(20)\"\n"
            "for n in range(8): subprocess.Popen([sys.executable, '-S', '-c', child])\ntime.sleep(4)")
    done = run(code, "--json", policy={"limits": {"memory": "256MiB", "cell_time": "10s"}})
    assert done.returncode == 137 and as_json(done)["status"] == "killed", done
    assert as_json(done)["error"]["ename"] == "MemoryLimit"


def test_a_worker_that_kills_itself_is_137(run):
    done = run("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", "--json")
    assert done.returncode == 137 and as_json(done)["error"]["ename"] == "WorkerDied"


def test_no_sandbox_is_125(run):
    done = run("1", "--python", "/nowhere/python3", "--json")
    told = as_json(done)
    assert done.returncode == 125 and told["status"] == "unavailable"
    assert "/nowhere/python3" in json.dumps(told["error"])


@pytest.mark.parametrize("options, named", [
    (["--timeout", "soon"], b"soon"), (["--timeout", "-5s"], b"-5s"), (["--policy", "no-such-policy"], b"no-such-policy"),
    (["--no-such-option"], b"no-such-option"),
])
def test_wrong_usage_is_2_and_named(run, options, named):
    done = run("1", *options)
    assert done.returncode == 2 and named in done.stderr, done


def test_a_missing_file_is_2_and_named(program, place):
    done = subprocess.run([program, "run", "/nowhere/code.py"], capture_output=True, env=place.environment(),
                          timeout=30, check=False)
    assert done.returncode == 2 and b"/nowhere/code.py" in done.stderr


def test_a_broken_policy_names_its_key(run):
    done = run("print('ran')", policy={"limits": {"memroy": "1GiB"}})
    assert done.returncode in (2, 125) and b"memroy" in done.stderr and b"ran" not in done.stdout


def test_the_working_directory_is_private(run):
    done = run("import os\nprint(os.path.exists('code.py'))\nopen('written', 'w').write('x')")
    assert done.returncode == 0 and done.stdout.startswith(b"False\n"), done
    assert not (run.place.root / "work" / "written").exists()


def test_nothing_of_the_environment_passes(run):
    done = run("import os\nprint(dict(os.environ))")
    assert done.returncode == 0 and b"JUPYTER" not in done.stdout, done
    assert str(run.place.root).encode() not in done.stdout


def without_notice(text):
    return "".join(line for line in text.splitlines(True) if not NOTICE.search(line))


@pytest.mark.parametrize("end", list(ENDS))
def test_a_file_ends_as_python_would_end_it(run, end):
    code, status, out, err = ENDS[end]
    done = run(code)
    errors = without_notice(done.stderr.decode())
    assert (done.returncode, done.stdout.decode()) == (status, out), done
    assert err in errors and (err or not errors) and "To exit" not in errors and "\x1b" not in errors, done


def test_a_thread_that_holds_the_end_has_the_deadline(run):
    done = run("import threading, time\nthreading.Thread(target=time.sleep, args=(60,)).start()\nprint('end')",
               "--timeout", "1s")
    assert (done.returncode, done.stdout) == (124, b"end\n"), done


def test_sys_exit_in_json(run):
    assert as_json(run("import sys; sys.exit(0)", "--json"))["status"] == "ok"
    told = as_json(run("import sys; sys.exit(3)", "--json"))
    assert told["status"] == "error" and told["error"] == {"ename": "SystemExit", "evalue": "3", "traceback": []}


def test_what_claims_to_be_an_exit_is_a_number_of_a_byte_or_an_error(run):
    for value in ("999", "-3", "3.5", "3 ", ""):
        done = run("class SystemExit(Exception): pass\nraise SystemExit(%r)" % value)
        assert done.returncode == 1, (value, done)


def test_a_file_knows_its_place_its_name_and_its_arguments(run, program):
    code = "\ufeffimport sys\nprint([__file__, sys.argv, __name__])"
    run.place.file("sub/named.py", code)
    def call(*words):
        return subprocess.run(run.place.as_user([program, "run", *words]), capture_output=True, timeout=90, check=False,
                              env=run.place.environment(), cwd=run.place.root / "work", input=b"import sys; print(sys.argv)")
    done = call("sub/named.py", "--", "a", "--json", "-b")
    assert done.stdout.decode() == "['/work/sub/named.py', ['sub/named.py', 'a', '--json', '-b'], '__main__']\n", done
    done = call(str(run.place.root / "work/sub/named.py"))
    assert done.stdout.decode() == "['/work/named.py', ['named.py'], '__main__']\n", done
    assert call("-", "--", "x").stdout == b"['-', 'x']\n"


def test_a_notebook_runs_cell_by_cell(run):
    cells = [{"cell_type": "markdown", "source": ["1/0"]}, {"cell_type": "code", "source": ["x = 1\n", "print(x)"]},
             {"cell_type": "code", "source": ""}, {"cell_type": "raw", "source": "1/0"},
             {"cell_type": "code", "source": "%timeit -n1 -r1 x\nprint(x + 1)\nraise SystemExit(6)"},
             {"cell_type": "code", "source": "print('never')"}]
    done = run(json.dumps({"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": cells}), name="book.ipynb")
    assert done.returncode == 6 and done.stdout.startswith(b"1\n") and done.stdout.endswith(b"\n2\n"), done
    done = run("[1, 2]", name="no.ipynb")
    assert done.returncode == 2 and b"not a Jupyter notebook" in done.stderr


def test_no_colours_go_into_pipes(run):
    done = run("1/0")
    assert b"ZeroDivisionError" in done.stderr and b"\x1b" not in done.stderr
    assert "\x1b" not in json.dumps(as_json(run("1/0", "--json"))["error"]["traceback"])
    done = run("1", "--python", "/nowhere/python3")
    assert b"SandboxUnavailable" in done.stderr and b"\x1b" not in done.stderr
