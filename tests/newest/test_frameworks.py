"""The adapters of share/python for frameworks: by these frameworks' own suites, or with their real agents."""

import os
import subprocess

import pytest
from support import kernels
from support.environments import Environment

FOLDER = kernels.REPO / "tests" / "newest" / "frameworks"
WANTED = FOLDER / "wanted.txt"


@pytest.mark.long
@pytest.mark.seconds(900)
@pytest.mark.parametrize("suite, told", [("deepagents", "80 passed, 7 xfailed"), ("pydantic_ai", "39 passed, 1 skipped"), ("smolagents", "4 passed"),
                                          ("mcp", "13 passed"), ("openai_agents", "3 passed")])
def test_framework(place, suite, told):
    environment = Environment(kernels.REPO / "build" / "frameworks-env", WANTED.read_text(), "wanted.txt")
    environment.make("/usr/bin/python3", "-r", WANTED)
    done = subprocess.run([environment.python, "-m", "pytest", "-q", "-rs", "-p", "no:cacheprovider", "-o", "asyncio_mode=auto", "--rootdir",
                           FOLDER, "--tb=short", "%s_suite.py" % suite], cwd=FOLDER, capture_output=True, text=True, timeout=600,
                          check=False, env={**os.environ, **place.environment(), "CELLBLOCK": kernels.PROGRAM,
                                            "CELLBLOCK_PYTHON": kernels.PYTHON, "PYTHONDONTWRITEBYTECODE": "1",
                                            "CELLBLOCK_PACKAGE": str(kernels.REPO / "share" / "python")})
    assert done.returncode == 0 and told in done.stdout, done.stdout[-6000:] + done.stderr[-2000:]
