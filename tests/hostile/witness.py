"""What stands outside while a cell attacks: a process, files, servers and the kernel's settings, to be found unchanged."""

import hashlib
import os
import pathlib
import select
import socket
import subprocess

from jails import PROGRAM, PYTHON

PATTERN = "the same bytes before and after "
SETTINGS = ("core_pattern", "modprobe", "hostname", "domainname", "hotplug", "poweroff_cmd",
            "kptr_restrict", "dmesg_restrict", "randomize_va_space", "sysrq", "panic", "shmmax")
ABSTRACT = "/containerd-shim/cellblock-test-%d.sock"  # as the runtimes of CVE-2020-15257 named theirs

# Answers each line with the digest of memory that nobody but itself should change.
VICTIM = """
import hashlib, os, socket, sys
kept = bytearray(%r.encode()) * 4096
os.environ['SECRET_OF_THE_VICTIM'] = 'secret'
print('up', flush=True)
for line in sys.stdin:
    print(hashlib.sha256(kept).hexdigest(), os.getcwd(), len(os.listdir('/proc/self/fd')), flush=True)
"""


def marks(path):
    """Of a file: what it holds, and all that can be changed of it but the time of reading."""
    stat = os.stat(path)
    return (hashlib.sha256(pathlib.Path(path).read_bytes()).hexdigest(), oct(stat.st_mode), stat.st_uid, stat.st_gid,
            stat.st_nlink, stat.st_mtime_ns, stat.st_ctime_ns, os.listxattr(path))


class Witness:
    """Owns what it made under the place's folder; leave() ends it. `changes()` gives what is no longer as it was."""

    def __init__(self, place):
        self.secret = place.root / "home" / "secret"
        self.secret.write_text("secret")
        self.shared = place.root / "work" / "shared"
        self.shared.mkdir()
        (self.shared / "data.txt").write_text("d" * 8192)
        self.victim = subprocess.Popen(place.as_user([PYTHON, "-c", VICTIM % PATTERN]), stdin=subprocess.PIPE,
                                       stdout=subprocess.PIPE, text=True, env={**place.environment(), "PATH": "/usr/bin"})
        assert self.victim.stdout.readline() == "up\n"
        self.servers = [socket.create_server(("127.0.0.1", 0)), socket.socket(socket.AF_UNIX)]
        self.port = self.servers[0].getsockname()[1]
        self.abstract = ABSTRACT % os.getpid()
        self.servers[1].bind("\0" + self.abstract)
        self.servers[1].listen()
        self.files = [self.secret, self.shared / "data.txt", "/etc/passwd", "/etc/hosts", "/usr/bin/env",
                      os.path.realpath(PYTHON), PROGRAM, os.__file__]
        self.before = self.seen()

    def leave(self):
        self.victim.kill()
        self.victim.wait()
        self.victim.stdin.close()
        self.victim.stdout.close()
        for server in self.servers:
            server.close()

    def seen(self):
        self.victim.stdin.write("\n")
        self.victim.stdin.flush()
        state = {"the victim's memory, folder and descriptors": self.victim.stdout.readline(),
                 "connections": len(select.select(self.servers, [], [], 0)[0]),
                 "mounts": pathlib.Path("/proc/self/mountinfo").read_text(),
                 "modules": [line.split()[0] for line in _lines("/proc/modules")],
                 "devices": sorted(os.listdir("/dev")),
                 "formats": _listed("/proc/sys/fs/binfmt_misc"),
                 "the shared folder": sorted(os.listdir(self.shared)),
                 "release agents": [path.read_text() for path in pathlib.Path("/sys/fs/cgroup").glob("*/release_agent")],
                 "user namespace": os.readlink("/proc/%d/ns/user" % self.victim.pid)}
        state.update((str(path), marks(path)) for path in self.files)
        state.update((name, "".join(_lines("/proc/sys/kernel/" + name))) for name in SETTINGS)
        state["keys"] = [line for line in _lines("/proc/keys") if "cellblock-planted" in line]
        return state

    def changes(self):
        after = self.seen()
        return {name: (was, after[name]) for name, was in self.before.items() if after[name] != was}


def _lines(path):
    try:
        return pathlib.Path(path).read_text().splitlines()
    except OSError:
        return []


def _listed(path):
    try:
        return sorted(os.listdir(path))
    except OSError:
        return []
