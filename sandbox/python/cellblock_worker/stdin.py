"""input() and getpass(): asked of the user through the host.

Whoever asks waits for the answer (replies.py); pdb is told of an interrupt.
"""

import bdb
import builtins
import getpass
import pdb
import sys

from . import cells
from .replies import Replies

MAX_PROMPT = 4096  # characters

EOF_MARK = "\x04"


class Stdin:
    def __init__(self, channel, pipes):
        self._channel = channel
        self._pipes = pipes
        self.replies = Replies(channel, "input_reply")
        self._interrupted_in_pdb = False
        self.allowed = False

    def install(self):
        builtins.input = self.input
        getpass.getpass = self.getpass

    def begin_cell(self, allowed):
        self.allowed = allowed
        self._interrupted_in_pdb = False
        # Python 3.14 would take the last cell's for breakpoint(), and one that was left by q or an interrupt stops nowhere.
        pdb.Pdb._last_pdb_instance = None

    def input(self, prompt="", /):
        """Ask the user for a line of text."""
        return self._ask(prompt, "raw_input", password=False)

    def getpass(self, prompt="Password: ", stream=None, **_):
        """Ask the user for a line of text that isn't shown."""
        return self._ask(prompt, "getpass", password=True)

    def _ask(self, prompt, name, password):
        if self._channel.in_child:
            raise EOFError("a forked process can't ask for input in this sandbox")
        if not self.allowed:
            from IPython.core.error import StdinNotImplementedError
            raise StdinNotImplementedError(
                "%s was called, but this frontend does not support input requests." % name)  # programs look for these words
        if self._interrupted_in_pdb and _within_pdb():
            # pdb answers an interrupt by asking again; to the user it meant: stop.
            raise bdb.BdbQuit("interrupted")
        try:  # around all of it: an interrupt may come before the request is out, or with it
            number = self.replies.new_number()
            self._pipes.drain()
            self._channel.send({"type": "input_request", "cell": cells.current(), "request": number,
                                "prompt": str(prompt)[:MAX_PROMPT], "password": password})
            value = str(self.replies.wait_for(number)[0].get("value", ""))
        except KeyboardInterrupt:
            self._interrupted_in_pdb = True
            raise KeyboardInterrupt("Interrupted by user") from None
        if value == EOF_MARK:
            raise EOFError
        return value


def _within_pdb():
    frame = sys._getframe(1)
    while frame is not None:
        if frame.f_code.co_name == "cmdloop" and isinstance(frame.f_locals.get("self"), bdb.Bdb):
            return True
        frame = frame.f_back
    return False
