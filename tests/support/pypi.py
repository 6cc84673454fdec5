#!/usr/bin/python3
"""The virtual environment of clients that Debian has no, or no new, version of: build/pypi-env, from PyPI, made anew when pypi.txt changes.

As a program it makes it; tests/run does so beside the other tests.
"""

import pathlib
import shutil
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
FOLDER = HERE.parents[1] / "build" / "pypi-env"
PYTHON = FOLDER / "bin" / "python"
WANTED = HERE / "pypi.txt"
STAMP = FOLDER / "pypi.txt"  # written last: what is installed


def is_ready():
    return STAMP.exists() and STAMP.read_text() == WANTED.read_text()


def packages():
    """Where its packages lie, for the import of Playwright by another Python of the same version."""
    return next(FOLDER.glob("lib/python3*/site-packages"))


def make():
    if is_ready():
        return
    shutil.rmtree(FOLDER, ignore_errors=True)
    subprocess.run(["/usr/bin/python3", "-m", "venv", FOLDER], check=True)
    subprocess.run([PYTHON, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r", WANTED], check=True)
    shutil.copy(WANTED, STAMP)


if __name__ == "__main__":
    try:
        make()
    except subprocess.CalledProcessError as error:
        sys.exit("tests/support/pypi.py: %s" % error)
