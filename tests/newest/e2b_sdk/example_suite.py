"""examples/e2b_sdk.py runs as its first lines say."""

import pathlib
import subprocess
import sys

EXAMPLE = pathlib.Path(__file__).resolve().parents[3] / "examples" / "e2b_sdk.py"


def test_the_example(server, tmp_path):
    done = subprocess.run([sys.executable, EXAMPLE], capture_output=True, text=True, timeout=120, check=False, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "best month: 2026-11" in done.stdout and (tmp_path / "sales.png").read_bytes().startswith(b"\x89PNG")
