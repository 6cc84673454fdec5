"""Hostile cells in the native jail, through `cellblock run --json`; each test is one promise.

Run as root, every test runs twice: as root and as an ordinary user.
The program: $CELLBLOCK, or build/cellblock.
"""

import json
import os
import pathlib
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
import textwrap
import time

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
PROGRAM = os.environ.get("CELLBLOCK", str(ROOT / "build" / "cellblock"))
PYTHON = "/usr/bin/python3"
USERS = ["root", "nobody"] if os.geteuid() == 0 else [pwd.getpwuid(os.geteuid()).pw_name]


def as_user(user, argv):
    """argv, to be run by that user."""
    if os.geteuid() != 0 or user == "root":
        return argv
    entry = pwd.getpwnam(user)
    return ["setpriv", f"--reuid={entry.pw_uid}", f"--regid={entry.pw_gid}", "--clear-groups", *argv]


class Host:
    def __init__(self, user, folder):
        self.user = user
        self.folder = folder
        self.home = folder / "home"
        self.home.mkdir(mode=0o700)
        self.others = {entry[0] for entry in processes()}
        self.pids = set()
        self.give(folder)
        self.give(self.home)

    def give(self, path):
        if os.geteuid() == 0:
            entry = pwd.getpwnam(self.user)
            os.chown(path, entry.pw_uid, entry.pw_gid)

    def file(self, name, text, mode=0o644):
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        path.chmod(mode)
        self.give(path)
        return path

    def environment(self):
        return {"PATH": "/usr/bin:/bin", "HOME": str(self.home), "SECRET_TOKEN": "hunter2"}

    def argv(self, *options, policy=None, python=PYTHON):
        if policy is not None:
            self.file("policy.json", json.dumps(policy))
            options = ("--policy", str(self.folder / "policy.json"), *options)
        return as_user(self.user, [PROGRAM, "run", "--json", "--python", str(python), *options, "-"])

    def run(self, code, *options, policy=None, python=PYTHON, time_limit=90):
        process = self.start(*options, policy=policy, python=python)
        try:
            out, error = process.communicate(textwrap.dedent(code), timeout=time_limit)
        finally:
            process.kill()
            process.wait()
        assert out, error
        return json.loads(out)

    def out(self, code, **options):
        result = self.run(code, **options)
        assert result["status"] == "ok", result
        return result["stdout"]

    def value(self, code, **options):
        """What the cell printed as JSON."""
        return json.loads(self.out(code, **options))

    def start(self, *options, **more):
        process = subprocess.Popen(self.argv(*options, **more), stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                   stderr=subprocess.PIPE, text=True, env=self.environment(), cwd=self.folder)
        self.pids.add(process.pid)
        return process


@pytest.fixture(params=USERS)
def host(request):
    folder = pathlib.Path(tempfile.mkdtemp(prefix="cellblock-test-"))
    folder.chmod(0o755)
    yield Host(request.param, folder)
    shutil.rmtree(folder, ignore_errors=True)


# --- what can be seen


def test_only_the_system_is_visible(host):
    secret = host.file("home/secret.txt", "hunter2", 0o600)
    seen = host.value(f"""
        import json, os
        print(json.dumps({{"root": sorted(os.listdir("/")), "home": [name for name in os.listdir(os.path.expanduser("~")) if name != ".ipython"],
                           "homes": os.listdir("/home"), "secret": os.path.exists({str(secret)!r}),
                           "folder": os.path.exists({str(host.folder)!r}), "tmp": [name for name in os.listdir("/tmp") if name != ".ipython"],
                           "etc": sorted(os.listdir("/etc"))}}))
    """)
    assert not seen["secret"] and not seen["folder"]
    assert seen["homes"] == ["cell"] and seen["home"] == [] and seen["tmp"] == []
    assert set(seen["root"]) <= {"bin", "dev", "etc", "home", "lib", "lib32", "lib64", "libx32", "opt", "proc",
                                 "sbin", "tmp", "usr", "var", "work"}
    assert not {"shadow", "ssh", "sudoers", "machine-id"} & set(seen["etc"])


