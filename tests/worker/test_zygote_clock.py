"""How a zygote tells that a folder was changed during its imports, while the system's clock is set to another year."""

import subprocess

import pytest
from host import PYTHON, WORKER_FOLDER

# The clock shows `wall` seconds at the beginning and `later` at the end, and 10 seconds have passed.
LOOK = """
import sys, time
sys.path.insert(0, %(folder)r)
from zygote.imports import Period
def show(wall, steady):
    time.time_ns, time.monotonic_ns = (lambda: int(wall * 1e9)), (lambda: int(steady * 1e9))
show(%(wall)r, 100)
period = Period()
show(%(later)r, 110)
print([moment for moment in %(moments)r if period.has(int(moment * 1e9))])
"""


@pytest.mark.parametrize("wall, later, inside, outside", [
    (1000, 1010, [1000.5, 1009, 1010], [1, 999, 1000, 1011, 9999]),
    (1000, 9010, [1001, 1009, 9001, 9010], [999, 1011, 5000, 8999, 9011]),
    (9000, 1010, [9001, 9009, 1001, 1010], [999, 1011, 5000, 8999, 9011]),
], ids=["not set", "set forward", "set back"])
def test_folders_that_were_changed_meanwhile(wall, later, inside, outside):
    code = LOOK % {"folder": str(WORKER_FOLDER), "wall": wall, "later": later, "moments": inside + outside}
    done = subprocess.run([PYTHON, "-B", "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout == "%s\n" % inside
