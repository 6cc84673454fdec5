"""What somebody gets who has configured nothing: the first start is cold, the next is a claim, with what was imported before."""

import json
import os
import signal
import subprocess
import time

import pytest
from support import kernels
from support.daemons import ask, make_font_list, status, wait_for

PLOT = "import statistics, matplotlib.pyplot as plt\nplt.plot(range(9))\nplt.show()"
SEEN = ("import sys\nprint('zygote' in open('/proc/1/cmdline').read(), 'matplotlib.pyplot' in sys.modules, "
        "'statistics' in sys.modules)")


@pytest.fixture
def place(place_with_daemon):
    return place_with_daemon


def run(place, code, *options, **variables):
    done = subprocess.run(place.as_user([kernels.PROGRAM, "run", "--json", "--python", kernels.PYTHON, *options, "-"]), input=code,
                          env={**place.environment(), **variables}, cwd=place.root / "work", capture_output=True, text=True,
                          timeout=60, check=False)
    return json.loads(done.stdout), done.stderr


def test_the_second_start_is_a_claim_with_what_the_first_imported(place):
    (place.root / "cache").chmod(0o700)  # as a home's is
    make_font_list(place)
    assert list((place.root / "cache" / "cellblock" / "fonts").iterdir())  # as `cellblock install` has it made
    first, said = run(place, PLOT + "\n" + SEEN)
    assert first["stdout"] == "False True True\n" and "cold" not in said
    wait_for(place, lambda told: any("matplotlib.pyplot" in one["preload"] and one["state"] == "ready"
                                     for one in told["zygotes"]) and told["pool"]["ready"] > 0)
    second, said = run(place, SEEN)
    assert second["stdout"] == "True True True\n" and "cold" not in said
    told = wait_for(place, lambda told: told["sandboxes"]["living"] == 0)  # with one it doesn't think of leaving
    assert told["claims"]["from_pool"] == told["claims"]["given"] == 1
    assert told["idle"]["memory_bytes"] > 40 << 20 and 0 < told["idle"]["leaves_in_seconds"] <= 1800
    # And the next daemon's.
    ask(place, "stop")
    run(place, "pass")
    wait_for(place, lambda told: any("matplotlib.pyplot" in one["preload"] and one["state"] == "ready"
                                     for one in told["zygotes"]))
    plain, _ = run(place, SEEN, "--policy", place.policy("plain", preload=[]))
    assert plain["stdout"].endswith(" False False\n")


def test_what_a_short_session_imports_is_learned_by_a_busy_daemon_too(place):
    """The daemon gets to its clients only when the cell is done, and looks at the process that told."""
    run(place, "pass")
    wait_for(place, lambda told: told["pool"]["ready"] > 0)
    daemon = status(place)["process"]
    os.kill(daemon, signal.SIGSTOP)
    try:
        session = subprocess.Popen(place.as_user([kernels.PROGRAM, "run", "--python", kernels.PYTHON, "-"]), stdin=subprocess.PIPE,
                                   env=place.environment(), cwd=place.root / "work", stdout=subprocess.PIPE, text=True)
        with session:
            session.stdin.write("import statistics\nprint('done')")
            session.stdin.close()
            assert session.stdout.readline() == "done\n"
            time.sleep(0.5)  # where nobody waits for the daemon, the session has ended
            os.kill(daemon, signal.SIGCONT)
    finally:
        os.kill(daemon, signal.SIGCONT)
    wait_for(place, lambda told: any("statistics" in one["preload"] for one in told["zygotes"]))


@pytest.mark.parametrize("how", ["policy", "variable"])
def test_it_can_be_turned_off(place, how):
    options = ["--policy", place.policy("cold", warm=False)] if how == "policy" else []
    variables = {"CELLBLOCK_DAEMON": "0"} if how == "variable" else {}
    for _ in range(2):
        assert run(place, SEEN, *options, **variables)[0]["stdout"] == "False False False\n"
    assert status(place) is None


def test_a_policy_that_names_what_may_be_imported_learns_nothing(place):
    options = ["--policy", place.policy("few", imports=["statistics", "sys"])]
    run(place, "import statistics", *options)
    wait_for(place, lambda told: told["pool"]["ready"] > 0)
    assert not (place.root / "cache" / "cellblock" / "imports.json").exists()
    assert run(place, SEEN, *options)[0]["stdout"] == "True False False\n"
