#!/usr/bin/python3
"""The virtual environment of all kernels that are compared: build/bench-env, from PyPI, made anew when environment.txt changes.

As a program it makes it; tests/benchmarks/run does so too.
"""

import pathlib
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

from support.environments import Environment  # noqa: E402

FOLDER = HERE.parents[1] / "build" / "bench-env"
WANTED = HERE / "environment.txt"


def environment():
    return Environment(FOLDER, WANTED.read_text(), "environment.txt")


def make():
    """Gives its Python."""
    made = environment()
    made.make("/usr/bin/python3", "-r", WANTED)
    return made.python


if __name__ == "__main__":
    try:
        make()
    except subprocess.CalledProcessError as error:
        sys.exit("tests/benchmarks/environment.py: %s" % error)
