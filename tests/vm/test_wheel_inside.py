"""The wheel, in an environment of that system's Python. The machine has no network: pip comes along, and IPython is the system's."""

import json

import pytest

SECONDS = 900
WHEEL, PIP = "/payload/packages/cellblock-*.whl", "$(ls /payload/packages/pip-*.whl)/pip"
WARM = "import sys; print(sys.prefix, 'zygote' in open('/proc/1/cmdline').read())"
PLOT = "import matplotlib.pyplot as plt\nplt.plot([1, 3, 2]); plt.show()"
PACKAGE = "import cellblock\nwith cellblock.Sandbox() as box: print(cellblock.find_program(), box.run('6 * 7').text)"


@pytest.fixture(scope="module")
def run(system):
    """run(word…, text=""): what it printed."""
    machine = system.machine
    found = machine.run(["sh", "-c", "ls " + WHEEL], check=False)
    if found.status != 0:
        pytest.skip("tests/vm/build found no wheel for %s: cmake/wheel/build makes it" % system.facts["processor"])
    machine.run(["python3", "-m", "venv", "--without-pip", "--system-site-packages", "/opt/env"], SECONDS)
    assert found.stdout.strip().endswith("_%s.whl" % system.facts["processor"])
    machine.run(["sh", "-c", "/opt/env/bin/python %s install --no-index --no-deps --ignore-installed %s" % (PIP, WHEEL)], SECONDS)
    yield lambda *words, text="": machine.run(["env", "-C", "/tmp", "HOME=/root", *words], SECONDS, text=text).stdout
    machine.run(["/opt/env/bin/cellblock", "daemon", "stop"], SECONDS)


def test_the_doctor_keeps_its_promise(system, run):
    told = json.loads(run("/opt/env/bin/cellblock", "doctor", "--json"))
    system.wheel["root's service"] = told  # the agent is one
    assert told["promise_holds"] and all(one["in_force"] for one in told["layers"]), told


def test_cells_run_in_the_environments_python_and_later_ones_are_warm(run):
    told = run("/opt/env/bin/cellblock", "run", "-", text=WARM)
    for _ in range(60):
        if told == "/opt/env True\n":
            return
        told = run("/opt/env/bin/cellblock", "run", "-", text=WARM)
    raise AssertionError(told)


def test_a_plot_comes_back_as_an_image(run):
    told = json.loads(run("/opt/env/bin/cellblock", "run", "--json", "-", text=PLOT))
    assert told["status"] == "ok" and "image/png" in json.dumps(told), told


def test_the_package_finds_its_program(run):
    assert run("/opt/env/bin/python", "-c", PACKAGE) == "/opt/env/bin/cellblock 42\n"
