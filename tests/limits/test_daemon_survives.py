"""What happens to a daemon, a server and their sandboxes in the course of days: a machine that sleeps, a full disk, upgrades."""

import contextlib
import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import time

import pytest
from support import kernels, leftovers
from support.daemons import ask, make_font_list, ready, run, sandboxes, status, wait_for
from support.serving import KEY, Serving

SEEN = "print('zygote' in open('/proc/1/cmdline').read())"
TEN_YEARS = 3653 * 24 * 3600
POLICY = {"pool": {"min": 1, "max": 1}}


@pytest.fixture
def place(place_with_daemon):
    return place_with_daemon


def warm(place):
    policy = place.policy("survivor", **POLICY)
    make_font_list(place)
    assert run(place, SEEN, policy)[0]["stdout"] == "False\n"
    ready(place)
    return policy


def test_all_that_waits_goes_on_after_a_sleep(place):
    policy = warm(place)
    with asleep(status(place)["process"], status(place)["zygotes"][0]["process"]):
        time.sleep(3)
    before = status(place)["claims"]["from_pool"]
    assert run(place, SEEN, policy)[0]["stdout"] == "True\n"
    assert status(place)["claims"]["from_pool"] == before + 1


LONGER_THAN_ANYBODY_WAITS = 6  # seconds: a client for the daemon, the daemon for a client, the kernel for its helpers
COUNTS = ("import time\nprint('begun', flush=True)\nend = time.monotonic() + %d\n"
          "while time.monotonic() < end: time.sleep(0.01)\nprint('done')")


@contextlib.contextmanager
def asleep(*roots):
    """All of these processes and what descends from them stand still within."""
    stopped = set()
    try:
        while awake := [pid for root in roots for pid in (root, *leftovers.descendants(root)) if pid not in stopped]:
            leftovers.send(signal.SIGSTOP, awake)
            stopped.update(awake)  # what they started meanwhile is met in the next round
        yield
    finally:
        leftovers.send(signal.SIGCONT, stopped)


def test_a_session_with_a_cell_under_way_goes_on_after_a_sleep(place, start_as):
    """Requests that came meanwhile are answered, the kernel isn't taken for dead, and the next one gets what was ready."""
    policy = warm(place)
    kernel = start_as(place=place, policy=POLICY)
    client = kernel.client
    assert client.run(SEEN + "\nfrom IPython.display import HTML\nkept = 6 * 7\nHTML('<b>bold</b>')").ok().stdout == "True\n"
    ready(place)
    cell = client.execute(COUNTS % 2)
    client.first(cell, "stream")
    with asleep(status(place)["process"], kernel.pid):
        after = client.execute("kept")
        time.sleep(LONGER_THAN_ANYBODY_WAITS)
    assert client.heartbeat(timeout=30) == b"ping"
    assert client.finish(cell).ok().stdout == "begun\ndone\n"
    assert client.finish(after).result == "42"
    html = client.run("HTML('<b>bold</b>')").ok().of("execute_result")[0].content["data"]
    assert "bold" in html["text/html"]
    before = status(place)["claims"]["from_pool"]
    assert run(place, SEEN, policy)[0]["stdout"] == "True\n"
    assert status(place)["claims"]["from_pool"] == before + 1


def test_a_start_under_way_goes_on_after_a_sleep(place):
    """The kernel has asked a daemon that doesn't answer before all of them sleep. (It may start cold in the end.)"""
    policy = warm(place)
    daemon = status(place)["process"]
    with asleep(daemon):
        kernel = kernels.Kernel(place, policy=policy, wait=False)
        try:
            assert leftovers.wait_until(lambda: is_listening(kernel), 30)
            with asleep(kernel.pid):
                time.sleep(LONGER_THAN_ANYBODY_WAITS)
        except BaseException:
            kernel.kill()
            raise
    try:
        assert kernel.connect().run("6 * 7").result == "42"
    finally:
        assert kernel.stop() == {}
    ready(place)
    assert run(place, SEEN, policy)[0]["stdout"] == "True\n"