def test_the_hosts_processes_are_invisible(host):
    pids = host.value("import json, os; print(json.dumps([p for p in os.listdir('/proc') if p.isdigit()]))")
    assert len(pids) <= 4 and "1" in pids


def test_the_environment_is_empty(host):
    names = host.value("import json, os; print(json.dumps(dict(os.environ)))")
    assert "SECRET_TOKEN" not in names and "hunter2" not in str(names)
    assert names["HOME"] == "/home/cell" and names["PATH"] == "/usr/local/bin:/usr/bin:/bin"


def test_wardens_memory_and_environment_hold_nothing_of_the_host(host):
    text = host.out("""
        print(open('/proc/1/environ', 'rb').read())
        print(open('/proc/1/cmdline', 'rb').read())
    """)
    assert "hunter2" not in text and str(host.folder) not in text


def test_no_descriptor_of_the_host_is_open(host):
    targets = host.value("""
        import json, os
        found = []
        for pid in ('self', '1'):
            for fd in os.listdir(f'/proc/{pid}/fd'):
                try: found.append(os.readlink(f'/proc/{pid}/fd/{fd}'))
                except OSError: pass
        print(json.dumps(found))
    """)
    for target in targets:
        assert target.startswith(("/dev/null", "socket:", "pipe:", "anon_inode:", "/proc/", "/dev/pts")), targets


def test_identity(host):
    assert host.value("""
        import json, os, pwd, socket
        print(json.dumps([os.getuid(), os.getgid(), os.getgroups() in ([], [1000], [65534]),
                          pwd.getpwuid(os.getuid()).pw_name, socket.gethostname(), os.getcwd()]))
    """) in ([1000, 1000, True, "cell", "cellblock", "/work"],)


# --- what can't be done


def test_no_network(host):
    assert host.value("""
        import json, socket
        failed = []
        for address in (("1.1.1.1", 53), ("8.8.8.8", 443), ("169.254.169.254", 80)):
            try: socket.create_connection(address, timeout=2); failed.append(False)
            except OSError: failed.append(True)
        with open('/proc/net/dev') as file:
            devices = [line.split(':')[0].strip() for line in file if ':' in line]
        print(json.dumps([failed, 'lo' in devices]))
    """) == [[True, True, True], True]


def test_loopback_inside_works(host):
    assert "pong" in host.out("""
        import asyncio
        async def serve(reader, writer):
            writer.write(b'pong'); await writer.drain(); writer.close()
        server = await asyncio.start_server(serve, '127.0.0.1', 0)
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        print(await reader.read())
    """)


def test_no_capability_and_no_new_privileges(host):
    status = dict(line.split(":\t", 1) for line in host.out("print(open('/proc/self/status').read())").splitlines()
                  if ":\t" in line)
    for kind in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"):
        assert int(status[kind], 16) == 0, kind
    assert status["NoNewPrivs"].strip() == "1" and status["Seccomp"].strip() == "2"


def test_the_system_is_read_only(host):
    failures = host.value("""
        import json, os
        failed = []
        for path in ('/x', '/usr/x', '/etc/x', '/usr/bin/x', '/opt/cellblock/worker/x', '/dev/x', '/proc/sys/kernel/hostname'):
            try: open(path, 'w').write('x'); failed.append(path)
            except OSError: pass
        print(json.dumps(failed))
    """)
    assert failures == []


