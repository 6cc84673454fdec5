"""qtconsole, whose window is drawn in memory."""

import json
import subprocess

import pytest
from clients.conftest import NAME
from support import kernels

pytest.importorskip("qtconsole", reason="qtconsole isn't installed")
DRIVER = kernels.REPO / "tests" / "clients" / "qt_driver.py"


@pytest.fixture
def console(spec_place):
    def drive(*steps):
        done = subprocess.run([kernels.PYTHON, str(DRIVER), NAME, *steps], capture_output=True, text=True, timeout=140,
                              cwd=spec_place.root / "work", check=False,
                              env={**spec_place.environment(), "QT_QPA_PLATFORM": "offscreen"})
        assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]
        return [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]

    return drive


def test_cells_and_an_error(console):
    _, result, error = console("cell:print('sum', 40 + 2)", "cell:6 * 111", "cell:1/0")
    assert "sum 42" in result["text"] and "Out[2]: 666" in result["text"]
    assert "ZeroDivisionError" in error["text"] and "In [4]:" in error["text"]


def test_a_plot_is_shown_in_the_console(console):
    _, shown = console("cell:import matplotlib.pyplot as plt", "cell:plt.plot([1, 2]); plt.show()")
    assert shown["pictures"] == 1, shown


def test_a_completion_by_tab(console):
    _, shown = console("cell:a_rather_long_name = 9", "tab:a_rather_l")
    assert shown["typed"] == "a_rather_long_name"


def test_input_is_asked_and_answered(console):
    asked, answered = console("cell:print('hello ' + input('your name? '))", "answer:Ada")
    assert asked["asked"] and "your name?" in asked["text"]
    assert "hello Ada" in answered["text"]
