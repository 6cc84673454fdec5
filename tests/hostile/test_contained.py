"""The level `no-namespaces`: a host that gives no namespaces. Landlock, the filter and the limits are the whole wall."""

import glob
import json
import os
import pathlib
import signal
import socket
import subprocess
import time

import pytest
from support import kernels


@pytest.fixture(scope="module")
def place(any_user):
    made = kernels.Place(any_user)
    yield made
    assert not list((made.root / "tmp").iterdir()), "a sandbox's folder was left"
    made.remove()


@pytest.fixture(scope="module")
def command(place):
    policy = place.policy("no-namespaces", require="no-namespaces", limits={"cell_time": "20s", "disk": "16MiB"})
    return lambda *arguments: place.as_user([*kernels.lesser_host(kernels.NO_NAMESPACES), kernels.PROGRAM,
                                             *arguments, "--policy", str(policy)])


@pytest.fixture(scope="module")
def run(place, command):
    def start(code):
        done = subprocess.run(command("run", "--json", "-"), input=code, capture_output=True, text=True, timeout=100,
                              env=place.environment())
        assert done.stdout, done.stderr
        return json.loads(done.stdout)

    return start


@pytest.fixture(scope="module")
def victim(place):
    """A process, files and servers of the same user outside, to be found unchanged."""
    home = place.root / "home"
    secret = home / "secret"
    make = ("import os, socket, sys, time\n"
            "open(%r, 'w').write('secret')\nos.chmod(%r, 0o600)\n"
            "one = socket.socket(socket.AF_UNIX); one.bind(%r); one.listen()\n"
            "try: os.setxattr(%r, 'user.origin', b'a token')\nexcept OSError: pass  # not every filesystem can\n"
            "print('up', flush=True); time.sleep(600)" % (str(secret), str(secret), str(home / "socket"), str(secret)))
    process = subprocess.Popen(place.as_user([kernels.PYTHON, "-c", make]), stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "up\n"
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield {"pid": process.pid, "home": str(home), "secret": str(secret), "port": server.getsockname()[1],
               "process": process, "server": server}
    assert process.poll() is None, "the process outside is gone"
    process.kill()
    process.wait()


def test_code_runs_and_draws(run):
    report = run("import matplotlib.pyplot as plt; plt.plot([1, 2]); print('hi'); open('a', 'w').write('b') and 7")
    assert report["status"] == "ok" and report["stdout"].startswith("hi")
    assert any("image/png" in result["data"] if "data" in result else "image/png" in result
               for result in report["results"])


@pytest.mark.parametrize("code", ["import pandas; pandas.DataFrame({'a': [1]}).to_csv('/dev/null')",
                                  "import scipy.optimize", "import subprocess; subprocess.run(['ls'], check=True)",
                                  "import shutil; open('a', 'w').close(); shutil.copy2('a', 'b'); shutil.copytree('.', '../tmp/c')",
                                  "import subprocess; subprocess.run(['ls', '-l', '/usr/bin/env'], check=True)",
                                  "import subprocess; open('a', 'w').close(); subprocess.run(['cp', '-a', 'a', 'd'], check=True)",
                                  "import threading; t = threading.Thread(target=print); t.start(); t.join()",
                                  "import asyncio; await asyncio.sleep(0)",
                                  "import tempfile; tempfile.NamedTemporaryFile().write(b'x')",
                                  "import os; os.waitpid(os.fork() or os._exit(0), 0)",
                                  "import sqlite3; sqlite3.connect('a.db').execute('create table t(a)')"])
def test_works(run, code):
    assert run(code)["status"] == "ok"


# Name → the body of an attack; `v` is the victim. It must raise OSError.
ATTACKS = {
    "read_a_file": "open(v['secret']).read()",
    "list_the_home": "os.listdir(v['home'])",
    "write_a_file": "open(v['secret'], 'w')",
    "make_a_file": "open(v['home'] + '/new', 'w')",
    "remove_a_file": "os.unlink(v['secret'])",
    "rename_a_file": "os.rename(v['secret'], 'here')",
    "link_a_file": "os.link(v['secret'], 'here')",
    "truncate_a_file": "os.truncate(v['secret'], 0)",
    "watch_a_folder": "libc('inotify_add_watch', libc('inotify_init'), v['home'].encode(), 0xfff)",
    "list_attributes": "os.listxattr(v['secret'])",
    "read_attribute": "os.getxattr(v['secret'], 'user.origin')",
    "read_attribute_by_descriptor": "os.getxattr(os.open(v['secret'], os.O_PATH), 'user.origin')",
    "send_a_signal_by_a_descriptor": "import fcntl; fcntl.fcntl(socket.socketpair()[0], fcntl.F_SETOWN, v['pid'])",
    "read_etc_passwd": "open('/etc/passwd').read()",
    "list_the_root": "os.listdir('/')",
    "write_shared_memory": "open('/dev/shm/x', 'w')",
    "list_terminals": "os.listdir('/dev/pts')",
    "read_environment": "open('/proc/%d/environ' % v['pid']).read()",
    "read_command_line": "open('/proc/%d/cmdline' % v['pid']).read()",
    "read_own_mounts": "open('/proc/self/mountinfo').read()",
    "list_processes": "os.listdir('/proc')",
    "signal_zero": "os.kill(v['pid'], 0)",
    "kill": "os.kill(v['pid'], 9)",
    "kill_by_pidfd": "signal.pidfd_send_signal(os.pidfd_open(v['pid']), 9)",
    "kill_the_supervisor": "os.kill(int(v['parent']), 9)",
    "limit_another": "import resource; resource.prlimit(v['pid'], resource.RLIMIT_NOFILE, (0, 0))",
    "slow_another_down": "os.setpriority(os.PRIO_PROCESS, v['pid'], 19)",
    "slow_all_down": "os.setpriority(os.PRIO_USER, 0, 19)",
    "bind_another": "os.sched_setaffinity(v['pid'], {0})",
    "trace_another": "libc('ptrace', 16, v['pid'], 0, 0)",
    "unix_socket": "socket.socket(socket.AF_UNIX).connect(v['home'] + '/socket')",
    "loopback": "socket.create_connection(('127.0.0.1', v['port']), 2)",
    "udp": "socket.socket(socket.AF_INET, socket.SOCK_DGRAM)",
    "netlink": "socket.socket(16, socket.SOCK_RAW)",
    "system_v_memory": "libc('shmget', 0, 4096, 0o1600)",
    "system_v_queue": "libc('msgget', 0, 0o1600)",
    "user_namespace": "libc('unshare', 0x10000000)",
    "mount": "libc('mount', b'none', b'/tmp', b'tmpfs', 0, 0)",
    "device_node": "os.mknod('disk', 0o60600, os.makedev(8, 0))",
    "leave_by_landlock": "libc('syscall', 444, 0, 0, 1)",
}

PROLOGUE = """
import ctypes, json, os, signal, socket
v = json.loads(%r); v['parent'] = os.popen('echo').close() or %d
C = ctypes.CDLL(None, use_errno=True)
def libc(name, *arguments):
    if getattr(C, name)(*arguments) == -1: raise OSError(ctypes.get_errno(), name)
    return getattr(C, name)(*arguments)
results = {}
for name, code in json.loads(%r).items():
    try:
        exec(code); results[name] = 'REACHED'
    except OSError as error:
        results[name] = error.strerror
print(json.dumps(results))
"""


@pytest.fixture(scope="module")
def attacked(run, victim):
    facts = json.dumps({key: victim[key] for key in ("pid", "home", "secret", "port")})
    before = (os.stat(victim["secret"]), sorted(os.listdir(victim["home"])), os.sched_getaffinity(victim["pid"]),
              os.getpriority(os.PRIO_PROCESS, victim["pid"]))
    report = run(PROLOGUE % (facts, victim["pid"], json.dumps(ATTACKS)))
    assert report["status"] == "ok", report
    after = (os.stat(victim["secret"]), sorted(os.listdir(victim["home"])), os.sched_getaffinity(victim["pid"]),
             os.getpriority(os.PRIO_PROCESS, victim["pid"]))
    return json.loads(report["stdout"]), before, after


@pytest.mark.parametrize("name", ATTACKS)
def test_is_refused(attacked, name):
    assert attacked[0][name] != "REACHED"


def test_nothing_outside_changed(attacked, victim):
    _, before, after = attacked
    assert before[1:] == after[1:]
    assert (before[0].st_mode, before[0].st_size, before[0].st_mtime_ns) == (after[0].st_mode, after[0].st_size,
                                                                           after[0].st_mtime_ns)
    assert victim["process"].poll() is None
    victim["server"].settimeout(0)
    with pytest.raises(BlockingIOError):
        victim["server"].accept()


@pytest.mark.parametrize("change", ["os.chmod(p, 0o777)", "os.utime(p, (1, 1))", "os.chown(p, -1, os.getgid())",
                                    "os.setxattr(p, 'user.a', b'b')"])
def test_what_belongs_to_the_user_keeps_its_marks(run, victim, change):
    before = os.stat(victim["secret"])
    run("import os\np = %r\ntry:\n    %s\nexcept OSError: pass" % (victim["secret"], change))
    after = os.stat(victim["secret"])
    assert (before.st_mode, before.st_mtime, before.st_gid) == (after.st_mode, after.st_mtime, after.st_gid)
    assert os.listxattr(victim["secret"]) in ([], ["user.origin"])


ESCAPEE = """
import os, subprocess, sys, time
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        os.execv(sys.executable, [sys.executable, '-c', 'import time; time.sleep(601.5)'])
    os._exit(0)
time.sleep(0.5)
"""


def escapees():
    found = []
    for path in glob.glob("/proc/[0-9]*/cmdline"):
        try:
            if b"sleep(601.5)" in pathlib.Path(path).read_bytes():
                found.append(int(path.split("/")[2]))
        except OSError:
            pass
    return found


def gone(seconds=10):
    until = time.monotonic() + seconds
    while escapees() and time.monotonic() < until:
        time.sleep(0.05)
    return not escapees()


def test_nothing_outlives_the_session(run):
    assert run(ESCAPEE)["status"] == "ok"
    assert gone(), "a process that had left its session and its parent outlived the sandbox"


def test_nothing_outlives_a_worker_that_was_killed(run):
    report = run("%%timeout 1\n" + ESCAPEE + "while True:\n    try: time.sleep(9)\n    except BaseException: pass\n")
    assert report["status"] == "timeout" and gone()


def test_a_fork_bomb_ends_with_its_session(run):
    report = run("%%timeout 2\nimport os\nwhile True:\n    try: os.fork()\n    except BaseException: pass\n")
    assert report["status"] in ("timeout", "killed", "error")


@pytest.mark.parametrize("which", ["program", "supervisor"])
def test_killed_by_9_nothing_is_left(place, command, which):
    child = subprocess.Popen(command("run", "-"), stdin=subprocess.PIPE, env=place.environment())
    child.stdin.write((ESCAPEE + "time.sleep(60)").encode())
    child.stdin.close()
    until = time.monotonic() + 30
    while not escapees() and time.monotonic() < until:
        time.sleep(0.05)
    assert escapees()
    victim = child.pid
    if which == "supervisor":
        listed = pathlib.Path("/proc/%d/task/%d/children" % (child.pid, child.pid)).read_text().split()
        victim = int(listed[0])
    os.kill(victim, signal.SIGKILL)
    assert gone()
    child.wait(timeout=60)
    until = time.monotonic() + 10
    while list((place.root / "tmp").iterdir()) and time.monotonic() < until:
        time.sleep(0.05)
    assert not list((place.root / "tmp").iterdir())


def test_a_folder_that_a_crash_left_is_swept(place, run):
    left = place.root / "tmp" / "cellblock-box-left00"
    subprocess.run(place.as_user(["sh", "-c", "mkdir %s && touch %s/lock" % (left, left)]), check=True)
    assert run("1")["status"] == "ok"
    assert not left.exists()


def test_the_doctor_says_which_layers_are_missing_and_that_the_promise_holds(place, command):
    done = subprocess.run(command("doctor", "--json"), capture_output=True, text=True, timeout=100,
                          env=place.environment())
    report = json.loads(done.stdout)
    assert done.returncode == 0 and report["promise_holds"]
    standing = {one["layer"]: one["in_force"] for one in report["layers"]}
    assert not standing["namespaces"] and not standing["root"]
    assert standing["seccomp"] and standing["landlock"] and standing["network"] and standing["rlimits"]
    reached = {one["id"] for one in report["attempts"] if one["ending"] == "not_promised"}
    assert reached <= {"host_name", "fill_disk", "many_files", "many_processes_memory", "all_processors"}


@pytest.mark.parametrize("files", [[{"host": ".", "sandbox": "/work", "mode": "overlay"}],
                                   [{"host": "/usr/share", "sandbox": "/data", "mode": "read"}]])
def test_files_that_cant_be_shown_so_are_refused_by_name(place, files):
    policy = place.policy("files", require="no-namespaces", files=files)
    done = subprocess.run(place.as_user([*kernels.lesser_host(kernels.NO_NAMESPACES), kernels.PROGRAM, "run",
                                         "--policy", str(policy), "-"]), input="1", capture_output=True, text=True,
                          timeout=60, env=place.environment())
    assert done.returncode == 125 and "files[0].host" in done.stderr and "namespaces" in done.stderr


def test_files_at_their_own_path_can_be_read_and_not_changed(place):
    data = place.root / "work" / "data"
    subprocess.run(place.as_user(["sh", "-c", "mkdir -p %s && echo 41 > %s/n" % (data, data)]), check=True)
    policy = place.policy("files", require="no-namespaces",
                          files=[{"host": str(data), "sandbox": str(data), "mode": "read"}])
    code = "print(open(%r).read())\nopen(%r, 'a')" % (str(data / "n"), str(data / "n"))
    done = subprocess.run(place.as_user([*kernels.lesser_host(kernels.NO_NAMESPACES), kernels.PROGRAM, "run",
                                         "--policy", str(policy), "--json", "-"]), input=code, capture_output=True,
                          text=True, timeout=60, env=place.environment())
    report = json.loads(done.stdout)
    if any_root(place):
        assert report["stdout"].startswith("41") or report["error"]["ename"] == "PermissionError"
    else:
        assert report["stdout"].startswith("41")
    assert report["error"]["ename"] == "PermissionError"


def any_root(place):
    return not place.user


def test_where_there_are_namespaces_they_are_used(place):
    policy = place.policy("least", require="no-namespaces")
    done = subprocess.run(place.as_user([kernels.PROGRAM, "run", "--policy", str(policy), "-"]),
                          input="import os; print(os.getcwd(), os.getpid() < 10)", capture_output=True, text=True,
                          timeout=60, env=place.environment())
    assert done.stdout == "/work True\n"
