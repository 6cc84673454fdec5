"""Each Catch2 test case as a test of its own: plain, and under the sanitizers."""

import os
import pathlib
import re
import subprocess

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILDS = {"release": ROOT / "build", "sanitize": ROOT / "build-sanitize"}


def program_of(build):
    return BUILDS[build] / "tests" / "unit" / "unit_tests"


def why_not(build):
    if build == "sanitize" and os.environ.get("CELLBLOCK_FAST_TESTS"):
        return "the sanitizers were left out (--fast)"
    return "" if program_of(build).exists() else "%s isn't built" % program_of(build).relative_to(ROOT)


def names(build):
    done = subprocess.run([str(program_of(build)), "--list-test-names-only"], capture_output=True, text=True,
                          check=False)  # Catch2 gives the number of cases as its status
    return done.stdout.splitlines()


def pytest_generate_tests(metafunc):
    cases = []
    for build in BUILDS:
        if not why_not(build):
            cases += [pytest.param(build, name, id="%s: %s" % (build, name)) for name in names(build)]
        else:
            cases.append(pytest.param(build, None, id=build))
    metafunc.parametrize(("build", "name"), cases)


def test_case(build, name):
    if name is None:
        pytest.skip(why_not(build))
    wanted = re.sub(r"([\\,\[\]*~\"])", r"\\\1", name)
    done = subprocess.run([str(program_of(build)), wanted, "--durations", "no"], capture_output=True, text=True,
                          timeout=120, check=False, cwd=ROOT, errors="replace")
    assert "No test cases matched" not in done.stdout, wanted
    assert done.returncode == 0, "\n" + done.stdout[-8000:] + done.stderr[-8000:]
