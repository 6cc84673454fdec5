#!/usr/bin/python3
"""Runs code that nobody has read, and looks at how it ended.

    examples/run_untrusted.py [path of cellblock]

`cellblock run --json` gives one JSON object: status, stdout, stderr, results, error, usage.
"""
import json
import pathlib
import shutil
import subprocess
import sys

SNIPPETS = {
    "a sum": "print(sum(range(10)))",
    "a mistake": "1 / 0",
    "a loop without end": "while True: pass",
    "a look at your files": "import os; print(os.listdir('/home'))",
    "a call home": "import socket; socket.create_connection(('192.0.2.1', 80), timeout=1)",
}


def find_cellblock():
    built = pathlib.Path(__file__).resolve().parent.parent / "build" / "cellblock"
    found = sys.argv[1] if len(sys.argv) > 1 else shutil.which("cellblock") or built
    return str(found)


def run(code):
    done = subprocess.run([find_cellblock(), "run", "--timeout", "3s", "--json", "-"],
                          input=code, capture_output=True, text=True, timeout=120)
    if not done.stdout:
        sys.exit(done.stderr.strip() or f"cellblock ended with status {done.returncode}")
    return json.loads(done.stdout)


def main():
    for title, code in SNIPPETS.items():
        outcome = run(code)
        error = outcome.get("error") or {}
        said = f"{error['ename']}: {error['evalue']}" if error else outcome["stdout"].strip()
        print(f"{title:22} {outcome['status']:8} {said}")


if __name__ == "__main__":
    main()
