"""Sandboxes as E2B's SDK makes, finds, keeps and ends them."""

import datetime
import time
import urllib.error
import urllib.request

import pytest
from e2b import (AuthenticationException, NotFoundException, SandboxException, SandboxNotFoundException, SandboxQuery, SandboxState,
                 TimeoutException)
from e2b_code_interpreter import Sandbox
from support import leftovers


def listed(**query):
    found, pages = [], Sandbox.list(query=SandboxQuery(**query) if query else None)
    while pages.has_next:
        found += pages.next_items()
    return [one.sandbox_id for one in found]


def status_of(server, path, method="GET", **headers):
    """The HTTP status of a request that the SDK wouldn't send."""
    asked = urllib.request.Request(server.url + path, method=method, headers={name.replace("_", "-"): value for name, value in headers.items()})
    try:
        with urllib.request.urlopen(asked, timeout=10) as answer:
            return answer.status
    except urllib.error.HTTPError as refused:
        with refused:
            return refused.code


def test_create_and_kill(server):
    before = server.processes()
    box = Sandbox.create()
    assert box.is_running() and box.run_code("6 * 7").text == "42"
    assert len(server.processes()) > len(before)
    assert box.kill() is True
    assert not box.is_running() and box.kill() is False and Sandbox.kill(box.sandbox_id) is False
    assert leftovers.wait_until(lambda: len(server.processes()) <= len(before), 10), "its processes live on"


def test_with_ends_the_sandbox(server):
    with Sandbox.create() as box:
        assert box.sandbox_id in listed()
    assert not box.is_running() and box.sandbox_id not in listed()


def test_get_info(server):
    began = datetime.datetime.now(datetime.timezone.utc)
    with Sandbox.create(timeout=120, metadata={"owner": "Ada"}) as box:
        told = box.get_info()
        assert (told.sandbox_id, told.state, told.metadata) == (box.sandbox_id, SandboxState.RUNNING, {"owner": "Ada"})
        assert abs((told.started_at - began).total_seconds()) < 10 and 110 < (told.end_at - began).total_seconds() < 130
        assert told.cpu_count >= 1 and told.memory_mb > 0 and told.template_id
        assert Sandbox.get_info(box.sandbox_id).sandbox_id == box.sandbox_id


def test_set_timeout_moves_the_end(server):
    with Sandbox.create(timeout=60) as box:
        box.set_timeout(600)
        assert 590 < (box.get_info().end_at - datetime.datetime.now(datetime.timezone.utc)).total_seconds() <= 601
        Sandbox.set_timeout(box.sandbox_id, 1)
        assert leftovers.wait_until(lambda: not box.is_running(), 5)


def test_the_timeout_ends_the_sandbox(server):
    before = server.processes()
    box = Sandbox.create(timeout=2)
    box.run_code("x = 1")
    assert box.is_running()
    assert leftovers.wait_until(lambda: not box.is_running(), 6)
    assert box.sandbox_id not in listed()
    with pytest.raises(TimeoutException):
        box.run_code("x")
    with pytest.raises((TimeoutException, NotFoundException)):
        box.commands.run("true")
    with pytest.raises((TimeoutException, NotFoundException)):
        box.files.read("a.txt")
    with pytest.raises(SandboxNotFoundException):
        box.set_timeout(60)
    with pytest.raises(SandboxNotFoundException):
        box.get_info()
    with pytest.raises(SandboxNotFoundException):
        Sandbox.connect(box.sandbox_id)
    assert leftovers.wait_until(lambda: len(server.processes()) <= len(before), 10)


def test_a_cell_is_running_at_the_timeout(server):
    box = Sandbox.create(timeout=2)
    began = time.monotonic()
    with pytest.raises(TimeoutException):
        box.run_code("import time; time.sleep(60)", timeout=30)
    assert time.monotonic() - began < 8


def test_connect(server):
    with Sandbox.create(timeout=60) as box:
        box.run_code("x = 41")
        box.files.write("here.txt", "here")
        again = Sandbox.connect(box.sandbox_id, timeout=900)
        assert again.sandbox_id == box.sandbox_id and again.run_code("x + 1").text == "42" and again.files.read("here.txt") == "here"
        assert (again.get_info().end_at - datetime.datetime.now(datetime.timezone.utc)).total_seconds() > 800
        again.connect()
        again.kill()
        assert not box.is_running()


def test_connect_does_not_shorten_a_life(server):
    with Sandbox.create(timeout=900) as box:
        Sandbox.connect(box.sandbox_id, timeout=30)
        assert (box.get_info().end_at - datetime.datetime.now(datetime.timezone.utc)).total_seconds() > 800


def test_list(server):
    with Sandbox.create(metadata={"team": "a b&c=d", "n": "1"}) as one, Sandbox.create(metadata={"team": "a b&c=d", "n": "2"}) as two, \
            Sandbox.create() as three:
        assert {one.sandbox_id, two.sandbox_id, three.sandbox_id} <= set(listed())
        assert set(listed(metadata={"team": "a b&c=d"})) == {one.sandbox_id, two.sandbox_id}
        assert listed(metadata={"team": "a b&c=d", "n": "2"}) == [two.sandbox_id] and listed(metadata={"team": "none"}) == []
        assert three.sandbox_id in listed(state=[SandboxState.RUNNING]) and listed(state=[SandboxState.PAUSED]) == []
        pages, found = Sandbox.list(query=SandboxQuery(metadata={"team": "a b&c=d"}), limit=1), []
        while pages.has_next:
            page = pages.next_items()
            assert len(page) <= 1
            found += [entry.sandbox_id for entry in page]
        assert sorted(found) == sorted([one.sandbox_id, two.sandbox_id])
        entry = next(entry for entry in Sandbox.list().next_items() if entry.sandbox_id == one.sandbox_id)
        assert entry.metadata == {"team": "a b&c=d", "n": "1"} and entry.state == SandboxState.RUNNING


