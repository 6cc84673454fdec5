"""Line 61: a debugger's client across a restart of its kernel, and code that never ends where a client only wants to look."""

import subprocess
import time

import pytest
from support import kernels
from support.debugging import CELL, Debug, needs_debugpy
from support.shared import lasting

pytestmark = [pytest.mark.cellblock_only("its policy's key debugger; ipykernel has tests of its own"), needs_debugpy]

ENDLESS = ("import time\nclass Endless:\n    def __repr__(self):\n        while True: time.sleep(0.01)\n"
           "endless = [Endless()]; kept = 61")
STUBBORN = ("class Stubborn:\n    def __repr__(self):\n        import signal, time\n"
            "        signal.signal(signal.SIGINT, signal.SIG_IGN)\n        while True: time.sleep(0.01)\n"
            "stubborn = Stubborn(); kept = 61")
LATE = "the inspection was stopped after 3 s; your variables are intact"


@pytest.fixture(scope="module")
def shared(module_place):
    yield from lasting(module_place, policy=module_place.policy(
        "looked-at", debugger=True, limits={"cell_time": "3s", "grace_time": "3s", "memory": "512MiB"}))


@pytest.fixture
def debug(shared):
    one = Debug(shared.kernel())
    yield one
    one.say("disconnect", ok=None)
    one.client.run("%reset -f")


# --- a restart

def restore(debug, old, code, line):
    """What JupyterLab does when a kernel restarts under its debugger: a cell's file is dumped again only if its name changed."""
    info = debug.say("debugInfo")
    assert info["isStarted"] is False and info["breakpoints"] == [] and info["stoppedThreads"] == []
    debug.say("initialize", clientID="jupyterlab", adapterID="", linesStartAt1=True, columnsStartAt1=True, pathFormat="path")
    debug.say("attach")
    path = old["source"]
    if info["tmpFilePrefix"] != old["prefix"]:
        path = path.replace(old["prefix"], info["tmpFilePrefix"])
        assert debug.say("dumpCell", code=code)["sourcePath"] == path
    body = debug.say("setBreakpoints", source={"path": path}, breakpoints=[{"line": line}], sourceModified=False)
    assert [one["verified"] for one in body["breakpoints"]] == [True]
    debug.say("configurationDone")
    assert debug.say("debugInfo")["breakpoints"] == [{"source": path, "breakpoints": [{"line": line}]}]


def stops_at(debug, code, line):
    cell = debug.client.execute(code)
    thread, frames = debug.stopped()
    assert frames[0]["line"] == line
    debug.say("continue", threadId=thread)
    return debug.client.finish(cell).ok()


def test_61_breakpoints_survive_a_restart_of_the_kernel(module_place):
    policy = module_place.policy("restarted", debugger=True)
    kernel = kernels.Kernel(module_place, policy=policy)
    try:
        debug = Debug(kernel).attach()
        old = {"prefix": debug.say("debugInfo")["tmpFilePrefix"], "source": debug.breakpoints(CELL, 3)}
        stops_at(debug, CELL, 3)
        kernel.client.ask("shutdown_request", {"restart": True}, channel="control")
        kernel.process.wait(20)
        assert not kernel.kill()
        kernel = kernels.Kernel(module_place, policy=policy, info=kernel.info)
        debug = Debug(kernel)
        restore(debug, old, CELL, 3)
        assert stops_at(debug, CELL, 3).stdout == "42\n"
    finally:
        assert not kernel.stop()


def test_61_and_the_end_of_a_worker(debug):
    debug.attach()
    old = {"prefix": debug.say("debugInfo")["tmpFilePrefix"], "source": debug.breakpoints(CELL, 3)}
    debug.client.run("import os; os._exit(0)")
    debug.event("terminated")
    restore(debug, old, CELL, 3)
    assert stops_at(debug, CELL, 3).stdout == "42\n"


# --- code that never ends

def look(debug, command, **arguments):
    begun = time.monotonic()
    reply = debug.say(command, ok=False, timeout=40, **arguments)
    return reply, time.monotonic() - begun


@pytest.mark.parametrize("attached", [False, True])
@pytest.mark.parametrize("command, arguments", [
    ("inspectVariables", {}), ("richInspectVariables", {"variableName": "endless"}),
    ("evaluate", {"expression": "endless[0]", "context": "repl"}),
    ("evaluate", {"expression": "while True: kept = 62", "context": "repl"})])
