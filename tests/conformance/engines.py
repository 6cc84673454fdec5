"""The engines under test: what each needs to run here, made ready once and taken away at the end."""

import os
import shutil
import subprocess

from support import kernels

QUICK = ("native", "bubblewrap", "runc")
LONG = ("crun", "runsc", "podman", "docker", "srt", "ssh", "slurm", "kubernetes")
# What an engine can't keep by its nature; its checks are left out and say so.
WITHOUT = {"ssh": ("memory", "processes", "disk", "secrets"), "slurm": ("memory", "processes", "disk", "secrets")}


class NotHere(Exception):
    """Why an engine can't run on this machine."""


class Prepared:
    """What an engine's policy and environment must have."""

    def __init__(self, policy=None, environment=None, close=lambda: None):
        self.policy, self.environment, self.close = policy or {}, environment or {}, close


def chosen():
    """$CELLBLOCK_ENGINES, or the quick ones; with tests/run --long all."""
    if os.environ.get("CELLBLOCK_ENGINES"):
        return tuple(os.environ["CELLBLOCK_ENGINES"].split(","))
    return QUICK + (LONG if os.environ.get("CELLBLOCK_LONG_TESTS") else ())


def prepare(name, place):
    maker = MAKERS.get(name)
    prepared = maker(place) if maker else Prepared()
    environment = {**place.environment(), **prepared.environment}
    try:
        probe(name, place, prepared, environment)
    except NotHere:
        prepared.close()
        raise
    return prepared


def probe(name, place, prepared, environment):
    """A first cell. Whatever the engine says of why it can't is the reason of the skip."""
    policy = place.policy("probe-" + name, engine=name, **prepared.policy)
    run = subprocess.run([kernels.PROGRAM, "run", "--policy", policy, "-"], input="print(6 * 7)", env=environment,
                         capture_output=True, text=True, timeout=120, cwd=place.root / "work")
    if run.stdout.strip() != "42":
        raise NotHere(" ".join((run.stderr or run.stdout).split())[:300])


def need(*programs):
    for program in programs:
        if not shutil.which(program, path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin"):
            raise NotHere("there is no program " + program)


MAKERS = {}
