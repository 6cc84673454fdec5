"""Cells that kill their worker, fill memory or processes: a named error, and the next cell runs."""


import pytest
from support.patience import SLOWNESS

from limits.conftest import shared_with

limited = shared_with({"cell_time": "10s", "grace_time": "500ms", "memory": "400MiB", "processes": 40,
                       "disk": "16MiB"})


@pytest.fixture
def client(limited):
    return limited.kernel().client


def assert_next_runs(client):
    run = client.run("6 * 7")
    assert run.ok().result == "42"


DEATHS = {
    "exit_0": ("import os; os._exit(0)", "exit status 0"),
    "exit_3": ("import os; os._exit(3)", "exit status 3"),
    "segfault": ("import ctypes; ctypes.string_at(0)", "signal 11"),
    "c_recursion": ("import sys\nsys.setrecursionlimit(10**9)\ndef f(x): return repr(x)\nclass R:\n"
                    "    def __repr__(self): return repr(self)\nrepr(R())", None),
    "kill_own_group": ("import os, signal; os.killpg(0, signal.SIGKILL)", "signal 9"),
    "kill_all": ("import os, signal, subprocess\nsubprocess.Popen(['sleep', '60'])\n"
                 "os.kill(-1, signal.SIGKILL); os.kill(os.getpid(), signal.SIGKILL)", "signal 9"),
    "exec": ("import os; os.execv('/bin/true', ['true'])", None),
    "close_all": ("import os; os.closerange(0, 1000); os._exit(1)", None),
}


@pytest.mark.parametrize("name", DEATHS)
def test_a_dead_worker_is_told(client, name):
    code, told = DEATHS[name]
    run = client.run(code)
    assert run.status == "error" and run.states == ["busy", "idle"]
    if told:
        assert run.content["ename"] == "WorkerDied" and told in run.content["evalue"], run.content
    else:
        assert run.content["ename"] in ("WorkerDied", "MemoryLimit", "RecursionError", "MemoryError",
                                        "ProtocolViolation"), run.content
    assert_next_runs(client)


@pytest.mark.parametrize("code", ["import os; os.close(%d)" % number for number in (3, 4)] + [
    "import os\nfor n in range(3, 20):\n    try: os.write(n, b'\\xff' * 64)\n    except OSError: pass",
    "import os, signal; os.kill(1, signal.SIGKILL); os.kill(1, signal.SIGTERM); os.kill(1, signal.SIGINT)",
    "import os, signal; os.kill(1, signal.SIGSTOP)",
], ids=["close_3", "close_4", "garbage_to_all_descriptors", "kill_the_warden", "stop_the_warden"])
def test_tampering_ends_at_most_the_sandbox(client, code):
    run = client.run(code)
    assert run.status in ("ok", "error") and run.states == ["busy", "idle"]
    again = client.run("1")
    if again.status != "ok":  # the cell after may be the one that hears of it
        assert again.content["ename"] in ("WorkerDied", "ProtocolViolation"), again.content
    assert_next_runs(client)


def test_memory_of_one_process_names_the_key(client):
    run = client.run("x = b'x' * (2 << 30)")
    assert run.status == "error" and run.content["ename"] in ("MemoryError", "MemoryLimit")
    assert "limits.memory" in run.traceback
    assert_next_runs(client)


def test_memory_by_and_by(client):
    run = client.run("kept = []\nwhile True: kept.append(bytearray(4 << 20))")
    assert run.status == "error" and run.content["ename"] in ("MemoryError", "MemoryLimit"), run.content
    assert "limits.memory" in run.traceback
    client.run("kept = None")
    assert_next_runs(client)


def test_memory_to_the_last_bytes_is_no_death(client):
    """Nothing is left for the worker's own work: it has a reserve, so the cell is told and the variables stay."""
    client.run("kept = 1").ok()
    run = client.run("parts, size = [], 1 << 20\nwhile True:\n    try: parts.append(bytearray(size))\n"
                     "    except MemoryError:\n        if size < 600: raise\n        size //= 2")
    assert run.status == "error" and run.content["ename"] == "MemoryError", run.content
    assert "limits.memory" in run.traceback
    client.run("del parts").ok()
    assert client.run("kept").ok().result == "1"
    client.run("import os; os._exit(0)")  # its heap is left in pieces, too small for the tests that follow


