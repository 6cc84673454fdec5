"""Suites of this project that run inside the machine, against the installed package: as root and as an ordinary user of it."""

import xml.etree.ElementTree

import pytest
from ways import UNIT

SECONDS = 1200
# Chosen for what differs from system to system: namespaces, Landlock, control groups, and what a killed kernel leaves.
SUITES = ("hostile/test_doctor.py", "hostile/test_files.py", "hostile/test_host_view.py", "hostile/test_lacking_hosts.py",
          "hostile/test_nothing_left.py", "limits/test_deaths.py", "limits/test_kill_9.py", "limits/test_required_layers.py")
RESULTS = "/tmp/results.xml"


@pytest.mark.parametrize("suite", SUITES)
def test_a_suite_passes_inside(system, suite, record_property):
    argv = ["env", "CELLBLOCK=/usr/bin/cellblock", "CELLBLOCK_TEST_SLOWNESS=10", "HOME=/root", "LC_ALL=C.UTF-8", "timeout", "--kill-after=20", SECONDS, "/usr/bin/python3",
            "-m", "pytest", "-q", "-rs", "-p", "no:cacheprovider", "--tb=short", "--confcutdir=/payload/tests", "--junitxml=" + RESULTS,
            "/payload/tests/" + suite]
    done = system.machine.run(["systemd-run", *UNIT, "--property=Delegate=yes", *argv], SECONDS + 60, check=False)
    results = xml.etree.ElementTree.fromstring(system.machine.run(["cat", RESULTS], check=False).stdout or "<none/>").find("testsuite")
    assert results is not None, str(done)
    counts = {name: int(results.get(name)) for name in ("tests", "failures", "errors", "skipped")}
    record_property("inside", counts)
    system.suites[suite] = counts
    assert done.status == 0 and counts["tests"] > counts["skipped"], str(done)
