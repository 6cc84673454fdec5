"""Work inside of a sandbox and the same by the same Python outside, in turns."""

import json
import subprocess
import tempfile

from contestants import OURS, PLOTS
from figures import Goal, Row

GROUP = "computing in the sandbox"
OUTSIDE = "outside"
# Reads code, one JSON string a line; tells the seconds that its work() took.
SERVER = """
import json, sys, time
names = {}
for line in sys.stdin:
    exec(json.loads(line), names)
    begun = time.perf_counter()
    names["work"]()
    print(time.perf_counter() - begun, flush=True)
"""
TIMED = "\nimport time as _time\n_begun = _time.perf_counter()\nwork()\n_took = _time.perf_counter() - _begun"

CASES = {
    "loops and numbers": """
def work():
    total = 0
    for n in range(1_500_000):
        total += n * n % 7
    return total
""",
    "calls, lists, dictionaries": """
def fib(n):
    return n if n < 2 else fib(n - 1) + fib(n - 2)
def work():
    fib(22)
    found = {}
    for n in range(200_000):
        found.setdefault(n % 977, []).append(str(n))
    return sorted(len(one) for one in found.values())
""",
    "text: json and regular expressions": """
import json, re
data = [{"name": "n%d" % n, "values": list(range(20))} for n in range(2000)]
def work():
    for _ in range(4):
        text = json.dumps(data)
        json.loads(text)
        len(re.findall(r'"n(\\d+)"', text))
""",
    "numpy matmul": """
import numpy
a = numpy.random.default_rng(1).random((700, 700))
def work():
    for _ in range(5):
        a @ a
""",
    "pandas groupby": """
import numpy, pandas
r = numpy.random.default_rng(1)
frame = pandas.DataFrame({"k": r.integers(0, 500, 400_000), "v": r.random(400_000)})
def work():
    for _ in range(4):
        frame.groupby("k").agg({"v": ["mean", "sum", "max"]})
""",
    "processes": """
import subprocess
def work():
    for _ in range(20):
        subprocess.run(["/bin/true"], check=True)
""",
}
FILES = {
    "files: 64 MB written and read": """
block = b"x" * (1 << 20)
def work():
    with open("bench.bin", "wb") as file:
        for _ in range(64):
            file.write(block)
    with open("bench.bin", "rb") as file:
        while file.read(1 << 20):
            pass
    import os
    os.unlink("bench.bin")
""",
    "files: 3,000 small ones": """
import os
def work():
    for n in range(3000):
        with open("bench-%d" % n, "w") as file:
            file.write("some text")
    for n in range(3000):
        with open("bench-%d" % n) as file:
            file.read()
        os.unlink("bench-%d" % n)
""",
}


class Outside:
    """The same Python, in a folder in memory, as the sandbox's is."""

    def __init__(self, python):
        self._folder = tempfile.TemporaryDirectory(prefix="cbtest-", dir="/dev/shm")
        self._process = subprocess.Popen([python, "-c", SERVER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                                         cwd=self._folder.name)

    def seconds(self, code):
        self._process.stdin.write(json.dumps(code) + "\n")
        self._process.stdin.flush()
        return float(self._process.stdout.readline())

    def close(self):
        self._process.stdin.close()
        self._process.wait()
        self._process.stdout.close()
        self._folder.cleanup()


def inside(client, code):
    run = client.run(code + TIMED, user_expressions={"took": "_took"}).ok()
    return float(run.content["user_expressions"]["took"]["data"]["text/plain"])


def measure(field, options):
    field.warm_up(PLOTS)
    rows, ours, theirs = [], field.start(OURS, PLOTS).ready(), Outside(field.python)
    try:
        for bound, cases in ((1.02, CASES), (1.1, FILES)):
            for title, code in cases.items():
                samples = {OURS: [], OUTSIDE: []}
                for turn in range(-2, options.rounds * 2):
                    pair = {OURS: inside(ours.client, code) * 1e3, OUTSIDE: theirs.seconds(code) * 1e3}
                    if turn >= 0:
                        for name, took in pair.items():
                            samples[name].append(took)
                rows.append(Row(GROUP, title, samples, [Goal(bound, OUTSIDE)]))
    finally:
        theirs.close()
        ours.stop()
    return rows
