"""`cellblock serve` by E2B's own SDK for Python: from creating a sandbox to its first result, and a cell's round trip."""

import concurrent.futures
import os
import pathlib
import re
import secrets
import subprocess
import threading
import time

from contestants import OURS
from figures import Goal, Row
from memory import in_namespace, private

GROUP = "sandboxes of a server, by E2B's SDK"
PUBLISHED = "published: E2B 440 ms (median, create and a first command), CubeSandbox 48 ms (create alone); elsewhere, by others"
AT_ONCE = (1, 10, 50)
CREATORS = 8  # at a time, of sandboxes that are to stay
LOOKED_AT = 10
TRIPS = 300


class Server:
    """Needs a daemon that makes sandboxes ahead: serve starts it as kernels do."""

    def __init__(self, field, policy):
        self._token_file = pathlib.Path(field.place.root, "token")
        self._token_file.touch(0o600)
        self._token_file.write_text(secrets.token_hex(16))
        self._errors = open(field.place.root / "serve.log", "w+")
        self._process = subprocess.Popen([field.program, "serve", "--listen", "127.0.0.1:0", "--token-file", self._token_file,
                                          "--policy", policy, "--sandboxes", "10000"],
                                         stdout=subprocess.PIPE, stderr=self._errors, text=True, start_new_session=True,
                                         env={**field.place.environment(), **field.environment})
        told = re.search(r"http://\S+", self._process.stdout.readline())
        assert told, "the server doesn't listen: " + pathlib.Path(self._errors.name).read_text()
        self.options = {"api_key": self._token_file.read_text(), "api_url": told[0], "sandbox_url": told[0]}

    def memory(self):
        """MB of its own process."""
        return private(self._process.pid)

    def close(self):
        self._process.terminate()
        try:
            self._process.wait(120)
        finally:
            self._process.kill()
            self._process.wait()
            self._process.stdout.close()
            self._errors.close()


def to_first_result(server, begin):
    """(milliseconds, the sandbox)"""
    from e2b_code_interpreter import Sandbox
    begin.wait()
    begun = time.perf_counter()
    box = Sandbox.create(**server.options)
    told = box.run_code("1").text
    took = (time.perf_counter() - begun) * 1e3
    assert told == "1", told
    return took, box


def burst(server, count):
    begin = threading.Barrier(count)
    with concurrent.futures.ThreadPoolExecutor(count) as pool:
        under_way = [pool.submit(to_first_result, server, begin) for _ in range(count)]
        concurrent.futures.wait(under_way)
    boxes = [one.result()[1] for one in under_way if not one.exception()]
    for box in boxes:
        box.kill()
    return [one.result()[0] for one in under_way]


def starts(field, server, options):
    rows = []
    for count in AT_ONCE:
        if options.quick and count > 10:
            break
        times = []
        for _ in range(1 if options.quick and count > 1 else 3 if count > 1 else max(5, options.rounds * 3)):
            field.settle()
            times += burst(server, count)
        row = Row(GROUP, "create and a first result, %d at once" % count, {OURS: times}, [Goal(440)] if count == 1 else [])
        row.notes = ["p50 %.1f ms, p95 %.1f ms, of %d" % (row.figure(OURS), row.figure(OURS, "p95"), len(times)),
                     *([PUBLISHED] if count == 1 else ["%d processors, which the clients share" % os.cpu_count()])]
        rows.append(row)
    return rows


def round_trips(server, options):
    from e2b_code_interpreter import Sandbox
    times = []
    with Sandbox.create(**server.options) as box:
        for turn in range(-5, TRIPS // 10 if options.quick else TRIPS):
            begun = time.perf_counter()
            told = box.run_code("1").text
            if turn >= 0:
                times.append((time.perf_counter() - begun) * 1e3)
            assert told == "1", told
    return Row(GROUP, "a cell's round trip (run_code)", {OURS: times}, [Goal(4)])


def idle(server, options):
    """Sandboxes that have run a cell and wait for the next one; what of their memory is theirs alone, and the server's."""
    from e2b_code_interpreter import Sandbox

    def make(_):
        box = Sandbox.create(timeout=3600, **server.options)
        assert box.run_code("1").text == "1"
        return box

    before, boxes = server.memory(), []
    try:
        with concurrent.futures.ThreadPoolExecutor(CREATORS) as pool:
            boxes = list(pool.map(make, range(options.live)))
        grown = (server.memory() - before) * 1e3 / len(boxes)
        each = []
        for box in boxes[::max(1, len(boxes) // LOOKED_AT)]:
            inside, above = in_namespace(box.run_code("import os; os.readlink('/proc/self/ns/pid')").text)
            each.append(sum(map(private, [*inside, *above])))
    finally:
        for box in boxes:
            box.kill()
    return [Row(GROUP, "an idle sandbox, one of %d" % len(boxes), {OURS: each}, [Goal(25.7)], "MB", ["published: CubeSandbox 25.7 MB, one of 1,000"]),
            Row(GROUP, "the server's own memory for each", {OURS: [grown]}, [], "KB", ["%.1f MB before" % before])]


def warm_up(field, server):
    """The first sandboxes start cold, and the SDK's modules are imported."""
    for _ in range(3):
        burst(server, 1)
        time.sleep(0.5)
        field.settle()


def measure(field, options):
    server = Server(field, field.policy(ready=8 if options.quick else 32, start_time="5m"))
    try:
        warm_up(field, server)
        return [*starts(field, server, options), round_trips(server, options), *idle(server, options)]
    finally:
        server.close()
