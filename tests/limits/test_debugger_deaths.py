"""kill -9 of worker, warden, supervisor and debugpy's adapter while a cell is stopped: each is told, and debugging goes on."""

import json
import os
import signal
import subprocess
import time

import pytest
from support import kernels, leftovers
from support.debugging import CELL, Debug, needs_debugpy

pytestmark = needs_debugpy

LOST = "variables are lost"


@pytest.fixture
def debug(start_as):
    return Debug(start_as({"debugger": True, "limits": {"cell_time": "30s", "grace_time": "1s"}}))


def stopped_cell(debug):
    debug.breakpoints(CELL, 3)
    cell = debug.client.execute(CELL)
    debug.stopped()
    return cell


def find(debug):
    """Who is who: the adapter's command line names it, the worker is its ancestor's leaf, the rest is between it and the kernel."""
    tree = debug.kernel.tree()
    adapter = next(pid for pid in tree if "debugpy/adapter" in leftovers.command_line(pid))
    chain = [max(pid for pid in tree if pid != adapter and "worker.py" in leftovers.command_line(pid))]
    while leftovers.stat_of(chain[-1])[2] != debug.kernel.pid:
        chain.append(leftovers.stat_of(chain[-1])[2])
    found = dict(zip(("worker", "warden", "supervisor"), chain))
    return {"adapter": adapter, **found}


def works_anew(debug):
    debug.attach()
    cell = stopped_cell(debug)
    threads = debug.say("debugInfo")["stoppedThreads"]
    debug.say("continue", threadId=threads[0])
    assert debug.client.finish(cell).ok().stdout == "42\n"


@pytest.mark.parametrize("who", ["worker", "warden", "supervisor"])
def test_of_a_part_of_the_sandbox(debug, who):
    debug.attach()
    cell = stopped_cell(debug)
    parts = find(debug)
    if who not in parts:
        pytest.skip("there is no process between the kernel and the warden")
    os.kill(parts[who], signal.SIGSTOP)  # so that requests are on their way when it dies
    requests = [debug.send("stackTrace", threadId=1), debug.send("inspectVariables")]
    time.sleep(0.5)
    os.kill(parts[who], signal.SIGKILL)
    run = debug.client.finish(cell, timeout=20)
    assert run.content["ename"] == "WorkerDied" and LOST in run.content["evalue"], run.content
    for request in requests:
        reply = debug.client.finish(request, timeout=20).reply.content
        assert reply["type"] == "response"
        if who == "worker":  # while the others stand still, the debugger in the worker answers as ever
            assert reply["success"] is False and "has ended" in reply["message"], reply
    debug.event("terminated")
    assert "isn't running" in debug.say("stackTrace", ok=False, threadId=1)["message"]
    assert debug.client.run("6 * 7").result == "42"
    works_anew(debug)


SEEN_LATE = """
import time
from cellblock_worker import debugger
def late(self, lost=debugger.Debugger._lost):
    time.sleep(2)
    lost(self)
debugger.Debugger._lost = late
"""


@pytest.mark.parametrize("before", ["", SEEN_LATE], ids=["seen at once", "seen late"])
def test_of_the_adapter(debug, before):
    """debugpy then lets the cell go on, as it does when a client disconnects; the cell says so."""
    debug.client.run("kept = 61").ok()
    debug.attach()
    debug.client.run(before).ok()
    cell = stopped_cell(debug)
    adapter = find(debug)["adapter"]
    os.kill(adapter, signal.SIGSTOP)
    request = debug.send("stackTrace", threadId=1)
    time.sleep(0.5)
    os.kill(adapter, signal.SIGKILL)
    run = debug.client.finish(cell, timeout=20).ok()
    assert run.stdout == "42\n" and run.stderr.count("the debugger has ended") == 1
    reply = debug.client.finish(request, timeout=20).reply.content
    assert reply["success"] is False and "adapter has ended" in reply["message"]
    debug.event("terminated")
    assert debug.say("debugInfo")["isStarted"] is False
    assert "isn't running" in debug.say("stackTrace", ok=False, threadId=1)["message"]
    works_anew(debug)
    assert debug.client.run("kept").result == "61"


def test_of_the_adapter_between_cells(debug):
    debug.attach()
    os.kill(find(debug)["adapter"], signal.SIGKILL)
    debug.event("terminated")
    assert debug.client.run("6 * 7").ok().result == "42"
    works_anew(debug)


@pytest.mark.parametrize("files", [100, 128])
def test_where_few_files_may_be_open_cells_run_beside_a_debugger(user_place, files):
    """The worker's two sockets get low numbers then, and must not land on each other."""
    policy = user_place.policy("few-files", debugger=True, require=[])
    done = subprocess.run(user_place.as_user(["prlimit", "--nofile=%d:%d" % (files, files), kernels.PROGRAM, "run", "--json",
                                              "--policy", policy, "-"]), input="print(6 * 7)", capture_output=True,
                          text=True, env=user_place.environment(), cwd=user_place.root / "work", timeout=90, check=False)
    assert done.returncode == 0 and json.loads(done.stdout)["stdout"] == "42\n", (done.stdout, done.stderr)