CALLS = """
    import ctypes, errno, json, os, platform
    libc = ctypes.CDLL(None, use_errno=True)
    def errno_of(result): return 'done' if result >= 0 else errno.errorcode[ctypes.get_errno()]
    numbers = {'x86_64': dict(mount=165, umount2=166, pivot_root=155, unshare=272, setns=308, bpf=321,
                              io_uring_setup=425, userfaultfd=323, perf_event_open=298, keyctl=250, ptrace=101,
                              process_vm_readv=310, open_by_handle_at=304, reboot=169, init_module=175,
                              chroot=161, clone3=435, fsopen=430, move_mount=429, mount_setattr=442, quotactl=179,
                              process_vm_writev=311, settimeofday=164, kexec_load=246, swapon=167, acct=163,
                              syslog=103, personality=135, iopl=172, ioperm=173, sethostname=170, mseal=462,
                              statmount=457, pidfd_getfd=438, name_to_handle_at=303, add_key=248,
                              request_key=249, fanotify_init=300, move_pages=279, memfd_secret=447),
               'aarch64': dict(mount=40, umount2=39, pivot_root=41, unshare=97, setns=268, bpf=280,
                               io_uring_setup=425, userfaultfd=282, perf_event_open=241, keyctl=219, ptrace=117,
                               chroot=51, clone3=435, fsopen=430, reboot=142, mseal=462)}[platform.machine()]
    results = {}
    for name, number in numbers.items():
        results[name] = errno_of(libc.syscall(number, 0x10000000 if name == 'unshare' else 0, 0, 0, 0, 0))
    for flag in (0x20000, 0x02000000, 0x04000000, 0x08000000, 0x10000000, 0x20000000, 0x40000000):
        results['clone %x' % flag] = errno_of(libc.syscall({'x86_64': 56, 'aarch64': 220}[platform.machine()],
                                                           flag | 17, 0, 0, 0, 0))
    print(json.dumps(results))
"""


def test_dangerous_system_calls_are_refused(host):
    for name, result in host.value(CALLS).items():
        assert result in ("EPERM", "ENOSYS"), (name, result)


def test_sockets_but_local_and_internet_ones_are_refused(host):
    assert host.value("""
        import json, socket
        made = []
        for family in range(0, 46):
            try: socket.socket(family, socket.SOCK_DGRAM).close(); made.append(family)
            except OSError: pass
        for kind in (socket.SOCK_RAW,):
            try: socket.socket(socket.AF_INET, kind, 1).close(); made.append('raw')
            except OSError: pass
        print(json.dumps(made))
    """) in ([1, 2, 10], [1, 2])


def test_foreign_call_conventions_end_the_process(host):
    result = host.run("""
        import ctypes, os, platform
        if platform.machine() != 'x86_64': raise SystemExit('skip')
        pid = os.fork()
        if pid == 0:
            ctypes.CDLL(None).syscall(0x40000000 + 39); os._exit(0)
        print(os.waitpid(pid, 0)[1])
    """)
    if result["status"] != "ok":
        pytest.skip("not on this machine")
    assert result["stdout"].strip() in (str(int(signal.SIGSYS)), str(int(signal.SIGSYS) | 128))


def test_dangerous_files_of_proc_are_masked(host):
    assert host.value("""
        import json, os
        leaked = []
        for name in ('kcore', 'keys', 'sysrq-trigger', 'timer_list', 'sched_debug', 'kallsyms', 'kmsg', 'config.gz'):
            try:
                with open('/proc/' + name, 'rb') as file:
                    if file.read(16): leaked.append(name)
            except OSError: pass
        print(json.dumps(leaked))
    """) == []


def test_devices_are_few_and_setuid_is_void(host):
    value = host.value("""
        import json, os
        devices = sorted(os.listdir('/dev'))
        flags = {line.split()[1]: line.split()[3].split(',') for line in open('/proc/self/mounts')}
        print(json.dumps([devices, [where for where, options in flags.items() if 'nosuid' not in options]]))
    """)
    assert set(value[0]) == {"null", "zero", "full", "random", "urandom", "tty", "pts", "ptmx", "fd", "stdin",
                             "stdout", "stderr", "shm"} or set(value[0]) == {
                                 "null", "zero", "full", "random", "urandom", "pts", "ptmx", "fd", "stdin", "stdout",
                                 "stderr", "shm"}
    assert value[1] == []


