"""Line 61: debug_request and debug_event, over debugpy inside the sandbox."""

import time

import pytest
from support import kernels
from support.debugging import CELL, Debug, needs_debugpy
from support.shared import lasting

pytestmark = pytest.mark.cellblock_only("its policy's key debugger; ipykernel has tests of its own")

SPIN = "import time\nend = time.monotonic() + 30\nwhile time.monotonic() < end:\n    waited = 1\n"


@pytest.fixture(scope="module")
def shared(module_place):
    yield from lasting(module_place, policy=module_place.policy(
        "debugged", debugger=True, limits={"cell_time": "3s", "grace_time": "1s", "memory": "512MiB"}))


@pytest.fixture
def debug(shared):
    one = Debug(shared.kernel())
    yield one
    one.say("disconnect", ok=None)


def stops_once_more(debug):
    debug.attach().breakpoints(CELL, 3)
    cell = debug.client.execute(CELL)
    thread, _ = debug.stopped()
    debug.say("continue", threadId=thread)
    debug.client.finish(cell).ok()


@needs_debugpy
def test_61_it_is_advertised_where_there_is_one(debug):
    info = debug.client.ask("kernel_info_request").content
    assert info["supported_features"] == ["debugger"] and info["debugger"] is True


@needs_debugpy
def test_61_the_first_kernel_info_knows_already(module_place):
    kernel = kernels.Kernel(module_place, policy=module_place.policy("first", debugger=True), wait=False)
    try:
        client = kernel.connect()
        told = [one for one in client.log if one.type == "kernel_info_reply"] or [client.ask("kernel_info_request").reply]
        assert told[0].content["debugger"] is True
    finally:
        assert not kernel.stop()


def test_61_it_is_not_advertised_under_default(start):
    kernel = start(policy="default")
    info = kernel.client.ask("kernel_info_request").content
    assert info["supported_features"] == [] and info["debugger"] is False
    assert "key debugger" in Debug(kernel).say("debugInfo", ok=False)["message"]


def test_61_it_is_not_advertised_together_with_an_audit_log(module_place):
    """Code that a debugger evaluates would be in no line of it."""
    keys = {"audit": str(module_place.root / "work" / "audit.log")}
    kernel = kernels.Kernel(module_place, policy=module_place.policy("audited", debugger=True, **keys))
    try:
        assert kernel.client.ask("kernel_info_request").content["debugger"] is False
        assert "audit" in Debug(kernel).say("debugInfo", ok=False)["message"]
    finally:
        assert not kernel.stop()


@needs_debugpy
def test_61_debug_info_and_variables_need_no_start(debug):
    info = debug.say("debugInfo")
    assert info["isStarted"] is False and info["hashMethod"] == "Murmur2" and info["breakpoints"] == []
    assert info["tmpFileSuffix"] == ".py" and info["richRendering"] is True and info["copyToGlobals"] is True
    debug.client.run("numbers = [1, 2, {'three': 3}]; _i_am_shown = 1\nclass P: pass\np = P(); p.x = 5").ok()
    shown = {one["name"]: one for one in debug.say("inspectVariables")["variables"]}
    assert shown["numbers"]["value"] == "[1, 2, {'three': 3}]" and shown["numbers"]["type"] == "list"
    assert "In" not in shown and "get_ipython" not in shown
    parts = debug.say("variables", variablesReference=shown["numbers"]["variablesReference"])["variables"]
    assert [one["name"] for one in parts] == ["0", "1", "2"] and parts[2]["evaluateName"] == "numbers[2]"
    assert debug.say("richInspectVariables", variableName="numbers")["data"]["text/plain"] == "[1, 2, {'three': 3}]"
    assert debug.say("modules")["totalModules"] > 50
    assert "isn't running" in debug.say("stackTrace", ok=False, threadId=1)["message"]


def in_another_words(data, seed):
    """MurmurHash2 as JupyterLab computes a cell's file name, in plain steps."""
    m, h, data = 0x5BD1E995, seed ^ len(data), list(data)
    while len(data) >= 4:
        k = (data[0] | data[1] << 8 | data[2] << 16 | data[3] << 24) * m % 2**32
        k = (k ^ (k >> 24)) * m % 2**32
        h = (h * m % 2**32) ^ k
        data = data[4:]
    if len(data) == 3:
        h ^= data[2] << 16
    if len(data) >= 2:
        h ^= data[1] << 8
    if data:
        h = (h ^ data[0]) * m % 2**32
    h = (h ^ (h >> 13)) * m % 2**32
    return h ^ (h >> 15)


