"""Lines 54-59: interrupt, shutdown, deaths, the kernelspec."""

import json
import os
import pathlib
import signal
import subprocess
import sys

import pytest
from support import kernels, leftovers


def begin(client, code):
    request = client.execute("print('begun', flush=True)\n" + code)
    client.first(request, "stream")
    return request


LONG = {
    "loop": "while True: pass",
    "sleep": "import time; time.sleep(60)",
    "subprocess": "import subprocess; subprocess.run(['sleep', '60'])",
    "shell": "get_ipython().system('sleep 60')",
    "await": "import asyncio; await asyncio.sleep(60)",
    "lock": "import threading; threading.Event().wait(60)",
}


no_status = pytest.mark.ipykernel_fails("6.17's interrupt_reply has no status")
aborts_late = pytest.mark.ipykernel_fails("6.17 still aborts cells sent after the error was told")


@no_status
@pytest.mark.parametrize("code", LONG)
def test_54_interrupt_request_stops_the_cell(client, code):
    client.run("kept = 17").ok()
    cell = begin(client, LONG[code])
    request = client.send("control", "interrupt_request")
    reply = client.first(request, "interrupt_reply", timeout=10)
    assert reply.content["status"] == "ok" and reply.channel == "control"
    run = client.finish(cell, timeout=10)
    assert run.status == "error" and run.content["ename"] in ("KeyboardInterrupt", "CancelledError")
    assert client.run("kept").result == "17"


@no_status
def test_54_an_interrupt_with_nothing_to_stop(client):
    for _ in range(3):
        assert client.ask("interrupt_request", channel="control").status == "ok"
    assert client.run("1").result == "1"


def test_54_an_interrupt_aborts_the_queue_as_any_error(client):
    cell = begin(client, "while True: pass")
    queued = [client.execute("1") for _ in range(3)]
    client.send("control", "interrupt_request")
    assert client.finish(cell).status == "error"
    assert {client.finish(one).status for one in queued} == {"aborted"}


@aborts_late
def test_54_interrupts_again_and_again(client):
    client.run("kept = 18").ok()
    for _ in range(5):
        cell = begin(client, "while True: pass")
        client.send("control", "interrupt_request")
        assert client.finish(cell, timeout=10).content["ename"] == "KeyboardInterrupt"
    assert client.run("kept").result == "18"


def test_54_a_cell_may_catch_it(client):
    cell = client.execute("try:\n    print('begun', flush=True)\n    while True: pass\n"
                          "except KeyboardInterrupt:\n    print('caught')")
    client.first(cell, "stream")
    client.send("control", "interrupt_request")
    assert "caught" in client.finish(cell, timeout=10).stdout


def test_55_sigint_to_the_process_group_stops_the_cell(client, kernel):
    client.run("kept = 19").ok()
    cell = begin(client, "while True: pass")
    os.killpg(kernel.pid, signal.SIGINT)
    run = client.finish(cell, timeout=10)
    assert run.content["ename"] == "KeyboardInterrupt"
    assert kernel.alive() and client.run("kept").result == "19"


def test_55_sigint_between_cells_harms_nothing(client, kernel):
    os.killpg(kernel.pid, signal.SIGINT)
    client.fence("control")
    assert kernel.alive() and client.run("1").result == "1"


@pytest.mark.cellblock_only("ipykernel leaves its children, and answers on control alone")
@pytest.mark.parametrize("channel", ["control", "shell"])
@pytest.mark.parametrize("restart", [False, True])
def test_56_shutdown_replies_and_leaves_nothing(start, restart, channel):
    kernel = start()
    kernel.client.run("import subprocess; child = subprocess.Popen(['sleep', '1000'])").ok()
    tree = kernel.tree()
    request = kernel.client.send(channel, "shutdown_request", {"restart": restart})
    reply = kernel.client.first(request, "shutdown_reply", where=lambda one: one.channel == channel)
    assert reply.content == {"status": "ok", "restart": restart}
    told = kernel.client.first(request, "shutdown_reply", where=lambda one: one.channel == "iopub")
    assert told.content["restart"] is restart
    assert kernel.process.wait(5) == 0
    assert leftovers.wait_until(lambda: not leftovers.living(tree), 2)


@pytest.mark.cellblock_only("ipykernel waits for the cell")
def test_56_shutdown_in_mid_cell(start):
    kernel = start()
    begin(kernel.client, "import signal\nsignal.signal(signal.SIGINT, signal.SIG_IGN)\nwhile True: pass")
    tree = kernel.tree()
    request = kernel.client.send("control", "shutdown_request", {"restart": False})
    kernel.client.first(request, "shutdown_reply", timeout=10)
    kernel.process.wait(10)
    assert leftovers.wait_until(lambda: not leftovers.living(tree), 3)


@pytest.mark.cellblock_only("SIGTERM ends ipykernel by its default action")
def test_56_sigterm_leaves_nothing(start, nothing_left):
    kernel = start()
    begin(kernel.client, "while True: pass")
    tree = kernel.tree()
    kernel.process.terminate()
    kernel.process.wait(10)
    assert leftovers.wait_until(lambda: not leftovers.living(tree), 2)


