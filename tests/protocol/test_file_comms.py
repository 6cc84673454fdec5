"""The comm target `cellblock.files`: a client's way to the sandbox's files (kernel/clients.md)."""

import hashlib

import pytest
from support.files import Files


@pytest.fixture(params=["shell", "control"])
def files(client, request):
    return Files(client, request.param)


def test_what_goes_in_is_there_and_what_was_made_comes_out(client, files):
    data = bytes(range(256)) * 5000
    written = files.ok("write", data, path="in/a b.bin")
    assert written["size"] == len(data) and written["modified"] > 1.7e9
    assert client.run("import hashlib; hashlib.sha256(open('in/a b.bin', 'rb').read()).hexdigest()").result.strip("'") == \
        hashlib.sha256(data).hexdigest()
    client.run("import os; os.makedirs('out', exist_ok=True); open('out/é.txt', 'w').write('made inside');").ok()
    read = files.ok("read", path="out/é.txt")
    assert read["bytes"] == b"made inside" and read["size"] == 11
    files.ok("write", text="as text ✓", path="t.txt")
    assert client.run("open('t.txt', encoding='utf-8').read()").result == "'as text ✓'"


def test_by_pieces(client, files):
    for place in range(0, 30, 10):
        files.ok("write", b"%010d" % place, path="pieces.txt", offset=place)
    assert files.ok("read", path="pieces.txt", offset=8, size=14)["bytes"] == b"00" + b"0000000010" + b"00"
    assert files.ok("read", path="pieces.txt", offset=1000)["bytes"] == b""
    whole = files.ok("write", b"short", path="pieces.txt")
    assert whole["size"] == 5 and files.ok("read", path="pieces.txt")["bytes"] == b"short"


def test_folders(client, files):
    files.ok("make", path="d/e/f")
    files.ok("make", path="d/e/f")
    files.ok("write", b"1", path="d/one")
    client.run("import os; os.chdir('/work') if os.path.isdir('/work') else None\n"
               "os.path.lexists('d/link') or os.symlink('/etc/passwd', 'd/link'); os.path.exists('d/fifo') or os.mkfifo('d/fifo')").ok()
    listed = files.ok("list", path="d")
    assert [(one["name"], one["type"]) for one in listed["entries"]] == \
        [("e", "folder"), ("fifo", "other"), ("link", "link"), ("one", "file")] and not listed["more"]
    assert listed["entries"][3]["size"] == 1
    files.ok("move", path="d/one", to="d/new/two")
    assert files.ok("read", path="d/new/two")["bytes"] == b"1"
    assert files.error("remove", path="d")[0] == "OSError"
    files.ok("remove", path="d/link")
    files.ok("remove", path="d", with_content=True)
    assert files.error("list", path="d")[0] == "FileNotFoundError"
    assert "d" not in [one["name"] for one in files.ok("list")["entries"]]


def test_many_names_come_by_pages(client, files):
    client.run("import os; os.makedirs('many', exist_ok=True)\nfor n in range(1100): open('many/%04d' % n, 'w').close()").ok()
    found, after = [], ""
    while True:
        page = files.ok("list", path="many", after=after)
        found += [one["name"] for one in page["entries"]]
        if not page["more"]:
            break
        after = found[-1]
    assert found == ["%04d" % n for n in range(1100)]


@pytest.mark.parametrize("request_, ename, part", [
    ({"do": "read", "path": "no/such"}, "FileNotFoundError", "read no/such"),
    ({"do": "read", "path": "."}, "IsADirectoryError", "read ."),
    ({"do": "read", "path": "/dev/zero"}, "OSError", "Invalid argument"),
    ({"do": "write", "path": "/etc/motd", "text": "x"}, None, "write /etc/motd"),
    ({"do": "write", "path": "x"}, "ValueError", "one buffer"),
    ({"do": "read", "path": ""}, "RuntimeError", "4095"),
    ({"do": "read", "path": "a\0b"}, "RuntimeError", "NUL"),
    ({"do": "read"}, "ValueError", "path must be a text"),
    ({"do": "read", "path": 7}, "ValueError", "path must be a text"),
    ({"do": "read", "path": "x", "offset": -1}, "ValueError", "offset"),
    ({"do": "read", "path": "x", "encoding": "utf-8"}, "ValueError", "encoding"),
    ({"do": "burn", "path": "x"}, "ValueError", "'do' must be"),
    ({}, "ValueError", "'do' must be"),
])
def test_what_cant_be_done_is_told(client, request_, ename, part):
    files = Files(client)
    run = files.raw(request_)
    answer, = run.of("comm_msg")
    told = answer.content["data"]
    assert told["status"] == "error" and part in told["evalue"], told
    assert ename is None or told["ename"] == ename, told


def test_a_fifo_holds_nobody_up(client, files):
    client.run("import os; os.path.exists('pipe') or os.mkfifo('pipe')").ok()
    assert files.error("read", path="pipe")[0] == "OSError"
    assert files.error("write", b"x", path="pipe", offset=0)[0] == "OSError"
    assert client.run("1 + 1").result == "2"


def test_while_a_cell_runs(client):
    files = Files(client, "control")
    cell = client.execute("import time\nprint('on', flush=True)\nfor _ in range(600):\n    time.sleep(0.1)\n"
                          "    try:\n        print(open('go').read()); break\n    except OSError: pass")
    client.first(cell, "stream")
    files.ok("write", b"went", path="go")
    assert "went" in client.finish(cell).stdout
    files.ok("remove", path="go")


def test_more_than_the_disk_holds(client):
    files = Files(client)
    assert "limits.disk" in files.fill("fill", 16 << 20)
    files.ok("remove", path="fill")
    assert client.run("1").result == "1"


def test_a_cell_cant_answer_in_the_kernels_place(client):
    files = Files(client)
    client.run("try:\n    from comm import create_comm\nexcept ImportError:\n    from ipykernel.comm import Comm as create_comm").ok()
    run = client.run("c = create_comm(target_name='test-target', comm_id=%r)\nc.send({'id': 1, 'status': 'ok', 'size': 3})"
                     % files.comm)
    assert not run.of("comm_msg") and not run.of("comm_open")


def test_comm_info_tells_of_it(client):
    files = Files(client)
    for target in ({}, {"target_name": "cellblock.files"}):
        assert client.ask("comm_info_request", target).content["comms"][files.comm] == {"target_name": "cellblock.files"}
    client.finish(client.send("shell", "comm_close", {"comm_id": files.comm, "data": {}}), reply=False)
    assert files.comm not in client.ask("comm_info_request").content["comms"]


def test_after_a_killed_worker_there_is_another_agent(client):
    files = Files(client)
    files.ok("write", b"stays", path="stays.txt")
    client.run("import os; os._exit(3)")
    assert files.ok("read", path="stays.txt")["bytes"] == b"stays"


def test_a_cell_that_kills_the_agent(client):
    files = Files(client)
    files.ok("write", b"x", path="x")
    client.run("import os, signal\nfor pid in os.listdir('/proc'):\n"
               "    if pid.isdigit() and int(pid) not in (1, os.getpid()):\n        os.kill(int(pid), signal.SIGKILL)").ok()
    assert files.ask("read", path="x")["status"] in ("ok", "error")
    assert files.ok("read", path="x")["bytes"] == b"x"