@needs_debugpy
@pytest.mark.parametrize("code", ["", "a", "ab", "abc", "abcd", "x = 'é€😀'", CELL])
def test_61_dump_cell_names_a_file_that_the_client_can_compute(debug, code):
    debug.attach()
    info = debug.say("debugInfo")
    path = debug.say("dumpCell", code=code)["sourcePath"]
    assert path == info["tmpFilePrefix"] + str(in_another_words(code.encode(), info["hashSeed"])) + info["tmpFileSuffix"]
    assert debug.say("source", source={"path": path})["content"] == code
    assert debug.say("source", ok=False, source={"path": "/no/such/file"})["message"] == "source unavailable"


@needs_debugpy
def test_61_a_breakpoint_stops_the_cell_and_shows_it(debug):
    debug.attach()
    path = debug.breakpoints(CELL, 3)
    assert debug.say("debugInfo")["breakpoints"] == [{"source": path, "breakpoints": [{"line": 3}]}]
    cell = debug.client.execute(CELL)
    thread, frames = debug.stopped()
    assert [(one["name"], one["line"]) for one in frames] == [("add", 3), ("<module>", 5)]
    assert frames[0]["source"]["path"] == path
    assert thread in debug.say("debugInfo")["stoppedThreads"]
    shown = debug.locals(frames[0])
    assert shown["total"]["value"] == "42" and shown["a"]["value"] == "20"
    rich = debug.say("richInspectVariables", variableName="total", frameId=frames[0]["id"])
    assert rich["data"] == {"text/plain": "42"}
    assert debug.say("evaluate", expression="total + 1", frameId=frames[0]["id"], context="repl")["result"] == "43"
    debug.say("copyToGlobals", srcVariableName="total", dstVariableName="copied", srcFrameId=frames[0]["id"])
    debug.say("continue", threadId=thread)
    run = debug.client.finish(cell).ok()
    assert run.stdout == "42\n" and not run.stderr
    assert debug.client.run("copied").result == "42"


@needs_debugpy
def test_61_steps(debug):
    debug.attach()
    debug.breakpoints(CELL, 5)
    cell = debug.client.execute(CELL)
    places = []
    for command in ("stepIn", "next", "stepOut", "next", None):
        thread, frames = debug.stopped()
        places.append((frames[0]["name"], frames[0]["line"]))
        if command:
            debug.say(command, threadId=thread)
    assert places[:3] == [("<module>", 5), ("add", 2), ("add", 3)] and places[3][0] == "<module>"
    debug.say("continue", threadId=thread)
    debug.client.finish(cell).ok()


@needs_debugpy
@pytest.mark.parametrize("code, line", [("\n\nx = 1\ny = 2", 4), ("%%timeout 2\nx = 1\ny = 2", 3),
                                        ("x = !echo 1\nfor i in range(2):\n    y = i", 3)])
def test_61_lines_are_those_of_the_editor(debug, code, line):
    debug.attach()
    debug.breakpoints(code, line)
    cell = debug.client.execute(code)
    thread, frames = debug.stopped()
    assert frames[0]["line"] == line
    debug.say("setBreakpoints", source=frames[0]["source"], breakpoints=[])
    debug.say("continue", threadId=thread)
    debug.client.finish(cell).ok()


@needs_debugpy
def test_61_the_clock_stands_still_while_the_user_looks(debug):
    debug.attach()
    debug.breakpoints(CELL, 3)
    cell = debug.client.execute(CELL)
    thread, _ = debug.stopped()
    with pytest.raises(AssertionError):
        debug.client.first(cell, "execute_reply", timeout=5)  # the cell may take 3 s
    debug.say("continue", threadId=thread)
    debug.client.finish(cell).ok()


@needs_debugpy
def test_61_and_runs_on_after_continue(debug):
    debug.attach()
    code = "y = 1\n" + SPIN
    debug.breakpoints(code, 1)
    cell = debug.client.execute(code)
    thread, _ = debug.stopped()
    time.sleep(2)
    begun = time.monotonic()
    debug.say("continue", threadId=thread)
    run = debug.client.finish(cell, timeout=20)
    assert run.content["ename"] == "CellTimeout" and 1 < time.monotonic() - begun < 10


