"""A host for hostile cells: a user with a home of its own, `cellblock run --json`, and what was left behind."""

import collections
import json
import os
import pathlib
import pwd
import shutil
import subprocess
import tempfile
import textwrap
import time

from support.daemons import sandbox_of
from support.leftovers import descendants, stat_of, wait_until

ROOT = pathlib.Path(__file__).resolve().parents[2]
PROGRAM = os.environ.get("CELLBLOCK", str(ROOT / "build" / "cellblock"))
PYTHON = "/usr/bin/python3"
USERS = ["root", "nobody"] if os.geteuid() == 0 else [pwd.getpwuid(os.geteuid()).pw_name]
WARM = os.environ.get("CELLBLOCK_TEST_WARM") != "0"  # sandboxes come from `cellblock daemon`, as they do for a user
WAYS = [WARM, not WARM] if os.environ.get("CELLBLOCK_LONG_TESTS") else [WARM]
START_TIME = 60  # s, the policy's limits.start_time
NOT_YET = ("just now", "isn't ready yet")


def as_user(user, argv):
    """argv, to be run by that user."""
    if os.geteuid() != 0 or user == "root":
        return argv
    entry = pwd.getpwnam(user)
    return ["setpriv", f"--reuid={entry.pw_uid}", f"--regid={entry.pw_gid}", "--clear-groups", *argv]


def zygote_of(user, options, policy=None, python=PYTHON):
    """What differs between two such starts if they aren't forks of the same warm Python."""
    policy = policy or {}
    keys = [policy.get(key) for key in ("python", "preload", "imports", "environment", "engine", "require")]
    return json.dumps([user, options, str(python), keys, policy.get("limits", {}).get("cpus")], default=str)


class Daemons:
    """A daemon for each user, for as long as the tests run."""

    def __init__(self):
        self.folders = {}
        self.known = []  # kinds that are warm, or never will be; the latest last
        self.starts = collections.Counter()

    def folder(self, user):
        if user not in self.folders:
            made = tempfile.mkdtemp(prefix="cellblock-test-run-")
            if os.geteuid() == 0:
                entry = pwd.getpwnam(user)
                os.chown(made, entry.pw_uid, entry.pw_gid)
            self.folders[user] = made
        return self.folders[user]

    def count(self, error):
        """Why some were cold, though warm ones were asked for; a test that fails shows it."""
        print(error, end="")
        lines = [line for line in error.splitlines() if "a cold start: " in line] or ["warm"]
        self.starts[lines[0]] += 1

    def log(self, user):
        """What that user's daemon has said."""
        return "".join(path.read_text() for path in pathlib.Path(self.folder(user), "cellblock").glob("*.log"))

    def stop(self):
        for reason, number in self.starts.items():
            print("%d starts: %s" % (number, reason))
        for user, folder in self.folders.items():
            # A sandbox whose kernel a test has killed is cleared away by its daemon, which needs a moment.
            wait_until(lambda who=user: self.living(who) == 0, 10)
            stopped = self.ask(user, "stop")  # it has let go of all sandboxes, or this says why not
            assert stopped.returncode == 0, stopped.stderr + self.log(user)
            shutil.rmtree(folder, ignore_errors=True)

    def living(self, user):
        """How many sandboxes of that user's sessions there are."""
        return sum(one["sandboxes"]["living"] for one in json.loads(self.ask(user, "status", "--json").stdout or "[]"))

    def ask(self, user, *words):
        return subprocess.run(as_user(user, [PROGRAM, "daemon", *words]), env={"XDG_RUNTIME_DIR": self.folders[user]}, check=False,
                              capture_output=True, text=True, timeout=90)

    def warm_up(self, host, argv, kind):
        """Starts sandboxes until one is warm, or can't be. A daemon keeps eight warm Pythons and makes place for others."""
        if not host.warm:
            return
        end = time.monotonic() + 60
        while kind not in self.known:
            done = subprocess.run(argv, input="pass", capture_output=True, text=True, env=host.environment(),
                                  cwd=host.folder, timeout=90, check=False)
            if not any(one in done.stderr for one in NOT_YET):
                break
            assert time.monotonic() < end, done.stderr + self.log(host.user)
            time.sleep(0.2)
        self.known = [*(one for one in self.known if one != kind), kind][-3:]


DAEMONS = Daemons()