@pytest.mark.cellblock_only("in ipykernel the worker is the kernel")
@pytest.mark.parametrize("code, told", [
    ("import os; os._exit(3)", "exit status 3"),
    ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", "signal 9"),
    ("import ctypes; ctypes.string_at(0)", "signal 11"),
    ("import os; os.abort()", "signal 6"),
], ids=["exit", "kill", "segfault", "abort"])
def test_57_a_dead_worker_is_an_error_with_a_reason(client, kernel, code, told):
    before = client.run("1").content["execution_count"]
    run = client.run(code)
    assert run.status == "error" and run.content["ename"] == "WorkerDied"
    assert told in run.content["evalue"] and "variables are lost" in run.content["evalue"]
    assert len(run.of("error")) == 1 and run.states == ["busy", "idle"]
    after = client.run("6 * 7")
    assert after.result == "42" and after.content["execution_count"] == before + 2
    assert kernel.alive()


@pytest.mark.cellblock_only("in ipykernel the worker is the kernel")
def test_57_a_worker_that_dies_between_cells_is_told(client):
    client.run("import os, threading\nthreading.Timer(0.3, lambda: os._exit(4)).start()").ok()
    tree_was = client.run("'still'")
    assert tree_was.states == ["busy", "idle"]
    run = client.run("import time; time.sleep(1)")
    if run.status == "ok":
        run = client.run("2")
        assert run.result == "2"
    else:
        assert run.content["ename"] == "WorkerDied"
    assert client.run("3").result == "3"


PARENT = """
import os, subprocess, sys
kernel = subprocess.Popen(sys.argv[1:], env={**os.environ, "JPY_PARENT_PID": str(os.getpid())},
                          start_new_session=True)
print(kernel.pid, flush=True)
sys.stdin.read()
"""


@pytest.mark.ipykernel_fails("it waits to become a child of pid 1, which a subreaper prevents")
def test_58_the_kernel_leaves_when_its_parent_is_gone(place):
    info = kernels.connection_info()
    file = place.root / "run" / "parent.json"
    file.write_text(json.dumps(info))
    argv = [word.replace("{connection_file}", str(file)) for word in kernels.default_command()]
    parent = subprocess.Popen([sys.executable, "-c", PARENT, *place.as_user(argv)], stdin=subprocess.PIPE,
                              stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=place.environment())
    pid = int(parent.stdout.readline())
    client = kernels.Client(info)
    try:
        client.ready()
        begin(client, "while True: pass")
        tree = {**leftovers.descendants(pid), pid: leftovers.stat_of(pid)[3]}
        parent.kill()
        parent.wait()
        assert leftovers.wait_until(lambda: not leftovers.living(tree), 3), \
            [leftovers.command_line(one) for one in leftovers.living(tree)]
    finally:
        client.close()
        parent.kill()
        if leftovers.stat_of(pid):
            os.killpg(pid, signal.SIGKILL)


@pytest.mark.cellblock_only("ipykernel's children live on")
def test_58_kill_9_of_the_kernel_ends_its_sandbox_within_a_second(start):
    kernel = start()
    begin(kernel.client, "import subprocess\nchild = subprocess.Popen(['sleep', '1000'], start_new_session=True)\n"
                         "while True: pass")
    tree = kernel.tree()
    assert tree
    os.kill(kernel.pid, signal.SIGKILL)
    assert leftovers.wait_until(lambda: not leftovers.living(tree), 1), \
        [leftovers.command_line(one) for one in leftovers.living(tree)]


@pytest.mark.cellblock_only("its installer")
def test_59_the_kernelspec(program, place):
    done = subprocess.run(place.as_user([program, "install", "--user", "--python", kernels.PYTHON]),
                          env=place.environment(), capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    file, = pathlib.Path(place.root).glob("**/kernels/cellblock/kernel.json")
    spec = json.loads(file.read_text())
    assert os.path.isabs(spec["argv"][0]) and "{connection_file}" in spec["argv"]
    assert spec["interrupt_mode"] == "message" and spec["language"] == "python" and spec["display_name"]
    assert all((file.parent / name).stat().st_size for name in ("logo-32x32.png", "logo-64x64.png", "logo-svg.svg"))
    info = kernels.connection_info()
    connection = place.file("spec.json", json.dumps(info))
    argv = [word.replace("{connection_file}", str(connection)) for word in spec["argv"]]
    kernel = kernels.Kernel(place, command=[*argv], info=info)
    try:
        assert kernel.client.run("1 + 1").result == "2"
    finally:
        assert not kernel.stop()


@pytest.mark.cellblock_only
def test_a_kernel_prints_nothing_but_its_own_lines(start):
    """Its standard output and error are those of the program that started it, which may write a notebook to them."""
    kernel = start()
    assert kernel.client.run("print(6 * 7)").stdout == "42\n"
    assert [line for line in kernel.said().splitlines() if not line.startswith("cellblock")] == []
