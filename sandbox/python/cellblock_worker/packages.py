"""%pip install, where the policy's `packages` allows it.

The host asks the index and unpacks, outside of this sandbox; what it installed is seen at
/packages at once.
"""

import importlib
import os
import sys
import threading

from IPython.core.error import UsageError

from . import cells, requirements
from .replies import Replies

FOLDER = "/packages"
MOST = 32  # installs of one cell; the host ends a sandbox that asks more
MOST_AT_ONCE = 32  # requirements of one install


class Packages:
    def __init__(self, channel, pipes, facts):
        self._channel = channel
        self._pipes = pipes
        self._facts = facts
        self._replies = Replies(channel, "install_reply")
        self._asked = {}

    @property
    def allowed(self):
        """The policy's list; empty: nothing may be installed."""
        return self._facts.get("packages") or []

    def show(self):
        """What is installed can be imported, here and by child processes."""
        if not self.allowed or not os.path.isdir(FOLDER):
            return
        if FOLDER not in sys.path:
            sys.path.insert(self._place(), FOLDER)
        others = [path for path in os.environ.get("PYTHONPATH", "").split(os.pathsep) if path and path != FOLDER]
        os.environ["PYTHONPATH"] = os.pathsep.join([FOLDER, *others])
        programs = os.environ.get("PATH", "").split(os.pathsep)
        if FOLDER + "/bin" not in programs:
            os.environ["PATH"] = os.pathsep.join([FOLDER + "/bin", *programs])

    @staticmethod
    def _place():
        """Before the Python's own packages, after its library."""
        for place, path in enumerate(sys.path):
            if path.endswith(("site-packages", "dist-packages")):
                return place
        return len(sys.path)

    def install(self, words, refusal):
        """`words`: what follows `%pip install`; `refusal`: what is said where the policy allows nothing."""
        try:
            asked = requirements.Asked(words)
        except requirements.FileProblem as problem:
            raise UsageError(str(problem)) from None
        except UsageError:
            if not self.allowed:
                raise UsageError(refusal) from None
            raise
        missing = asked.requirements
        if not asked.upgrade:
            importlib.invalidate_caches()
            settled = [requirements.settle(text) for text in missing]
            missing = [text for text, _ in settled if text]
            for _, line in settled:
                if line and not asked.quiet:
                    print(line)
        if missing and not self.allowed:
            raise UsageError(refusal)
        for first in range(0, len(missing), MOST_AT_ONCE):
            self._ask(missing[first:first + MOST_AT_ONCE], asked.upgrade)

    def _ask(self, wanted, upgrade):
        if self._channel.in_child or threading.current_thread() is not threading.main_thread():
            raise UsageError("packages can be installed by the cell itself, not by its threads and forks")
        cell = cells.current()
        self._asked = {cell: self._asked.get(cell, 0) + 1}
        if self._asked[cell] > MOST:
            raise UsageError("a cell may install %d times" % MOST)
        number = self._replies.new_number()
        self._pipes.drain()
        self._channel.send({"type": "install_request", "cell": cell, "request": number,
                            "requirements": wanted, "upgrade": upgrade})
        reply, _ = self._replies.wait_for(number)
        if reply.get("error"):
            raise UsageError(reply["error"])
        self.show()
        importlib.invalidate_caches()
        self._tell(reply.get("installed") or [], reply.get("present") or [])

    @staticmethod
    def _tell(installed, present):
        for pin in present:
            print("Requirement already satisfied: %s in %s" % (pin, FOLDER))
        if installed:
            print("Successfully installed " + " ".join(pin.replace("==", "-") for pin in installed))
        loaded = sorted({pin.partition("==")[0] for pin in installed} & {name.replace("_", "-") for name in sys.modules})
        if loaded:
            print("Note: %s is loaded already; restart the kernel to use what was installed." % ", ".join(loaded))