class Host:
    def __init__(self, user, folder, warm=WARM):
        self.user = user
        self.warm = warm
        self.folder = folder
        self.home = folder / "home"
        self.home.mkdir(mode=0o700)
        self.others = {entry[0] for entry in processes()}
        self.owners = set()  # how names of control groups begin that its sessions make: a number alone is given to others later
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
        warm = ({"CELLBLOCK_DAEMON": "1", "XDG_RUNTIME_DIR": DAEMONS.folder(self.user)} if self.warm
                else {"CELLBLOCK_DAEMON": "0"})
        return {"PATH": "/usr/bin:/bin:/usr/sbin", "HOME": str(self.home), "SECRET_TOKEN": "hunter2", **warm}

    def argv(self, *options, policy=None, python=PYTHON):
        if policy is not None:
            self.file("policy.json", json.dumps(policy))
            options = ("--policy", str(self.folder / "policy.json"), *options)
        return as_user(self.user, [PROGRAM, "run", "--json", "--python", str(python), *options, "-"])

    def run(self, code, *options, policy=None, python=PYTHON, time_limit=90):
        process = self.start(*options, policy=policy, python=python)
        began = time.monotonic()
        try:
            out, error = process.communicate(textwrap.dedent(code), timeout=time_limit)
        finally:
            process.kill()
            process.wait()
        assert out, error
        assert "takes too long to answer" not in error or time.monotonic() - began < START_TIME, "the daemon never answered"
        assert not any(one in error for one in NOT_YET), error + DAEMONS.log(self.user)
        if self.warm:
            DAEMONS.count(error)
        return json.loads(out)

    def out(self, code, **options):
        result = self.run(code, **options)
        assert result["status"] == "ok", result
        return result["stdout"]

    def value(self, code, **options):
        """What the cell printed as JSON."""
        return json.loads(self.out(code, **options))

    def start(self, *options, **more):
        argv = self.argv(*options, **more)
        DAEMONS.warm_up(self, argv, zygote_of(self.user, options, **more))
        process = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                   stderr=subprocess.PIPE, text=True, env=self.environment(), cwd=self.folder)
        self.owners.add("cellblock-%d-%d-" % (process.pid, stat_of(process.pid)[3]))
        return process


def has_memory_cgroup(host):
    return host.run("pass", policy={"require": ["memory"]})["status"] == "ok"


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


def zygotes():
    """The processes that warm sandboxes are forks of, of all users; other workers' tests have their own."""
    mine = descendants(os.getpid())
    every = {entry[0]: entry for entry in processes() if entry[0] in mine}
    return [pid for pid, parent, _, text in every.values()
            if b"zygote/main.py" in text and b"cellblock\0daemon" in every.get(parent, (0, 0, "", b""))[3]]


def status_of(host):
    """What the host's daemon tells: a list of one, or of none."""
    done = subprocess.run(as_user(host.user, [PROGRAM, "daemon", "status", "--json"]), env=host.environment(),
                          capture_output=True, text=True, timeout=30, check=True)
    return json.loads(done.stdout)


def supervisors(host):
    """Of this host's warm sandboxes, which are its zygotes' children, and how many of them are nobody's yet."""
    told = status_of(host)
    parents = {zygote["process"] for one in told for zygote in one["zygotes"]}
    return ([pid for pid, parent, state, _ in processes() if parent in parents and state != "Z"],
            sum(one["pool"]["ready"] + one["pool"]["under_way"] for one in told))


def sandboxes_left(host):
    """How many warm sandboxes are there beside those that wait for a session."""
    found, spare = supervisors(host)
    return len(found) - spare


def _fonts_makers(every):
    """Of the daemons: the list of fonts is made once, in a sandbox. A daemon has the environment of the test that began it."""
    found = {pid for pid, _, _, text in every if b"cellblock\0font-list\0" in text}
    before = 0
    while len(found) > before:
        before = len(found)
        found |= {pid for pid, parent, _, _ in every if parent in found}
    return found


def leftovers(host):
    """Of this test's own sandboxes: others may run at the same time."""
    if host.warm and sandboxes_left(host) > 0:
        return ["supervisors %s, of which %d are spares" % supervisors(host)]
    begins = tuple(host.owners)
    found = [os.path.join(at, name) for at, folders, _ in os.walk("/sys/fs/cgroup")  # others' go while it looks
             for name in folders if name.startswith(begins)]
    every = list(processes())
    helpers = _fonts_makers(every)
    jails = [entry for entry in every if entry[2] != "Z" and entry[0] not in helpers
             and (b"/opt/cellblock/python" in entry[3] or b"cellblock-jail" in entry[3])]
    ours = {pid for pid, _, _, _ in jails if belongs(pid, host.folder)}
    for pid, parent, _, text in sorted(jails):
        if pid in ours or parent in ours or (parent == 1 and pid not in host.others):
            ours.add(pid)
            found.append(f"{pid} {text!r}")
    return found


def nothing_left(host, seconds=20.0):
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


def family(process, warm=WARM):
    """The pids of host, supervisor, PID 1 and worker, once they are there."""
    end = time.monotonic() + 20
    while time.monotonic() < end:
        line = [process.pid] + ([sandbox_of(process.pid)] if warm else [])
        while (below := children_of(line[-1])):
            line.append(below[0])
        if len(line) >= 4:
            time.sleep(0.5)
            return line
        time.sleep(0.05)
    raise AssertionError("it did not start")