# --- limits


def test_memory(host):
    error = host.run("x = bytearray(3 << 30)")["error"]
    assert error["ename"] == "MemoryError"


def test_memory_in_small_parts_and_the_host_lives(host):
    result = host.run("parts = []\nwhile True: parts.append(bytearray(1 << 20))")
    assert result["status"] in ("error", "killed") and result["error"]["ename"] in ("MemoryError", "MemoryLimit")


def test_memory_of_many_processes(host):
    result = host.run("""
        import os, time
        for _ in range(8):
            if os.fork() == 0:
                x = bytearray(b'x') * (400 << 20); time.sleep(5); os._exit(0)
        dead = sum(os.WIFSIGNALED(os.wait()[1]) for _ in range(8))
        print('dead', dead)
    """)
    if not has_memory_cgroup(host):
        pytest.skip("no cgroup for this user: memory is limited for each process only")
    assert result["status"] != "ok" or int(result["stdout"].split()[-1]) >= 5, result


def test_a_fork_bomb_is_bounded(host):
    result = host.run("""
        import os, time
        children = 0
        try:
            while children < 5000:
                if os.fork() == 0: time.sleep(60); os._exit(0)
                children += 1
        except OSError as error: print(children, error)
    """)
    assert result["status"] == "ok" and int(result["stdout"].split()[0]) <= 128, result


def test_a_fork_bomb_that_never_stops_ends_at_the_deadline(host):
    result = host.run("import os\nwhile True:\n    try: os.fork()\n    except OSError: pass", "--timeout", "3s")
    assert result["status"] in ("timeout", "killed"), result
    assert nothing_left(host)


def test_threads_count_as_processes(host):
    result = host.run("""
        import threading, time
        threads = []
        try:
            for _ in range(1000):
                thread = threading.Thread(target=time.sleep, args=(2,)); thread.start(); threads.append(thread)
        except (RuntimeError, MemoryError): print(len(threads))
    """)
    assert result["status"] == "ok" and 0 < int(result["stdout"]) <= 128, result


@pytest.mark.parametrize("where", ["/tmp", "/var/tmp", "/work", "/home/cell", "/dev/shm"])
def test_disk(host, where):
    written = int(host.out(f"""
        written = 0
        try:
            for number in range(10):
                with open({where!r} + '/file%d' % number, 'wb', buffering=0) as file:
                    for _ in range(64):
                        written += file.write(bytes(1 << 20))
        except OSError: pass
        print(written >> 20)
    """, policy={"limits": {"disk": "100MiB"}}))
    assert 90 <= written <= 100


def test_the_disk_limit_is_of_the_sum_of_folders(host):
    assert host.value("""
        import json
        written = {}
        for where in ('/tmp', '/work', '/dev/shm'):
            written[where] = 0
            try:
                with open(where + '/f', 'wb', buffering=0) as file:
                    for _ in range(40): written[where] += file.write(bytes(1 << 20)) >> 20
            except OSError: pass
        print(json.dumps(sum(written.values()) <= 100))
    """, policy={"limits": {"disk": "100MiB"}})


def test_number_of_files(host):
    made = int(host.out("""
        made = 0
        try:
            for made in range(200000): open('/tmp/%d' % made, 'w').close()
        except OSError: pass
        print(made)
    """))
    assert made <= 70000


def test_a_share_of_processors(host):
    if not has_memory_cgroup(host):
        pytest.skip("no cgroup for this user: the share isn't limited")
    used = float(host.out("""
        import os, time
        start = time.time(); pids = []
        for _ in range(4):
            pid = os.fork()
            if pid == 0:
                while time.time() < start + 2: pass
                os._exit(0)
            pids.append(pid)
        for pid in pids: os.waitpid(pid, 0)
        import resource
        print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime / (time.time() - start))
    """, policy={"limits": {"cpus": 0.5}}))
    assert used < 0.75


