"""A person's hour: the notebook of notebook.py in ipykernel and in cellblock, every message compared.

What may differ stands in expected.md, with the reason; a line of it that no longer differs is a failure too.
"""

import os
import pathlib
import re
import subprocess

import compare
import normal
import pytest
from support import kernels, pypi

HERE = pathlib.Path(__file__).resolve().parent
ROW = re.compile(r"^\| (?P<cell>[^|]+?) +\| `(?P<place>.+)` +\| (?P<why>.+) \|$", re.MULTILINE)
SECONDS = 900  # of one kernel, where the machine does much else

pytestmark = [pytest.mark.long, pytest.mark.seconds(2 * SECONDS + 1500)]


def expected():
    """[(cell or *, compiled places, why)]."""
    return [(row["cell"], re.compile(row["place"].replace(r"\|", "|")), row["why"])
            for row in ROW.finditer((HERE / "expected.md").read_text())]


def record(kernel, place, directory):
    directory.mkdir()
    variables = {**place.environment(), "JUPYTER_PATH": str(place.root / "prefix" / "share" / "jupyter"),
                 "SHELL": "/bin/bash"}
    file = place.root / (kernel + ".json")
    done = subprocess.run([pypi.PYTHON, str(HERE / "record.py"), kernel, str(file)], cwd=directory, env=variables,
                          capture_output=True, text=True, timeout=SECONDS, check=False)
    assert done.returncode == 0, done.stderr[-4000:]
    return normal.load(file, str(directory))


@pytest.fixture(scope="module")
def differences():
    pypi.need()
    if not os.access(kernels.PROGRAM, os.X_OK):
        pytest.skip("%s isn't built" % kernels.PROGRAM)
    place = kernels.Place()
    try:
        done = subprocess.run([kernels.PROGRAM, "install", "--prefix", place.root / "prefix", "--python", pypi.PYTHON,
                               "--policy", "notebook"], capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        theirs = record("python3", place, place.root / "theirs")
        ours = record("cellblock", place, place.root / "ours")
    finally:
        place.remove()
    return list(compare.differences(theirs, ours))


def test_only_what_is_expected_differs(differences):
    rows = expected()
    unexpected = [one for one in differences
                  if not any(cell in ("*", one.cell) and place.fullmatch(one.place) for cell, place, _ in rows)]
    report = "\n".join("%s | %s\n  ipykernel: %s\n  cellblock: %s" % (one.cell, one.place, compare.excerpt(one.theirs),
                                                                     compare.excerpt(one.ours)) for one in unexpected)
    assert not unexpected, "not in expected.md:\n" + report


def test_what_is_expected_still_differs(differences):
    idle = [(cell, place.pattern) for cell, place, _ in expected()
            if not any(cell in ("*", one.cell) and place.fullmatch(one.place) for one in differences)]
    assert not idle, "no longer differs; take it out of expected.md: %s" % idle
