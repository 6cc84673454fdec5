"""The zygote: a Python that has imported what cells will want, and forks.

Started for the daemon (sandbox/pool) in a jail of its own (jail/keeper.h): it
sees what each sandbox sees of the Python and of the system, and nothing else.
The daemon sends the task on descriptor 3 and then one message for each
sandbox. The zygote never runs a cell and never reads a plan: the fork does
that, so that nothing of one sandbox is in the memory that the next one gets. A fork walks into its jail by libcellblock_jail.so and stays
there as PID 1, the warden; what comes back to Python are the warden's forks.

imports.py has what is imported, alone.py what is checked, fork.py what a fork does.
"""

import _socket
import array
import importlib.util
import json
import os
import signal
import sys

SOCKET = 3
TASK_BYTES = 128 * 1024
DESCRIPTORS = 6    # plan, control, warden, output to read and to write, attendant
OURS = ("cellblock_worker", "zygote")  # modules and packages


class WorkerFinder:
    """Finds our own files and the worker's package."""

    folder = ""

    @classmethod
    def find_spec(cls, name, path=None, target=None):
        if name.partition(".")[0] not in OURS:
            return None
        place = os.path.join(cls.folder, *name.split("."))
        package = os.path.isdir(place)
        file = place + "/__init__.py" if package else place + ".py"
        return importlib.util.spec_from_file_location(name, file,
                                                      submodule_search_locations=[place] if package else None)


# --- sandboxes

def tell_of_ends(connection):
    """Gives a handler of SIGCHLD, which tells the daemon of each fork's end."""
    def reap(*_):
        try:
            while True:
                pid, status = os.waitpid(-1, os.WNOHANG)
                if pid == 0:
                    break
                connection.send(b"d" + in_bytes(pid, 4) + in_bytes(status, 4), _socket.MSG_DONTWAIT)
        except OSError:
            pass  # there is no child, or no daemon
    return reap


def in_bytes(number, size):
    return number.to_bytes(size, sys.byteorder)


def serve(connection, library):
    """A fork for each message, until the daemon is gone."""
    signal.signal(signal.SIGCHLD, tell_of_ends(connection))
    numbers = array.array("i")
    space = _socket.CMSG_SPACE(DESCRIPTORS * numbers.itemsize)
    while True:
        data, ancillary, _, _ = connection.recvmsg(16, space, _socket.MSG_CMSG_CLOEXEC)
        if not data:
            os._exit(0)
        numbers = array.array("i")
        for _, _, payload in ancillary:
            numbers.frombytes(payload[:len(payload) - len(payload) % numbers.itemsize])
        if len(numbers) == DESCRIPTORS and threads() == 1:
            make_sandbox(connection, library, data[1:], numbers)
        else:
            connection.send(b"n" + data[1:] + b"it has a thread, or got no descriptors")
        for fd in numbers:
            os.close(fd)


def make_sandbox(connection, library, number, descriptors):
    """`number`: the daemon's, for its answer."""
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGCHLD})  # so that its number stays its own until pidfd_open
    try:
        pid = start_first(connection, library, descriptors)
        process = os.pidfd_open(pid)
        connection.sendmsg([b"y" + number + in_bytes(pid, 4)],
                           [(_socket.SOL_SOCKET, _socket.SCM_RIGHTS, array.array("i", [process]))])
        os.close(process)
    except OSError as error:
        connection.send(b"n" + number + str(error).encode())
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGCHLD})


# --- the start

def first_message():
    """(connection, task). From then on our own files are found."""
    connection = _socket.socket(fileno=SOCKET)
    os.set_inheritable(SOCKET, False)
    task = json.loads(connection.recv(TASK_BYTES))
    WorkerFinder.folder = task["worker"]
    sys.meta_path.insert(0, WorkerFinder)
    return connection, task


def main(connection, task):
    def tell(message):
        connection.send(json.dumps(message).encode())

    try:
        library, found, unfit = prepare(task, tell)
    except Refused as reason:
        tell({"refused": str(reason)})
        sys.exit(1)
    sys.meta_path.remove(WorkerFinder)
    for name in [name for name in sys.modules if name.partition(".")[0] == "zygote"]:
        del sys.modules[name]  # cells find what they would find without a zygote
    tell({"ready": found, "unfit": unfit})
    del task, found, unfit
    serve(connection, library)


first = first_message()
from zygote.fork import start_first  # noqa: E402
from zygote.alone import Refused, threads  # noqa: E402
from zygote.imports import prepare  # noqa: E402
main(*first)
