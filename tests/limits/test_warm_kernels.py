"""Kernels whose sandbox is a fork of a warm Python: all that a kernel is asked for, as root and as an ordinary user."""

import os
import signal
import subprocess

import pytest
from support import kernels, leftovers

POLICY = {"warm": True, "preload": ["matplotlib.pyplot"],
          "limits": {"cell_time": "3s", "grace_time": "1s", "memory": "400MiB"}}
DEAF = ("import signal\nsignal.signal(signal.SIGINT, signal.SIG_IGN)\nwhile True:\n    try:\n        while True: pass\n"
        "    except KeyboardInterrupt: pass")
PLOT = "import matplotlib.pyplot as plt\nplt.plot(range(9))\nplt.show()"


def daemon(place, what):
    done = subprocess.run(place.as_user([kernels.PROGRAM, "daemon", what]), env=place.environment(), capture_output=True,
                          text=True, timeout=30, check=True)
    return done.stdout


@pytest.fixture(scope="module")
def warm_place(user_place):
    """With a daemon, and a Python that is warm already."""
    served = subprocess.Popen(user_place.as_user([kernels.PROGRAM, "daemon"]), env=user_place.environment(),
                              stderr=subprocess.PIPE, text=True, start_new_session=True)
    try:
        assert "listens in" in served.stderr.readline()
        first = kernels.Kernel(user_place, policy=user_place.policy("warm", **POLICY))
        assert first.stop() == {}
        assert leftovers.wait_until(lambda: "ready after" in daemon(user_place, "status"), 60), \
            daemon(user_place, "status")
        yield user_place
    finally:
        daemon(user_place, "stop")
        served.wait(30)
        served.stderr.close()


@pytest.fixture
def warm(warm_place, start_as):
    kernel = start_as(place=warm_place, policy=POLICY)
    kernel.client.run("1").ok()
    assert "zygote.py" in kernel.client.run("print(open('/proc/1/cmdline').read())").ok().stdout
    yield kernel
    assert kernel.stop() == {}
    assert leftovers.wait_until(lambda: not sandboxes(kernel), 5), sandboxes(kernel)


def sandboxes(kernel):
    """Warm ones: the children of this place's zygotes, which are the daemon's children."""
    status = daemon(kernel.place, "status")
    return {pid: stat for pid, stat in leftovers.all_processes().items()
            if "process %d)" % stat[2] in status and stat[1] not in "ZX"}


def test_cells_results_and_plots(warm):
    assert warm.client.run("6 * 7").result == "42"
    assert warm.client.run("print('a'); import sys; print('b', file=sys.stderr)").ok().stdout == "a\n"
    shown = warm.client.run(PLOT).ok()
    assert any("image/png" in mimes for mimes in shown.mimes), shown
    failed = warm.client.run("1/0")
    assert failed.content["ename"] == "ZeroDivisionError"
    assert "zygote" not in failed.traceback


def test_an_interrupt(warm):
    warm.client.run("kept = 1").ok()
    cell = warm.client.execute("print('begun', flush=True)\nwhile True: pass")
    warm.client.first(cell, "stream")
    warm.client.send("control", "interrupt_request")
    assert warm.client.finish(cell).content["ename"] == "KeyboardInterrupt"
    assert warm.client.run("kept").result == "1"


def test_a_deadline_that_needs_a_kill(warm):
    run = warm.client.run(DEAF, timeout=30)
    assert run.content["ename"] == "CellTimeout", run.content
    assert "restarted" in run.content["evalue"] or "lost" in run.content["evalue"], run.content
    assert warm.client.run("6 * 7").result == "42"
    assert any("image/png" in mimes for mimes in warm.client.run(PLOT).ok().mimes)


def test_deaths(warm):
    for code in ("import os; os._exit(3)", "import os, signal; os.kill(os.getpid(), signal.SIGSEGV)"):
        assert warm.client.run(code).content["ename"] == "WorkerDied"
        assert warm.client.run("6 * 7").result == "42"
    assert warm.client.run("x = bytearray(800 << 20)").content["ename"] in ("MemoryError", "MemoryLimit")
    assert warm.client.run("6 * 7").result == "42"


def test_a_worker_that_starts_again_finds_a_new_shell(warm):
    left = ("mine, shell = 1, get_ipython()\nshell.mine = 1\nshell.run_line_magic('alias', 'mine echo')\n"
            "shell.events.register('post_run_cell', lambda result: None)\nimport sys\nsys.path.append('/mine')")
    look = ("shell = get_ipython()\n'mine' in globals(), hasattr(shell, 'mine'), 'mine' in shell.magics_manager.lsmagic()['line']"
            ", len(shell.events.callbacks['post_run_cell']), '/mine' in __import__('sys').path, __")
    fresh = warm.client.run(look).result
    warm.client.run(left).ok()
    assert warm.client.run(look).result != fresh
    assert warm.client.run("import os; os._exit(3)").content["ename"] == "WorkerDied"
    assert warm.client.run(look).result == fresh


def test_the_supervisors_end(warm):
    (supervisor,) = sandboxes(warm)
    cell = warm.client.execute("print('begun', flush=True)\nwhile True: pass")
    warm.client.first(cell, "stream")
    os.kill(supervisor, signal.SIGKILL)
    assert warm.client.finish(cell, timeout=30).content["ename"] == "WorkerDied"
    assert warm.client.run("6 * 7").result == "42"


def test_the_kernels_end_is_that_of_its_sandbox(warm):
    assert len(sandboxes(warm)) == 1
    os.kill(warm.pid, signal.SIGKILL)
    assert leftovers.wait_until(lambda: not sandboxes(warm), 2)


def test_usage_is_measured(warm):
    run = warm.client.run("%%usage\nx = sum(range(10 ** 6))").ok()
    assert "MiB" in str([one.content for one in run.iopub]), run


def test_a_child_process_is_a_plain_python(warm):
    code = "import subprocess, sys\nprint(subprocess.run([sys.executable, '-c', 'print(6*7)'], capture_output=True, text=True).stdout)"
    assert warm.client.run(code).ok().stdout.strip() == "42"
    code = "import multiprocessing as m\nprint(m.get_context('fork').Pool(2).map(abs, [-1, -2]))"
    assert warm.client.run(code).ok().stdout.strip() == "[1, 2]"