def test_sandboxes_are_apart(server):
    with Sandbox.create() as one, Sandbox.create() as two:
        one.run_code("x = 1; open('a.txt', 'w').write('of one')")
        assert two.run_code("x").error.name == "NameError" and not two.files.exists("a.txt") and not two.files.exists("/home/user/a.txt")


def test_a_sandbox_has_no_way_to_the_server(server, lasting_box):
    code = "import socket\nsocket.create_connection(('127.0.0.1', %s), timeout=2)" % server.url.rpartition(":")[2]
    assert lasting_box.run_code(code).error is not None
    told = lasting_box.run_code("import os; list(os.environ.values())").text
    assert server.token not in told


def test_a_wrong_key(server):
    with pytest.raises(AuthenticationException):
        Sandbox.create(api_key="e2b_" + "0" * 40)
    with pytest.raises(AuthenticationException):
        Sandbox.list(api_key="e2b_" + "0" * 40).next_items()
    with Sandbox.create() as box:
        for ask in (Sandbox.kill, Sandbox.get_info, Sandbox.connect):
            with pytest.raises(AuthenticationException):
                ask(box.sandbox_id, api_key=server.token[:-1])
        assert box.is_running()


def test_sandboxes_of_somebody_else(server, start_server):
    other = start_server()
    with Sandbox.create() as box:
        for ask in (Sandbox.get_info, Sandbox.connect):
            with pytest.raises(SandboxNotFoundException):
                ask(box.sandbox_id, **other.options)
        assert Sandbox.kill(box.sandbox_id, **other.options) is False
        with pytest.raises(SandboxNotFoundException):
            Sandbox.set_timeout(box.sandbox_id, 60, **other.options)
        with pytest.raises(AuthenticationException):
            Sandbox.get_info(box.sandbox_id, **{**other.options, "api_key": server.token})
        assert box.is_running()
    other.stop()


def test_an_id_is_not_enough(server, lasting_box):
    """Who knows a sandbox's id, and not the token, gets nothing but whether it runs."""
    envd = {"E2b_Sandbox_Id": lasting_box.sandbox_id, "E2b_Sandbox_Port": "49983"}
    cells = {"E2b_Sandbox_Id": lasting_box.sandbox_id, "E2b_Sandbox_Port": "49999"}
    lasting_box.files.write("secret.txt", "secret")
    for wrong in ({}, {"X_Access_Token": "0" * 32}):
        assert status_of(server, "/files?path=secret.txt", **envd, **wrong) == 401
        assert status_of(server, "/filesystem.Filesystem/ListDir", "POST", **envd, **wrong) == 401
        assert status_of(server, "/process.Process/List", "POST", **envd, **wrong) == 401
        assert status_of(server, "/execute", "POST", **cells, **wrong) in (401, 403)
        assert status_of(server, "/contexts", **cells, **wrong) in (401, 403)
    assert status_of(server, "/v2/sandboxes") == 401
    assert status_of(server, "/files?path=secret.txt&signature=v1_0000", **envd) == 401


def test_environment_variables(server):
    with Sandbox.create(envs={"WHO": "sandbox", "EMPTY": "", "ODD": "a b'\"$x\nc"}) as box:
        code = "import os; print(os.environ['WHO'], repr(os.environ['EMPTY']), repr(os.environ['ODD']))"
        assert "".join(box.run_code(code).logs.stdout) == "sandbox '' %r\n" % "a b'\"$x\nc"
        assert box.run_code("import os; os.environ['WHO']", envs={"WHO": "cell"}).text == "cell"
        assert box.run_code("os.environ['WHO']").text == "sandbox", "a cell's variables are the cell's alone"
        assert box.run_code("os.environ.get('NEW')", envs={"NEW": "1"}).text == "1"
        assert box.run_code("'NEW' in os.environ").text == "False"
        assert box.commands.run("echo $WHO").stdout == "sandbox\n" and box.commands.run("echo $WHO", envs={"WHO": "command"}).stdout == "command\n"


def test_what_is_not_offered_says_so(server, lasting_box):
    """Unlike E2B, cellblock has no pauses, snapshots and forks: the SDK's own exception tells why, and the sandbox goes on."""
    for ask in (lasting_box.pause, lasting_box.create_snapshot):
        with pytest.raises(SandboxException, match="501|support"):
            ask()
    with pytest.raises(SandboxException, match="501|support"):
        lasting_box.fork()
    with pytest.raises(SandboxException):
        Sandbox.create(template="no-such-template")
    assert lasting_box.is_running() and lasting_box.run_code("1").text == "1"


def test_a_key_for_repeated_requests(server):
    with Sandbox.create(idempotency_key="one-of-its-kind") as box:
        assert box.run_code("1").text == "1"
