"""The sources themselves: how they are laid out, what clang-tidy says of them, who may include whom."""

import hashlib
import os
import pathlib
import re
import subprocess
from concurrent.futures import ThreadPoolExecutor

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
STAMPS = ROOT / "build" / "tidy"  # one for each text that was clean


def sources(*folders, suffixes=(".cc", ".h")):
    return sorted(path for folder in folders for path in (ROOT / folder).rglob("*") if path.suffix in suffixes)


def test_format():
    done = subprocess.run(["clang-format", "--dry-run", "-Werror", *map(str, sources("kernel", "sandbox", "tests/unit"))],
                          capture_output=True, text=True, cwd=ROOT, check=False)
    assert done.returncode == 0, "clang-format -i mends this:\n" + done.stderr[-8000:]


def test_the_sandbox_library_knows_neither_jupyter_nor_zmq():
    wrong = [str(path.relative_to(ROOT)) for path in sources("sandbox")
             if re.search(r'#include *[<"](xeus|zmq|kernel/)', path.read_text())]
    assert not wrong


def tidy(path, common):
    """Nothing to do where neither the file nor a header has changed since it was clean."""
    stamp = STAMPS / hashlib.sha256(common + path.read_bytes()).hexdigest()
    if stamp.exists():
        return ""
    done = subprocess.run(["clang-tidy", "--quiet", "-p", "build", str(path)], capture_output=True, text=True,
                          cwd=ROOT, check=False)
    if done.returncode == 0:
        stamp.touch()
        return ""
    return done.stdout or done.stderr


@pytest.mark.seconds(1800)
def test_clang_tidy():
    if os.environ.get("CELLBLOCK_FAST_TESTS"):
        pytest.skip("clang-tidy was left out (--fast)")
    STAMPS.mkdir(parents=True, exist_ok=True)
    version = subprocess.run(["clang-tidy", "--version"], capture_output=True, check=True).stdout
    headers = sources("kernel", "sandbox", suffixes=(".h",))
    common = version + b"".join(path.read_bytes() for path in [ROOT / ".clang-tidy", ROOT / "CMakeLists.txt", *headers])
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        found = list(pool.map(lambda path: tidy(path, common), sources("kernel", "sandbox", suffixes=(".cc",))))
    assert not any(found), "\n".join(one for one in found if one)
