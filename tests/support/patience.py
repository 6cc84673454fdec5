"""The factor by which everything may take longer than on a usual machine: tests/vm says so, whose processors are emulated.

It lengthens what only ends a test that hangs; no figure that a test asserts.
"""

import os

SLOWNESS = float(os.environ.get("CELLBLOCK_TEST_SLOWNESS") or 1)
