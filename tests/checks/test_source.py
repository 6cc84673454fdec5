"""The sources themselves: how they are laid out, what clang-tidy says of them, who may include whom."""

import os
import pathlib
import re
import subprocess
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

import tidy  # noqa: E402
from tidy import ROOT, sources  # noqa: E402


def test_format():
    done = subprocess.run(["clang-format", "--dry-run", "-Werror", *map(str, sources("kernel", "sandbox", "tests/unit"))],
                          capture_output=True, text=True, cwd=ROOT, check=False)
    assert done.returncode == 0, "clang-format -i mends this:\n" + done.stderr[-8000:]


def test_the_sandbox_library_knows_neither_jupyter_nor_zmq():
    wrong = [str(path.relative_to(ROOT)) for path in sources("sandbox")
             if re.search(r'#include *[<"](xeus|zmq|kernel/)', path.read_text())]
    assert not wrong


@pytest.mark.seconds(1800)
def test_clang_tidy():
    if os.environ.get("CELLBLOCK_FAST_TESTS"):
        pytest.skip("clang-tidy was left out (--fast)")
    found = tidy.findings(os.cpu_count())
    assert not found, found
