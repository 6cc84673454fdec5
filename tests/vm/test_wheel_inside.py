"""The wheel, in an environment of that system's Python."""

import json

import pytest
from ways import ENVIRONMENT

SECONDS = 900
WARM = "import sys; print(sys.prefix, 'zygote' in open('/proc/1/cmdline').read())"
PLOT = "import matplotlib.pyplot as plt\nplt.plot([1, 3, 2]); plt.show()"
PACKAGE = "import cellblock\nwith cellblock.Sandbox() as box: print(cellblock.find_program(), box.run('6 * 7').text)"


@pytest.fixture(scope="module")
def run(system, environment):
    """run(program, word…, text=""): what that program of the environment printed."""
    yield lambda program, *words, text="": system.machine.run(
        ["env", "-C", "/tmp", "HOME=/root", "%s/bin/%s" % (environment, program), *words], SECONDS, text=text).stdout
    system.machine.run([environment + "/bin/cellblock", "daemon", "stop"], SECONDS)


def test_cells_run_in_the_environments_python_and_later_ones_are_warm(run):
    told = run("cellblock", "run", "-", text=WARM)
    for _ in range(60):
        if told == ENVIRONMENT + " True\n":
            return
        told = run("cellblock", "run", "-", text=WARM)
    raise AssertionError(told)


def test_a_plot_comes_back_as_an_image(run):
    told = json.loads(run("cellblock", "run", "--json", "-", text=PLOT))
    assert told["status"] == "ok" and "image/png" in json.dumps(told), told


def test_the_package_finds_its_program(run):
    assert run("python", "-c", PACKAGE) == ENVIRONMENT + "/bin/cellblock 42\n"
