"""What a cell can do to the client's requests for files: make them fail, and nothing else."""

import time

import pytest
from jails import USERS
from support.files import Files
from watched import HELP, watched_kernel

# Cells, and what is asked meanwhile or afterwards: (do, members, what it may end with).
PROGRAMS = {
    "a link to a secret of the host": ("os.symlink(SECRET, 'a')", "read", {"path": "a"}, ("FileNotFoundError", "PermissionError")),
    "a folder that is a link to the host": ("os.symlink(os.path.dirname(SECRET), 'd')", "read", {"path": "d/secret"},
                                            ("FileNotFoundError", "PermissionError")),
    "a path that climbs": ("pass", "read", {"path": "../../../../.." + "%(secret)s"}, ("FileNotFoundError", "PermissionError")),
    "a link to itself": ("os.symlink('a', 'a')", "read", {"path": "a"}, ("OSError",)),
    "a FIFO without a writer": ("os.mkfifo('a')", "read", {"path": "a"}, ("OSError",)),
    "a FIFO to be written": ("os.mkfifo('a')", "write", {"path": "a", "text": "x", "offset": 0}, ("OSError",)),
    "a socket": ("import socket; s = socket.socket(socket.AF_UNIX); s.bind('a')", "read", {"path": "a"}, ("OSError",)),
    "a terminal": ("pass", "read", {"path": "/dev/tty"}, ("OSError", "FileNotFoundError", "PermissionError")),
    "the agent's own memory": ("os.symlink('/proc/self/mem', 'a')", "write", {"path": "a", "text": "x" * 4096, "offset": 4096},
                               ("OSError", "RuntimeError", "PermissionError")),
    "the agent's own socket": ("os.symlink('/proc/self/fd', 'a')", "read", {"path": "a/600"}, ("OSError", "FileNotFoundError")),
    "a sparse file": ("f = open('a', 'wb'); os.ftruncate(f.fileno(), 1 << 27)", "read", {"path": "a", "offset": 1 << 26}, ()),
    "a file that grows while it is read": ("import threading\nf = open('a', 'ab', 0)\n"
                                           "threading.Thread(target=lambda: [f.write(b'x' * 65536) for _ in range(600)]).start()",
                                           "read", {"path": "a"}, ()),
    "a name of 255 bytes": ("open('n' * 255, 'w').close()", "list", {"path": "."}, ()),
    "names that lead a terminal": ("open('\\x1b[2J\\n', 'w').close()", "list", {"path": "."}, ()),
    "a folder that nobody may enter": ("os.mkdir('d'); os.chmod('d', 0)", "list", {"path": "d"}, ("PermissionError",)),
    "a folder as deep as it goes": ("for _ in range(500): os.mkdir('d'); os.chdir('d')", "remove",
                                    {"path": "d", "with_content": True}, ()),
    "what is moved into itself": ("os.mkdir('d')", "move", {"path": "d", "to": "d/e"}, ("OSError",)),
    "the agent, killed again and again": ("import threading, time\ndef hunt():\n    end = time.time() + 2\n"
                                          "    while time.time() < end:\n        for pid in agents():\n"
                                          "            try: os.kill(pid, 9)\n            except OSError: pass\n"
                                          "threading.Thread(target=hunt).start()", "list", {"path": "."}, ("RuntimeError",)),
    "no process left to fork": ("import threading, time\nstop = threading.Event()\nmade = []\ntry:\n"
                                "    while True: t = threading.Thread(target=stop.wait); t.start(); made.append(t)\nexcept RuntimeError: pass\n"
                                "for pid in list(agents()): os.kill(pid, 9)\ntime.sleep(0.2)\nthreading.Timer(1, stop.set)",
                                "list", {"path": "."}, ("RuntimeError",)),
}


@pytest.fixture(scope="module", params=USERS)
def sandbox(request):
    with watched_kernel(request.param, disk="160MiB", processes=64) as (kernel, witness):
        kernel.client.run("import os; work = os.getcwd()").ok()
        yield kernel.client, witness


def cleared(client):
    client.run("import os, shutil\nos.chdir(work)\nfor name in os.listdir('.'):\n    if os.path.isdir(name) and not os.path.islink(name):\n"
               "        os.chmod(name, 0o700); shutil.rmtree(name, ignore_errors=True)\n    else: os.remove(name)\n"
               "globals().get('stop') and stop.set()")


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_request_ends_and_nothing_outside_changes(sandbox, name):
    client, witness = sandbox
    code, do, members, ends = PROGRAMS[name]
    secret = str(witness.secret)
    members = {key: value.replace("%(secret)s", secret) if isinstance(value, str) else value for key, value in members.items()}
    if "fork" not in name:
        Files(client).ask("list")
    client.run(HELP + "SECRET = %r\n" % secret + code)
    began = time.monotonic()
    answer = Files(client, "control").ask(do, **members)
    assert time.monotonic() - began < 29
    assert answer["status"] == "ok" or answer["ename"] in ends, answer
    assert answer["status"] == "error" or not ends or name.startswith(("the agent", "no process")), answer
    assert answer["bytes"] != witness.secret.read_bytes()
    assert not witness.changes()
    cleared(client)
    end = time.monotonic() + 20
    while Files(client).ask("list")["status"] == "error":
        assert time.monotonic() < end
        time.sleep(0.2)
    assert client.run("6 * 7").result == "42"


def test_an_agent_that_was_stopped_is_given_up_on(sandbox):
    client, _ = sandbox
    Files(client).ok("list")
    client.run(HELP + "for pid in agents(): os.kill(pid, signal.SIGSTOP)").ok()
    assert "within 30 s" in Files(client).error("list")[1]
    assert Files(client).ok("list")
