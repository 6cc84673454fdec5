"""One engine on the bench: a kernel on it, and what stands between the two."""

import base64
import hashlib
import io
import signal
import time

import pytest

from support import kernels, leftovers
from support.daemons import held_by

DEADLINE, GRACE, PATIENCE = 1.5, 2.0, 12.0
LIMITS = {"cell_time": "1500ms", "cell_time_max": "60s", "grace_time": "2s", "memory": "640MiB", "processes": 64,
          "disk": "16MiB", "start_time": "60s"}


def pixels(png):
    """Size and digest of a picture's pixels, which its file's compression doesn't change."""
    from PIL import Image
    picture = Image.open(io.BytesIO(base64.b64decode(png))).convert("RGB")
    return picture.size, hashlib.sha256(picture.tobytes()).hexdigest()[:16]


class Bench:
    seen = {}  # what the first engine showed, by name of what was shown

    def __init__(self, name, place, prepared, daemon=None):
        self.name, self.place, self.prepared = name, place, prepared
        self.daemon = daemon  # whose sandboxes are used; None: each starts cold
        self.kernel = None
        self.variables = {}  # of kernels that are started from now on

    @property
    def client(self):
        if self.kernel is None or not self.kernel.alive():
            self.start()
        return self.kernel.client

    def start(self, **more):
        keys = {"engine": self.name, "warm": self.daemon is not None, "limits": LIMITS, **self.prepared.policy, **more}
        policy = self.place.policy("conformance-" + self.name, **keys)
        environment = {"CONFORMANCE_SECRET": "hidden", **self.prepared.environment, **self.variables}
        self.kernel = kernels.Kernel(self.place, policy=policy, environment=environment)
        self.kernel.client.run("%%timeout 60\n1").ok()
        assert self.daemon is None or self.makers(), "it isn't one of the daemon's"

    def restart(self, **more):
        self.stop()
        self.start(**more)

    def stop(self):
        kernel, self.kernel = self.kernel, None
        return kernel.stop() if kernel else {}

    def forget(self):
        self.kernel.kill()
        self.kernel = None

    def fresh(self):
        """A kernel whose last check left nothing behind that could hinder the next."""
        if self.kernel is not None:
            self.kernel.client.on_input = None
            self.kernel.client.log.clear()

    def timed(self, code):
        begun = time.monotonic()
        run = self.client.run(code)
        took = time.monotonic() - begun
        assert took < DEADLINE + GRACE + PATIENCE, "%.1f s" % took
        return run

    # --- what carries the bytes between the kernel and the sandbox, seen from here

    def makers(self):
        """Of a sandbox of the daemon's: its relay, which no kernel is the parent of."""
        return [pid for pid in held_by(self.kernel.pid) if "cellblock launcher" in leftovers.command_line(pid)]

    def relays(self):
        return [pid for pid in self.kernel.tree() if "cellblock relay" in leftovers.command_line(pid)] + self.makers()

    def tree(self):
        """{pid: start time} of all that goes with the kernel."""
        return {**self.kernel.tree(), **{pid: start for maker in self.makers()
                                         for pid, start in {maker: leftovers.stat_of(maker)[3],
                                                            **leftovers.descendants(maker)}.items()}}

    def need_a_way(self):
        if not self.relays():
            pytest.skip("nothing stands in between")

    def stop_the_way(self):
        """SIGSTOP for all behind the relay; gives whom it met."""
        met = [pid for relay in self.relays() for pid in leftovers.descendants(relay)]
        leftovers.send(signal.SIGSTOP, met)
        return met

    def kill_the_way(self):
        for relay in self.relays():
            leftovers.send(signal.SIGKILL, leftovers.children(relay))

    def remember(self, what, value):
        first = self.seen.setdefault(what, (self.name, value))
        assert first[1] == value, "another %s than %s's" % (what, first[0])