@needs_debugpy
def test_61_an_interrupt_at_a_breakpoint_ends_the_cell_and_the_next_breakpoint_holds(debug):
    debug.client.run("kept = 61").ok()
    debug.attach()
    for _ in range(3):
        debug.breakpoints(CELL, 3)
        cell = debug.client.execute(CELL)
        debug.stopped()
        debug.client.send("control", "interrupt_request")
        run = debug.client.finish(cell, timeout=10)
        assert run.content["ename"] == "KeyboardInterrupt", run.content
    assert debug.client.run("kept").result == "61"


@needs_debugpy
def test_61_disconnect_lets_the_cell_go_on(debug):
    debug.attach()
    debug.breakpoints(CELL, 3)
    cell = debug.client.execute(CELL)
    debug.stopped()
    debug.say("disconnect")
    assert debug.client.finish(cell, timeout=20).ok().stdout == "42\n"
    assert debug.client.run(CELL).ok().stdout == "42\n"  # and it isn't stopped again
    assert debug.say("debugInfo")["isStarted"] is False
    stops_once_more(debug)


@needs_debugpy
def test_61_debugging_may_begin_while_a_cell_runs(debug):
    cell = debug.client.execute("import time\nfor step in range(100):\n    time.sleep(0.01)\nprint('done')")
    debug.attach()
    assert debug.say("debugInfo")["isStarted"] is True
    assert debug.client.finish(cell).ok().stdout == "done\n"


@needs_debugpy
def test_61_a_worker_that_dies_leaves_no_request_unanswered(debug):
    debug.attach()
    debug.breakpoints(CELL, 3)
    cell = debug.client.execute(CELL)
    _, frames = debug.stopped()
    request = debug.send("evaluate", expression="__import__('os').kill(__import__('os').getpid(), 9)",
                         frameId=frames[0]["id"], context="repl")
    reply = debug.client.finish(request, timeout=20).reply
    assert reply.content["success"] is False and "has ended" in reply.content["message"]
    assert debug.client.finish(cell, timeout=20).content["ename"] == "WorkerDied"
    debug.event("terminated")
    assert "isn't running" in debug.say("stackTrace", ok=False, threadId=1)["message"]
    stops_once_more(debug)


@needs_debugpy
def test_61_a_shutdown_at_a_breakpoint_leaves_nothing(module_place):
    kernel = kernels.Kernel(module_place, policy=module_place.policy("left", debugger=True))
    try:
        debug = Debug(kernel).attach()
        debug.breakpoints(CELL, 3)
        debug.client.execute(CELL)
        debug.stopped()
    finally:
        assert not kernel.stop()


@needs_debugpy
def test_61_a_child_of_a_debugged_cell_runs_undisturbed(debug):
    debug.attach()
    code = "import os\npid = os.fork()\nif pid == 0:\n    x = 1\n    os._exit(7)\nos.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])"
    debug.breakpoints(code, 4)
    assert debug.client.run(code, timeout=20).ok().result == "7"


@needs_debugpy
def test_61_what_it_shows_is_made_inert(debug):
    debug.client.run("class Bad:\n    def __repr__(self): return '\\x1b]0;title\\x07bad'\n"
                     "    def _repr_html_(self): return '<script>alert(1)</script><b>ok</b>'\nbad = Bad()").ok()
    data = debug.say("richInspectVariables", variableName="bad")["data"]
    assert "script" not in data["text/html"] and "<b>ok</b>" in data["text/html"]
    value = next(one for one in debug.say("inspectVariables")["variables"] if one["name"] == "bad")["value"]
    assert "\x1b" not in value and "\x07" not in value


@needs_debugpy
@pytest.mark.parametrize("content", [{}, {"command": 7}, {"command": "x" * 5_000_000}, {"type": "request", "seq": "a"}])
def test_61_what_is_no_request_is_refused(debug, content):
    reply = debug.client.finish(debug.client.send("control", "debug_request", content)).reply
    assert reply.content["success"] is False and "a request" in reply.content["message"]
    assert debug.client.run("6 * 7").result == "42"
