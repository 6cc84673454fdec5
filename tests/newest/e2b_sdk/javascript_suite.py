"""E2B's SDK for JavaScript: javascript.mjs, with Node."""

import os
import pathlib
import subprocess

SCRIPT = pathlib.Path(__file__).with_name("javascript.mjs")


def test_javascript(server):
    done = subprocess.run(["node", SCRIPT, os.environ["CELLBLOCK_E2B_NODE"]], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0 and done.stdout.endswith("all of it\n"), done.stdout + done.stderr
