"""The file agent, which both wardens start: it does for the host what a cell could do, and ends with its socket."""

import errno
import os
import signal
import time

import pytest
from host import WARDEN, Host, children, namespaces_work


@pytest.fixture(params=["c", "python", "python, no namespace"])
def host(request, tmp_path):
    kind, _, rest = request.param.partition(",")
    if not rest and not namespaces_work():
        pytest.skip("this machine lets no PID namespace be made")
    if kind == "c" and not WARDEN.exists():
        pytest.skip("there is no %s" % WARDEN)
    with Host(warden=kind, namespace=not rest, cwd=str(tmp_path)) as made:
        assert made.start_worker()["type"] == "ready"
        made.worker_pid, = children(made.warden_pid())
        made.start_files()
        assert made.file("list", path=".", after="")["errno"] == 0
        yield made


def test_what_it_writes_cells_read_and_the_other_way(host):
    assert host.file("write", buffers=[b"in"], path="a/b", offset=None, bytes=0)["size"] == 2
    assert host.execute("open('a/b').read()").result == "'in'"
    host.execute("open('out', 'w').write('made')")
    reply = host.file("read", path="out", offset=1, size=2)
    assert reply["bytes"] == b"ad" and reply["size"] == 4 and reply["modified"] > 1.7e18


def test_a_write_that_fails_leaves_what_was_there(host, tmp_path):
    host.file("write", buffers=[b"first"], path="a", offset=None, bytes=0)
    os.mkdir(tmp_path / "folder")
    (tmp_path / "folder" / "x").touch()
    assert host.file("write", buffers=[b"x"], path="folder", offset=None, bytes=0)["errno"] == errno.EISDIR
    assert sorted(os.listdir(tmp_path)) == ["a", "folder"]


@pytest.mark.parametrize("do, more, number", [
    ("read", {"path": "none", "offset": 0, "size": 1}, errno.ENOENT),
    ("read", {"path": ".", "offset": 0, "size": 1}, errno.EISDIR),
    ("read", {"path": "/dev/zero", "offset": 0, "size": 1}, errno.EINVAL),
    ("list", {"path": "none", "after": ""}, errno.ENOENT),
    ("make", {"path": "/proc/x"}, errno.ENOENT),
    ("move", {"path": "none", "to": "b"}, errno.ENOENT),
    ("remove", {"path": "none", "with_content": True}, errno.ENOENT),
])
def test_failures_are_told_by_their_number(host, do, more, number):
    assert host.file(do, **more)["errno"] == number


def test_names_that_are_no_utf_8_are_shown_all_the_same(host, tmp_path):
    for name in (b"\xff\xfe", "é".encode(), b"a\nb", b"\x1b[2J"):
        open(os.path.join(os.fsencode(tmp_path), name), "w").close()
    names = [entry[0] for entry in host.file("list", path=".", after="")["entries"]]
    assert names == sorted(["\ufffd\ufffd", "é", "a\nb", "\x1b[2J"])


def test_it_isnt_interrupted_with_the_cell(host):
    host.begin("import time\ntime.sleep(60)")
    time.sleep(0.2)
    host.interrupt()
    assert host.until("done")["status"] == "error"
    assert host.file("list", path=".", after="")["errno"] == 0


def test_it_goes_with_its_socket_and_the_next_one_comes(host):
    agent, = set(children(host.warden_pid())) - {host.worker_pid}
    host.start_files()
    assert host.file("list", path=".", after="")["errno"] == 0
    end = time.monotonic() + 10
    while agent in children(host.warden_pid()) and time.monotonic() < end:
        time.sleep(0.02)
    another, = set(children(host.warden_pid())) - {host.worker_pid}
    assert another != agent
    host.files.sock.close()
    while len(children(host.warden_pid())) > 1 and time.monotonic() < end:
        time.sleep(0.02)
    assert children(host.warden_pid()) == [host.worker_pid]
    assert host.execute("1").result == "1"


def test_it_dies_with_the_worker(host):
    host.begin("import os; os._exit(3)")
    assert host.worker_exited()["exit_status"] == 3
    assert host.files.read() is None
    assert host.start_worker()["type"] == "ready"
    host.start_files()
    assert host.file("list", path=".", after="")["errno"] == 0


def test_a_killed_one_is_no_workers_end(host):
    agent, = set(children(host.warden_pid())) - {host.worker_pid}
    os.kill(agent, signal.SIGKILL)
    assert host.files.read() is None
    assert host.execute("6 * 7").result == "42"
