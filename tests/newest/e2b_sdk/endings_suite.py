"""How a server ends, and what its clients see of that."""

import concurrent.futures
import signal
import subprocess
import time

import httpx
import pytest
from e2b import SandboxException
from e2b_code_interpreter import Sandbox
from server import PROGRAM, PYTHON
from support import leftovers

NOT_FOR_USERS = ("Traceback", ".cc:", "std::", "terminate")


def clear(error):
    """An exception of the SDK's, or its HTTP client's word for a server that isn't there."""
    assert isinstance(error, (SandboxException, httpx.TransportError)), repr(error)
    assert str(error) and not any(word in str(error) for word in NOT_FOR_USERS)


@pytest.mark.parametrize("with_signal", [signal.SIGTERM, signal.SIGINT], ids=["SIGTERM", "SIGINT"])
def test_a_clean_end(start_server, with_signal):
    server = start_server()
    boxes = [Sandbox.create(**server.options) for _ in range(2)]
    for box in boxes:
        box.run_code("1")
        box.commands.run("sleep 100", background=True)
    server.stop(with_signal)
    for ask in (boxes[0].is_running, boxes[0].get_info, lambda: boxes[0].run_code("1"), lambda: boxes[0].files.read("a"),
                lambda: boxes[0].commands.run("true"), lambda: Sandbox.create(**server.options)):
        with pytest.raises(Exception) as raised:
            ask()
        clear(raised.value)


@pytest.mark.parametrize("with_signal", [signal.SIGTERM, signal.SIGKILL], ids=["SIGTERM", "SIGKILL"])
def test_a_server_ends_while_cells_and_commands_run(start_server, with_signal):
    server = start_server()
    box, other = (Sandbox.create(**server.options) for _ in range(2))
    box.run_code("1")
    other.run_code("1")
    known = server.processes()
    with concurrent.futures.ThreadPoolExecutor() as pool:
        under_way = [pool.submit(box.run_code, "print('on')\nimport time; time.sleep(100)", timeout=60),
                     pool.submit(other.commands.run, "sleep 100", timeout=60), pool.submit(other.run_code, "while True: pass", timeout=60)]
        time.sleep(1.5)
        known.update(server.processes())
        began = time.monotonic()
        server.process.send_signal(with_signal)
        for one in under_way:
            error = one.exception(timeout=30)
            if error is None:  # a cell's end may be told in the cell's own way
                assert one.result().error is not None
            else:
                clear(error)
        assert time.monotonic() - began < 20
    assert server.process.wait(30) == (0 if with_signal == signal.SIGTERM else -signal.SIGKILL)
    assert leftovers.wait_until(lambda: not leftovers.living(known), 15), [leftovers.command_line(pid) for pid in leftovers.living(known)]


def test_a_sandbox_whose_processes_are_killed(start_server):
    """One sandbox's death is told to its client, and the server and other sandboxes go on."""
    server = start_server()
    nobodys = set(server.processes())
    box = Sandbox.create(**server.options)
    box.run_code("1")
    its_own = set(server.processes()) - nobodys
    other = Sandbox.create(**server.options)
    other.run_code("x = 1")
    leftovers.send(signal.SIGKILL, its_own)
    try:
        box.run_code("1", timeout=20)
    except Exception as error:  # noqa: BLE001
        clear(error)
    assert other.run_code("x").text == "1"
    box.kill()
    other.kill()
    server.stop()


def test_a_port_again(start_server):
    """A server that was killed is no hindrance to the next one."""
    server = start_server()
    Sandbox.create(**server.options).run_code("1")
    server.process.kill()
    server.process.wait()
    again = start_server()
    with Sandbox.create(**again.options) as box:
        assert box.run_code("1").text == "1"
    again.stop()


# --- how it's started

def refused(*words):
    done = subprocess.run([PROGRAM, "serve", *words], capture_output=True, text=True, timeout=20, check=False)
    assert done.returncode == 2 and done.stdout == "" and not any(word in done.stderr for word in NOT_FOR_USERS), done
    return done.stderr


def test_no_token_no_port(tmp_path):
    assert "--token-file" in refused("--listen", "127.0.0.1:0")
    assert "token" in refused("--listen", "127.0.0.1:0", "--token-file", tmp_path / "none")
    (tmp_path / "empty").touch(0o600)
    assert "token" in refused("--listen", "127.0.0.1:0", "--token-file", tmp_path / "empty")
    open_to_all = tmp_path / "open"
    open_to_all.write_text("a-token-of-some-length")
    open_to_all.chmod(0o644)
    assert "token" in refused("--listen", "127.0.0.1:0", "--token-file", open_to_all)


def test_several_listeners(start_server, tmp_path):
    """A token that is given holds for all of them."""
    server = start_server("--listen", "unix:%s" % (tmp_path / "socket"))
    assert server.process.stdout.readline() == "listening on unix:%s\n" % (tmp_path / "socket")
    with httpx.Client(transport=httpx.HTTPTransport(uds=str(tmp_path / "socket"))) as client:
        assert client.get("http://localhost/v2/sandboxes").status_code == 401
        assert client.get("http://localhost/v2/sandboxes", headers={"X-API-KEY": server.token}).json() == []
    server.stop()
    assert not (tmp_path / "socket").exists()


def test_a_unix_socket_needs_no_token(tmp_path):
    process = subprocess.Popen([PROGRAM, "serve", "--listen", "unix:%s" % (tmp_path / "socket"), "--python", PYTHON], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout.readline() == "listening on unix:%s\n" % (tmp_path / "socket")
        assert (tmp_path / "socket").stat().st_mode & 0o077 == 0
        with httpx.Client(transport=httpx.HTTPTransport(uds=str(tmp_path / "socket")), timeout=30) as client:
            told = client.post("http://localhost/v2/sandboxes", json={"templateID": "base"})
            assert told.status_code == 201, told.text
            assert client.delete("http://localhost/sandboxes/" + told.json()["sandboxID"]).status_code == 204
        process.terminate()
        assert process.wait(30) == 0
    finally:
        process.kill()
        process.wait()
        process.stdout.close()
