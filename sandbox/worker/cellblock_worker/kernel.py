"""get_ipython().kernel: what libraries look for there, and no more."""

import sys
import types


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
        self._parent = {}
        self.banner = ""
        self.language_info = {"name": "python", "version": sys.version.split()[0]}

    # The request at hand, as ipywidgets' Output needs it.

    def set_parent_id(self, msg_id, msg_type):
        header = {"msg_id": msg_id, "msg_type": msg_type, "username": "", "session": "", "version": "5.3"}
        self._parent = {"header": header, "msg_id": msg_id, "msg_type": msg_type, "parent_header": {},
                        "metadata": {}, "content": {}}

    def get_parent(self, channel=None):
        return self._parent

    @property
    def _parent_header(self):
        return self._parent

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