def is_listening(kernel):
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", kernel.info["shell_port"])) == 0


def test_a_full_disk_is_no_matter(place):
    """Neither what was learned nor a log can be written."""
    full = place.root / "cache"
    if os.geteuid() != 0:
        pytest.skip("mounting a filesystem that is full needs root")
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4k,mode=0777", "none", full], check=True)
    try:
        (full / "filler").write_bytes(b"x" * 4096)
        policy = warm(place)
        assert run(place, "import statistics\n" + SEEN, policy)[0]["stdout"] == "True\n"
        wait_for(place, lambda told: any("statistics" in one["preload"] and one["state"] == "ready"
                                         for one in told["zygotes"]))
        assert not (full / "cellblock" / "imports.json").exists()
    finally:
        subprocess.run(["umount", "-l", full], check=True)


@contextlib.contextmanager
def small_disk(place, folder, options):
    """A filesystem with these bounds in that folder of the place, of its user's."""
    if os.geteuid() != 0:
        pytest.skip("mounting a filesystem that is full needs root")
    owner = folder.stat()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "%s,mode=0700,uid=%d,gid=%d" % (options, owner.st_uid, owner.st_gid), "none", folder],
                   check=True)
    try:
        yield
    finally:
        with contextlib.suppress(subprocess.CalledProcessError):  # where there is no room for its folder
            ask(place, "stop")
        subprocess.run(["umount", "-l", folder], check=True)


def test_a_full_disk_under_the_daemons_sockets_is_no_matter(place):
    """Sockets and locks take no block."""
    folder = place.root / "run"
    with small_disk(place, folder, "size=4k"):
        (folder / "filler").write_bytes(b"x" * 4096)
        with pytest.raises(OSError, match="No space left"):
            (folder / "more").write_bytes(b"x")
        policy = warm(place)
        assert run(place, SEEN, policy)[0]["stdout"] == "True\n"


# How many files there may be, the folder itself among them; what a session is told; what `status` says.
ROOM_FOR = {"a log but no socket": (3, "couldn't start: listen in ", "no daemon runs; the last one couldn't start: listen in "),
            "a folder but no log": (2, "open the daemon's log in ", "no daemon runs\n"),
            "no folder": (1, "make ", "cellblock daemon: make ")}


@pytest.mark.parametrize("room", ROOM_FOR)
def test_where_no_socket_can_be_made_sessions_start_cold_and_it_is_told_why(place, room):
    files, reason, says = ROOM_FOR[room]
    quiet, loud = place.policy("quiet"), place.policy("loud", warm=True, **POLICY)
    with small_disk(place, place.root / "run", "nr_inodes=%d" % files):
        result, said = run(place, SEEN, quiet)
        assert result["stdout"] == "False\n" and not said
        assert leftovers.wait_until(lambda: told(place).startswith(says), 20), told(place)
        result, said = run(place, SEEN, loud)
        assert result["stdout"] == "False\n" and "a cold start: " in said and reason in said and "No space left" in said, said
        assert leftovers.wait_until(lambda: not daemons_of(place), 20), daemons_of(place)
    run(place, SEEN, loud)  # there is room again
    ready(place)
    assert run(place, SEEN, loud)[0]["stdout"] == "True\n"


def told(place):
    """All that `cellblock daemon status` says."""
    done = subprocess.run(place.as_user([kernels.PROGRAM, "daemon", "status"]), env=place.environment(), capture_output=True,
                          text=True, timeout=30, check=False)
    return done.stdout + done.stderr


def daemons_of(place):
    """Processes that run as this place's daemon."""
    mark = ("XDG_RUNTIME_DIR=%s" % (place.root / "run")).encode()
    found = [pid for pid in leftovers.all_processes() if "cellblock daemon" in leftovers.command_line(pid)]
    return [pid for pid in found if mark in environment_of(pid)]


def environment_of(pid):
    try:
        return pathlib.Path("/proc/%d/environ" % pid).read_bytes()
    except OSError:
        return b""


