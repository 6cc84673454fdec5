"""Sandboxes that are forks of a warm Python: nothing of one is in the next, and nothing of the daemon is in reach."""

import grp
import json
import os
import pathlib
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
import warnings

import pytest
from jails import DAEMONS, PROGRAM, PYTHON, USERS, Host, as_user, nothing_left, zygotes
from support.daemons import sandbox_of


@pytest.fixture(params=USERS)
def warm(request):
    folder = pathlib.Path(tempfile.mkdtemp(prefix="cellblock-test-"))
    folder.chmod(0o755)
    yield Host(request.param, folder, warm=True)
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def alone(warm, monkeypatch):
    """With a daemon of the test's own."""
    made = tempfile.mkdtemp(prefix="cellblock-test-run-", dir=warm.folder)
    warm.give(made)
    monkeypatch.setitem(DAEMONS.folders, warm.user, made)
    monkeypatch.setattr(DAEMONS, "known", set())
    warm.run_folder = pathlib.Path(made)
    yield warm
    ask(warm, "stop")


def ask(host, what):
    done = subprocess.run(as_user(host.user, [PROGRAM, "daemon", what]), env=host.environment(), capture_output=True,
                          text=True, timeout=30, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def log_of(host):
    return "".join(path.read_text() for path in pathlib.Path(DAEMONS.folder(host.user), "cellblock").glob("*.log"))


def run_and_say(host, code, **more):
    """(result, stderr), whether warm or cold."""
    process = subprocess.run(host.argv(**more), input=code, capture_output=True, text=True, env=host.environment(),
                             cwd=host.folder, timeout=90, check=False)
    return json.loads(process.stdout), process.stderr


def is_warm(host, **more):
    """A daemon that has no processor for two seconds is a cold start's good reason; no other is."""
    for _ in range(3):
        process = host.start(**{"policy": None, "python": PYTHON, **more})  # names as Host.run() gives them
        out, said = process.communicate("print(open('/proc/1/cmdline').read())", timeout=90)
        assert json.loads(out)["status"] == "ok", (out, said)
        if "a cold start" in said and "takes too long to answer" in said:
            warnings.warn("a cold start: %s" % said.strip(), stacklevel=2)
            continue
        print(said)
        return "zygote/main.py" in out
    return False


def test_it_is_a_fork_of_the_zygote(warm):
    assert is_warm(warm)
    assert nothing_left(warm)


# --- what two forks must not have in common

DRAWS = """
import json, random, ssl, tempfile, uuid, os
import numpy
print(json.dumps([random.random(), random.SystemRandom().random(), float(numpy.random.rand()),
                  float(numpy.random.default_rng().random()), next(tempfile._get_candidate_names()),
                  str(uuid.uuid4()), str(uuid.uuid1())[:18], ssl.RAND_bytes(8).hex(), os.urandom(8).hex(),
                  get_ipython().compile.get_code_name("pass", "pass", 1)]))
"""


def test_no_two_sandboxes_draw_the_same(warm):
    policy = {"preload": ["numpy", "numpy.random", "ssl", "uuid", "tempfile"]}
    draws = [warm.value(DRAWS, policy=policy) for _ in range(3)]
    assert is_warm(warm, policy=policy)
    for values in zip(*draws):
        assert len(set(values)) == 3, values


SEARCH = """
import re
mark = "-".join(["mark", "of", "another"])
found = 0
with open("/proc/self/mem", "rb", 0) as memory:
    for line in open("/proc/self/maps"):
        begin, end = (int(part, 16) for part in line.split()[0].split("-"))
        if line.split()[1][0] != "r" or "[v" in line:
            continue
        for start in range(begin, end, 1 << 20):
            memory.seek(start)
            try:
                found += memory.read(min(1 << 20, end - start)).count(mark.encode())
            except OSError:
                break
print(found)
"""


def test_nothing_of_another_sandbox_is_in_memory(warm):
    shown = warm.folder / "mark-of-another"
    shown.mkdir()
    warm.give(shown)
    files = [{"host": str(shown), "sandbox": "/data"}]
    assert "mark-of-another" in warm.out("x = 'mark-of-another'; print(x)", policy={"files": files})
    others = int(warm.out(SEARCH))
    own = int(warm.out("mine = 'mark-of' + '-another'\n" + SEARCH))
    assert others < own, "the search doesn't find what is there" if own == 0 else "found %d times" % others
    # The search's own texts: the joined mark and its bytes.
    assert own - others >= 1 and others <= 2, (others, own)


def test_nothing_of_the_hosts_environment_is_in_a_warm_python(warm):
    assert is_warm(warm)
    for pid in zygotes():
        text = pathlib.Path("/proc/%d/environ" % pid).read_bytes()
        assert b"hunter2" not in text and b"SECRET" not in text


# --- what can't be kept warm

def environment_with(host, **modules):
    """A virtual environment with modules of the test's own."""
    place = host.folder / "venv"
    subprocess.run([PYTHON, "-m", "venv", "--system-site-packages", "--without-pip", "--symlinks", place], check=True)
    packages = next(place.glob("lib/python3*/site-packages"))
    for name, text in modules.items():
        (packages / (name + ".py")).write_text(text)
    for folder, _, names in os.walk(place):
        for name in (".", *names):
            if os.geteuid() == 0:
                shutil.chown(os.path.join(folder, name), host.user) if not os.path.islink(os.path.join(folder, name)) \
                    else None
    return place / "bin" / "python", packages


BAD_MODULES = {
    "leaver": ("import threading, time\nthreading.Thread(target=time.sleep, args=(1000,), daemon=True).start()",
               "leaves a thread running"),
    "holder": ("file = open('/etc/passwd')", "keeps a file open"),
    "sharer": ("import mmap\nmemory = mmap.mmap(-1, 4096)", "has memory that sandboxes would share"),
}


@pytest.mark.parametrize("name", BAD_MODULES)
def test_a_preload_that_forks_would_share_is_refused_by_name(alone, name):
    code, reason = BAD_MODULES[name]
    python, _ = environment_with(alone, **{name: code})
    alone.run("pass", policy={"preload": [name]}, python=python)
    result, said = run_and_say(alone, "import %s; print('here')" % name, policy={"preload": [name]}, python=python)
    assert result["stdout"] == "here\n", result
    assert "a cold start" in said and "the module %s of the policy's `preload` %s" % (name, reason) in said


def test_a_module_from_where_nothing_is_shown_is_refused(alone):
    elsewhere = alone.file("elsewhere/hidden.py", "secret = 1")
    python, packages = environment_with(alone)
    (packages / "path.pth").write_text(str(elsewhere.parent) + "\n")
    alone.give(packages / "path.pth")
    policy = {"preload": ["hidden"]}
    alone.run("pass", policy=policy, python=python)
    _, said = run_and_say(alone, "pass", policy=policy, python=python)
    assert "which a sandbox doesn't see" in said


def test_a_python_that_others_may_change_runs_in_sandboxes_only(alone):
    python, packages = environment_with(alone, value="x = 1")
    packages.parent.parent.parent.chmod(0o777)
    result, said = run_and_say(alone, "import value; print(value.x)", python=python)
    result, said = run_and_say(alone, "import value; print(value.x)", python=python)
    assert result["stdout"] == "1\n" and "others may change" in said, (result, said)


@pytest.mark.skipif(os.geteuid() != 0, reason="gives files to others")
@pytest.mark.parametrize("warm, whose", [
    (USERS[0], "a group's folder"), (USERS[0], "another's module"), (USERS[0], "another's .pth file"),
    (USERS[-1], "a group's module"), (USERS[-1], "a sticky folder of all"), (USERS[-1], "another's compiled module"),
], indirect=["warm"])
def test_a_package_that_others_may_change_is_imported_in_sandboxes_only(alone, whose):
    python, packages = environment_with(alone, value="x = 1")
    ran = alone.folder / "ran"
    line = "import os; exec(%r)" % ("try: open(%r, 'w').close()\nexcept OSError: pass" % str(ran))
    name = packages / {"another's .pth file": "odd.pth", "another's compiled module": "__pycache__"}.get(whose, "value.py")
    if name.suffix == ".pth":
        name.write_text(line + "\n")
    elif name.suffix != ".py":
        subprocess.run([PYTHON, "-m", "py_compile", packages / "value.py"], check=True)
    else:
        name.write_text("x = 1\n" + line + "\n")
        alone.give(name)
    if "folder" in whose:
        os.chown(packages, -1, 54321)
        packages.chmod(0o2775 if "group" in whose else 0o1777)
    elif "group" in whose:
        os.chown(name, -1, 54321)
        name.chmod(0o664)
    else:
        os.chown(name, 12345, -1)
    policy = {"preload": ["value"]}
    alone.run("pass", policy=policy, python=python)
    result, said = run_and_say(alone, "import value; print(value.x)", policy=policy, python=python)
    assert result["stdout"] == "1\n" and "a cold start" in said, (result, said)
    assert "others may change" in said and str(name if "folder" not in whose else packages) in said
    assert not ran.exists(), "it ran outside of a sandbox"


def test_a_package_that_a_group_without_members_may_change_is_imported(alone):
    python, packages = environment_with(alone, value="x = 1")
    empty = [entry.gr_gid for entry in grp.getgrall() if not entry.gr_mem and entry.gr_gid not in
             {user.pw_gid for user in pwd.getpwall()}]
    if os.geteuid() != 0 or not empty:
        pytest.skip("gives files to an empty group")
    os.chown(packages, -1, empty[0])
    packages.chmod(0o2775)
    assert is_warm(alone, policy={"preload": ["value"]}, python=python)


def test_a_package_that_was_changed_on_disk_is_imported_anew(alone):
    python, packages = environment_with(alone, value="x = 1")
    policy = {"preload": ["value"]}
    assert alone.out("import value; print(value.x)", policy=policy, python=python) == "1\n"
    assert is_warm(alone, policy=policy, python=python)
    (packages / "new").write_text("x = 2")
    (packages / "new").rename(packages / "value.py")
    result, _ = run_and_say(alone, "import value; print(value.x)", policy=policy, python=python)
    assert result["stdout"] == "2\n"
    DAEMONS.known.clear()
    assert alone.out("import value; print(value.x)", policy=policy, python=python) == "2\n"
    assert is_warm(alone, policy=policy, python=python)


# --- who depends on whom

CELL = "print('begun', flush=True)\nimport time\ntime.sleep(3)\nprint('done')"


@pytest.mark.parametrize("victim", ["daemon", "zygote"])
def test_kill_9_of_daemon_or_zygote_harms_no_cell(alone, victim):
    assert is_warm(alone)
    assert nothing_left(alone)
    process = alone.start(policy=None, python=PYTHON)  # as is_warm() does, so that no other is started first
    process.stdin.write(CELL)
    process.stdin.close()
    supervisor = sandbox_of(process.pid)
    zygote = parent_of(supervisor)
    os.kill(zygote if victim == "zygote" else parent_of(zygote), signal.SIGKILL)
    out = process.stdout.read()
    process.stdout.close()
    process.stderr.close()
    process.wait()
    assert json.loads(out)["stdout"] == "begun\ndone\n", out
    assert gone(supervisor)
    assert victim == "daemon" or "gone: it ended" in ask(alone, "status")
    DAEMONS.known.clear()
    assert is_warm(alone)  # by a new one


def parent_of(pid):
    return int(pathlib.Path("/proc/%d/stat" % pid).read_text().rsplit(")", 1)[1].split()[1])


def gone(pid):
    end = time.monotonic() + 5
    while time.monotonic() < end:
        try:
            if pathlib.Path("/proc/%d/stat" % pid).read_text().rsplit(")", 1)[1].split()[0] == "Z":
                return True
        except OSError:
            return True
        time.sleep(0.02)
    return False


# --- who may speak to the daemon

KNOCK = """
import glob, os, socket
path = glob.glob("/run-folder/cellblock/daemon-*[0-9a-f]")[0]
knock = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
knock.connect(path)
knock.settimeout(10)
try:
    knock.send(b"s" + bytes(24))
    print("answer", knock.recv(100))
except OSError as error:
    print("refused", error)
"""


def test_a_cell_that_reaches_the_socket_is_refused(alone):
    if alone.user == "root":
        pytest.skip("root's cells are another user, who can't enter the folder")
    assert is_warm(alone)
    policy = {"files": [{"host": str(alone.run_folder), "sandbox": "/run-folder"}]}
    result, _ = run_and_say(alone, KNOCK, policy=policy)
    assert "refused" in result["stdout"] or "answer b''" in result["stdout"], result
    assert "refused a client" in log_of(alone)


def test_another_user_is_kept_out(alone):
    if len(USERS) < 2:
        pytest.skip("needs root, to be two users")
    assert is_warm(alone)
    place = next(pathlib.Path(DAEMONS.folder(alone.user), "cellblock").glob("daemon-*[0-9a-f]"))
    assert place.stat().st_mode & 0o777 == 0o700 or place.stat().st_mode & 0o077 == 0
    assert place.parent.stat().st_mode & 0o777 == 0o700
    if alone.user == "root":
        other = as_user("nobody", [PYTHON, "-c", "import os, sys; os.listdir(sys.argv[1])", str(place.parent)])
        done = subprocess.run(other, capture_output=True, text=True, check=False)
        assert "PermissionError" in done.stderr


# --- places that won't do

def test_a_socket_that_nobody_listens_at_is_replaced(alone):
    assert is_warm(alone)
    (daemon,) = {parent_of(pid) for pid in zygotes() if belongs_to(pid, alone)}
    os.kill(daemon, signal.SIGKILL)
    assert gone(daemon)
    with subprocess.Popen(["true"]) as ended:
        pass
    half_done = alone.run_folder / "cellblock" / ("import-%d-abcdef" % ended.pid)
    half_done.mkdir()
    alone.give(half_done)
    result, said = run_and_say(alone, "print(1)")
    assert result["stdout"] == "1\n" and "it was started just now" in said
    DAEMONS.known.clear()
    assert is_warm(alone)
    assert not half_done.exists()


def belongs_to(zygote, host):
    status = ask(host, "status")
    return "process %d)" % zygote in status


@pytest.mark.parametrize("fault", ["mode", "owner", "file"])
def test_a_folder_that_isnt_ours_alone_means_a_cold_start(alone, fault):
    if fault == "owner" and os.geteuid() != 0:
        pytest.skip("needs root, to make another's folder")
    place = alone.run_folder / "cellblock"
    place.touch() if fault == "file" else place.mkdir(mode=0o700)
    alone.give(place)
    if fault == "mode":
        place.chmod(0o755)
    if fault == "owner":
        os.chown(place, 12345, 12345)
    result, said = run_and_say(alone, "print(1)")
    assert result["stdout"] == "1\n"
    assert "a cold start" in said and str(place) in said and "started just now" not in said
    shutil.rmtree(place, ignore_errors=True) if fault != "file" else place.unlink()


# --- the daemon's life

def test_it_leaves_when_idle_and_nothing_stays(alone):
    daemon = subprocess.Popen(as_user(alone.user, [PROGRAM, "daemon", "--idle", "3s"]), env=alone.environment(),
                              stderr=subprocess.PIPE, text=True)
    assert "listens in" in daemon.stderr.readline()
    assert is_warm(alone)
    status = ask(alone, "status")
    assert "ready after" in status and "given" in status, status
    assert daemon.wait(30) == 0
    daemon.stderr.close()
    assert list(alone.run_folder.iterdir()) == []
    assert ask(alone, "status") == "no daemon runs\n"


def test_more_processors_than_one(alone):
    policy = {"preload": ["numpy"], "limits": {"cpus": 2}}
    code = "import numpy\na = numpy.ones((300, 300))\nprint(int((a @ a)[0, 0]))"
    assert alone.out(code, policy=policy) == "300\n"
    assert is_warm(alone, policy=policy)
