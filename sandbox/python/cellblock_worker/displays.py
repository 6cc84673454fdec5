"""Rich output: display(), results, clear_output()."""

import binascii
import hashlib
import sys
import threading

from IPython.core.displayhook import DisplayHook
from IPython.core.displaypub import DisplayPublisher
from IPython.core.formatters import BaseFormatter

from . import cells, jsontext
from .frames import MAX_METADATA, FrameTooLarge, bounded

BASE64_TYPES = frozenset(("image/png", "image/jpeg", "image/gif", "image/webp", "application/pdf"))
INLINE_TEXT = 64 * 1024  # characters of all texts in a header, which is bounded; others go as buffers
NAME_BYTES = 1000
# Nobody can give these a _repr_html_ or the like.
PLAIN_TYPES = frozenset((int, float, complex, bool, str, bytes, list, tuple, dict, set, frozenset, range, type(None)))


class DisplayFrame:
    """A MIME bundle as a frame's header and buffers."""

    def __init__(self, data, metadata, buffers=()):
        self.buffers = []
        self.data = {}
        self._inline = 0
        for mime, value in data.items():
            if isinstance(mime, str) and mime and len(mime.encode("utf-8", "replace")) <= NAME_BYTES:
                self.data[mime] = self._value(mime, value)
        self.metadata = self.add(bounded(jsontext.dump(metadata or {}), MAX_METADATA, "metadata"))
        self.extra = [self.add(buffer) for buffer in buffers]
        self.cost = 64 + sum(memoryview(part).nbytes for part in self.buffers) + sum(
            len(value) for value in self.data.values() if isinstance(value, str))

    def add(self, buffer):
        self.buffers.append(buffer)
        return len(self.buffers) - 1

    def _value(self, mime, value):
        if isinstance(value, list) and not _is_json(mime) and all(isinstance(line, str) for line in value):
            value = "".join(value)  # a text as lines, as notebooks keep it
        if isinstance(value, str):
            if mime in BASE64_TYPES:
                decoded = _from_base64(value)
                if decoded is not None:
                    return {"bytes": self.add(decoded)}
            if self._inline + len(value) > INLINE_TEXT:
                return {"text": self.add(value.encode("utf-8", "replace"))}
            self._inline += len(value)
            return value
        if isinstance(value, (bytes, bytearray, memoryview)):
            return {"bytes": self.add(bytes(value))}
        return {"json": self.add(jsontext.dump(value))}


def _is_json(mime):
    return mime == "application/json" or mime.endswith("+json")


def _from_base64(text):
    try:
        return binascii.a2b_base64(text.encode("ascii"))
    except (ValueError, UnicodeEncodeError):
        return None


def _identifier(value):
    """A display_id as text of bounded length."""
    if value is None:
        return None
    text = str(value)
    if len(text.encode("utf-8", "replace")) <= NAME_BYTES:
        return text
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()


def send_display(channel, kind, data, metadata, display_id=None, count=None, buffers=()):
    if channel.in_child:
        print(data.get("text/plain", ""))  # a forked child has only its descriptors
        return
    cell = cells.current()
    try:
        frame = DisplayFrame(data, metadata, buffers)
    except FrameTooLarge as error:
        print("cellblock: an output was left out: %s" % error, file=sys.stderr)
        return
    header = {"type": "display", "cell": cell, "kind": kind, "data": frame.data, "metadata": frame.metadata,
              "display_id": _identifier(display_id), "buffers": frame.extra}
    if count is not None:
        header["count"] = count
    try:
        channel.send(header, frame.buffers, cell=cell, cost=frame.cost)
    except FrameTooLarge as error:
        print("cellblock: an output was left out: %s" % error, file=sys.stderr)


def _silent_for(value, formatters):
    """The MIME types that certainly have nothing for a value; asking a formatter takes longer than all else of a result."""
    if type(value) not in PLAIN_TYPES:
        return ()
    return [mime for mime, one in formatters.items() if type(one).__call__ is BaseFormatter.__call__
            and not one.singleton_printers and one.type_printers.keys().isdisjoint(type(value).__mro__)
            and not any(module == "builtins" for module, _ in one.deferred_printers)]


class Publisher(DisplayPublisher):
    """display() and what else publishes."""

    channel = None
    pipes = None

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self._local = threading.local()

    @property
    def _hooks(self):
        if not hasattr(self._local, "hooks"):
            self._local.hooks = []
        return self._local.hooks

    def publish(self, data, metadata=None, source=None, *, transient=None, update=False, buffers=(), **_):
        self._validate_data(data, metadata)
        kind = "update_display_data" if update else "display_data"
        transient = transient or {}
        if self._hooks:
            message = {"header": {"msg_type": kind}, "msg_type": kind, "parent_header": {}, "metadata": {},
                       "content": {"data": data, "metadata": metadata or {}, "transient": transient}}
            for hook in self._hooks:
                message = hook(message)
                if message is None:
                    return
        self.pipes.drain()
        send_display(self.channel, kind, data, metadata, transient.get("display_id"), buffers=buffers or ())

    def clear_output(self, wait=False):
        self.pipes.drain()
        self.channel.send({"type": "clear_output", "cell": cells.current(), "wait": bool(wait)})

    def set_parent(self, parent):
        self.shell.set_parent(parent)

    def register_hook(self, hook):
        self._hooks.append(hook)

    def unregister_hook(self, hook):
        try:
            self._hooks.remove(hook)
            return True
        except ValueError:
            return False


class ResultHook(DisplayHook):
    """sys.displayhook: a cell's last value as execute_result."""

    channel = None
    pipes = None
    exec_result = None  # a trait in IPython: each cell sets it twice, and nobody watches it

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self._format = {}
        self._metadata = {}
        self.transient = {}

    def set_parent(self, parent):
        self.shell.set_parent(parent)

    def write_output_prompt(self):
        pass

    def compute_format_data(self, result):
        before = self.shell._last_traceback
        formatter = self.shell.display_formatter
        bundle, metadata = formatter.format(result, exclude=_silent_for(result, formatter.formatters))
        if self.shell._last_traceback is not before and "text/plain" not in bundle:
            self.shell.result_failed = True
        return bundle, metadata

    def write_format_data(self, format_dict, md_dict=None):
        self._format, self._metadata = format_dict, md_dict or {}

    def finish_displayhook(self):
        data, metadata, transient = self._format, self._metadata, self.transient
        self._format, self._metadata, self.transient = {}, {}, {}
        if data:
            self.pipes.drain()
            send_display(self.channel, "execute_result", data, metadata, transient.get("display_id"),
                         count=self.prompt_count)
        self._is_active = False
