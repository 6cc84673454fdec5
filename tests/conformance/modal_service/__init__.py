"""The stand-in for Modal's service, as tests start it."""

import fcntl
import json
import os
import pathlib
import subprocess

from support import kernels
from support.environments import Environment

HERE = pathlib.Path(__file__).resolve().parent
WANTED = HERE / "wanted.txt"
FOLDER = kernels.REPO / "build" / "modal-env"


def environment():
    """The virtual environment that has Modal's SDK, from PyPI: build/modal-env. The first that asks makes it."""
    FOLDER.parent.mkdir(exist_ok=True)
    with open(FOLDER.with_suffix(".lock"), "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        made = Environment(FOLDER, WANTED.read_text(), "wanted.txt")
        made.make("/usr/bin/python3", "-r", WANTED)
    return made


class StandIn:
    """A stand-in that serves, with a key of its own. `variables`: the environment that the engine needs. `requests()`: what came, in that order."""

    def __init__(self, folder, key_id=None):
        self.key = key_id or "ak-" + os.urandom(11).hex(), "as-" + os.urandom(11).hex()
        self._record = pathlib.Path(folder) / "modal-requests"
        log = pathlib.Path(folder) / "modal-log"
        made = environment()
        with open(log, "wb") as errors:
            self.process = subprocess.Popen([made.python, HERE / "stand_in.py", *self.key, self._record],
                                            stdout=subprocess.PIPE, stderr=errors, text=True, start_new_session=True)
        address = self.process.stdout.readline().removeprefix("listening on ").strip()
        assert address, "the stand-in doesn't start: " + log.read_text()[-2000:]
        self.variables = {"MODAL_TOKEN_ID": self.key[0], "MODAL_TOKEN_SECRET": self.key[1], "MODAL_SERVER_URL": address,
                          "PATH": "%s:/usr/bin:/bin" % made.python.parent}

    def _lines(self):
        """The whole lines; the last one may be under way."""
        return [json.loads(line) for line in self._record.read_text().rpartition("\n")[0].splitlines()]

    def requests(self, method=None):
        return [line for line in self._lines() if "method" in line and method in (None, line["method"])]

    def ended(self):
        """The status of each sandbox that has ended, in that order."""
        return [line["status"].removeprefix("GENERIC_STATUS_") for line in self._lines() if "ended" in line]

    def stop(self):
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()