@pytest.fixture
def installed(tmp_path):
    """install(name): a copy of cellblock of its own."""
    def install(name):
        prefix = pathlib.Path(tmp_path) / name
        subprocess.run(["cmake", "--install", kernels.REPO / "build", "--prefix", prefix], check=True, capture_output=True)
        return prefix / "bin" / "cellblock"

    for folder in (tmp_path, *tmp_path.parents):
        if folder.owner() != "root" or folder == pathlib.Path("/tmp"):
            break
        folder.chmod(0o755)
    return install


def start(place, program, code=SEEN):
    done = subprocess.run(place.as_user([program, "run", "--json", "--python", kernels.PYTHON, "-"]), input=code,
                          env=place.environment(), cwd=place.root / "work", capture_output=True, text=True, timeout=60, check=False)
    return json.loads(done.stdout)["stdout"]


def upgrade(program, fresh):
    """Each file takes the place of the one that was there, as a package manager does it."""
    old, new = program.parent.parent, fresh.parent.parent
    for file in new.rglob("*"):
        if file.is_file():
            there = old / file.relative_to(new)
            shutil.copy2(file, str(there) + ".new")
            os.replace(str(there) + ".new", there)


def all_daemons(place):
    return json.loads(ask(place, "status", "--json"))


def test_two_versions_side_by_side_have_a_daemon_each(place, installed):
    programs = [installed("one"), installed("two")]
    for program in programs:
        assert start(place, program) == "False\n"
    assert leftovers.wait_until(lambda: [one["pool"]["ready"] for one in all_daemons(place)] == [1, 1], 30), all_daemons(place)
    for program in programs:
        assert start(place, program) == "True\n"
    assert [one["claims"]["given"] for one in all_daemons(place)] == [1, 1]


def test_an_upgrade_of_cellblock_leaves_sessions_alone_and_starts_anew(place, installed):
    program = installed("here")
    assert start(place, program) == "False\n"
    assert leftovers.wait_until(lambda: [one["pool"]["ready"] for one in all_daemons(place)] == [1], 30)
    before = all_daemons(place)[0]["process"]
    with subprocess.Popen(place.as_user([program, "run", "--python", kernels.PYTHON, "-"]), stdin=subprocess.PIPE,
                          stdout=subprocess.PIPE, text=True, env=place.environment(), cwd=place.root / "work") as session:
        session.stdin.write("import time\nprint('begun', flush=True)\ntime.sleep(4)\nprint('done')")
        session.stdin.close()
        assert session.stdout.readline() == "begun\n"
        upgrade(program, installed("fresh"))
        assert start(place, program) == "False\n"
        assert session.stdout.read() == "done\n"
    assert leftovers.wait_until(lambda: any(one["process"] != before and one["pool"]["ready"] for one in all_daemons(place)), 30), \
        all_daemons(place)
    assert start(place, program) == "True\n"


@pytest.fixture
def served(place, installed):
    """(a server, its program); no daemon has anything ready for it at first."""
    program = installed("here")
    server = Serving(program, place)
    yield server, program
    server.stop()


@pytest.mark.parametrize("change", ["upgraded", "removed"])
def test_an_upgrade_or_removal_leaves_a_servers_sandboxes_alone_and_new_ones_are_refused_with_the_reason(served, installed, change):
    server, program = served
    box = server.box()
    box.run("kept = 42")
    with box.begin("import time\nprint('begun')\ntime.sleep(3)\nprint('done')") as line:
        assert line.has_something(30)
        if change == "upgraded":
            upgrade(program, installed("fresh"))
        else:
            shutil.rmtree(program.parent.parent)
        answer = line.answer()
    assert answer.whole and "".join(one.get("text", "") for one in answer.lines()) == "begun\ndone\n"
    assert box.out("print(kept)") == "42\n"
    found = box.command("echo", "1")
    assert found[1] == b"1\n" if change == "upgraded" else "commands" in found[0]["message"], found
    made = server.ask("POST", "/v2/sandboxes", KEY, {"templateID": "base"})
    assert made.status == 503 and "cellblock was upgraded or removed since" in made.json()["message"], made
    assert "Start it anew" in made.json()["message"] and box.end() == 204


