"""tests/run's workers: each test runs on its worker's main thread, as the bound on its time is a signal's handler."""

import os
import pathlib
import subprocess

import pytest

TESTS = pathlib.Path(__file__).resolve().parents[1]

CONFTEST = """
import sys
import pytest
sys.path.insert(0, %r)
from support.lanes import keep_main_thread_for_tests

@pytest.hookimpl(tryfirst=True)
def pytest_xdist_newgateway(gateway):
    keep_main_thread_for_tests(gateway)
"""

TEST = """
import threading
import pytest

@pytest.mark.parametrize("number", range(8))
def test_thread(number):
    assert threading.current_thread() is threading.main_thread()
"""


def test_the_tests_of_a_verbose_run_are_on_the_main_thread(tmp_path):
    pytest.importorskip("xdist")
    (tmp_path / "conftest.py").write_text(CONFTEST % str(TESTS))
    (tmp_path / "test_thread.py").write_text(TEST)
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    done = subprocess.run(["/usr/bin/python3", "-m", "pytest", "-v", "-p", "no:cacheprovider", "--numprocesses", "8", tmp_path],
                          env=kept, cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0 and "8 passed" in done.stdout, done.stdout
