"""A worker for each test file, and a fresh one where a test wants it."""

import functools
import pathlib
import subprocess
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

from host import PYTHON, Host  # noqa: E402


def ready_host(**options):
    host = Host(**options)
    frame = host.start_worker()
    assert frame["type"] == "ready", frame
    return host


@pytest.fixture(scope="module")
def ready():
    """ready(**policy) starts one that must be closed."""
    return ready_host


@pytest.fixture(scope="module")
def host():
    with ready_host() as made:
        yield made


@pytest.fixture
def fresh(tmp_path):
    """fresh(**policy) starts one whose working directory is empty."""
    made = []

    def make(**options):
        made.append(ready_host(**{"cwd": str(tmp_path), **options}))
        return made[-1]

    yield make
    for one in made:
        one.close()


@functools.cache
def can_import(name):
    return subprocess.run([PYTHON, "-c", "import " + name], capture_output=True, check=False).returncode == 0


@pytest.fixture
def has():
    """Skips, visibly, where the Python under test lacks a module."""
    def check(name):
        if not can_import(name):
            pytest.skip("%s has no %s" % (PYTHON, name))
    return check