# --- what must work


def test_scientific_python_works(host):
    assert "ok" in host.out("""
        import numpy, pandas, matplotlib.pyplot as plt, multiprocessing, subprocess, threading, sqlite3, tempfile
        assert numpy.linalg.svd(numpy.random.rand(200, 200))[1].shape == (200,)
        assert pandas.DataFrame({'a': range(10)}).groupby('a').sum().shape == (10, 0)
        context = multiprocessing.get_context('fork')
        with context.Pool(2) as pool: assert pool.map(abs, [-1, -2]) == [1, 2]
        assert subprocess.run(['ls', '/'], capture_output=True, text=True).stdout
        assert multiprocessing.Queue() and tempfile.NamedTemporaryFile()
        thread = threading.Thread(target=print, args=('thread',)); thread.start(); thread.join()
        import os, pty
        master, slave = pty.openpty(); assert os.ttyname(slave).startswith('/dev/pts/')
        plt.plot([1, 2]); plt.savefig('/work/a.png')
        import time; assert time.localtime()
        print('ok')
    """)


def test_shell_escapes_work(host):
    assert "cell" in host.out("!whoami")


def test_the_default_working_directory_is_empty_and_writable(host):
    assert host.out("import os; print(os.listdir('.')); open('a', 'w').write('x')").strip().endswith("[]")
    assert not (host.folder / "a").exists()


# --- files of the policy


def test_a_read_rule(host):
    host.file("data/a.txt", "content")
    rules = [{"host": "data", "sandbox": "/data", "mode": "read"},
             {"host": str(host.folder / "data/a.txt"), "sandbox": "/work/in/b.txt", "mode": "read"}]
    assert host.value("""
        import json
        found = [open('/data/a.txt').read(), open('/work/in/b.txt').read()]
        for path in ('/data/new', '/data/a.txt', '/work/in/b.txt'):
            try: open(path, 'a'); found.append('written')
            except OSError: found.append('refused')
        print(json.dumps(found))
    """, policy={"files": rules}) == ["content", "content", "refused", "refused", "refused"]


def test_an_overlay_changes_nothing_on_the_host(host):
    (host.folder / "data/sub").mkdir(parents=True)
    host.give(host.folder / "data")
    host.give(host.folder / "data/sub")
    host.file("data/a.txt", "content")
    assert host.value("""
        import json, os
        before = open('a.txt').read()
        open('a.txt', 'w').write('changed'); open('new.txt', 'w').write('x'); open('sub/deep.txt', 'w').write('x')
        print(json.dumps([before, open('a.txt').read(), sorted(os.listdir('.')), os.getcwd()]))
    """, policy={"files": [{"host": "data", "sandbox": "/work", "mode": "overlay"}]}) == [
        "content", "changed", ["a.txt", "new.txt", "sub"], "/work"]
    assert (host.folder / "data/a.txt").read_text() == "content"
    assert sorted(os.listdir(host.folder / "data")) == ["a.txt", "sub"] and not os.listdir(host.folder / "data/sub")


def test_an_overlay_counts_against_the_disk_limit(host):
    (host.folder / "data").mkdir()
    host.give(host.folder / "data")
    assert host.value("""
        written = 0
        try:
            with open('big', 'wb', buffering=0) as file:
                for _ in range(99): written += file.write(bytes(1 << 20)) >> 20
        except OSError: pass
        print(written)
    """, policy={"limits": {"disk": "50MiB"}, "files": [{"host": "data", "sandbox": "/work", "mode": "overlay"}]}) <= 50


