"""get_ipython().kernel: what libraries look for there, and no more."""

import collections
import sys
import types

from . import cells

REQUESTS = 1000  # that are remembered: whose output a thread may still ask for


class Kernel:
    """Stands for the kernel on this side of the sandbox's wall."""

    implementation = "cellblock"
    session = None
    iopub_socket = None
    shell_streams = ()
    eventloop = None
    ident = ""

    def __init__(self):
        self.shell = None
        self.comm_manager = None
        self._requests = collections.OrderedDict()  # messages by cell
        self._cells = {}                            # cells by the message's id
        self.is_leaving = False                     # the worker ends after this cell
        self.banner = ""
        self.language_info = {"name": "python", "version": sys.version.split()[0]}

    # The request at hand, as ipywidgets' Output needs it.

    def begin_request(self, cell, msg_id, msg_type):
        header = {"msg_id": msg_id, "msg_type": msg_type, "username": "", "session": "", "version": "5.3"}
        self._requests[cell] = {"header": header, "msg_id": msg_id, "msg_type": msg_type, "parent_header": {},
                                "metadata": {}, "content": {}, "buffers": []}
        self._cells[msg_id] = cell
        while len(self._requests) > REQUESTS:
            _, oldest = self._requests.popitem(last=False)
            self._cells.pop(oldest["msg_id"], None)

    def get_parent(self, channel=None):
        """The request that the code at hand belongs to: in a thread the one of the cell that started it."""
        return self._requests.get(cells.current()) or self._requests.get(cells.latest(), {})

    def set_parent(self, ident, parent=None, channel=None):
        """From here on, what this thread writes goes to the cell of that request."""
        try:
            cell = self._cells.get(parent["header"]["msg_id"])
        except (KeyError, TypeError):
            cell = None
        if cell is not None:
            cells.join(cell)

    @property
    def _parent_header(self):
        return self.get_parent()

    def do_shutdown(self, restart=False):
        """Ends this session's Python after the cell; the next cell finds a new one."""
        self.is_leaving = True
        return {"status": "ok", "restart": bool(restart)}

    _parent_ident = types.MappingProxyType({})

    @property
    def execution_count(self):
        return self.shell.execution_count

    @property
    def user_ns(self):
        return self.shell.user_ns

    def do_one_iteration(self):
        pass

    def __repr__(self):
        return "<cellblock's kernel, seen from the sandbox>"
