"""Sandboxes without a Jupyter client: one claimed, a hundred at once, one among many that are idle."""

import contextlib
import json
import os
import pathlib
import shutil
import subprocess
import time

from contestants import COLD, OURS
from figures import Goal, Row

GROUP = "from claiming a sandbox to its first result"
PROGRAM = "bench_sandboxes"
BUBBLEWRAP = "bubblewrap and python3"
PAUSE_MS = 300  # between claims, for whoever makes sandboxes in advance
POOL = 32       # of them, before a burst
PATIENCE = 1800
BURST_PATIENCE = "5m"


class Sandboxes:
    """The program beside cellblock, and a daemon for it."""

    def __init__(self, field):
        self._field = field
        self._program = str(pathlib.Path(field.program).with_name(PROGRAM))
        self._environment = {**field.place.environment(), **field.environment}
        self._errors = open(field.place.root / "claims-daemon.log", "w+")
        self._daemon = subprocess.Popen([self._program, "daemon"], env=self._environment, stdin=subprocess.DEVNULL,
                                        stdout=self._errors, stderr=self._errors, start_new_session=True)

    def run(self, policy, *words):
        done = subprocess.run([self._program, policy, *map(str, words)], env=self._environment, capture_output=True,
                              text=True, check=False, timeout=PATIENCE)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout), "a cold start" not in done.stderr

    def warm_up(self, policy):
        end, good = time.monotonic() + 60, 0
        while good < 2:
            assert time.monotonic() < end, "no warm sandboxes: " + self._field.daemon("status")
            good = good + 1 if self.run(policy, "claims", 1, PAUSE_MS)[1] else 0
            self._field.settle()

    def warm(self, policy, *words):
        figures, was_warm = self.run(policy, *words)
        assert was_warm, "the daemon gave no warm sandbox"
        return figures

    def settle(self):
        """Until the pool is full; its demand is over by then."""
        time.sleep(0.3)
        self._field.settle()

    def close(self):
        self._field.daemon("stop")
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._daemon.wait(20)
        self._daemon.kill()
        self._daemon.wait()
        self._errors.close()


def bubblewrap():
    """The least that bubblewrap can do for Python."""
    words = ["bwrap", "--unshare-all", "--die-with-parent", "--ro-bind", "/usr", "/usr", "--symlink", "usr/lib", "/lib",
             "--symlink", "usr/lib64", "/lib64", "--proc", "/proc", "--dev", "/dev", "--tmpfs", "/tmp", "--clearenv"]
    begun = time.perf_counter()
    done = subprocess.run([*words, "/usr/bin/python3", "-c", "print(6 * 7)"], capture_output=True, text=True, check=False)
    assert done.stdout == "42\n", done.stderr
    return (time.perf_counter() - begun) * 1e3


def one_by_one(sandboxes, warm, cold, options):
    others = {COLD: [], **({BUBBLEWRAP: []} if shutil.which("bwrap") else {})}
    samples = {OURS: [], **others}
    rounds = 2 if options.quick else max(5, options.rounds)
    for _ in range(rounds):
        samples[OURS] += sandboxes.warm(warm, "claims", 10, PAUSE_MS)["claims"][1:]  # the first warms the program up
        samples[COLD] += sandboxes.run(cold, "claims", 2, 0)[0]["claims"]
        if BUBBLEWRAP in samples:
            samples[BUBBLEWRAP] += [bubblewrap() for _ in range(2)]
    notes = [] if BUBBLEWRAP in samples else ["no bubblewrap here: apt-get install bubblewrap"]
    return Row(GROUP, "one sandbox", samples, [Goal(5, of="median"), Goal(15, of="p99")], notes=notes)


def burst(sandboxes, warm, options):
    count = 10 if options.quick else 100
    times = []
    sandboxes.warm_up(warm)
    for _ in range(1 if options.quick else 3):
        sandboxes.settle()
        times += sandboxes.warm(warm, "burst", count)["claims"]
    notes = ["%d processors, a pool of %d; docker is %s" % (os.cpu_count(), POOL, "usable, but not compared" if _docker() else "not usable here")]
    return Row(GROUP, "each of %d at once, from the burst's begin" % count, {OURS: times}, [Goal(350)], notes=notes)


def _docker():
    return shutil.which("docker") and subprocess.run(["docker", "info"], capture_output=True, check=False).returncode == 0


def among(sandboxes, warm, options):
    rows = []
    for live in (1, 10, 100, 1000):
        if live > options.live:
            break
        sandboxes.warm_up(warm)
        figures = sandboxes.warm(warm, "live", live, 5 if options.quick else 20)
        told = "%d live session%s: " % (live, "s" if live > 1 else "")
        rows.append(Row(GROUP, told + "a claim", {OURS: figures["claims"]}))
        rows.append(Row(GROUP, told + "a round trip of pass", {OURS: figures["trips"]}))
    return rows


def measure(field, options):
    sandboxes = Sandboxes(field)
    # A burst's last sandboxes wait for their processors, which isn't what limits.start_time is for.
    warm, cold = field.policy(start_time=BURST_PATIENCE), field.policy(warm=False, start_time=BURST_PATIENCE)
    many = field.policy(ready=POOL, start_time=BURST_PATIENCE)
    try:
        sandboxes.warm_up(warm)
        rows = [one_by_one(sandboxes, warm, cold, options), burst(sandboxes, many, options)]
        return rows + among(sandboxes, warm, options)
    finally:
        sandboxes.close()
