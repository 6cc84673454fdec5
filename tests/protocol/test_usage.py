"""Line 60: usage_request as jupyter-resource-usage asks it; what a cell cost, in the reply and in a line."""

import re
import time

import pytest

pytestmark = pytest.mark.cellblock_only("ipykernel tells its own processes, and the host's totals")

MIB = 1 << 20


def usage(client, **options):
    return client.ask("usage_request", {}, channel="control", **options).content


def test_60_usage_is_the_sandboxs_within_its_limits(client):
    client.run("kept = bytearray(b'x') * (60 << 20)").ok()
    told = usage(client)
    assert told["status"] == "ok" and told["hostname"] and told["pid"] > 0
    assert 60 * MIB < told["kernel_memory"] < 1024 * MIB
    memory = told["host_virtual_memory"]
    assert memory["total"] == 1024 * MIB and told["cpu_count"] == 1.0  # the policy's
    assert memory["available"] == memory["total"] - memory["used"] and 0 < memory["percent"] < 100
    client.run("del kept").ok()


def test_60_usage_is_told_while_a_cell_runs(client):
    usage(client)
    request = client.execute("import time\nend = time.time() + 1.5\nwhile time.time() < end: pass")
    client.first(request, "status")
    time.sleep(0.7)
    begin = time.monotonic()
    told = usage(client)
    assert time.monotonic() - begin < 5
    assert 10 < told["kernel_cpu"] < 300 and 0 < told["host_cpu_percent"] <= 100
    client.finish(request)


def test_60_after_a_death_the_figures_begin_anew(client):
    usage(client)
    client.run("import os; os._exit(1)")
    client.run("1").ok()
    assert usage(client)["kernel_cpu"] >= 0


def test_what_a_cell_cost_is_in_the_replys_metadata(client):
    run = client.run("import time\ntime.sleep(0.2)\nprint('x' * 1000)").ok()
    cost = run.reply.metadata["cellblock"]
    assert 0.2 <= cost["wall_seconds"] < 30 and 0 <= cost["cpu_seconds"] < 30
    assert cost["peak_memory_bytes"] > 10 * MIB and cost["output_bytes"] >= 1000
    failed = client.run("1 / 0")
    assert failed.status == "error" and failed.reply.metadata["cellblock"]["wall_seconds"] > 0


@pytest.mark.parametrize(("code", "status", "state"), [
    ("1", "ok", "intact"), ("1 / 0", "error", "intact"), ("raise KeyboardInterrupt", "error", "intact"),
    ("class MemoryLimit(Exception): pass\nraise MemoryLimit('variables are lost')", "error", "intact"),
    ("%%timeout 0.2\nwhile True: pass", "timeout", "intact"), ("import os; os._exit(1)", "killed", "lost")])
def test_how_a_cell_ended_is_in_the_replys_metadata(client, code, status, state):
    told = client.run(code).reply.metadata["cellblock"]
    assert (told["status"], told["state"]) == (status, state)


LINE = re.compile(r"cellblock: [0-9.]+ m?s, CPU [0-9.]+ m?s, memory at most [0-9]+ MiB, output [0-9.]+ (B|KiB)\n")


@pytest.mark.parametrize("code", ["%%usage\nprint('x')", "\n%%usage\n%%timeout 20\nprint('x')", "%%timeout 20\n%%usage\nprint('x')"])
def test_a_line_tells_what_the_cell_cost(client, code):
    run = client.run(code).ok()
    first, _, line = run.stdout.partition("\n")
    assert first == "x" and LINE.fullmatch(line), run.stdout
    assert client.run("print('x')").ok().stdout == "x\n"


def test_its_tracebacks_name_the_right_lines(client):
    run = client.run("%%usage\n%%timeout 20\nx = 1\n1 / 0")
    assert run.content["ename"] == "ZeroDivisionError" and re.search(r"----> \S*4|line 4", run.traceback)


def test_a_silent_cell_tells_nothing(client):
    assert client.run("%%usage\npass", silent=True).ok().stdout == ""


def test_usage_takes_no_argument(client):
    run = client.run("%%usage 3\nprint('x')")
    assert run.content["ename"] == "UsageError" and run.stdout == ""


def test_other_magics_with_that_beginning_are_ipythons(client):
    assert client.run("%%usages\n1").status == "error"
