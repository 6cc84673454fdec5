#!/usr/bin/env python3
"""A program written for E2B, on a server of one's own: files, a cell with a chart, a command.

    pip install e2b-code-interpreter
    head -c 16 /dev/urandom | od -An -tx1 | tr -d ' \\n' > token && chmod 600 token
    cellblock serve --listen 127.0.0.1:3000 --token-file token &
    export E2B_API_KEY=$(cat token) E2B_API_URL=http://127.0.0.1:3000 E2B_SANDBOX_URL=http://127.0.0.1:3000
    examples/e2b_sdk.py

Without the two URLs the same lines run on E2B's own service. The chart is saved as sales.png.
"""
import base64
import pathlib

from e2b_code_interpreter import Sandbox

DATA = "month,sales\n" + "".join("2026-%02d,%d\n" % (month, 100 + 17 * month + 40 * (month % 3)) for month in range(1, 13))
CODE = """
import csv, matplotlib.pyplot as plt
rows = [(row["month"], int(row["sales"])) for row in csv.DictReader(open("sales.csv"))]
print("best month:", *max(rows, key=lambda row: row[1]))
plt.bar([month[5:] for month, _ in rows], [sales for _, sales in rows])
plt.show()
"""


def main():
    with Sandbox.create(timeout=120) as sandbox:
        sandbox.files.write("sales.csv", DATA)
        done = sandbox.run_code(CODE, on_stdout=lambda message: print(message.line, end=""))
        if done.error:
            raise SystemExit("%s: %s" % (done.error.name, done.error.value))
        pathlib.Path("sales.png").write_bytes(base64.b64decode(done.results[0].png))
        print("lines:", sandbox.commands.run("wc -l < sales.csv").stdout.strip())


main()
