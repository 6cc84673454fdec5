"""What tests/run makes beside the tests: the build with the sanitizers, the packages from PyPI.

$CELLBLOCK_BESIDE is a folder that gets NAME.status, an exit status, when NAME is done. Without it nothing is under way.
"""

import os
import pathlib
import time

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILDS = {"release": ROOT / "build", "sanitize": ROOT / "build-sanitize"}
PATIENCE = 1200.0  # with what the other tests leave of the processors
_given_up = set()  # names that somebody has waited for in vain: the others don't wait as long again


def outcome(name):
    """When it is done: whether it went well, and what it printed. A test that calls this needs the mark seconds(1500), as
    it may be the first one. None: nothing is under way."""
    folder = os.environ.get("CELLBLOCK_BESIDE")
    if not folder:
        return None
    status, end = pathlib.Path(folder, name + ".status"), time.monotonic() + PATIENCE
    while not status.exists():
        if name in _given_up or time.monotonic() > end:
            _given_up.add(name)
            pytest.fail("%s isn't done after %d s" % (name, PATIENCE))
        time.sleep(0.3)
    return status.read_text().strip() == "0", pathlib.Path(folder, name + ".log").read_text(errors="replace")


def wait(name):
    """Until it is there; as outcome() says."""
    ended = outcome(name)
    assert ended is None or ended[0], "%s failed:\n%s" % (name, ended[1][-3000:])


def builds():
    """Those whose programs are to be run. tests/run makes both only for the long run; by hand it's whatever is there."""
    if os.environ.get("CELLBLOCK_FAST_TESTS"):
        return ["release"]
    whole = "CELLBLOCK_BESIDE" in os.environ and not os.environ.get("CELLBLOCK_LONG_TESTS")
    return ["sanitize"] if whole else list(BUILDS)


def program_of(build, name):
    """A program of that build, once it is there; the test is skipped where it wasn't built."""
    if build == "sanitize":
        wait("sanitize")
    program = BUILDS[build] / "tests" / name
    if not program.exists():
        pytest.skip("%s isn't built" % program.relative_to(ROOT))
    return program
