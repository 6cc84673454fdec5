"""For attacks on the agents that serve a client beside the cells: a kernel whose surroundings are watched, and a cell's helpers."""

import contextlib

from jails import USERS
from support import kernels
from witness import Witness

HELP = """
import os, signal
def agents():
    for pid in os.listdir('/proc'):
        if pid.isdigit() and int(pid) not in (1, os.getpid()):
            with open('/proc/%s/stat' % pid) as file:
                if int(file.read().rpartition(')')[2].split()[1]) == 1: yield int(pid)
"""


@contextlib.contextmanager
def watched_kernel(user, **limits):
    """A kernel and the Witness of what lies around it. Nothing of it may be left in the end."""
    place = kernels.Place(None if user == "root" or len(USERS) == 1 else user)
    witness = Witness(place)
    kernel = None
    try:
        kernel = kernels.Kernel(place, command=[kernels.PROGRAM, "kernel", "-f", "{connection_file}", "--policy",
                                                place.policy("watched", limits=limits)])
        yield kernel, witness
    finally:
        left = kernel.stop() if kernel else {}
        witness.leave()
        place.remove()
    assert not left, "outlived the kernel: %s" % left
