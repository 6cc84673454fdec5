"""What a fork of the zygote does: it walks into its jail, in C, and its fork wakes there as the worker of a program that
was just started."""

import _signal  # signal's own functions look for an enum first
import array
import contextlib
import ctypes
import os
import sys

from cellblock_worker import process

MERSENNE_WORDS = 624

# descriptor → (path, identity): of a device or a file of /usr, held by a library, closed on the way into the jail, and there
# again inside
reopened = {}


def start_first(connection, library, descriptors):
    """Forks a supervisor, which forks a warden; both stay in C. Gives the first one's number. The warden's forks, the
    workers, come back here and stay."""
    ctypes.pythonapi.PyOS_BeforeFork()
    pid = library.cellblock_start(*descriptors)
    if pid == 0:
        connection.detach()  # its number is another's by now
        process.run_and_leave(lambda: be_worker(library))
    ctypes.pythonapi.PyOS_AfterFork_Parent()
    if pid < 0:
        raise OSError("no fork could be made")
    return pid


def be_worker(library):
    from cellblock_worker import worker  # there already
    ctypes.pythonapi.PyOS_AfterFork_Child()
    wake(library)
    agent = library.cellblock_agent()
    if agent:
        from cellblock_worker import agents
        return agents.agent_of(os.fsdecode(agent)).main(library.cellblock_worker_socket())
    debugger = library.cellblock_debugger_socket()
    worker.main(library.cellblock_worker_socket(), None if debugger < 0 else debugger)


def texts(function):
    found = []
    while (text := function(len(found))) is not None:
        found.append(text)
    return found


def wake(library):
    """What another program's start would have brought about."""
    if hasattr(sys, "orig_argv"):
        sys.orig_argv = [os.fsdecode(text) for text in texts(library.cellblock_argument)]
    reopen_files()
    # Python still believes in the zygote's handlers.
    for number in process.WORKER_SIGNALS + (_signal.SIGCHLD,):
        if number != _signal.SIGINT:  # the worker sees to that one
            _signal.signal(number, _signal.SIG_DFL)
    for number in (_signal.SIGPIPE, _signal.SIGXFSZ):
        _signal.signal(number, _signal.SIG_IGN)
    set_variables(dict(text.split(b"=", 1) for text in texts(library.cellblock_variable)))
    renew_chance()


def set_variables(wanted):
    """Most are as they should be already."""
    variables = os.environb
    for name in list(variables):
        if name not in wanted:
            del variables[name]
    for name, value in wanted.items():
        if variables.get(name) != value:
            variables[name] = value


def identity_of(fd):
    """A device's number; a file's device and inode."""
    found = os.fstat(fd)
    return found.st_rdev or (found.st_dev, found.st_ino)


def reopen_files():
    """Else another file would get the number, and be closed by whom it doesn't belong to. The number of one that is another by now
    leads nowhere: libffi would take its code from there."""
    for number, (path, identity) in reopened.items():
        try:
            fd = os.open(path, os.O_RDWR if path == "/dev/null" else os.O_RDONLY)
        except OSError:
            fd = os.open("/dev/null", os.O_RDWR)
        if identity_of(fd) != identity:
            os.close(fd)
            fd = os.open("/dev/null", os.O_RDWR)
        if fd != number:
            os.dup2(fd, number, inheritable=False)
            if fd not in reopened:
                os.close(fd)


def renew_chance():
    """No two sandboxes draw the same numbers. `random` has seen to itself, after the fork."""
    modules = sys.modules
    if "_ssl" in modules:  # a fork is told by its process id, which all jails share
        modules["_ssl"].RAND_add(os.urandom(48), 48.0)
    if "numpy.random" in modules:
        renew_numpys(modules["numpy.random"])


def renew_numpys(chance):
    """As seed() would, for a third of its memory."""
    try:
        chance.set_state(("MT19937", array.array("I", os.urandom(4 * MERSENNE_WORDS)), MERSENNE_WORDS))
    except (TypeError, ValueError):  # it has another generator
        chance.seed()


# --- before the fork

def forget_chance():
    """What is drawn once, when it is needed."""
    renew_chance()  # OpenSSL's generator comes into being, which takes longer than all the rest here
    modules = sys.modules
    if "tempfile" in modules:
        modules["tempfile"]._name_sequence = None
    if "uuid" in modules:
        modules["uuid"]._node = modules["uuid"]._last_timestamp = None


def forget_places(shown):
    """Folders that were found here; but those that a sandbox sees too, as they are here."""
    for path in list(sys.path_importer_cache):
        if not path.startswith(shown):
            del sys.path_importer_cache[path]
    if "importlib.metadata" in sys.modules:
        with contextlib.suppress(TypeError):  # Python 3.9 keeps nothing there
            sys.modules["importlib.metadata"].MetadataPathFinder.invalidate_caches()
    if "tempfile" in sys.modules:
        sys.modules["tempfile"].tempdir = None
    if "matplotlib" in sys.modules:
        for name in ("get_configdir", "get_cachedir"):
            forget_value(getattr(sys.modules["matplotlib"], name, None))


def forget_value(function):
    """Of matplotlib's own decorator for a function that is called once."""
    names = getattr(getattr(function, "__code__", None), "co_freevars", ())
    if "called" in names:
        function.__closure__[names.index("called")].cell_contents = False
