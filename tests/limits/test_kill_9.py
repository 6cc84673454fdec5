"""kill -9 of kernel, supervisor, warden and worker in mid-cell: nothing is left behind, and the rest goes on."""

import os
import signal

import pytest
from support import leftovers

CELL = ("import subprocess\nopen('/tmp/trace', 'w').write('x'); open('trace', 'w').write('x')\n"
        "child = subprocess.Popen(['sleep', '1000'], start_new_session=True)\nprint('begun', flush=True)\nwhile True: pass")


@pytest.fixture
def before():
    return leftovers.Snapshot()


def in_mid_cell(kernel):
    cell = kernel.client.execute(CELL)
    kernel.client.first(cell, "stream")
    return cell


def by_depth(kernel):
    """The kernel's descendants as [pid, …] for each depth below it."""
    processes = leftovers.all_processes()
    levels, current = [], [kernel.pid]
    while current:
        current = [pid for pid, stat in processes.items() if stat[2] in current and stat[1] not in "ZX"]
        if current:
            levels.append(current)
    kernel.tree()
    return levels


def roles(kernel):
    """Who is who: the worker spins, the warden is its parent, whoever is between is a supervisor."""
    chain, levels = [], by_depth(kernel)
    sleeping = next(pid for level in levels for pid in level if "sleep 1000" in leftovers.command_line(pid))
    pid = leftovers.stat_of(sleeping)[2]
    while pid != kernel.pid:
        chain.append(pid)
        pid = leftovers.stat_of(pid)[2]
    found = {"worker": chain[0], "warden": chain[1]}
    if len(chain) > 2:
        found["supervisor"] = chain[2]
    return found


def test_kill_9_of_the_kernel(start_as, before):
    kernel = start_as()
    in_mid_cell(kernel)
    tree = kernel.tree()
    assert len(tree) >= 3
    os.kill(kernel.pid, signal.SIGKILL)
    assert leftovers.wait_until(lambda: not leftovers.living(tree), 1), \
        [leftovers.command_line(pid) for pid in leftovers.living(tree)]
    kernel.kill()
    assert before.wait_clean() == {}


@pytest.mark.parametrize("who", ["worker", "warden", "supervisor"])
def test_kill_9_of_a_part_of_the_sandbox(start_as, before, who):
    kernel = start_as()
    cell = in_mid_cell(kernel)
    parts = roles(kernel)
    if who not in parts:
        pytest.skip("there is no process between the kernel and the warden")
    tree = kernel.tree()
    os.kill(parts[who], signal.SIGKILL)
    run = kernel.client.finish(cell, timeout=30)
    assert run.status == "error" and run.content["ename"] == "WorkerDied", run.content
    assert "variables are lost" in run.content["evalue"]
    kept = {parts["warden"], parts.get("supervisor")} if who == "worker" else set()
    gone = {pid: start for pid, start in tree.items() if pid in (parts["worker"],) or
            "sleep 1000" in leftovers.command_line(pid)}
    assert leftovers.wait_until(lambda: not leftovers.living(gone), 2), (kept, gone)
    assert kernel.client.run("6 * 7").result == "42"
    kernel.stop()
    assert before.wait_clean() == {}


def test_again_and_again(start_as, before):
    kernel = start_as()
    for _ in range(4):
        cell = in_mid_cell(kernel)
        os.kill(roles(kernel)["worker"], signal.SIGKILL)
        assert kernel.client.finish(cell, timeout=30).content["ename"] == "WorkerDied"
    assert kernel.client.run("1").result == "1"
    kernel.stop()
    assert before.wait_clean() == {}


def test_a_client_that_kills_the_group(start_as, before):
    kernel = start_as()
    in_mid_cell(kernel)
    tree = kernel.tree()
    os.killpg(kernel.pid, signal.SIGKILL)
    assert leftovers.wait_until(lambda: not leftovers.living(tree), 1)
    kernel.kill()
    assert before.wait_clean() == {}


def test_an_orderly_end_leaves_nothing(start_as, before):
    kernel = start_as()
    kernel.client.run("open('/tmp/left', 'w').write('x'); import os; os.mkdir('d')").ok()
    assert kernel.stop() == {}
    assert before.wait_clean() == {}
    assert not os.path.exists("/tmp/left")


def test_the_hosts_mounts_are_not_touched(start_as, before):
    mounts = open("/proc/self/mountinfo").read()
    kernel = start_as()
    kernel.client.run("1").ok()
    assert open("/proc/self/mountinfo").read() == mounts
    kernel.stop()
