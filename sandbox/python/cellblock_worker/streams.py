"""sys.stdout and sys.stderr of the cells."""

import codecs
import io
import os
from time import monotonic

from . import cells
from .cells import cell_of_context

RECENT_SECONDS = 0.0001


class OutputStream(io.TextIOBase):
    """Text goes to the host as a frame; in a forked child, to the descriptor."""

    encoding = "UTF-8"
    errors = "replace"
    newlines = None
    line_buffering = False
    write_through = False
    mode = "w"

    def __init__(self, name, fd, channel, pipes):
        self._stream = name
        self._fd = fd
        self._channel = channel
        self._text = channel.text
        self._pipes = pipes
        self._checked_at = 0.0
        self._at_line_start = True
        self._child_text = ""  # of a forked child: the line that isn't whole yet
        self.name = "<%s>" % name
        self.buffer = ByteStream(self)

    # print() comes here twice a line: every call and system call counts.
    def write(self, text):
        if not isinstance(text, str):
            raise TypeError("write() argument must be str, not %s" % type(text).__name__)
        if self._channel.in_child:
            self._write_in_child(text)
            return len(text)
        if self._at_line_start or monotonic() - self._checked_at > RECENT_SECONDS:
            # What a child or C code has written to the descriptor comes first. Looking at each
            # line's begin, or after a while, is cheaper than at each piece of a line.
            pipes = self._pipes
            if pipes.hold_something(0) or pipes.owner:
                pipes.drain()
            self._checked_at = monotonic()
        if text:
            self._at_line_start = text[-1] == "\n"
            self._text(cell_of_context(None) or cells.current(), self._stream, text)
        return len(text)

    def _write_in_child(self, text):
        """Whole lines at a time, so that those of several children don't mix."""
        lines, newline, rest = (self._child_text + text).rpartition("\n")
        self._child_text = rest
        self._write_to_descriptor(lines + newline)

    def _write_to_descriptor(self, text):
        data = memoryview(text.encode("utf-8", "replace"))
        while data:
            data = data[os.write(self._fd, data):]

    def writelines(self, lines):
        for line in lines:
            self.write(line)

    def flush(self):
        if not self._channel.in_child:
            self._channel.flush_soon()
        elif self._child_text:
            text, self._child_text = self._child_text, ""
            self._write_to_descriptor(text)

    def fileno(self):
        return self._fd

    def isatty(self):
        return False

    def writable(self):
        return True

    def readable(self):
        return False

    def seekable(self):
        return False

    def reconfigure(self, **_):
        pass

    # The request whose output this is, as in ipykernel's streams.

    @property
    def parent_header(self):
        return _shell().get_parent().get("header", {})

    def set_parent(self, parent):
        _shell().set_parent(parent)

    def detach(self):
        raise io.UnsupportedOperation("detach")

    def close(self):
        pass  # a cell that closes sys.stdout means its own use of it

    def __del__(self):
        pass


def _shell():
    from IPython.core.getipython import get_ipython
    return get_ipython()


class ByteStream(io.BufferedIOBase):
    """sys.stdout.buffer: bytes become text of the stream, characters kept whole."""

    mode = "wb"

    def __init__(self, stream):
        self._text = stream
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self.name = stream.name
        self.raw = self

    def write(self, data):
        view = memoryview(data).cast("B") if not isinstance(data, (bytes, bytearray)) else data
        self._text.write(self._decoder.decode(bytes(view)))
        return len(view)

    def flush(self):
        self._text.flush()

    def fileno(self):
        return self._text.fileno()

    def isatty(self):
        return False

    def writable(self):
        return True

    def readable(self):
        return False

    def close(self):
        pass

    def __del__(self):
        pass
