#!/usr/bin/python3
"""The virtual environment of clients that Debian has no, or no new, version of: build/pypi-env, from PyPI, made anew when pypi.txt changes.

As a program it makes it; tests/run does so beside the other tests.
"""

import pathlib
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

from support.environments import Environment  # noqa: E402

FOLDER = HERE.parents[1] / "build" / "pypi-env"
PYTHON = FOLDER / "bin" / "python"
WANTED = HERE / "pypi.txt"


def environment():
    return Environment(FOLDER, WANTED.read_text(), "pypi.txt")


def is_ready():
    return environment().is_ready()


def need():
    """Waits for it; skips the test where it can't be."""
    import pytest
    from support import beside
    beside.wait("pypi")
    if not is_ready():
        pytest.skip("build/pypi-env isn't there: tests/support/pypi.py makes it")


def packages():
    """Where its packages lie, for the import of Playwright by another Python of the same version."""
    return next(FOLDER.glob("lib/python3*/site-packages"))


def make():
    environment().make("/usr/bin/python3", "-r", WANTED)


if __name__ == "__main__":
    try:
        make()
    except subprocess.CalledProcessError as error:
        sys.exit("tests/support/pypi.py: %s" % error)
