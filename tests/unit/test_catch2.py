"""Each Catch2 test case as a test of its own: under the sanitizers, or plain, or both.

All of them run in one process first. Each that didn't pass there runs again, by itself, and so do all where that
process didn't come to its end. The long run also has each by itself, as a case may live by what another did before it.
"""

import functools
import os
import pathlib
import re
import subprocess
import xml.etree.ElementTree as ElementTree

import pytest
from support.beside import ROOT, builds, program_of

NAME = "unit/unit_tests"
pytestmark = pytest.mark.seconds(1500)  # the first one may wait for a build


def names():
    """As the sources have them: the program may not be built yet. Those with the tag [.] measure, and are run by name."""
    sources = sorted(pathlib.Path(__file__).parent.glob("*.cc"))
    return [name for source in sources
            for name in re.findall(r'^TEST_CASE\("([^"]+)"(?!, "\[\.)', source.read_text(), re.MULTILINE)]


def listed(program, **settings):
    """What the program prints of its test cases: Catch2 2 has an option for names alone, Catch2 3 a quiet list."""
    for option in (["--list-test-names-only"], ["--list-tests", "--verbosity", "quiet"]):
        done = subprocess.run([str(program), *option], capture_output=True, text=True,
                              check=False, **settings)  # Catch2 2 gives the number of cases as its status
        if "nrecognised token" not in done.stdout + done.stderr:
            break
    return done


@pytest.mark.parametrize("build", builds())
def test_no_case_is_missed(build):
    assert sorted(line.strip() for line in listed(program_of(build, NAME)).stdout.splitlines()) == sorted(names())


@pytest.mark.parametrize("build", builds())
def test_the_sanitizers_are_there_where_they_should_be(build):
    done = listed(program_of(build, NAME), env={**os.environ, "ASAN_OPTIONS": "help=1"})
    there = "flags for AddressSanitizer" in done.stdout + done.stderr
    assert there == (build == "sanitize"), "CMake forgets a preset's settings when the compiler changes: remove build-sanitize"


@functools.cache
def passed(program):
    """The names of the cases that passed; none, if the process failed by more than the others (a leak, say)."""
    try:
        done = subprocess.run([str(program), "--reporter", "xml"], capture_output=True, timeout=600, check=False, cwd=ROOT)
        cases = {case.get("name"): case.find("OverallResult").get("success") == "true"
                 for case in ElementTree.fromstring(done.stdout).iter("TestCase")}
        if done.returncode != 0 and all(cases.values()):
            return set()
        return {name for name, success in cases.items() if success}
    except (subprocess.TimeoutExpired, ElementTree.ParseError, AttributeError):
        return set()


@pytest.mark.parametrize("name", names())
@pytest.mark.parametrize("build", builds())
def test_case(build, name):
    program = program_of(build, NAME)
    if name in passed(program) and not os.environ.get("CELLBLOCK_LONG_TESTS"):
        return
    wanted = re.sub(r"([\\,\[\]*~\"])", r"\\\1", name)
    done = subprocess.run([str(program), wanted, "--durations", "no"], capture_output=True, text=True,
                          timeout=120, check=False, cwd=ROOT, errors="replace")
    assert "No test cases matched" not in done.stdout, wanted
    assert done.returncode == 0, "\n" + done.stdout[-8000:] + done.stderr[-8000:]
