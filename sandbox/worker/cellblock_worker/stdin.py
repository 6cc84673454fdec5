"""input() and getpass(): asked of the user through the host.

The thread that asks reads the socket itself until its answer comes; other
frames stay in the inbox. Answers to other requests are stale and dropped.
"""

import bdb
import builtins
import getpass
import sys
import threading

from . import cells

EOF_MARK = "\x04"
POLL_SECONDS = 0.1  # of a thread that isn't the main one


class Stdin:
    def __init__(self, channel, pipes):
        self._channel = channel
        self._pipes = pipes
        self._numbers = 0
        self._lock = threading.Lock()
        self._interrupted_in_pdb = False
        self.allowed = False
        self.woken = lambda: None  # frames for the main loop have come

    def install(self):
        builtins.input = self.input
        getpass.getpass = self.getpass

    def begin_cell(self, allowed):
        self.allowed = allowed
        self._interrupted_in_pdb = False

    def input(self, prompt="", /):
        """Ask the user for a line of text."""
        return self._ask(prompt, password=False)

    def getpass(self, prompt="Password: ", stream=None, **_):
        """Ask the user for a line of text that isn't shown."""
        return self._ask(prompt, password=True)

    def _ask(self, prompt, password):
        if self._channel.in_child:
            raise EOFError("a forked process can't ask for input in this sandbox")
        if not self.allowed:
            from IPython.core.error import StdinNotImplementedError
            raise StdinNotImplementedError(
                "input was called, but this frontend does not support input requests.")
        if self._interrupted_in_pdb and _within_pdb():
            # pdb answers an interrupt by asking again; to the user it meant: stop.
            raise bdb.BdbQuit("interrupted")
        with self._lock:
            self._numbers += 1
            number = self._numbers
        self._pipes.drain()
        self._channel.send({"type": "input_request", "cell": cells.current(), "request": number,
                            "prompt": str(prompt), "password": password})
        try:
            value = self._await_reply(number)
        except KeyboardInterrupt:
            self._interrupted_in_pdb = True
            raise KeyboardInterrupt("Interrupted by user") from None
        if value == EOF_MARK:
            raise EOFError
        return value

    def _await_reply(self, number):
        on_main = threading.current_thread() is threading.main_thread()
        while True:
            for frame in list(self._channel.inbox):
                header = frame[0]
                if header["type"] != "input_reply":
                    continue
                if header.get("request") == number or not self._someone_waits_for(header):
                    try:
                        self._channel.inbox.remove(frame)
                    except ValueError:
                        continue
                if header.get("request") == number:
                    if not on_main:
                        self.woken()
                    return str(header.get("value", ""))
            self._channel.receive(None if on_main else POLL_SECONDS)

    def _someone_waits_for(self, header):
        return isinstance(header.get("request"), int) and header["request"] == self._numbers


def _within_pdb():
    frame = sys._getframe(1)
    while frame is not None:
        if frame.f_code.co_name == "cmdloop" and isinstance(frame.f_locals.get("self"), bdb.Bdb):
            return True
        frame = frame.f_back
    return False
