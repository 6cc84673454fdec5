"""What the worker needs before its first cell: streams, IPython, C code's output unbuffered."""

import collections
import sys
import warnings

from . import cells, figures, ipython_import
from .streams import OutputStream

OLDEST_IPYTHON = (8, 5)
# A stack counts as memory before it is used: of 8 MiB each, a hundred threads that sleep would fill 1 GiB.
THREAD_STACK = 2 << 20


class CannotStart(Exception):
    """The reason is for the user."""


def install_streams(lines):
    sys.stdout = OutputStream("stdout", 1, lines.channel, lines.pipes)
    sys.stderr = OutputStream("stderr", 2, lines.channel, lines.pipes)
    sys.__stdout__ = open(1, "w", encoding="utf-8", errors="replace", buffering=1, closefd=False)
    sys.__stderr__ = open(2, "w", encoding="utf-8", errors="replace", buffering=1, closefd=False)
    sys.stdin = sys.__stdin__ = open(0, encoding="utf-8", errors="replace", closefd=False)
    lines.pipes.start()
    cells.follow_threads()


def be_a_program():
    """As a script's Python finds itself, without a screen."""
    sys.argv = [""]
    if "" not in sys.path:
        sys.path.insert(0, "")
    figures.choose_backend()


def find_ipython():
    """IPython's release, or CannotStart with what to install."""
    try:
        ipython_import.import_ipython()
        from IPython.core import release
    except ImportError as error:
        raise CannotStart(missing_ipython(error)) from None
    if release.version_info[:2] < OLDEST_IPYTHON:
        raise CannotStart("IPython %s in %s is too old; cellblock needs 8.5 or later. Run: %s -m pip install "
                          "--upgrade ipython" % (release.version, sys.executable, sys.executable))
    return release


def missing_ipython(error):
    if getattr(error, "name", None) not in (None, "IPython"):
        return "IPython can't be imported by %s: %s" % (sys.executable, error)
    return ("%s has no IPython, which cellblock needs. Run: %s -m pip install ipython (or, for Debian's own "
            "Python: apt-get install python3-ipython)" % (sys.executable, sys.executable))


def change_process():
    """What holds for the whole process, and for each fork of it."""
    hide_own_flags()
    unbuffer_c_output()
    make_thread_stacks_small()
    # Python 3.12 warns of threads at a fork; the only one that a cell didn't make is taken care of.
    warnings.filterwarnings("ignore", message=".* is multi-threaded, use of fork", category=DeprecationWarning)


def hide_own_flags():
    """The worker's Python was started with -I and -S. Programs that a cell starts in its likeness (joblib's,
    multiprocessing's) ask sys.flags, and wouldn't find the packages."""
    flags = sys.flags
    names = [name for name in dir(flags) if not name.startswith(("_", "n_")) and name not in ("count", "index")]
    values = {name: getattr(flags, name) for name in names}
    values.update({name: type(values[name])(0) for name in ("isolated", "no_site", "no_user_site", "ignore_environment",
                                                            "safe_path") if name in values})
    sys.flags = collections.namedtuple("flags", names)(**values)


def unbuffer_c_output():
    """printf of C code appears with its cell, not when the process ends."""
    try:
        import ctypes
        libc = ctypes.CDLL(None)
        stdout = ctypes.c_void_p.in_dll(libc, "stdout")
        libc.setvbuf(stdout, None, 1, 0)  # _IOLBF
    except Exception:
        pass


def make_thread_stacks_small():
    """Those of threads that ask for no size, Python's and C libraries'. The main thread's stack stays as it is."""
    try:
        import ctypes
        libc = ctypes.CDLL(None)
        attributes = ctypes.create_string_buffer(256)  # a pthread_attr_t has 56 bytes
        if (libc.pthread_attr_init(attributes) == 0
                and libc.pthread_attr_setstacksize(attributes, ctypes.c_size_t(THREAD_STACK)) == 0):
            libc.pthread_setattr_default_np(attributes)
    except Exception:
        pass  # another C library, with smaller stacks of its own


def call_at_exit(work):
    """When exit() of the C library ends this process; os._exit() doesn't come here."""
    global _at_exit
    try:
        import ctypes
        _at_exit = ctypes.CFUNCTYPE(None, ctypes.c_void_p)(lambda _: work())
        getattr(ctypes.CDLL(None), "__cxa_atexit")(_at_exit, None, None)
    except Exception:
        pass  # it goes without


_at_exit = None  # keeps it from being collected