def test_after_an_upgrade_a_kernel_goes_on_and_says_when_it_must_be_restarted(place, installed):
    program = installed("here")
    kernel = kernels.Kernel(place, command=[str(program), "kernel", "-f", "{connection_file}", "--python", kernels.PYTHON])
    try:
        client = kernel.client
        assert client.run("kept = 42; kept").result == "42"
        upgrade(program, installed("fresh"))
        assert client.run("kept").result == "42"
        wardens = [pid for pid in kernel.tree() if "/opt/cellblock/warden" in leftovers.command_line(pid).split()[0:1]]
        leftovers.send(signal.SIGKILL, wardens)
        assert wardens and leftovers.wait_until(lambda: not any(map(leftovers.is_alive, wardens)), 30)  # and the worker with them
        told = client.run("kept").content
        if told["status"] == "error" and told["ename"] == "WorkerDied":  # the cell came before the death was known
            told = client.run("kept").content
        assert told["status"] == "error" and "restart the kernel" in told["evalue"], told
    finally:
        kernel.stop()


def test_who_compiles_our_modules_changes_nothing(place, installed):
    """`cellblock install` does, and a test that imports them."""
    program = installed("compiled")
    assert start(place, program) == "False\n"
    assert leftovers.wait_until(lambda: [one["pool"]["ready"] for one in all_daemons(place)] == [1], 30)
    before = all_daemons(place)[0]["zygotes"][0]["process"]
    subprocess.run([kernels.PYTHON, "-m", "compileall", "-q", program.parents[1] / "share/cellblock/python"], check=True)
    assert start(place, program) == "True\n"
    assert [one["process"] for one in all_daemons(place)[0]["zygotes"]] == [before]


def test_an_upgrade_of_python_is_seen(place):
    """Another program of the same name."""
    venv = place.root / "work" / "venv"
    subprocess.run(place.as_user(["/usr/bin/python3", "-m", "venv", "--system-site-packages", "--without-pip", venv]), check=True)
    policy = place.policy("venv", **{**POLICY, "python": str(venv / "bin" / "python3")})
    run(place, SEEN, policy)
    wait_for(place, lambda told: any(str(venv) in one["program"] and one["state"] == "ready" for one in told["zygotes"]))
    assert run(place, SEEN, policy)[0]["stdout"] == "True\n"
    packages = next(venv.glob("lib/python3*/site-packages"))
    (packages / "upgraded.pth").write_text("import builtins; builtins.upgraded = True\n")
    seen = "import builtins; print(hasattr(builtins, 'upgraded'))"
    assert run(place, seen, policy)[0]["stdout"] == "True\n"  # cold
    assert leftovers.wait_until(lambda: run(place, SEEN, policy)[0]["stdout"] == "True\n", 30)
    assert run(place, seen, policy)[0]["stdout"] == "True\n"


def test_a_python_that_is_younger_than_the_clock_is_kept_warm(place):
    """The clock was set back after packages were installed: their folders' times lie in the future."""
    venv = place.root / "work" / "venv"
    subprocess.run(place.as_user(["/usr/bin/python3", "-m", "venv", "--system-site-packages", "--without-pip", venv]), check=True)
    for folder in (venv, *venv.rglob("*")):
        os.utime(folder, (time.time() + TEN_YEARS,) * 2, follow_symlinks=False)
    policy = place.policy("venv", **{**POLICY, "python": str(venv / "bin" / "python3")})
    run(place, SEEN, policy)
    wait_for(place, lambda told: any(str(venv) in one["program"] for one in told["zygotes"]) and told["pool"]["ready"])
    assert run(place, SEEN, policy)[0]["stdout"] == "True\n"


def test_supervisors_of_spares_end_with_the_daemon(place):
    warm(place)
    found, spare = sandboxes(place)
    assert len(found) == spare >= 1
    ask(place, "stop")
    assert leftovers.wait_until(lambda: not any(leftovers.is_alive(pid) for pid in found), 10)