@pytest.mark.parametrize("rule, words", [
    ({"host": "missing", "sandbox": "/work/x"}, "files[0].host"),
    ({"host": ".", "sandbox": "/usr/lib"}, "files[0].sandbox"),
    ({"host": ".", "sandbox": "/home"}, "files[0].sandbox"),
    ({"host": ".", "sandbox": "/opt"}, "files[0].sandbox"),
    ({"host": "/proc/1", "sandbox": "/work/p"}, "files[0].host"),
])
def test_a_rule_that_cannot_be_is_refused_with_its_name(host, rule, words):
    result = host.run("print(1)", policy={"files": [{"mode": "read", **rule}]})
    assert result["status"] == "unavailable" and words in result["error"]["evalue"], result


def test_a_link_in_a_users_folder_leads_the_builder_nowhere(host):
    (host.folder / "data").mkdir()
    (host.folder / "outside").mkdir()
    os.symlink(host.folder / "outside", host.folder / "data/link")
    host.file("x.txt", "x")
    result = host.run("print(1)", policy={"files": [{"host": "data", "sandbox": "/work", "mode": "overlay"},
                                                    {"host": "x.txt", "sandbox": "/work/link/x.txt", "mode": "read"}]})
    assert result["status"] == "unavailable" and "symbolic link" in result["error"]["evalue"], result
    assert os.listdir(host.folder / "outside") == []


# --- Python from elsewhere


def make_venv(host, folder):
    subprocess.run(as_user(host.user, [PYTHON, "-m", "venv", "--without-pip", "--system-site-packages", str(folder)]),
                   check=True, env=host.environment())


def test_a_virtual_environment_under_a_closed_home(host):
    make_venv(host, host.home / "venv")
    host.file("home/secret.txt", "hunter2", 0o600)
    program, prefix, listing = host.value("""
        import json, os, sys
        print(json.dumps([sys.executable, sys.prefix, os.listdir(os.path.dirname(sys.prefix))]))
    """, python=host.home / "venv/bin/python3")
    assert prefix == str(host.home / "venv") and listing == ["venv"]


def test_a_virtual_environment_through_links(host):
    make_venv(host, host.home / "real")
    os.symlink(host.home / "real", host.home / "named")
    assert host.out("import sys; print(sys.prefix)", python=host.home / "named/bin/python3").strip() in (
        str(host.home / "real"), str(host.home / "named"))


def test_a_script_in_pythons_place(host):
    shim = host.file("bin/python3", "#!/bin/sh\nexec /usr/bin/python3 \"$@\"\n", 0o755)
    assert host.out("import sys; print(sys.executable)", python=shim).strip() == PYTHON


def test_a_prefix_that_is_the_home_is_refused(host):
    make_venv(host, host.home)
    result = host.run("print(1)", python=host.home / "bin/python3")
    assert result["status"] == "unavailable" and "home directory" in result["error"]["evalue"], result


def test_no_python_is_told(host):
    result = host.run("print(1)", python="/nonexistent/python3")
    assert result["status"] == "unavailable" and "/nonexistent/python3" in result["error"]["evalue"]


# --- hosts that lack something: nothing runs, and the error says what to do


def run_within(host, setup, code="print(1)"):
    """`cellblock run` inside a user namespace prepared by a shell line."""
    namespaces = ["unshare", "--user", "--map-root-user", "--mount", "--pid", "--fork", "--mount-proc", "sh", "-c",
                  setup + ' && exec "$@"', "sh"]
    done = subprocess.run(as_user(host.user, [*namespaces, PROGRAM, "run", "--json", "--python", PYTHON, "-"]),
                          input=code, text=True, capture_output=True, timeout=60, env=host.environment(),
                          cwd=host.folder)
    assert done.stdout, done.stderr
    return json.loads(done.stdout)


def test_it_works_inside_a_user_namespace(host):
    result = run_within(host, "true")
    assert result["status"] == "ok" and result["stdout"] == "1\n", result


def test_no_user_namespaces_is_told_with_the_sysctl(host):
    result = run_within(host, "echo 0 > /proc/sys/user/max_user_namespaces")
    assert result["status"] == "unavailable" and "user.max_user_namespaces" in result["error"]["evalue"], result


