"""`cellblock serve`, driven by E2B's SDKs for Python and JavaScript as they are in PyPI and npm."""

import os
import re
import shutil
import subprocess

import pytest
from support import kernels
from support.environments import Environment, NodeEnvironment

FOLDER = kernels.REPO / "tests" / "newest" / "e2b_sdk"
WANTED = FOLDER / "wanted.txt"
PACKAGE = FOLDER / "package.json"
NODE = kernels.REPO / "build" / "e2b-node"


@pytest.fixture
def suite(place):
    """suite(name) runs that suite in the SDK's environment; gives the end of its report. With `tls` the server speaks it."""
    environment = Environment(kernels.REPO / "build" / "e2b-env", WANTED.read_text(), "wanted.txt")
    environment.make("/usr/bin/python3", "-r", WANTED)

    def run(name, tls=False):
        variables = {**os.environ, **place.environment(), "CELLBLOCK": kernels.PROGRAM, "CELLBLOCK_PYTHON": kernels.PYTHON,
                     "CELLBLOCK_E2B_NODE": str(NODE), "PYTHONDONTWRITEBYTECODE": "1",
                     "CELLBLOCK_E2B_TLS": "1" if tls else ""}
        done = subprocess.run([environment.python, "-m", "pytest", "-q", "-rs", "-p", "server", "-p", "no:cacheprovider",
                               "-o", "asyncio_mode=auto", "-o", "pythonpath=.", "--rootdir", FOLDER, "--tb=short", name + "_suite.py"],
                              cwd=FOLDER, capture_output=True, text=True, timeout=600, check=False, env={**variables, "PYTHONPATH": str(FOLDER)})
        assert done.returncode == 0, done.stdout[-8000:] + done.stderr[-2000:]
        return done.stdout

    return run


@pytest.mark.long
@pytest.mark.seconds(900)
@pytest.mark.parametrize("name", ["sandboxes", "code", "files", "commands", "asynchronous", "endings", "example"])
def test_python(suite, name):
    assert re.search(r"^\d+ passed in ", suite(name), re.MULTILINE), "something was skipped"


@pytest.mark.long
@pytest.mark.seconds(900)
@pytest.mark.parametrize("name", ["sandboxes", "code", "files", "commands", "asynchronous", "example"])
def test_python_over_https(suite, name):
    assert re.search(r"^\d+ passed in ", suite(name, tls=True), re.MULTILINE), "something was skipped"


@pytest.mark.long
@pytest.mark.seconds(900)
@pytest.mark.parametrize("tls", [False, True], ids=["http", "https"])
@pytest.mark.skipif(not shutil.which("npm"), reason="no npm here: apt-get install nodejs npm")
def test_javascript(suite, tls):
    NodeEnvironment(NODE, PACKAGE).make()
    assert "1 passed" in suite("javascript", tls)
