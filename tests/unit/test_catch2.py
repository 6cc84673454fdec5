"""Each Catch2 test case as a test of its own: plain, and under the sanitizers."""

import re
import subprocess

import pytest
from support.beside import BUILDS, ROOT, program_of

NAME = "unit/unit_tests"
pytestmark = pytest.mark.seconds(1500)  # the first one may wait for a build


def names():
    program = BUILDS["release"] / "tests" / NAME
    if not program.exists():
        return [None]
    done = subprocess.run([str(program), "--list-test-names-only"], capture_output=True, text=True,
                          check=False)  # Catch2 gives the number of cases as its status
    return done.stdout.splitlines()


@pytest.mark.parametrize("name", names())
@pytest.mark.parametrize("build", BUILDS)
def test_case(build, name):
    program = program_of(build, NAME)
    wanted = re.sub(r"([\\,\[\]*~\"])", r"\\\1", name)
    done = subprocess.run([str(program), wanted, "--durations", "no"], capture_output=True, text=True,
                          timeout=120, check=False, cwd=ROOT, errors="replace")
    assert "No test cases matched" not in done.stdout, wanted
    assert done.returncode == 0, "\n" + done.stdout[-8000:] + done.stderr[-8000:]
