"""Limits as shares of this machine: the figures that result; busy sandboxes leave others their part."""

import json
import math
import os
import pathlib
import re
import subprocess

import pytest
from support import kernels, leftovers

SHARES = {"limits": {"cpus": "all", "memory": "25%"}}


def shown(place, policy):
    """What `policy show` says: (the document, the line on stderr)."""
    done = subprocess.run([kernels.PROGRAM, "policy", "show", policy], capture_output=True, text=True, timeout=60,
                          env=place.environment(), check=True)
    return json.loads(done.stdout), done.stderr


def test_figures_of_a_share_are_told_and_used(start_as, user_place):
    document, said = shown(user_place, user_place.policy("shares", **SHARES))
    assert document["limits"]["cpus"] == "all" and document["limits"]["memory"] == "25%"
    cpus = float(re.search(r"limits\.cpus is ([\d.]+)", said)[1])
    assert 0 < cpus <= len(os.sched_getaffinity(0)) and "limits.memory is" in said
    client = start_as(policy=SHARES).client
    assert client.run("import os; int(os.environ['OMP_NUM_THREADS'])").ok().result == str(math.ceil(cpus))
    usage = client.ask("usage_request", channel="control").content
    total = int(re.search(r"MemTotal:\s+(\d+)", pathlib.Path("/proc/meminfo").read_text())[1]) * 1024
    assert usage["cpu_count"] == cpus
    assert usage["host_virtual_memory"]["total"] <= total / 4


def test_the_notebook_policy_has_the_machine(user_place):
    document, said = shown(user_place, "notebook")
    assert document["limits"]["cpus"] == "all" and document["limits"]["memory"] == "60%"
    assert said.startswith("cellblock policy: on this machine limits.memory is ")
    assert shown(user_place, "default")[1] == ""


def test_an_engine_elsewhere_takes_no_share_of_this_machine(start_as):
    run = start_as(policy={"engine": "ssh", "destination": "nowhere.invalid", **SHARES}).client.run("1")
    assert run.content["ename"] == "SandboxUnavailable"
    assert "limits.memory" in run.content["evalue"] and "another" in run.content["evalue"], run.content


def test_a_sandbox_has_half_the_weight_of_other_programs(start_as):
    kernel = start_as(policy=SHARES)
    kernel.client.run("1").ok()
    worker = next(pid for pid in kernel.tree() if "worker.py" in leftovers.command_line(pid))
    found = {}
    for line in pathlib.Path("/proc/%d/cgroup" % worker).read_text().splitlines():
        _, controllers, path = line.split(":", 2)
        for file in ("/sys/fs/cgroup/cpu" + path + "/cpu.shares", "/sys/fs/cgroup/cpu,cpuacct" + path + "/cpu.shares",
                     "/sys/fs/cgroup" + path + "/cpu.weight"):
            if "/cellblock-" in path and os.path.exists(file):
                found[file.rsplit("/", 1)[1]] = int(pathlib.Path(file).read_text())
    if not found:
        pytest.skip("this user's sandboxes have no control group for processors here")
    assert set(found.items()) <= {("cpu.shares", 512), ("cpu.weight", 50)}, found
