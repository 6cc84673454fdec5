"""`jupyter`: a place where Jupyter knows our kernel, for programs of build/pypi-env."""

import subprocess

import pytest
from support import kernels, pypi


@pytest.fixture(scope="module")
def jupyter():
    pypi.need()
    place = kernels.Place()
    done = subprocess.run([kernels.PROGRAM, "install", "--prefix", place.root / "prefix", "--python", pypi.PYTHON],
                          capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    yield place
    place.remove()


@pytest.fixture
def run(jupyter):
    """run(argument, …) of that environment's Python; gives the finished process."""
    def start(*arguments, time=120):
        variables = {**jupyter.environment(), "JUPYTER_PATH": str(jupyter.root / "prefix" / "share" / "jupyter")}
        return subprocess.run([pypi.PYTHON, *arguments], capture_output=True, text=True, timeout=time, check=False,
                              env=variables, cwd=jupyter.root / "work")

    return start
