"""Frames as bytes: how a header and its buffers are written and read (FRAMES.md)."""

import json
import struct

MAX_HEADER = 1 << 20
MAX_HEADER_IN = 8 << 20  # of what the host sends: a cell's code is there
MAX_BUFFERS = 256
MAX_BUFFER = 64 << 20
MAX_FRAME = 128 << 20

MAX_METADATA = 1 << 20  # JSON of a display's or a comm's metadata
MAX_REPLY = 8 << 20     # of a reply, of a cell's user_expressions, of its payload
MAX_STATE = 16 << 20    # of a comm's data

_HEADER_TOO_LONG = "a message with more than 1 MiB beside its contents"
_encoder = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":"))


class FrameTooLarge(ValueError):
    """What a cell wants to send doesn't fit in one frame."""


class FrameBroken(ValueError):
    """What came isn't a frame."""


def bounded(text, most, what):
    """JSON text that the host takes no more of."""
    if len(text) > most:
        raise FrameTooLarge("%s of %.1f MiB; at most %d MiB fit" % (what, len(text) / (1 << 20), most >> 20))
    return text


def header_bytes(header):
    return len(_encoder.encode(header).encode("utf-8", "replace"))


def encode(header, buffers=()):
    """The parts of a frame, to be sent one after another."""
    text = _encoder.encode(header).encode("utf-8", "replace")
    if not buffers:
        if len(text) > MAX_HEADER:
            raise FrameTooLarge(_HEADER_TOO_LONG)
        return [struct.pack(">II", len(text), 0) + text]
    views = [memoryview(buffer).cast("B") for buffer in buffers]
    lengths = [view.nbytes for view in views]
    check_sizes(len(text), lengths)
    return [struct.pack(">%dI" % (2 + len(lengths)), len(text), len(lengths), *lengths) + text, *views]


def check_sizes(header, lengths):
    if header > MAX_HEADER:
        raise FrameTooLarge(_HEADER_TOO_LONG)
    if len(lengths) > MAX_BUFFERS:
        raise FrameTooLarge("a message of %d binary parts; at most %d fit" % (len(lengths), MAX_BUFFERS))
    if lengths and max(lengths) > MAX_BUFFER:
        raise FrameTooLarge("one part of a message has %d MiB; at most 64 MiB fit" % (max(lengths) >> 20))
    if 8 + 4 * len(lengths) + header + sum(lengths) > MAX_FRAME:
        raise FrameTooLarge("a message of %d MiB; at most 128 MiB fit" % (sum(lengths) >> 20))


class Parser:
    """Bytes in, frames out: feed() what came, then next() until None. Where memory is full, each can be tried again."""

    def __init__(self):
        self._data = bytearray()
        self._taken = 0  # bytes at the front that belong to frames which were given out

    def feed(self, data):
        self._data += data

    def next(self):
        found = []
        return found[0] if self.next_into(found) else None

    def next_into(self, frames):
        """Appends the next frame to them; False where there is none yet."""
        data = self._data
        if self._taken:
            del data[:self._taken]
            self._taken = 0
        if len(data) < 8:
            return False
        header, count = struct.unpack_from(">II", data)
        if header > MAX_HEADER_IN or count > MAX_BUFFERS:
            raise FrameBroken("a frame out of bounds")
        start = 8 + 4 * count
        if len(data) < start:
            return False
        lengths = struct.unpack_from(">%dI" % count, data, 8)
        end = start + header + sum(lengths)
        if end > MAX_FRAME:
            raise FrameBroken("a frame out of bounds")
        if len(data) < end:
            return False
        frames.append(self._cut(start, header, lengths))
        self._taken = end
        return True

    def _cut(self, start, header, lengths):
        try:
            parsed = json.loads(bytes(self._data[start:start + header]))
            if not isinstance(parsed["type"], str):
                raise FrameBroken("a frame without a type")
        except (ValueError, KeyError, TypeError) as error:
            raise FrameBroken("a frame that isn't JSON: %s" % error) from None
        buffers = []
        position = start + header
        for length in lengths:
            buffers.append(bytes(self._data[position:position + length]))
            position += length
        return parsed, buffers
