"""The unit tests of another processor, which its cross compiler built and nothing here could run."""

import pytest

SECONDS = 3000
PROGRAM = "/payload/packages/unit_tests"
# The unit tests look for the sources where the packages were built, and for the program where the package put it.
IN_PLACE = ["env", "CELLBLOCK_PROGRAM=/usr/bin/cellblock", "HOME=/root", "LC_ALL=C.UTF-8"]


def test_the_unit_tests_pass(system):
    if system.machine.run(["test", "-e", PROGRAM], check=False).status != 0:
        pytest.skip("%s was given to tests/vm/run, or its unit tests ran where it was built" % system.facts["package"])
    system.machine.run(["sh", "-c", "mkdir -p /build && ln -sfn /payload /build/cellblock"])
    done = system.machine.run([*IN_PLACE, PROGRAM, "--durations", "yes"], SECONDS, check=False)
    assert done.status == 0 and "passed" in done.stdout, str(done)