def test_memory_that_a_thread_fills_between_cells(client):
    """The session answers, and keeps its variables."""
    client.run("kept, hold = 1, []\ndef eat():\n    for size in (1_000_000, 200_000, 5_000):\n        while True:\n"
               "            try: hold.append(bytearray(size))\n            except MemoryError: break\n"
               "import threading\nthread = threading.Thread(target=eat, daemon=True); thread.start()").ok()
    client.run("thread.join()")
    for _ in range(2):
        run = client.run("print('small', kept)").ok()
        assert run.stdout == "small 1\n" and not run.stderr
    client.run("hold.clear()").ok()
    client.run("import os; os._exit(0)")


def test_a_worker_that_ends_for_memory_says_so(client):
    run = client.run("import os; os._exit(72)")  # as the worker does where nothing else helps
    assert run.content["ename"] == "MemoryLimit" and "no memory left" in run.content["evalue"]
    assert "limits.memory" in run.traceback
    assert_next_runs(client)


def test_threads_that_sleep_take_no_memory_to_speak_of(start_as):
    client = start_as(policy={"limits": {"memory": "512MiB"}}).client
    run = client.run("import threading, time\nfor n in range(110): threading.Thread(target=time.sleep, args=(2,), "
                     "daemon=True).start()\nthreading.active_count() > 110")
    assert run.ok().result == "True"
    assert client.run("1").result == "1"


# 240 MiB in the worker and 40 MiB in each child: each within a process's limit, together over the sandbox's.
# The worker is the largest, so that it is the one whom the host's kernel kills, or without a cgroup the warden.
MANY = ("import subprocess, sys, time\nkept = bytearray(b'x') * (240 << 20)\n"
        "child = \"import time; x = bytearray(b'x') * (40 << 20); time.sleep(20)\"\n"
        "for n in range(8): subprocess.Popen([sys.executable, '-S', '-c', child])\ntime.sleep(4)")


def test_memory_of_many_processes(client):
    run = client.run(MANY)
    assert run.content["ename"] == "MemoryLimit" and "limits.memory" in run.traceback, run.content
    assert_next_runs(client)


def test_a_child_that_is_killed_for_memory_is_told_of(client):
    """The children grow together over the sandbox's limit; each is larger than the worker. Beyond twice the limit, which
    a fourth child would reach before a starved warden looks, everybody would be killed."""
    run = client.run("%%%%timeout %ds\nimport subprocess, sys\n" % (10 * SLOWNESS) +
                     "child = \"import time; x = bytearray(b'x') * (220 << 20); time.sleep(5)\"\n"
                     "made = [subprocess.Popen([sys.executable, '-S', '-c', child]) for n in range(3)]\n"
                     "sorted(one.wait() for one in made)").ok()
    assert "-9" in run.result, "far beyond the limit, and nobody was stopped"
    assert "limits.memory" in run.stderr, run
    assert_next_runs(client)


def test_a_fork_bomb(client):
    run = client.run("import os\nwhile True: os.fork()")
    assert run.status == "error" and run.content["ename"] in ("BlockingIOError", "OSError", "WorkerDied", "CellTimeout",
                                                              "MemoryLimit", "MemoryError"), run.content
    if run.content["ename"] == "BlockingIOError":
        assert "limits.processes" in run.traceback
    assert_next_runs(client)


def test_a_stubborn_fork_bomb(client):
    code = ("import os, signal\nsignal.signal(signal.SIGINT, signal.SIG_IGN)\nwhile True:\n"
            "    try: os.fork()\n    except OSError: pass")
    run = client.run(code)
    assert run.status == "error" and run.content["ename"] in ("CellTimeout", "WorkerDied", "MemoryLimit"), run.content
    assert_next_runs(client)


def test_too_many_threads(client):
    run = client.run("import threading, time\nfor n in range(200): threading.Thread(target=time.sleep, args=(3,), "
                     "daemon=True).start()")
    assert run.status == "error" and "limits.processes" in run.traceback, run
    assert_next_runs(client)


def test_too_many_files(client):
    run = client.run("kept = [open('/dev/null') for n in range(10**6)]")
    assert run.status == "error" and run.content["ename"] in ("OSError", "MemoryError")
    client.run("del kept")
    assert_next_runs(client)


def test_a_full_disk_names_the_key(client):
    for place in (".", "/tmp"):
        run = client.run("with open('%s/big', 'wb') as f:\n    for n in range(200): f.write(bytes(1 << 20))" % place)
        assert run.status == "error" and run.content["ename"] in ("OSError", "MemoryError"), run.content
        assert "limits.disk" in run.traceback or "limits.memory" in run.traceback
        client.run("import os; os.remove('%s/big')" % place)
    assert_next_runs(client)


def test_code_that_is_too_long_names_the_key(client):
    run = client.run("x = 1 #" + "y" * (100 << 10))
    assert run.status == "error" and "limits.code" in run.content["evalue"] + run.traceback
    assert_next_runs(client)