def test_61_an_endless_repr_is_stopped_and_the_next_request_works(debug, command, arguments, attached):
    if attached:
        debug.attach()
    debug.client.run(ENDLESS).ok()
    reply, took = look(debug, command, **arguments)
    assert reply["message"] == LATE and 2 < took < 8
    debug.client.run("del endless").ok()
    assert debug.say("richInspectVariables", variableName="kept")["data"]["text/plain"] in ("61", "62")
    assert "kept" in [one["name"] for one in debug.say("inspectVariables")["variables"]]
    if attached:
        debug.breakpoints(CELL, 3)
        stops_at(debug, CELL, 3)


def test_61_so_is_an_endless_property_of_what_is_unfolded(debug):
    debug.client.run("import time\nclass Box:\n    def __repr__(self): return 'box'\nclass Endless:\n    def __repr__(self):\n"
                     "        while True: time.sleep(0.01)\nbox = Box(); box.inside = Endless(); kept = 61").ok()
    shown = {one["name"]: one for one in debug.say("inspectVariables")["variables"]}
    reply, _ = look(debug, "variables", variablesReference=shown["box"]["variablesReference"])
    assert reply["message"] == LATE
    assert debug.client.run("kept").result == "61"


def test_61_many_at_once_are_each_answered(debug):
    debug.client.run(ENDLESS).ok()
    requests = [debug.send("inspectVariables") for _ in range(2)] + [debug.send("debugInfo")]
    replies = [debug.client.finish(one, timeout=40).reply.content for one in requests]
    assert [one["success"] for one in replies] == [False, False, True]
    assert debug.client.run("kept").result == "61"


def test_61_a_cell_waits_for_its_turn_and_has_all_its_time(debug):
    debug.client.run(ENDLESS).ok()
    request = debug.send("inspectVariables")
    run = debug.client.run("time.sleep(2); kept", timeout=40)
    assert run.ok().result == "61"
    assert debug.client.finish(request).reply.content["message"] == LATE


def test_61_an_interrupt_ends_it_at_once(debug):
    debug.client.run(ENDLESS).ok()
    request = debug.send("inspectVariables")
    time.sleep(0.5)
    begun = time.monotonic()
    debug.client.ask("interrupt_request", channel="control")
    reply = debug.client.finish(request, timeout=40).reply.content
    assert reply["message"] == "the inspection was interrupted; your variables are intact"
    assert time.monotonic() - begun < 2
    assert debug.client.run("kept").result == "61"


@pytest.mark.parametrize("attached", [False, True])
def test_61_what_cant_be_interrupted_is_killed_and_told_of(debug, attached):
    if attached:
        debug.attach()
    debug.client.run(STUBBORN).ok()
    reply, took = look(debug, "richInspectVariables", variableName="stubborn")
    assert reply["message"] == "the inspection was stopped after 3 s; the session was restarted and variables are lost"
    assert 3 < took < 12
    run = debug.client.run("'kept' in dir()")
    assert run.ok().result == "False" and "variables are lost" in run.stderr
    debug.attach().breakpoints(CELL, 3)
    assert stops_at(debug, CELL, 3).stdout == "42\n"


@pytest.mark.long
def test_61_while_a_cell_runs_it_is_stopped_and_the_cell_goes_on(shared, module_place):
    kernel = kernels.Kernel(module_place, policy=module_place.policy("long", debugger=True))
    try:
        debug = Debug(kernel)
        debug.client.run(ENDLESS.replace("time.sleep(0.01)", "pass")).ok()
        cell = debug.client.execute("for step in range(1400): time.sleep(0.01)\nprint('on')")
        debug.client.first(cell, "execute_input")
        requests = [debug.send("inspectVariables"), debug.send("debugInfo"),
                    debug.send("richInspectVariables", variableName="kept")]
        late, info, other = [debug.client.finish(one, timeout=40).reply.content for one in requests]
        assert late["success"] is False and "longer than 10 s" in late["message"]
        assert info["success"] is True
        assert other["success"] is True and other["body"]["data"]["text/plain"] == "61"
        assert debug.client.finish(cell, timeout=60).ok().stdout == "on\n"
    finally:
        assert not kernel.stop()


