"""What must work in each Python; the rest is asked by tests/worker and tests/protocol, in the same Python."""

import base64
import os
import subprocess

import pytest
from limits.test_deadlines import INTACT
from support import kernels
from support.shared import lasting


@pytest.fixture(scope="module")
def shared(module_place):
    yield from lasting(module_place, policy=module_place.policy("matrix", limits={"cell_time": "5s", "grace_time": "3s"}))


@pytest.fixture
def has(client):
    def check(name):
        if client.run("import " + name).status != "ok":
            pytest.skip("%s has no %s" % (kernels.PYTHON, name))
    return check


def png_of(run):
    shown, = [one for one in run.of("display_data") if "image/png" in one.content["data"]]
    return base64.b64decode(shown.content["data"]["image/png"])


def test_cells_run_in_the_rows_python(client):
    told = client.ask("kernel_info_request").content["language_info"]["version"]
    assert client.run("import sys; '%d.%d.%d' % sys.version_info[:3]").result == repr(told)
    asked = subprocess.run([kernels.PYTHON, "-c", "import sys; print(sys.prefix, end='')"], capture_output=True, text=True,
                           check=True)
    assert client.run("sys.prefix").result == repr(asked.stdout)


def test_its_packages_are_those_of_the_row(client):
    """$CELLBLOCK_MATRIX_PACKAGES: "ipython==8.5.0 …"."""
    wanted = os.environ.get("CELLBLOCK_MATRIX_PACKAGES", "").split()
    if not wanted:
        pytest.skip("this Python is taken with what it has")
    client.run("from importlib.metadata import version").ok()
    for package in wanted:
        name, _, number = package.partition("==")
        assert client.run("version(%r)" % name).ok().result == repr(number)


def test_install_takes_it(program, place):
    done = subprocess.run([program, "install", "--user", "--python", kernels.PYTHON], env=place.environment(),
                          capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_first_figure_of_a_session_needs_no_magic(start, place, has):
    has("matplotlib")
    client = start(policy=place.policy("plot")).client
    assert png_of(client.run("import matplotlib.pyplot as plt\nplt.plot([1, 3, 2]);").ok()).startswith(b"\x89PNG")
    client.run("%matplotlib inline").ok()
    assert png_of(client.run("plt.plot([1]);").ok()).startswith(b"\x89PNG")


def test_a_table_of_pandas(client, has):
    has("pandas")
    run = client.run("import pandas\npandas.DataFrame({'a': [1, 2], 'b': ['x', 'y']})").ok()
    data = run.of("execute_result")[0].content["data"]
    assert "<table" in data["text/html"] and "<td>y</td>" in data["text/html"] and "y" in data["text/plain"]
    assert client.run("pandas.Series([1.5, 2.5]).mean()").ok().result in ("2.0", "np.float64(2.0)")


def test_a_timed_cell(client):
    assert "per loop" in client.run("%%timeit -n 2 -r 1 x = 1\nx + 1").ok().stdout


@pytest.mark.parametrize("name", INTACT)
def test_a_timeout_leaves_the_variables(client, name):
    client.run("kept = 'kept'").ok()
    run = client.run("%%timeout 1\n" + INTACT[name])
    assert run.status == "error" and run.content["ename"] == "CellTimeout", run.content
    assert "your variables are intact" in run.content["evalue"], run.content["evalue"]
    assert client.run("kept").result == "'kept'"


@pytest.mark.parametrize("name", sorted(set(INTACT) - {"catches_once"}))
def test_an_interrupt_leaves_the_variables(client, name):
    client.run("kept = 'kept'").ok()
    cell = client.execute(INTACT[name])
    client.first(cell, "execute_input")
    client.send("control", "interrupt_request")
    assert client.finish(cell).status == "error"
    assert client.run("kept").result == "'kept'"
