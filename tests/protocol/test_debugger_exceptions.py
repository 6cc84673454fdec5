"""Line 61: what else a debugger stops at: exceptions, conditions, code of threads; and what it changes."""

import pytest
from support.debugging import CELL, Debug, needs_debugpy
from support.shared import lasting

pytestmark = [pytest.mark.cellblock_only("its policy's key debugger; ipykernel has tests of its own"), needs_debugpy]

FAILS = "def fail():\n    wrong = 61\n    raise ValueError('told')\ntry:\n    fail()\nexcept ValueError:\n    print('caught')"


@pytest.fixture(scope="module")
def shared(module_place):
    yield from lasting(module_place, policy=module_place.policy("exceptions", debugger=True, limits={"cell_time": "30s"}))


@pytest.fixture
def debug(shared):
    one = Debug(shared.kernel()).attach()
    yield one
    one.say("disconnect", ok=None)


def go_on(debug, cell, thread):
    debug.say("continue", threadId=thread)
    return debug.client.finish(cell)


def test_61_a_raised_exception(debug):
    debug.say("setExceptionBreakpoints", filters=["raised"])
    debug.say("dumpCell", code=FAILS)
    cell = debug.client.execute(FAILS)
    event = debug.event("stopped").content["body"]
    assert event["reason"] == "exception" and event["text"] == "ValueError"
    frames = debug.say("stackTrace", threadId=event["threadId"])["stackFrames"]
    assert frames[0]["line"] == 3 and debug.locals(frames[0])["wrong"]["value"] == "61"
    assert debug.say("exceptionInfo", threadId=event["threadId"])["description"] == "told"
    debug.say("setExceptionBreakpoints", filters=[])
    assert go_on(debug, cell, event["threadId"]).ok().stdout == "caught\n"
    assert debug.client.run(FAILS).ok().stdout == "caught\n"


def test_61_none_is_seen_of_ipythons_own_and_an_error_is_shown_as_ever(debug):
    debug.say("setExceptionBreakpoints", filters=["uncaught"])
    run = debug.client.run("1 / 0", timeout=20)
    assert run.content["ename"] == "ZeroDivisionError"
    debug.say("setExceptionBreakpoints", filters=[])


def test_61_a_condition(debug):
    code = "seen = []\nfor step in range(10):\n    seen.append(step)\nprint(len(seen))"
    path = debug.say("dumpCell", code=code)["sourcePath"]
    debug.say("setBreakpoints", source={"path": path}, breakpoints=[{"line": 3, "condition": "step == 7"}])
    cell = debug.client.execute(code)
    thread, frames = debug.stopped()
    assert debug.say("evaluate", expression="step, len(seen)", frameId=frames[0]["id"], context="watch")["result"] == "(7, 7)"
    assert go_on(debug, cell, thread).ok().stdout == "10\n"


def test_61_a_thread_of_the_cell(debug):
    code = "import threading\ndef work():\n    inside = 7\n    return inside\nthread = threading.Thread(target=work)\nthread.start(); thread.join()\nprint('joined')"
    debug.breakpoints(code, 4)
    cell = debug.client.execute(code)
    thread, frames = debug.stopped()
    assert frames[0]["name"] == "work" and debug.locals(frames[0])["inside"]["value"] == "7"
    assert go_on(debug, cell, thread).ok().stdout == "joined\n"


def test_61_a_variable_is_changed(debug):
    debug.breakpoints(CELL, 3)
    cell = debug.client.execute(CELL)
    thread, frames = debug.stopped()
    scope = debug.say("scopes", frameId=frames[0]["id"])["scopes"][0]
    debug.say("setVariable", variablesReference=scope["variablesReference"], name="total", value="43")
    assert go_on(debug, cell, thread).ok().stdout == "43\n"


def test_61_await_and_a_generator(debug):
    code = "import asyncio\nasync def work():\n    await asyncio.sleep(0.01)\n    inside = 8\n    return inside\nprint(await work())"
    debug.breakpoints(code, 5)
    cell = debug.client.execute(code)
    thread, frames = debug.stopped()
    assert frames[0]["name"] == "work" and debug.locals(frames[0])["inside"]["value"] == "8"
    assert go_on(debug, cell, thread).ok().stdout == "8\n"
