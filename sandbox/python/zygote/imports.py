"""What a zygote imports before it forks.

All of its memory can be read by cells, and is there in each of its forks.
"""

import contextlib
import ctypes
import gc
import importlib
import os
import sys
import time

from . import learned, memory
from .alone import Refused, check_alone
from .fork import forget_chance, forget_places, set_variables

SCRATCH = "/tmp"


# --- imports

def import_worker(task):
    """What every sandbox needs: the worker and IPython."""
    try:
        from cellblock_worker import figures, ipython_import, startup
        startup.find_ipython()
        figures.choose_backend()
        for name in sorted(os.listdir(os.path.join(task["worker"], "cellblock_worker"))):
            if name.endswith(".py") and name != "__init__.py":
                importlib.import_module("cellblock_worker." + name[:-3])
    except Refused:
        raise
    except ImportError as error:
        raise Refused(str(error)) from None
    except Exception as error:  # CannotStart among them
        raise Refused("%s: %s" % (type(error).__name__, error)) from None
    with contextlib.suppress(ImportError):
        ipython_import.import_jedi()
    import_what_comes_later()


def import_what_comes_later():
    """Modules that a first cell would import."""
    for name in ("asyncio", "traceback", "inspect", "pprint", "_ssl", "IPython.core.completerlib"):
        try:
            importlib.import_module(name)
        except ImportError:
            pass


def import_preload(names):
    for name in names:
        try:
            importlib.import_module(name)
        except BaseException as error:
            raise Refused("the module %s of the policy's `preload` can't be imported: %s: %s"
                          % (name, type(error).__name__, error)) from None
        check_alone("the module %s of the policy's `preload`" % name)


# --- where things come from

def shown_places(task):
    return tuple(place.rstrip("/") + "/" for place in ("/usr", "/lib", task["worker"], *task["prefixes"]))


def check_origins(task):
    """What is in memory, cells can read: so no code from where the jail shows nothing."""
    places = shown_places(task)
    for name, module in list(sys.modules.items()):
        file = getattr(module, "__file__", None)
        if not isinstance(file, str) or name == "__main__":
            continue
        ways = (os.path.abspath(file), os.path.realpath(file))
        if not any(way.startswith(places) for way in ways):
            raise Refused("the module %s comes from %s, which a sandbox doesn't see" % (name, file))


# --- is it still the same on disk?

class Period:
    """The time since this object was made, for comparisons with times of files.

    The system's clock may be set meanwhile, and times of files may lie in its future: a file's time is within the period by the
    clock as it was at the beginning, or by the clock as it is now.
    """

    def __init__(self):
        self._begin, self._steady_begin = time.time_ns(), time.monotonic_ns()

    def has(self, moment):
        now, passed = time.time_ns(), time.monotonic_ns() - self._steady_begin
        return self._begin < moment <= self._begin + passed or now - passed < moment <= now


def stamps(task, imports):
    """[[path, stamp]]: each folder that modules came from. What else matters the daemon knows itself."""
    paths = {path for path in sys.path if os.path.isdir(path)}
    for module in list(sys.modules.values()):
        file = getattr(module, "__file__", None)
        if isinstance(file, str) and os.path.isfile(file) and not file.startswith(task["worker"]):
            paths.add(os.path.dirname(file))
    found = []
    for path in sorted(paths):
        info = os.stat(path)
        if imports.has(info.st_mtime_ns):
            raise Refused("%s was changed during the imports" % path)
        found.append([path, "%d:%d:%d:%d" % (info.st_dev, info.st_ino, *divmod(info.st_mtime_ns, 10 ** 9))])
    return found


# --- preparation

def load_library(path):
    library = ctypes.PyDLL(path)  # the interpreter stays locked during a call: a fork comes back from one
    library.cellblock_start.argtypes = [ctypes.c_int] * 6
    library.cellblock_argument.restype = library.cellblock_variable.restype = library.cellblock_agent.restype = ctypes.c_char_p
    if not library.cellblock_usable():
        raise Refused("neither this kernel (CONFIG_CHECKPOINT_RESTORE) nor a look at its threads tells where libc keeps a thread's number")
    if not hasattr(os, "pidfd_open"):
        raise Refused("Python 3.9 or later is needed")
    return library


def prepare(task, tell):
    """(library, stamps, {unfit name: reason}). tell(message): to the daemon, as JSON."""
    period, variables = Period(), dict(os.environb)
    os.chdir("/")
    library = load_library(task["library"])
    os.environ["MPLCONFIGDIR"] = os.environ["TMPDIR"] = SCRATCH
    import site
    site.main()
    import_worker(task)
    from cellblock_worker import worker
    worker.make_early()
    check_alone("IPython")
    import_preload(task["preload"])
    unfit = learned.import_learned(task["learned"], shown_places(task), tell)
    from . import warm_up
    warm_up.warm_up(lambda: check_alone("a cell for practice"))
    check_origins(task)
    found = stamps(task, period)
    forget_places(shown_places(task))
    forget_chance()
    set_variables(variables)
    worker.settle_early(task["directory"])
    gc.collect()
    gc.freeze()
    memory.settle()
    from . import prefault
    prefault.prefault()
    return library, found, unfit
