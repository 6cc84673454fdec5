"""Kernels under test: started from argv, stopped for certain.

Which kernel: $CELLBLOCK_TEST_KERNEL, "ipykernel" or a command with
{connection_file} in it; by default the program in $CELLBLOCK or build/cellblock.
Ownership: a Place owns a private folder with HOME and the like; a Kernel owns
its process group and its clients.
"""

import json
import os
import pathlib
import pwd
import random
import shlex
import shutil
import signal
import socket
import subprocess
import tempfile
import uuid

from support import leftovers
from support.client import Client

REPO = pathlib.Path(__file__).resolve().parents[2]
PROGRAM = os.environ.get("CELLBLOCK", str(REPO / "build" / "cellblock"))
HELPER = next((str(path) for path in (pathlib.Path(PROGRAM).parent / "cellblock-helper",
                                     pathlib.Path(PROGRAM).parents[1] / "lib/cellblock/cellblock-helper") if path.exists()), "")
PYTHON = os.environ.get("CELLBLOCK_TEST_PYTHON", "/usr/bin/python3")
CHOSEN = os.environ.get("CELLBLOCK_TEST_KERNEL", "cellblock")
IPYKERNEL = [PYTHON, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
ORDINARY_USER = "nobody"
NO_NAMESPACES = "clone3,unshare:EPERM"  # as container engines refuse them: C libraries know this of clone3
FIRST_PORT, PORTS_OF_A_WORKER = 10000, 2000
PORTS = ("shell_port", "iopub_port", "stdin_port", "control_port", "hb_port")


def is_ipykernel():
    return "ipykernel" in CHOSEN


def default_command():
    if CHOSEN == "ipykernel":
        return list(IPYKERNEL)
    if CHOSEN == "cellblock":
        return [PROGRAM, "kernel", "-f", "{connection_file}"]
    return shlex.split(CHOSEN)


def lesser_host(denied):
    """What goes before a command so that the kernel refuses it the system calls denied: "clone3,unshare:EPERM"."""
    return [PYTHON, str(REPO / "tests" / "support" / "lesser_host.py"), denied]


class Place:
    """A private folder under /tmp: HOME, XDG and Jupyter folders of one user."""

    def __init__(self, user=None):
        self.user = user
        self.variables = {}  # of the environment of what is started as the user, not of the program that changes the user
        self.warm = False  # sandboxes come from the daemon, as the policy says; else no kernel starts one
        self.root = pathlib.Path(tempfile.mkdtemp(prefix="cbtest-", dir="/tmp"))
        for name in ("home", "work", "run", "data", "config", "cache", "tmp"):
            (self.root / name).mkdir()
        (self.root / "run").chmod(0o700)
        self.root.chmod(0o755)
        if user:
            entry = pwd.getpwnam(user)
            for path in (self.root, *self.root.iterdir()):
                os.chown(path, entry.pw_uid, entry.pw_gid)

    def environment(self):
        path = lambda name: str(self.root / name)  # noqa: E731
        return {"PATH": "/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C.UTF-8", "TERM": "xterm",
                "HOME": path("home"), "USER": self.user or "tester", "XDG_CONFIG_HOME": path("config"),
                "XDG_CACHE_HOME": path("cache"), "XDG_RUNTIME_DIR": path("run"), "XDG_DATA_HOME": path("data"),
                "TMPDIR": path("tmp"),
                "JUPYTER_PATH": path("data"), "JUPYTER_DATA_DIR": path("data"),
                "JUPYTER_RUNTIME_DIR": path("run"), "JUPYTER_CONFIG_DIR": path("config"),
                "JUPYTER_NO_CONFIG": "1", "IPYTHONDIR": path("home") + "/.ipython", "MPLBACKEND": "",
                "JUPYTER_PLATFORM_DIRS": "0", **({} if self.warm else {"CELLBLOCK_DAEMON": "0"})}

    def file(self, name, text):
        """A file in the work folder, readable for the user."""
        path = self.root / "work" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        path.chmod(0o644)
        return path

    def secret_file(self, name, text):
        """A file in the work folder that nobody but the user may read."""
        path = self.file(name, text)
        path.chmod(0o600)
        os.chown(path, self.root.stat().st_uid, self.root.stat().st_gid)
        return path

    def policy(self, name="test", **keys):
        """A policy file; keys as in policy(limits={"cell_time": "2s"})."""
        return str(self.file(name + ".json", json.dumps({"python": PYTHON, **keys})))

    def as_user(self, argv):
        if self.variables:
            argv = [shutil.which("env"), *("%s=%s" % one for one in self.variables.items()), *argv]
        if not self.user:
            return list(argv)
        entry = pwd.getpwnam(self.user)
        return [shutil.which("setpriv"), "--reuid=%d" % entry.pw_uid, "--regid=%d" % entry.pw_gid, "--clear-groups", *argv]

    def remove(self):
        shutil.rmtree(self.root, ignore_errors=True)


def _ports_to_try():
    """Each worker of tests/run has ports of its own, none of which the system gives away by itself."""
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0")[2:]) % 10
    start = random.randrange(PORTS_OF_A_WORKER)
    while True:
        start += 1
        yield FIRST_PORT + worker * PORTS_OF_A_WORKER + start % PORTS_OF_A_WORKER


_untried = _ports_to_try()


def _hold_a_port():
    for _ in range(PORTS_OF_A_WORKER):
        held = socket.socket()
        try:
            held.bind(("127.0.0.1", next(_untried)))
            return held
        except OSError:
            held.close()
    raise AssertionError("no free port")


def free_ports(count):
    """They stay free until a kernel takes them: nobody else asks for them by then."""
    held = [_hold_a_port() for _ in range(count)]
    ports = [one.getsockname()[1] for one in held]
    for one in held:
        one.close()
    return ports


def connection_info(transport="tcp", key=None, place=None):
    info = {"transport": transport, "ip": "127.0.0.1", "signature_scheme": "hmac-sha256",
            "key": uuid.uuid4().hex if key is None else key, "kernel_name": "test"}
    if transport == "ipc":
        info["ip"] = str(place.root / "run" / ("ipc-" + uuid.uuid4().hex[:8]))
        info.update({name: number for number, name in enumerate(PORTS, 1)})
    else:
        info.update(zip(PORTS, free_ports(len(PORTS))))
    return info


class Kernel:
    """One kernel process in a group of its own."""

    def __init__(self, place, command=None, info=None, policy=None, extra=(), environment=None, cwd=None,
                 written=None, wait=True):
        self.place = place
        self.info = info or connection_info()
        self.file = place.root / "run" / ("kernel-%s.json" % uuid.uuid4().hex[:8])
        self.file.write_text(json.dumps(self.info if written is None else written))
        self.file.chmod(0o644)
        argv = [word.replace("{connection_file}", str(self.file)) for word in command or default_command()]
        if CHOSEN == "cellblock" and command is None:
            argv += ["--policy", policy or "default"]
            if "/" not in (policy or ""):  # a file names its Python
                argv += ["--python", PYTHON]
        self.errors = place.root / ("stderr-%s" % uuid.uuid4().hex[:8])
        environment = {**place.environment(), "JPY_PARENT_PID": str(os.getpid()), **(environment or {})}
        with open(self.errors, "wb") as errors:
            self.process = subprocess.Popen(
                place.as_user([*argv, *extra]), stdin=subprocess.DEVNULL, stdout=errors, stderr=errors,
                env={name: value for name, value in environment.items() if value is not None},
                cwd=cwd or place.root / "work", start_new_session=True)
        self.pid = self.process.pid
        self.clients = []
        self._known = {}
        if wait:
            try:
                self.client = self.connect()
            except BaseException:
                self.kill()
                print("the kernel said:\n" + self.said())
                raise

    def connect(self, **options):
        client = Client(self.info, **options)
        self.clients.append(client)
        return client.ready()

    def said(self):
        """What the process wrote to stdout and stderr."""
        return self.errors.read_text(errors="replace")

    def alive(self):
        return self.process.poll() is None

    def tree(self):
        """{pid: start time} of the kernel's descendants, remembered for the clean-up."""
        found = leftovers.descendants(self.pid)
        self._known.update(found)
        return found

    def peak_memory(self):
        """VmHWM of the kernel process, in bytes."""
        for line in pathlib.Path("/proc/%d/status" % self.pid).read_text().splitlines():
            if line.startswith("VmHWM"):
                return int(line.split()[1]) * 1024
        raise AssertionError("no VmHWM")

    def stop(self):
        """The polite way, then the certain one. Gives what outlived the kernel by more than 3 s."""
        self.tree()
        if self.alive() and self.clients:
            self.clients[0].send("control", "shutdown_request", {"restart": False})
            try:
                self.process.wait(5)
            except subprocess.TimeoutExpired:
                pass
        return self.kill()

    def kill(self):
        self.tree()
        for client in self.clients:
            client.close()
        self.clients = []
        try:
            os.killpg(self.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self.process.wait()
        leftovers.wait_until(lambda: not leftovers.living(self._known), 3)
        left = {pid: leftovers.command_line(pid) for pid in leftovers.living(self._known)}
        leftovers.send(signal.SIGKILL, left)
        return left
