"""Sandboxes that are forks of a warm Python: nothing of one is in the next, and nothing of the daemon is in reach."""

import errno
import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import warnings

import pytest
from jails import DAEMONS, NOT_YET, PROGRAM, PYTHON, USERS, Host, as_user, nothing_left, zygotes
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
    monkeypatch.setattr(DAEMONS, "known", [])
    warm.run_folder = pathlib.Path(made)
    yield warm
    ask(warm, "stop")


def ask(host, what):
    done = subprocess.run(as_user(host.user, [PROGRAM, "daemon", what]), env=host.environment(), capture_output=True,
                          text=True, timeout=30, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


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


FIRST = """
import os, socket, mmap, time
open('/tmp/mark', 'w').write('mark'); open('/dev/shm/mark', 'w').write('mark')
abstract = socket.socket(socket.AF_UNIX); abstract.bind('\\0mark'); abstract.listen()
server = socket.create_server(('127.0.0.1', 34567))
print('begun', flush=True)
time.sleep(6)
"""
SECOND = """
import os, signal, socket
found = [path for path in ('/tmp/mark', '/dev/shm/mark') if os.path.exists(path)]
for family, address in ((socket.AF_UNIX, '\\0mark'), (socket.AF_INET, ('127.0.0.1', 34567))):
    knock = socket.socket(family)
    try:
        knock.connect(address)
        found.append(str(address))
    except OSError:
        pass
pids = [int(name) for name in os.listdir('/proc') if name.isdigit()]
found += [str(pid) for pid in pids if pid not in (1, os.getpid())]
for pid in range(3, 400):
    try:
        os.kill(pid, 0)
        found += [str(pid)] if str(pid) not in os.listdir('/proc/self/task') else []
    except OSError:
        pass
mine = {os.readlink('/proc/self/ns/' + name) for name in os.listdir('/proc/self/ns')}
print(found, len(mine))
"""


def test_two_sandboxes_of_one_zygote_dont_find_each_other(warm):
    policy = {"preload": []}  # else what the first imports makes another zygote
    assert is_warm(warm, policy=policy)
    first = warm.start(policy=policy, python=PYTHON)
    first.stdin.write(FIRST)
    first.stdin.close()
    parent = parent_of(sandbox_of(first.pid))
    time.sleep(1)
    second = warm.start(policy=policy, python=PYTHON)
    second.stdin.write(SECOND + "import time; time.sleep(1)")
    second.stdin.close()
    assert parent_of(sandbox_of(second.pid)) == parent, "they are of two"
    told = json.loads(second.stdout.read())
    assert told["stdout"].startswith("[] "), told
    assert json.loads(first.stdout.read())["stdout"] == "begun\n"
    for one in (first, second):
        one.stdout.close()
        one.stderr.close()
        one.wait()


# --- what sessions import

def test_what_sessions_import_is_in_memory_for_the_next_as_far_as_it_can_be(alone):
    """The cell names what there isn't, what hangs, what leaves a thread; and more than is ever imported."""
    python, _ = environment_with(alone, value="x = 1", leaver=BAD_MODULES["leaver"][0], hanger="import time; time.sleep(1000)",
                                 breaker="import os; os._exit(0)", failer="1 / 0",
                                 replacer="import sys, types; sys.modules['json'] = types.ModuleType('json')",
                                 printer="import builtins; builtins.print = lambda *_: None", adder="import builtins; builtins.added = 1",
                                 hooker="import sys; sys.excepthook = lambda *_: None",
                                 handler="import signal; signal.signal(signal.SIGUSR1, lambda *_: None)")
    alone.file("near.py", "x = 1")
    changers = ["replacer", "printer", "adder", "hooker", "handler"]
    names = ["value", "leaver", "hanger", "breaker", "failer", "near", *changers, *("missing%d" % i for i in range(20))]
    code = "if False:\n    import %s" % ", ".join(names)
    alone.run(code, policy=None, python=python)  # cold; brings the daemon about
    store = alone.home / ".cache" / "cellblock" / "imports.json"
    until = time.monotonic() + 60
    while time.monotonic() < until and not (store.exists() and "hanger" in json.loads(store.read_text())["pythons"].get(
            str(python), {}).get("dropped", {}) and "ready" in ask(alone, "status")):
        alone.run(code, policy=None, python=python)
        time.sleep(0.5)
    told = json.loads(store.read_text())["pythons"][str(python)]
    reasons = {name: reason for name, (reason, _) in told["dropped"].items()}
    assert "value" not in reasons
    assert reasons["near"] == reasons["missing3"] == "there is no such module", reasons
    assert "takes too long" in reasons["hanger"] and "leaves a thread" in reasons["leaver"], reasons
    assert all("changes what other modules see" in reasons[name] for name in changers), reasons
    assert "fails" in reasons["failer"] and "ends the process" in reasons["breaker"], reasons
    seen = "import sys; print([name for name in ('value', 'leaver', 'hanger', 'near') if name in sys.modules])"
    assert alone.out(seen, policy=None, python=python) == "['value']\n", ask(alone, "status")
    assert os.stat(store).st_mode & 0o777 == 0o600


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
    "lister": ("import os\nfolder = os.open('/usr', os.O_RDONLY)", "keeps a file open"),
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


def test_a_file_of_usr_that_a_preload_reads_is_each_forks_own(alone):
    """As libffi holds its library. A file position that is shared would carry news from one sandbox to another."""
    python, _ = environment_with(alone, keeper="import os, subprocess\nfile = os.open(subprocess.__file__, os.O_RDONLY)")
    policy = {"preload": ["keeper"]}
    seen = "import keeper, os, subprocess; print(len(os.read(keeper.file, 10**6)) == os.path.getsize(subprocess.__file__))"
    alone.run("pass", policy=policy, python=python)
    for _ in range(2):
        result, said = run_and_say(alone, seen, policy=policy, python=python)
        assert result["stdout"] == "True\n" and "a cold start" not in said, (result, said)


def test_a_module_from_where_nothing_is_shown_isnt_found(alone):
    elsewhere = alone.file("elsewhere/hidden.py", "secret = 1")
    python, packages = environment_with(alone)
    (packages / "path.pth").write_text(str(elsewhere.parent) + "\n")
    alone.give(packages / "path.pth")
    policy = {"preload": ["hidden"]}
    alone.run("pass", policy=policy, python=python)
    _, said = run_and_say(alone, "pass", policy=policy, python=python)
    assert "No module named 'hidden'" in said


# Each would change something on the host, if its import ran there.
ATTACKS = {
    "writer": """
import os, sys
for folder in PLACES:
    try:
        open(os.path.join(folder, "written"), "w").close()
    except OSError:
        pass
    else:
        seen = folder
""",
    "reader": """
seen = ""
for path in SECRETS:
    try:
        seen += open(path).read()
    except OSError:
        pass
""",
    "caller": """
import socket
seen = ""
for family, address in ((socket.AF_INET, ("127.0.0.1", PORT)), (socket.AF_UNIX, PATH)):
    knock = socket.socket(family)
    try:
        knock.connect(address)
        seen += "connected"
    except OSError:
        pass
    knock.close()
""",
    "killer": """
import os, signal
seen = ""
try:
    os.kill(PID, signal.SIGTERM)
    seen += "killed"
except OSError:
    pass
for call in (lambda: os.setuid(0), lambda: os.chroot("/"), lambda: os.mknod("/tmp/device", 0o20666, os.makedev(1, 1)),
             lambda: open("/proc/sys/kernel/hostname", "w").write("other"), lambda: os.sethostname("other")):
    try:
        call()
        seen += "could"
    except (OSError, AttributeError):
        pass
""",
}


def test_an_import_changes_nothing_on_the_host(alone):
    secret, place = alone.file("home/secret", "hunter2"), alone.file("home/place/file", "").parent
    secret.chmod(0o644)
    with socket.create_server(("127.0.0.1", 0)) as server, subprocess.Popen(as_user(alone.user, ["sleep", "1000"])) as sleeper:
        path = alone.folder / "knock"
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(str(path))
            path.chmod(0o777)
            listener.listen()
            facts = {"PLACES": [str(place), "/usr/lib", "/etc", "/var/tmp", "/root", "/dev/shm"],
                     "SECRETS": [str(secret), "/proc/1/environ", "/etc/shadow", "/proc/%d/environ" % os.getpid()],
                     "PORT": server.getsockname()[1], "PATH": str(path), "PID": sleeper.pid}
            given = "".join("%s = %r\n" % fact for fact in facts.items())
            python, _ = environment_with(alone, **{name: given + code + "\ntold = globals().get('seen', '')\n"
                                                   for name, code in ATTACKS.items()})
            policy = {"preload": list(ATTACKS)}
            assert is_warm(alone, policy=policy, python=python)
            told = alone.value("import json, %s; print(json.dumps({%s}))" % (
                ", ".join(ATTACKS), ", ".join("%r: %s.told" % (name, name) for name in ATTACKS)), policy=policy, python=python)
        alive = sleeper.poll() is None
        sleeper.kill()
    assert alive
    assert told.pop("writer") in ("/dev/shm", "/var/tmp"), told  # its own
    assert set(told.values()) == {""}, told
    for folder in (place, *map(pathlib.Path, ("/usr/lib", "/etc", "/var/tmp", "/root", "/dev/shm"))):
        assert not (folder / "written").exists()


# A package whose code runs in each fork before that gives up its powers: the fork asks the attendant in the jail's stead, makes
# a user namespace of its own, and tries to write to all that it gets.
THIEF = """
import array, ctypes, os, socket, struct, threading
libc = ctypes.CDLL(None, use_errno=True)
MOUNT_SETATTR, MOVE_MOUNT, AT_FDCWD, EMPTY, NEWUSER_NEWNS, REC_PRIVATE, REMOUNT_BIND = 442, 429, -100, 0x1000, 0x10020000, 0x44000, 0x1020
CLEAR_READ_ONLY = struct.pack("QQQQ", 0, 1, 0, 0)

def call(number, *arguments):
    return libc.syscall(ctypes.c_long(number), *arguments)

def files():
    return sorted(int(name) for name in os.listdir("/proc/self/fd") if int(name) > 3)

def is_sequenced(fd):
    try:
        return socket.socket(fileno=os.dup(fd)).type == socket.SOCK_SEQPACKET
    except OSError:
        return False

def steal():
    libc.unshare(NEWUSER_NEWNS)
    attendant = socket.socket(fileno=os.dup([fd for fd in files() if is_sequenced(fd)][-1]))
    attendant.settimeout(5)
    attendant.send(b"h")
    trees, last = array.array("i"), 0
    while not last:
        data, ancillary, _, _ = attendant.recvmsg(200, 400)
        for _, _, payload in ancillary:
            trees.frombytes(payload)
        last = struct.unpack_from("I", data, 12)[0] if data else 1
    libc.setresgid(1000, 1000, 1000), libc.setresuid(1000, 1000, 1000)
    if not open("/proc/self/uid_map").read():
        for name, text in (("setgroups", "deny"), ("gid_map", "1000 1000 1"), ("uid_map", "1000 1000 1")):
            with open("/proc/self/" + name, "w") as file:
                file.write(text)
    libc.mount(None, b"/", None, REC_PRIVATE, None)
    libc.mount(b"none", b"/tmp", b"tmpfs", 0, None)
    for number, tree in enumerate(trees):
        place = b"/tmp/%d" % number
        os.mkdir(place)
        lifted = call(MOUNT_SETATTR, tree, b"", EMPTY, CLEAR_READ_ONLY, len(CLEAR_READ_ONLY)) == 0
        if call(MOVE_MOUNT, tree, b"", AT_FDCWD, place, 4) != 0:
            continue  # a control group's file
        lifted |= call(MOUNT_SETATTR, AT_FDCWD, place, 0, CLEAR_READ_ONLY, len(CLEAR_READ_ONLY)) == 0
        lifted |= libc.mount(None, place, None, REMOUNT_BIND, None) == 0
        try:
            os.write(2, b"thief: %s\\n" % (b"shown " + b" ".join(sorted(os.listdir(place)))))
            open(place + b"/written", "w").close()
            os.write(2, b"thief: written, %d\\n" % lifted)
        except OSError as error:
            os.write(2, b"thief: errno %d, lifted %d\\n" % (error.errno, lifted))

def in_child():
    if any(os.path.realpath("/proc/self/fd/%d" % fd).startswith("/memfd:") for fd in files()):  # no practice: it has a plan
        try:
            steal()
        except BaseException as error:
            os.write(2, ("thief: %r\\n" % error).encode())
        finally:
            os._exit(1)

handler = ctypes.CFUNCTYPE(None)(in_child)
libc.__register_atfork(None, None, handler, None)
"""


def test_a_package_in_the_forks_cant_write_to_what_is_shown(alone):
    """And the session starts cold."""
    shown = alone.file("shown/file", "secret").parent
    alone.give(shown)
    python, _ = environment_with(alone, thief=THIEF)
    policy = {"preload": ["thief"], "files": [{"host": str(shown), "sandbox": "/data", "mode": "read"}]}
    alone.run("pass", policy=policy, python=python)
    result, said = run_and_say(alone, "print(open('/data/file').read())", policy=policy, python=python)
    assert result["stdout"] == "secret\n" and "a cold start" in said, (result, said)
    until = time.monotonic() + 20
    while "thief: shown file" not in DAEMONS.log(alone.user) and time.monotonic() < until:
        time.sleep(0.1)
    log = DAEMONS.log(alone.user)
    assert "thief: shown file" in log and "thief: errno %d, lifted 0" % errno.EROFS in log, log
    assert "thief: written" not in log and os.listdir(shown) == ["file"], log


LIES = {
    "deep": "b'{\"ready\": ' + b'[' * 50000",
    "early": "b'y' + (1).to_bytes(8, 'little') + (1).to_bytes(4, 'little')",
    "other": "b'n' + (2).to_bytes(8, 'little') + b'lost'",
    "nobody": "b'd' + bytes(8)",
    "odd": "b'\\xff' * 100",
}


def test_what_a_zygote_sends_is_checked(alone):
    """An import that writes to the daemon's socket ends that zygote and no other; what it says is made printable."""
    modules = {"lie_" + name: "import os\nos.write(3, %s)" % lie for name, lie in LIES.items()}
    modules["lie_painted"] = "import os\nos.write(3, b'{\"refused\": \"\\\\u001b[31mred\\\\u0007\"}')"
    python, _ = environment_with(alone, value="x = 1", **modules)
    assert is_warm(alone, policy={"preload": ["value"]}, python=python)
    starts = {name: {"policy": {"preload": [name]}, "python": python} for name in modules}
    for more in starts.values():
        run_and_say(alone, "pass", **more)  # brings that zygote about
    until = time.monotonic() + 60
    for name, more in starts.items():
        said = NOT_YET[0]
        while any(one in said for one in NOT_YET) and time.monotonic() < until:
            _, said = run_and_say(alone, "pass", **more)
        assert "a cold start" in said and "\x1b" not in said and "\a" not in said, said
        assert ("red" if name == "lie_painted" else "it sent what can't be read") in said, said
    assert is_warm(alone, policy={"preload": ["value"]}, python=python)
    assert "\x1b" not in ask(alone, "status") + DAEMONS.log(alone.user)


STAYERS = {
    "resident": ("import os, time\nif os.fork() == 0:\n    os.setsid()\n    if os.fork() == 0:\n        time.sleep(1000)\n    os._exit(0)\n"
                 "os.wait()", "leaves a process running"),
    "bomb": ("import os, time\nwhile True:\n    if os.fork() == 0:\n        time.sleep(1000)", "its imports make too many processes"),
    "hog": ("import time\nkept = []\nwhile True:\n    kept.append(b'x' * (64 << 20))", "its imports take too much memory"),
}


@pytest.mark.parametrize("name", STAYERS)
def test_an_import_that_stays_or_multiplies_is_ended(alone, name):
    code, reason = STAYERS[name]
    python, _ = environment_with(alone, attack=code)
    policy = {"preload": ["attack"]}
    alone.run("pass", policy=policy, python=python)  # brings the daemon about
    until = time.monotonic() + 60
    while reason not in (told := ask(alone, "status")) and time.monotonic() < until:
        time.sleep(0.2)
    assert reason in told
    result, said = run_and_say(alone, "print('here')", policy=policy, python=python)
    assert "a cold start" in said and reason in said, said
    assert result["stdout"] == ("here\n" if name == "resident" else ""), result  # a sandbox has its bounds too


def test_a_python_that_others_may_change_is_kept_warm(alone):
    """Its code runs in a jail, warm or cold."""
    python, packages = environment_with(alone, value="x = 1")
    packages.parent.parent.parent.chmod(0o777)
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
    os.kill(zygote if victim == "zygote" else daemon_of(alone), signal.SIGKILL)
    out = process.stdout.read()
    process.stdout.close()
    process.stderr.close()
    process.wait()
    assert json.loads(out)["stdout"] == "begun\ndone\n", out
    assert gone(supervisor)
    assert victim == "daemon" or "gone: it ended" in ask(alone, "status")
    DAEMONS.known.clear()
    assert is_warm(alone)  # by a new one


def test_kill_9_of_the_keeper_ends_its_sandboxes_and_says_so(alone):
    """It is the first process of the namespace that they live in."""
    assert is_warm(alone)
    process = alone.start(policy=None, python=PYTHON)
    process.stdin.write(CELL)
    process.stdin.close()
    keeper = parent_of(parent_of(sandbox_of(process.pid)))
    os.kill(keeper, signal.SIGKILL)
    out = process.stdout.read()
    process.stdout.close()
    process.stderr.close()
    process.wait()
    assert json.loads(out)["error"]["ename"] == "WorkerDied", out
    assert gone(keeper)
    DAEMONS.known.clear()
    assert is_warm(alone)  # by a new one


def daemon_of(host):
    return json.loads(subprocess.run(as_user(host.user, [PROGRAM, "daemon", "status", "--json"]), env=host.environment(),
                                     capture_output=True, text=True, timeout=30, check=True).stdout)[0]["process"]


def parent_of(pid):
    return int(pathlib.Path("/proc/%d/stat" % pid).read_text().rsplit(")", 1)[1].split()[1])


def gone(pid):
    """With all its threads: the first may be a zombie while another still has its sockets."""
    end = time.monotonic() + 5
    while time.monotonic() < end:
        try:
            ended = pathlib.Path("/proc/%d/stat" % pid).read_text().rsplit(")", 1)[1].split()[0] == "Z"
            if ended and len(os.listdir("/proc/%d/task" % pid)) <= 1:
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


@pytest.mark.both_users
def test_a_cell_that_reaches_the_socket_is_refused(alone):
    if alone.user == "root":
        pytest.skip("root's cells are another user, who can't enter the folder")
    assert is_warm(alone)
    policy = {"files": [{"host": str(alone.run_folder), "sandbox": "/run-folder"}]}
    result, _ = run_and_say(alone, KNOCK, policy=policy)
    assert "refused" in result["stdout"] or "answer b''" in result["stdout"], result
    assert "refused a client" in DAEMONS.log(alone.user)


@pytest.mark.both_users
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
    daemon = daemon_of(alone)
    os.kill(daemon, signal.SIGKILL)
    assert gone(daemon)
    result, said = run_and_say(alone, "print(1)")
    assert result["stdout"] == "1\n" and "it was started just now" in said
    DAEMONS.known.clear()
    assert is_warm(alone)


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