def test_a_host_that_hides_parts_of_proc_is_told(host):
    result = run_within(host, "mount --bind /dev/null /proc/uptime")
    assert result["status"] == "unavailable" and "/proc" in result["error"]["evalue"], result


def test_cgroups_that_cannot_be_had_are_no_failure(host):
    assert run_within(host, "mount -t tmpfs none /sys/fs/cgroup")["status"] == "ok"


# --- nothing is left


def has_memory_cgroup(host):
    return host.run("pass")["usage"]["peak_memory_bytes"] > 0


def processes():
    """(pid, parent, state, command line and name) of every process."""
    for folder in pathlib.Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                fields = (folder / "stat").read_text().rsplit(")", 1)[1].split()
                text = (folder / "cmdline").read_bytes() + (folder / "comm").read_bytes()
            except OSError:
                continue
            yield int(folder.name), int(fields[1]), fields[0], text


def belongs(pid, folder):
    try:
        return str(folder).encode() in pathlib.Path(f"/proc/{pid}/environ").read_bytes()
    except OSError:
        return False


def leftovers(host):
    """Of this test's own sandboxes: others may run at the same time."""
    found = [str(path) for path in pathlib.Path("/sys/fs/cgroup").rglob("cellblock-*")
             if path.is_dir() and int(path.name.split("-")[1]) in host.pids]
    jails = [entry for entry in processes()
             if entry[2] != "Z" and (b"/opt/cellblock/worker" in entry[3] or b"cellblock-jail" in entry[3])]
    ours = {pid for pid, _, _, _ in jails if belongs(pid, host.folder)}
    for pid, parent, _, text in sorted(jails):
        if pid in ours or parent in ours or (parent == 1 and pid not in host.others):
            ours.add(pid)
            found.append(f"{pid} {text!r}")
    return found


def nothing_left(host, seconds=2.0):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if not leftovers(host):
            return True
        time.sleep(0.05)
    return False


def children_of(pid):
    found = []
    for folder in pathlib.Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                stat = (folder / "stat").read_text()
            except OSError:
                continue
            if int(stat.rsplit(")", 1)[1].split()[1]) == pid:
                found.append(int(folder.name))
    return found


def family(process):
    """The pids of host, supervisor, PID 1 and worker, once they are there."""
    end = time.monotonic() + 20
    while time.monotonic() < end:
        line = [process.pid]
        while (below := children_of(line[-1])):
            line.append(below[0])
        if len(line) >= 4:
            time.sleep(0.5)
            return line
        time.sleep(0.05)
    raise AssertionError("it did not start")


@pytest.mark.parametrize("victim", ["host", "supervisor", "first process"])
def test_kill_9_leaves_nothing(host, victim):
    process = host.start()
    process.stdin.write(textwrap.dedent("""
        import os, signal, time
        os.setsid() if os.getpid() != os.getsid(0) else None
        if os.fork() == 0:
            for number in range(1, 32):
                try: signal.signal(number, signal.SIG_IGN)
                except (OSError, ValueError): pass
            time.sleep(600)
        while True: pass
    """))
    process.stdin.close()
    try:
        line = family(process)
        os.kill(line[["host", "supervisor", "first process"].index(victim)], signal.SIGKILL)
        if victim == "host":
            process.wait(5)
            assert nothing_left(host, 1.0), leftovers(host)
        else:
            out = process.stdout.read()
            result = json.loads(out)
            assert result["status"] != "ok", result
    finally:
        process.kill()
        process.wait()
        process.stdout.close()
        process.stderr.close()
    assert nothing_left(host), leftovers(host)


def test_an_ordinary_end_leaves_nothing(host):
    host.out("import os\nfor _ in range(5):\n    if os.fork() == 0:\n        os.setsid(); import time; time.sleep(600)")
    assert nothing_left(host), leftovers(host)


if __name__ == "__main__":
    sys.exit(pytest.main([__file__, *sys.argv[1:]]))
