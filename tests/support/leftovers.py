"""What a kernel must not leave behind: processes, mounts, cgroups, files.

Processes: this process is made the subreaper of its descendants, so whoever
outlives a kernel becomes its child. That is exact, whatever else runs on the
machine. The rest is told by name and by what was there before.
"""

import ctypes
import os
import pathlib
import time

PR_SET_CHILD_SUBREAPER = 36
LOOKS = 10  # at most: the first thread of a process may end before the others do
ENDED = ("", "X", 0, 0)
PLACES = ("/tmp", "/var/tmp", "/dev/shm", "/run", "/run/user/%d" % os.getuid())


def become_subreaper():
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def stat_of(pid):
    """(name, state, parent, start time), or None where there is no such process."""
    try:
        text = pathlib.Path("/proc/%d/stat" % pid).read_text(errors="replace")
    except OSError:
        return None
    name, _, rest = text.partition("(")[2].rpartition(")")
    fields = rest.split()
    return name, fields[0], int(fields[1]), int(fields[19])


def all_processes():
    """{pid: stat_of}. A look takes a while: where a process ended after its child was read, that one has another parent by now."""
    for _ in range(LOOKS):
        found = {}
        for entry in os.listdir("/proc"):
            if entry.isdigit():
                stat = stat_of(int(entry))
                if stat:
                    found[int(entry)] = stat
        if all(parent == 0 or found.get(parent, ENDED)[1] not in "ZX" for _, _, parent, _ in found.values()):
            break
    return found


def descendants(root):
    """{pid: start time} of all below root, zombies not counted."""
    processes = all_processes()
    children = {}
    for pid, (_, _, parent, _) in processes.items():
        children.setdefault(parent, []).append(pid)
    found, waiting = {}, list(children.get(root, []))
    while waiting:
        pid = waiting.pop()
        waiting += children.get(pid, [])
        if processes[pid][1] not in "ZX":
            found[pid] = processes[pid][3]
    return found


def send(signal, pids):
    """Each gets it that is there: one may have ended since it was looked up, maybe with one before it."""
    for pid in pids:
        try:
            os.kill(pid, signal)
        except ProcessLookupError:
            pass


def children(root):
    """Its own, not theirs."""
    return [pid for pid, (_, state, parent, _) in all_processes().items() if parent == root and state not in "ZX"]


def living(known):
    """Those of {pid: start time} that are still alive."""
    return [pid for pid, start in known.items()
            if (stat := stat_of(pid)) and stat[3] == start and stat[1] not in "ZX"]


def is_alive(pid):
    stat = stat_of(pid)
    return stat is not None and stat[1] not in "ZX"


def command_line(pid):
    try:
        words = pathlib.Path("/proc/%d/cmdline" % pid).read_bytes().split(b"\0")
    except OSError:
        return "?"
    return b" ".join(words).decode(errors="replace").strip()[:200] or (stat_of(pid) or "?")[0]


def what_it_does(pid):
    """Its command line, its state, what it waits for in the kernel, and who is below it: for whoever reads a failure."""
    def said(name):
        try:
            return pathlib.Path("/proc/%d/%s" % (pid, name)).read_text(errors="replace").strip()
        except OSError:
            return ""

    below = ["%s in %s: %s" % (one, state, command_line(one)) for one, (_, state, parent, _) in all_processes().items() if parent == pid]
    return "%s (%s in %s; below it %s; %s)" % (command_line(pid), (stat_of(pid) or "??")[1], said("wchan"), below or "nobody",
                                               said("stack").replace("\n", " "))


def wait_until(true, seconds):
    """Polls; the only place where the tests wait by the clock."""
    end = time.monotonic() + seconds
    while True:
        found = true()
        if found or time.monotonic() > end:
            return found
        time.sleep(0.02)


def reap_adopted(kept):
    """Reaps adopted children that have ended; gives those that live. `kept`: pids that are ours."""
    alive = {}
    for pid, stat in all_processes().items():
        if stat[2] != os.getpid() or pid in kept:
            continue
        if stat[1] == "Z":
            try:
                os.waitpid(pid, os.WNOHANG)
            except ChildProcessError:
                pass
        else:
            alive[pid] = command_line(pid)
    return alive


def _is_ours(path):
    return "cellblock" in path.name.lower() and "cellblock-test" not in path.name


def files():
    found = set()
    for place in PLACES:
        try:
            found |= {str(path) for path in pathlib.Path(place).iterdir() if _is_ours(path)}
        except OSError:
            continue
    return found


def cgroups():
    """Those whose maker is gone: another's kernel may be running beside the tests."""
    return {os.path.join(folder, name) for folder, names, _ in os.walk("/sys/fs/cgroup") for name in names
            if name.startswith("cellblock") and not _maker_lives(name)}


def _maker_lives(name):
    """The maker's number and start time are in the name of a sandbox, which has six parts, and of a group for one."""
    parts = name.split("-")
    pid, start = parts[3:5] if len(parts) == 6 else (parts + ["", ""])[1:3]
    stat = stat_of(int(pid)) if pid.isdigit() else None
    return stat is not None and str(stat[3]) == start


def mounts():
    lines = pathlib.Path("/proc/self/mountinfo").read_text().splitlines()
    return {line.split()[4] for line in lines if "cellblock" in line}


class Snapshot:
    """What was there before; new() tells what came and stays."""

    def __init__(self):
        self._files, self._cgroups, self._mounts = files(), cgroups(), mounts()

    def new(self):
        return {"files": sorted(files() - self._files), "cgroups": sorted(cgroups() - self._cgroups),
                "mounts": sorted(mounts() - self._mounts)}

    def wait_clean(self, seconds=20):
        """Empty when nothing is left; else what is."""
        wait_until(lambda: not any(self.new().values()), seconds)
        return {kind: names for kind, names in self.new().items() if names}
