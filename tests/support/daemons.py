"""A daemon of a test's own: started, asked, stopped."""

import contextlib
import json
import os
import pathlib
import subprocess

from . import kernels, leftovers


def ask(place, *words):
    done = subprocess.run(place.as_user([kernels.PROGRAM, "daemon", *words]), env=place.environment(),
                          capture_output=True, text=True, timeout=90, check=True)
    return done.stdout


def make_font_list(place):
    """As `cellblock install` does: else the daemon does meanwhile, and what was ready doesn't show it."""
    subprocess.run(place.as_user([kernels.PROGRAM, "font-list", kernels.PYTHON]), env=place.environment(), check=False, timeout=60)


def status(place):
    """The one daemon's figures; None where there is none."""
    told = json.loads(ask(place, "status", "--json"))
    assert len(told) <= 1, told
    return told[0] if told else None


def wait_for(place, true, seconds=30):
    """Until true(figures); gives them."""
    assert leftovers.wait_until(lambda: (told := status(place)) and true(told), seconds), status(place)
    return status(place)


def ready(place, count=1):
    return wait_for(place, lambda told: told["pool"]["ready"] >= count and not told["pool"]["under_way"])


def run(place, code, policy):
    """`cellblock run` of one cell: (result, what it said on stderr)."""
    done = subprocess.run(place.as_user([kernels.PROGRAM, "run", "--json", "--policy", policy, "-"]), input=code,
                          env=place.environment(), cwd=place.root / "work", capture_output=True, text=True, timeout=60,
                          check=False)
    assert done.stdout, done.stderr
    return json.loads(done.stdout), done.stderr


def sandboxes(place):
    """(all supervisors of warm sandboxes, how many of them are nobody's yet)."""
    told = status(place)
    if told is None:
        return set(), 0
    parents = {zygote["process"] for zygote in told["zygotes"]}
    found = {pid for pid, stat in leftovers.all_processes().items() if stat[2] in parents and stat[1] not in "ZX"}
    return found, told["pool"]["ready"] + told["pool"]["under_way"]


def processor_time(pid):
    """Seconds that the process itself has had a processor."""
    fields = pathlib.Path("/proc/%d/stat" % pid).read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def held_by(pid):
    """Processes that this one has a pidfd of."""
    found = []
    for file in pathlib.Path("/proc/%d/fdinfo" % pid).iterdir():
        try:
            found += [int(line.split()[1]) for line in file.read_text().splitlines() if line.startswith("Pid:")]
        except OSError:
            continue
    return [one for one in found if one > 0]


def sandbox_of(pid, seconds=20):
    """The supervisor of that process's sandbox, once there is one: it holds a pidfd of it, as of its own parent."""
    def look():
        return next((one for one in held_by(pid) if (leftovers.stat_of(one) or "?")[0] == "cellblock-jail"), None)

    found = leftovers.wait_until(look, seconds)
    assert found, "there is no sandbox"
    return found


@contextlib.contextmanager
def daemons(place, begin=lambda daemon: None):
    """make(**settings): a daemon, after begin(it). All are stopped at the end."""
    made = []

    def make(**settings):
        made.append(Daemon(place, settings or None))
        begin(made[-1])
        return made[-1]

    try:
        yield make
    finally:
        for one in made:
            one.stop()


class Daemon:
    """Runs in the foreground, as what started it on demand would."""

    def __init__(self, place, settings=None):
        self.place = place
        place.warm = True
        if settings is not None:
            folder = place.root / "config" / "cellblock"
            folder.mkdir(exist_ok=True, parents=True)
            folder.chmod(0o755)
            (folder / "daemon.json").write_text(json.dumps(settings))
        self.process = subprocess.Popen(place.as_user([kernels.PROGRAM, "daemon"]), env=place.environment(),
                                        stderr=subprocess.PIPE, text=True, start_new_session=True)
        assert "listens in" in self.process.stderr.readline()

    def warm_up(self, policy):
        """Brings a zygote about, by a first kernel that starts cold."""
        first = kernels.Kernel(self.place, policy=policy)
        assert first.stop() == {}
        wait_for(self.place, lambda told: any(one["state"] == "ready" for one in told["zygotes"]), 60)

    def stop(self):
        if self.process.poll() is None:
            ask(self.place, "stop")
        self.process.wait(30)
        self.process.stderr.close()
