"""Inputs of earlier sessions, asked of the host where the policy keeps them.

This session's own lines that this worker ran are known here; a dead worker's
and an earlier session's only the host knows.
"""

import json
import threading

from IPython.core.error import UsageError
from IPython.core.history import HistoryManager
from traitlets import Any

from . import cells
from .replies import Replies

MOST_QUESTIONS = 32  # of one cell; the host ends a sandbox that asks more
MOST_LINES = 10_000
MOST_PATTERN_BYTES = 256


class Questions:
    """What a cell asks of the host, one question after another."""

    def __init__(self, channel, facts):
        self._channel = channel
        self._facts = facts
        self._replies = Replies(channel, "history_reply")
        self._left = 0

    def begin_cell(self):
        self._left = MOST_QUESTIONS

    def end_cell(self):
        self._left = 0

    @property
    def kept(self):
        return bool(self._facts.get("history"))

    def ask(self, access, **fields):
        """Gives [(session, line, input)], the oldest first."""
        if not self.kept:
            raise UsageError('earlier sessions\' inputs aren\'t kept (policy "%s", key history: "keep" would)'
                             % self._facts.get("name", "?"))
        if self._channel.in_child or threading.current_thread() is not threading.main_thread():
            raise UsageError("earlier sessions' inputs can be asked for by the cell itself, not by its threads and forks")
        if self._left < 1:
            raise UsageError("a cell may ask %d times for earlier sessions' inputs" % MOST_QUESTIONS)
        self._left -= 1
        number = self._replies.new_number()
        self._channel.send({"type": "history_request", "cell": cells.current(), "request": number, "access": access,
                            **fields})
        header, buffers = self._replies.wait_for(number)
        if header.get("error"):
            raise UsageError("earlier sessions' inputs can't be had: %s" % header["error"])
        return [tuple(line) for line in json.loads(buffers[header["lines"]])]


class HostHistory(HistoryManager):
    questions = Any()
    _i = _ii = _iii = _i00 = ""  # traits in IPython: each cell sets them all, and nobody watches them

    def search(self, pattern="*", raw=True, search_raw=True, output=False, n=None, unique=False):
        if len(pattern.encode("utf-8", "replace")) > MOST_PATTERN_BYTES:
            raise UsageError("a pattern for earlier sessions' inputs has at most %d bytes" % MOST_PATTERN_BYTES)
        return _with_output(self.questions.ask("search", pattern=pattern, n=_count(n), unique=bool(unique)), output)

    def get_tail(self, n=10, raw=True, output=False, include_latest=False):
        if not self.questions.kept:
            return super().get_tail(n, raw=raw, output=output, include_latest=include_latest)
        lines = self.questions.ask("tail", n=_count(n + (not include_latest)))
        return _with_output(lines if include_latest else lines[:-1], output)

    def get_range(self, session=0, start=1, stop=None, raw=True, output=False):
        if session == 0:
            return super().get_range(session, start, stop, raw=raw, output=output)
        return _with_output(self.questions.ask("range", session=session, start=start, stop=stop), output)


def _count(n):
    return None if n is None else max(0, min(int(n), MOST_LINES))


def _with_output(lines, output):
    """Only inputs are kept."""
    return [(session, line, (text, None)) for session, line, text in lines] if output else lines
