"""The frames of the Jupyter protocol: made, signed, read and verified by hand.

Nothing of jupyter_client is used, so that malformed messages can be made and
so that no library hides what a kernel really sends.
"""

import datetime
import hashlib
import hmac
import itertools
import json
import uuid

DELIMITER = b"<IDS|MSG>"
_numbers = itertools.count(1)


def pack(value):
    return json.dumps(value, separators=(",", ":")).encode()


def now():
    stamp = datetime.datetime.now(datetime.timezone.utc)
    return stamp.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


class Signer:
    """HMAC-SHA256 over the four parts; an empty key signs with nothing."""

    def __init__(self, key):
        self._key = key.encode()

    def sign(self, parts):
        if not self._key:
            return b""
        mac = hmac.new(self._key, digestmod=hashlib.sha256)
        for part in parts:
            mac.update(part)
        return mac.hexdigest().encode()


class Maker:
    """Makes requests of one client."""

    def __init__(self, key, session=None, username="tester"):
        self.signer = Signer(key)
        self.session = session or uuid.uuid4().hex
        self.username = username

    def header(self, kind):
        return {"msg_id": "%s_%d" % (self.session, next(_numbers)), "msg_type": kind, "session": self.session,
                "username": self.username, "date": now(), "version": "5.3"}

    def frames(self, header, content, parent=None, metadata=None, buffers=()):
        parts = [pack(header), pack(parent or {}), pack(metadata or {}), pack(content)]
        return self.frames_of_parts(parts, buffers)

    def frames_of_parts(self, parts, buffers=()):
        """Signed rightly, whatever the parts are."""
        return [DELIMITER, self.signer.sign(parts), *parts, *buffers]


class Message:
    """A message that came from the kernel; its signature was right."""

    def __init__(self, channel, frames, signer):
        cut = frames.index(DELIMITER)
        self.channel = channel
        self.idents = frames[:cut]
        self.signature = frames[cut + 1]
        self.parts = frames[cut + 2:cut + 6]
        self.buffers = frames[cut + 6:]
        assert len(self.parts) == 4, "a message of too few frames: %r" % frames
        assert self.signature == signer.sign(self.parts), "a wrong signature on %s: %r" % (channel, self.parts[0])
        self.header, self.parent, self.metadata, self.content = (json.loads(part) for part in self.parts)
        self.type = self.header["msg_type"]
        self.parent_id = self.parent.get("msg_id")

    @property
    def state(self):
        return self.content.get("execution_state") if self.type == "status" else None

    def __repr__(self):
        text = json.dumps(self.content)
        return "<%s %s %s>" % (self.channel, self.type, text if len(text) < 300 else text[:300] + "…")
