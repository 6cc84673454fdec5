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
    assert done.stderr == b"err\n"


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
    assert set(told) == {"status", "stdout", "stderr", "results", "error", "usage"}
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
