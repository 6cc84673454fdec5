"""Comms: the worker's ends of widgets' connections.

Serves the `comm` package, where it is installed, and code that imports Comm
from ipykernel.comm (ipywidgets up to 7).
"""

import sys
import uuid

from . import cells, jsontext
from .frames import MAX_METADATA, MAX_STATE, bounded


class Comm:
    """One connection. Opens itself on creation, unless the front end did."""

    def __init__(self, target_name="", data=None, metadata=None, buffers=None, comm_id=None, primary=True,
                 target_module=None, topic=None, _open_data=None, _close_data=None, kernel=None, **_):
        self.comm_id = comm_id or uuid.uuid4().hex
        self.primary = primary
        self.target_name = target_name or "comm"
        self.target_module = target_module
        self.topic = topic or ("comm-%s" % self.comm_id).encode()
        self.kernel = self._manager.kernel
        self._open_data = _open_data or {}
        self._close_data = _close_data or {}
        self._msg_callback = None
        self._close_callback = None
        self._closed = True
        if primary:
            self.open(data, metadata, buffers)
        else:
            self._closed = False

    def open(self, data=None, metadata=None, buffers=None):
        self._manager.register_comm(self)
        self._closed = False
        try:
            self._manager.send("comm_open", self, self._open_data if data is None else data, metadata, buffers,
                               target_name=self.target_name, target_module=self.target_module)
        except BaseException:
            self._manager.unregister_comm(self)
            self._closed = True
            raise

    def close(self, data=None, metadata=None, buffers=None, deleting=False):
        if self._closed:
            return
        self._closed = True
        self._manager.send("comm_close", self, self._close_data if data is None else data, metadata, buffers)
        if not deleting:
            self._manager.unregister_comm(self)

    def send(self, data=None, metadata=None, buffers=None):
        self._manager.send("comm_msg", self, {} if data is None else data, metadata, buffers)

    def publish_msg(self, msg_type, data=None, metadata=None, buffers=None, **keys):
        self._manager.send(msg_type, self, data, metadata, buffers, **keys)

    def on_msg(self, callback):
        self._msg_callback = callback

    def on_close(self, callback):
        self._close_callback = callback

    def handle_msg(self, msg):
        self._with_events(self._msg_callback, msg)

    def handle_close(self, msg):
        self._closed = True
        self._with_events(self._close_callback, msg)

    def _with_events(self, callback, msg):
        if not callback:
            return
        shell = self._manager.kernel.shell
        shell.events.trigger("pre_execute")
        try:
            callback(msg)
        finally:
            shell.events.trigger("post_execute")


class CommManager:
    """All comms, and who wants those that the front end opens.

    There is one: ipykernel's own modules, where a cell imports them, put CommManager() in the place of comm's manager.
    """

    _only = None

    def __new__(cls, kernel=None):
        return super().__new__(cls) if kernel is not None or cls._only is None else cls._only

    def __init__(self, kernel=None):
        if kernel is None:
            return
        type(self)._only = self
        self._channel = None
        self._pipes = None
        self.kernel = kernel
        self.comms = {}
        self.targets = {}

    def attach(self, channel, pipes):
        self._channel = channel
        self._pipes = pipes

    def register_target(self, target_name, f):
        if isinstance(f, str):
            module, _, name = f.rpartition(".")
            f = getattr(__import__(module, fromlist=[name]), name)
        self.targets[target_name] = f

    def unregister_target(self, target_name, f=None):
        return self.targets.pop(target_name)

    def register_comm(self, comm):
        self.comms[comm.comm_id] = comm
        return comm.comm_id

    def unregister_comm(self, comm):
        self.comms.pop(comm.comm_id, None)

    def get_comm(self, comm_id):
        return self.comms.get(comm_id)

    def info(self, target_name):
        return {key: {"target_name": comm.target_name} for key, comm in self.comms.items()
                if target_name is None or comm.target_name == target_name}

    # --- to the front end

    def send(self, kind, comm, data, metadata=None, buffers=None, **keys):
        self._pipes.drain()
        header = {"type": kind, "cell": cells.current(), "comm_id": comm.comm_id, "data": 0, "metadata": 1}
        for key in ("target_name", "target_module") if kind == "comm_open" else ():
            header[key] = keys.get(key)
        extra = [memoryview(buffer).cast("B") if memoryview(buffer).contiguous else bytes(buffer)
                 for buffer in buffers or ()]
        header["buffers"] = list(range(2, 2 + len(extra)))
        state = bounded(jsontext.dump(dict(data or {})), MAX_STATE, "a comm's message")
        more = bounded(jsontext.dump(dict(metadata or {})), MAX_METADATA, "metadata")
        self._channel.send(header, [state, more, *extra])

    # --- from the front end

    def comm_open(self, message):
        content = message["content"]
        comm_id, target_name = content["comm_id"], content["target_name"]
        target = self.targets.get(target_name)
        comm = self.comm_class(comm_id=comm_id, target_name=target_name, primary=False)
        self.register_comm(comm)
        if target is None:
            print("cellblock: no comm target named %r" % target_name, file=sys.stderr)
            comm.close()
            return
        try:
            target(comm, message)
        except BaseException:
            comm.close()
            raise

    def comm_msg(self, message):
        comm = self.comms.get(message["content"]["comm_id"])
        if comm is not None:
            comm.handle_msg(message)

    def comm_close(self, message):
        comm = self.comms.pop(message["content"]["comm_id"], None)
        if comm is not None:
            comm.handle_close(message)


def install(kernel):
    """Makes the manager and shows it to the libraries."""
    manager = CommManager(kernel)
    try:
        import comm
    except ImportError:
        comm = None
    bases = (Comm,) if comm is None else (Comm, comm.base_comm.BaseComm)
    manager.comm_class = type("Comm", bases, {"_manager": manager, "__module__": "ipykernel.comm"})
    if comm is not None:
        comm.create_comm = manager.comm_class
        comm.get_comm_manager = lambda: manager
    return manager
