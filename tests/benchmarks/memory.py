"""Memory of idle sessions that is theirs alone: Private_Clean and Private_Dirty of all their processes."""

import os
import pathlib

from contestants import IPYKERNEL, OURS, PLOTS, XEUS
from figures import Goal, Row
from support import leftovers

GROUP = "memory of an idle session"
IMPORTS = "import pandas, matplotlib.pyplot"
NAMESPACE = "import os\nnamespace = os.readlink('/proc/self/ns/pid')"


def private(pid):
    """MB; nothing for a process that has gone."""
    try:
        lines = pathlib.Path("/proc/%d/smaps_rollup" % pid).read_text().splitlines()
    except OSError:
        return 0
    return sum(int(line.split()[1]) for line in lines if line.startswith("Private_")) / 1000


def in_namespace(name):
    """The processes of one PID namespace and, outside of it, the parent of its first: the supervisor."""
    processes, inside = leftovers.all_processes(), []
    for pid in processes:
        try:
            if os.readlink("/proc/%d/ns/pid" % pid) == name:
                inside.append(pid)
        except OSError:
            continue
    assert inside, "no process of the sandbox is to be seen"
    return inside, {processes[pid][2] for pid in inside} - set(inside)


def sandbox_of(client):
    run = client.run(NAMESPACE, user_expressions={"it": "namespace"}).ok()
    return in_namespace(run.content["user_expressions"]["it"]["data"]["text/plain"].strip("'"))


def session_of(running):
    """MB of the sandbox's processes; for other kernels, of the kernel's."""
    if running.name != OURS:
        pids = [running.kernel.pid, *leftovers.descendants(running.kernel.pid)]
        return sum(map(private, pids)), ""
    inside, above = sandbox_of(running.client)
    parts = ["supervisor %.1f" % sum(map(private, above)), *("%.1f" % private(pid) for pid in sorted(inside))]
    return sum(map(private, [*inside, *above])), ", ".join(parts)


def measure(field, options):
    field.warm_up(PLOTS)
    sessions, kernels, note = {}, {}, ""
    for _ in range(1 if options.quick else 3):
        for name in (OURS, *field.others):
            one = field.start(name, PLOTS).ready()
            try:
                kernels.setdefault(name, []).append(private(one.kernel.pid))
                one.client.run(IMPORTS).ok()
                used, parts = session_of(one)
                sessions.setdefault(name, []).append(used)
                note = parts or note
            finally:
                one.stop()
    return [Row(GROUP, "session with pandas and matplotlib", sessions, [Goal(8)], "MB", [note]),
            Row(GROUP, "kernel process, nothing run", kernels, [Goal(0.2, XEUS), Goal(0.2, IPYKERNEL)], "MB")]
