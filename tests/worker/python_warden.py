"""The Python warden (sandbox/python/remote/warden.py) on descriptor 3, a plain socket in place of a relay's Mux."""

import os
import pathlib
import socket
import sys

FOLDER = str(pathlib.Path(__file__).resolve().parents[2] / "sandbox" / "python")
sys.path.insert(0, FOLDER)
import cellblock_worker.process  # noqa: E402,F401  (its package's other modules are found from here on)
from remote import warden  # noqa: E402
sys.path.remove(FOLDER)


class Control:
    """What the warden wants of a Mux."""

    def __init__(self):
        self._socket = socket.socket(fileno=3)
        os.set_inheritable(3, False)
        self.control, self.descriptors, self.ended = bytearray(), [], False
        self.fileno, self.sendall, self.close = self._socket.fileno, self._socket.sendall, self._socket.close

    def pump(self):
        try:
            data, descriptors, _, _ = socket.recv_fds(self._socket, 65536, 4)
        except ConnectionError:
            data, descriptors = b"", []
        self.control += data
        self.descriptors += descriptors
        self.ended = not data

    def empty_lanes(self):
        """The worker has its socket itself."""


ours = warden.Warden(Control(), warden.has_namespace())
try:
    ours.run()
except warden.BadFrame as error:
    sys.exit("warden: the host sent %s" % error)
finally:
    ours.kill_all()
