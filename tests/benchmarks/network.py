"""A tunnel through the broker to a server on the host's loopback: beside one that a relay carries to the broker, beside
sandbox-runtime's proxy, and beside no proxy.

Each contestant runs tunnel.py: ours in a cell, of the engine native or bubblewrap, sandbox-runtime's in a command of its, the last one on the host.
"""

import contextlib
import json
import os
import pathlib
import shutil
import statistics
import subprocess
import sys

from contestants import OURS
from figures import Goal, Row

HERE = pathlib.Path(__file__).resolve().parent
GROUP = "a tunnel through the network's proxy"
RELAYED, SRT, DIRECT = "bubblewrap", "sandbox-runtime", "no proxy"
SRT_PACKAGE = "@anthropic-ai/sandbox-runtime@0.0.78"
SRT_NEEDS = ("node", "npm", "bwrap", "socat", "rg")
TUNNEL = HERE / "tunnel.py"
ADDRESS = "127.0.0.2"  # 127.0.0.1 is each sandbox's own
PATIENCE = 300


@contextlib.contextmanager
def server():
    """Its port."""
    process = subprocess.Popen([sys.executable, TUNNEL, "serve", ADDRESS], stdout=subprocess.PIPE, text=True)
    try:
        yield int(process.stdout.readline())
    finally:
        process.kill()
        process.wait()


class Ours:
    """One kernel for all rounds."""

    def __init__(self, field, port, engine="native"):
        limits = {"cell_time": "10m", "memory": "2GiB", "cpus": os.cpu_count()}
        network = {"allow": ["%s:%d" % (ADDRESS, port)], "bytes_in": "1TiB", "bytes_out": "1TiB", "connections": 1024}
        policy = field.place.policy("policy-network-" + engine, engine=engine, python=field.python, warm=False, limits=limits, network=network)
        self._running = field.start_command(OURS, [field.program, "kernel", "-f", "{connection_file}", "--policy", policy]).ready()
        self._running.client.run(TUNNEL.read_text().partition("if __name__ ==")[0]).ok()

    def measure(self, *numbers):
        return json.loads(self._running.client.run("print(json.dumps(measure(%r, %d, %d, %d)))" % (ADDRESS, *numbers)).ok().stdout)

    def close(self):
        self._running.stop()


class Other:
    """A command of its own for each round; `around` makes the sandbox."""

    def __init__(self, field, around=()):
        self._command = [*around, field.python, str(TUNNEL), ADDRESS]
        self._environment = {**os.environ, "HTTPS_PROXY": ""}  # the sandbox sets its own

    def measure(self, *numbers):
        done = subprocess.run([*self._command, *map(str, numbers)], env=self._environment, stdin=subprocess.DEVNULL,
                              capture_output=True, text=True, check=False, timeout=PATIENCE)
        assert done.returncode == 0, done.stderr[-2000:]
        return json.loads(done.stdout)

    def close(self):
        pass


def sandbox_runtime(field, port):
    """(the contestant or None, a note: its version, or why it isn't here)"""
    lacks = [name for name in SRT_NEEDS if not shutil.which(name)]
    if lacks:
        return None, "no %s without %s: apt-get install nodejs npm bubblewrap socat ripgrep" % (SRT, ", ".join(lacks))
    folder = HERE.parents[1] / "build" / "bench-node" / SRT_PACKAGE.rpartition("@")[2]
    program = folder / "node_modules" / ".bin" / "srt"
    settings = field.place.root / "srt.json"
    settings.write_text(json.dumps({
        "network": {"allowedDomains": ["%s:%d" % (ADDRESS, port)], "deniedDomains": []},
        "filesystem": {"denyRead": [], "allowRead": [], "allowWrite": [str(field.place.root)], "denyWrite": []}}))
    try:
        if not program.exists():
            folder.mkdir(parents=True, exist_ok=True)
            subprocess.run(["npm", "install", "--silent", "--no-audit", "--no-fund", "--prefix", folder, SRT_PACKAGE], check=True,
                           timeout=PATIENCE)
        made = Other(field, [str(program), "--settings", str(settings), "--"])
        made.measure(port, 1, 1)
    except (AssertionError, subprocess.SubprocessError) as why:
        return None, "%s doesn't run here: %s" % (SRT_PACKAGE, " ".join(str(why).split())[-300:])
    return made, SRT_PACKAGE


def relayed(field, port):
    """(the contestant or None, why it isn't here)"""
    if not shutil.which("bwrap"):
        return None, ["no %s: apt-get install bubblewrap" % RELAYED]
    try:
        return Ours(field, port, RELAYED), []
    except AssertionError as why:  # a Python below /work or /tmp, say, which are the sandbox's own there
        return None, ["%s doesn't run here: %s" % (RELAYED, " ".join(str(why).split())[-300:])]


def measured(contestants, port, options):
    size, trips, rounds = (128 << 20, 200, 2) if options.quick else (1 << 30, 1000, max(3, options.rounds // 2))
    told = {name: [] for name in contestants}
    for turn in range(-1, rounds):
        for name, one in contestants.items():
            figures = one.measure(port, size, trips)
            if turn >= 0:
                told[name].append(figures)
    return told


def rows(told, notes):
    def samples(key, of=lambda value: value, names=tuple(told)):
        return {name: [of(one[key]) for one in told[name]] for name in names}
    proxies = tuple(name for name in told if name != DIRECT)
    direct = [statistics.median(one["trips"]) for one in told[DIRECT]]
    added = {name: [statistics.median(one["trips"]) - base for one, base in zip(told[name], direct)] for name in proxies}
    gigabit = [Goal(1, least=True)]
    return [Row(GROUP, "bytes that come", samples("down"), gigabit, "Gbit/s", notes),
            Row(GROUP, "bytes that go", samples("up"), gigabit, "Gbit/s"),
            Row(GROUP, "a round trip of 64 bytes", samples("trips", statistics.median)),
            Row(GROUP, "what the proxy adds to it", added, [Goal(1)]),
            Row(GROUP, "to connect", samples("connects", statistics.median))]


def measure(field, options):
    with server() as port, contextlib.ExitStack() as stack:
        other, note = sandbox_runtime(field, port)
        carried, why_not = relayed(field, port)
        contestants = {OURS: Ours(field, port), **({RELAYED: carried} if carried else {}), **({SRT: other} if other else {}), DIRECT: Other(field)}
        for one in contestants.values():
            stack.callback(one.close)
        return rows(measured(contestants, port, options), [note, *why_not])
