"""tests/benchmarks/run works: kernels beside each other, nothing lost, a table, JSON and a plot. Says nothing of speed."""

import json
import subprocess

import pytest
from benchmarks import environment
from support import kernels, pypi


@pytest.fixture
def python():
    """The benchmark's own environment where it was made, else that of the newest clients, which lacks xeus-python."""
    if environment.environment().is_ready():
        return environment.environment().python
    pypi.need()
    return pypi.PYTHON


def test_a_quick_run_of_three_groups(python, tmp_path):
    found, plot = tmp_path / "found.json", tmp_path / "plot.png"
    done = subprocess.run([kernels.REPO / "tests" / "benchmarks" / "run", "--quick", "--rounds", "1", "--python", python,
                           "--program", kernels.PROGRAM, "--json", found, "--plot", plot, "roundtrips", "memory", "network"],
                          capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    rows = {row["case"]: row for row in json.loads(found.read_text())["rows"]}
    assert {"cellblock", "ipykernel"} <= set(rows["pass"]["medians"]), rows["pass"]
    assert "the same pixels as ipykernel's" in rows["10 figures"]["notes"][0]
    assert rows["session with pandas and matplotlib"]["medians"]["cellblock"] > 0
    assert {"cellblock", "no proxy"} <= set(rows["bytes that come"]["medians"]), rows["bytes that come"]
    assert "0.35 × ipykernel" in done.stdout and "≥ 1 Gbit/s" in done.stdout
    assert plot.read_bytes().startswith(b"\x89PNG")
