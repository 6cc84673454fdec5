"""Waiting for the host's reply in the midst of a cell.

The thread that asks reads the socket itself until its reply comes; other
frames stay in the inbox. Replies to other requests are stale and dropped.
"""

import threading

POLL_SECONDS = 0.1  # of a thread that isn't the main one


class Replies:
    def __init__(self, channel, kind):
        self._channel = channel
        self._kind = kind
        self._numbers = 0
        self._lock = threading.Lock()
        self.woken = lambda: None  # frames for the main loop have come

    def new_number(self):
        with self._lock:
            self._numbers += 1
            return self._numbers

    def wait_for(self, number):
        on_main = threading.current_thread() is threading.main_thread()
        while True:
            for frame in list(self._channel.inbox):
                header = frame[0]
                if header["type"] != self._kind:
                    continue
                if header.get("request") == number or not self._someone_waits_for(header):
                    try:
                        self._channel.inbox.remove(frame)
                    except ValueError:
                        continue
                if header.get("request") == number:
                    if not on_main:
                        self.woken()
                    return frame
            self._channel.receive(None if on_main else POLL_SECONDS)

    def _someone_waits_for(self, header):
        return isinstance(header.get("request"), int) and header["request"] == self._numbers
