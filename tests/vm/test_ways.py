"""The package on a real system, installed with apt, and the wheel, installed with pip: used in each way in which people start it."""

import json

import pytest
from support.life import STEPS
from ways import BASE, EXPECTED, TRIED


def test_the_system_is_what_it_is_said_to_be(system):
    """Control groups of version 2 and AppArmor are on, and systemd has no unit that failed."""
    facts = system.facts
    assert facts["cgroups"] == "cgroup2fs" and "apparmor" in facts["security_modules"], facts
    failed = system.machine.run(["systemctl", "--failed", "--plain", "--no-legend"]).stdout
    assert not failed.strip(), failed


def test_the_package_installs(system):
    assert system.facts["package"].startswith("cellblock\t"), system.installed
    assert system.machine.run(["cellblock", "--version"]).stdout.strip()


@pytest.fixture(params=TRIED, ids=lambda one: "%s, %s" % one)
def tried(system, request):
    """How cellblock is installed, and the way in which it is started."""
    if request.param[0] == "wheel":
        request.getfixturevalue("environment")
    return request.param


def test_the_doctor_finds_the_promise_kept(system, tried):
    done = system.doctor(*tried)
    assert done.status == 0, str(done)
    told = json.loads(done.stdout)
    reached = [one for one in told["attempts"] if one["ending"] == "reached"]
    assert told["promise_holds"] and not reached, reached


def test_the_layers_that_are_expected_stand(system, tried):
    done = system.doctor(*tried)
    must, may = EXPECTED[tried[1]]
    stand = {one["layer"] for one in json.loads(done.stdout)["layers"] if one["in_force"]}
    assert {*BASE, *must} <= stand <= {*BASE, *must, *may}, str(done)


@pytest.mark.parametrize("step", STEPS)
def test_a_session_lives(system, tried, step):
    done = system.life(*tried)
    assert done.stdout.startswith("{"), str(done)
    steps = json.loads(done.stdout)
    assert step in steps, "the session's life ended before: %s" % done
    assert steps[step]["ok"], "%s\n%s" % (steps[step]["told"], done.stderr[-3000:])