@pytest.mark.long
def test_61_what_cant_be_stopped_while_a_cell_runs_holds_up_only_inspections(module_place):
    kernel = kernels.Kernel(module_place, policy=module_place.policy("longer", debugger=True))
    try:
        debug = Debug(kernel)
        debug.client.run("import time\nclass Asleep:\n    def __repr__(self): time.sleep(14); return 'awake'\nasleep = Asleep()").ok()
        cell = debug.client.execute("for step in range(1800): time.sleep(0.01)\nprint('on')")
        debug.client.first(cell, "execute_input")
        requests = [debug.send("inspectVariables"), debug.send("evaluate", expression="6 * 7"), debug.send("debugInfo")]
        late, behind, info = [debug.client.finish(one, timeout=40).reply.content for one in requests]
        assert late["success"] is False and "longer than 10 s" in late["message"]
        assert behind["success"] is False and "an earlier inspection" in behind["message"]
        assert info["success"] is True
        assert debug.client.finish(cell, timeout=60).ok().stdout == "on\n"
        assert debug.say("evaluate", expression="6 * 7")["result"] == "42"
    finally:
        assert not kernel.stop()


def test_61_at_a_breakpoint_an_interrupt_ends_it(module_place):
    kernel = kernels.Kernel(module_place, policy=module_place.policy("unhurried", debugger=True, limits={"cell_time": "60s"}))
    try:
        debug = Debug(kernel)
        debug.attach()
        debug.breakpoints(CELL, 3)
        cell = debug.client.execute(CELL)
        _, frames = debug.stopped()
        request = debug.send("evaluate", expression="[0 for _ in iter(int, 1)]", frameId=frames[0]["id"], context="watch")
        time.sleep(1)
        debug.client.send("control", "interrupt_request")
        run = debug.client.finish(cell, timeout=20)
        assert run.content["ename"] == "KeyboardInterrupt", run.content
        assert debug.client.finish(request, timeout=60).reply.content["type"] == "response"
        debug.say("disconnect", ok=None)
        debug.attach().breakpoints(CELL, 3)
        assert stops_at(debug, CELL, 3).stdout == "42\n"
    finally:
        assert not kernel.stop()


def test_61_an_inspection_stops_at_no_breakpoint(debug):
    debug.attach()
    code = "class Seen:\n    def __repr__(self):\n        return 'seen'\nseen = Seen()"
    debug.breakpoints(code, 3)
    debug.client.run(code).ok()
    shown = {one["name"]: one["value"] for one in debug.say("inspectVariables", timeout=20)["variables"]}
    assert shown["seen"] == "seen"
    cell = debug.client.execute("repr(seen)")  # but a cell does, as before
    thread, frames = debug.stopped()
    assert frames[0]["line"] == 3
    debug.say("continue", threadId=thread)
    debug.client.finish(cell).ok()


def test_61_an_expression_without_a_frame_sees_the_sessions_variables(debug):
    debug.client.run("numbers = [1, 2]").ok()
    body = debug.say("evaluate", expression="numbers", context="repl")
    assert body["result"] == "[1, 2]" and body["type"] == "list"
    inside = debug.say("variables", variablesReference=body["variablesReference"])["variables"]
    assert [one["value"] for one in inside] == ["1", "2"]
    debug.say("evaluate", expression="numbers.append(3); more = 4", context="repl")
    assert debug.client.run("numbers, more").result == "([1, 2, 3], 4)"
    assert "NameError" in debug.say("evaluate", ok=False, expression="nothing_of_the_kind", context="repl")["message"]


# --- no debugpy

def test_61_without_debugpy_the_reply_says_what_to_install(module_place):
    folder = module_place.root / "without"
    subprocess.run([kernels.PYTHON, "-m", "venv", "--system-site-packages", "--without-pip", folder], check=True)
    packages = next(folder.glob("lib/python3*/site-packages"))
    (packages / "without.pth").write_text("import sys; sys.modules['debugpy'] = None\n")
    policy = module_place.policy("without", debugger=True, python=str(folder / "bin" / "python"))
    kernel = kernels.Kernel(module_place, policy=policy)
    try:
        debug = Debug(kernel)
        assert kernel.client.ask("kernel_info_request").content["debugger"] is False
        reply = debug.say("debugInfo", ok=False)
        assert "pip install debugpy" in reply["message"] and reply["body"]["breakpoints"] == []  # JupyterLab looks there first
        assert "pip install debugpy" in debug.say("initialize", ok=False)["message"]
    finally:
        assert not kernel.stop()
