"""A session for practice, in a zygote: what its start and its first cells import, and fill once, no fork needs to.

A real worker runs them, over a socket that leads back here, in a shell that is then thrown away. Afterwards all is as it
was before, but for what was imported and for caches.
"""

import asyncio
import atexit
import builtins
import contextlib
import getpass
import json
import linecache
import os
import signal
import socket
import sys
import traceback
import warnings

from cellblock_worker import application, cells, compiler, displays, lines, shell, startup, streams, worker

TIMES, PLOT_TIMES = 20, 3  # Python rewrites code that has run some times, once and for all
CELLS = ("pass", "1 + 1", "print('a')", "a = [1]\na")
PLOTS = ("import matplotlib.pyplot as plt\nplt.plot(range(9))\nplt.show()",)
FRAMES = ("import pandas as pd\npd.DataFrame({'a': range(9)})",)
FRAME_PLOTS = ("import pandas as pd, matplotlib.pyplot as plt\npd.DataFrame({'a': range(9)}).plot()\nplt.show()",)
ERRORS = ("1 / 0", "1 +")  # the first traceback compiles all that colours one
LAST_ERROR = ("last_type", "last_value", "last_traceback", "last_exc")
STREAMS = {1: "stdout", 2: "stderr"}
INLINE = "matplotlib_inline.backend_inline"
SECONDS = 30


def frame(**header):
    text = json.dumps(header).encode()
    return len(text).to_bytes(4, "big") + bytes(4) + text


class Stage:
    """The worker, and the host's end of its socket."""

    def __init__(self):
        self._worker = worker.take_early() or worker.Worker(lines.Lines())
        self._lines = self._worker.lines
        self._cells = 0

    def open(self):
        self._host, theirs = socket.socketpair()
        self._host.setblocking(False)
        self._host.send(frame(type="configure", policy={}))
        self._lines.open(theirs.detach())
        for fd, name in STREAMS.items():
            setattr(sys, name, streams.OutputStream(name, fd, self._lines.channel, self._lines.pipes))
        startup.be_a_program()
        self._worker.configure(None)
        self._loop = self._worker.open_loop()

    def run(self, code):
        self._cells += 1
        self._host.send(frame(type="execute", cell=self._cells, code=code, count=self._cells))
        channel = self._lines.channel
        channel.receive(0)
        self._loop.run_until_complete(self._worker.serve_one(*channel.inbox.popleft()))
        with contextlib.suppress(BlockingIOError):
            while self._host.recv(1 << 20):
                pass

    def close(self):
        self._loop.close()
        asyncio.set_event_loop(None)
        self._lines.channel.after_fork_in_child()
        self._lines.pipes.after_fork_in_child()
        self._lines.interrupts.close()
        self._host.close()


# --- as it was before

def spaces():
    """The names of modules that a worker and its cells write to, by module."""
    modules = [builtins, sys, getpass, atexit, cells, worker]
    names = ("comm", "matplotlib", "matplotlib.pyplot", "matplotlib.backends", "matplotlib_inline")
    return [vars(module) for module in modules + [sys.modules[name] for name in names if name in sys.modules]]


def settings():
    """matplotlib's."""
    if "matplotlib" not in sys.modules:
        return []
    import matplotlib
    from matplotlib import units
    return [matplotlib.rcParams, matplotlib.rcParamsDefault, matplotlib.rcParamsOrig, units.registry]


def singletons():
    """The classes that know their one instance."""
    kinds = [shell.ZMQInteractiveShell, application.IPKernelApp]
    if "matplotlib_inline.config" in sys.modules:
        kinds.append(sys.modules["matplotlib_inline.config"].InlineBackend)
    return [one for kind in kinds for one in kind._walk_mro()]


@contextlib.contextmanager
def names_restored():
    before = [(space, dict(space)) for space in spaces()]
    set_before = [(one, dict(dict.items(one))) for one in settings()]
    instances = [(kind, kind._instance) for kind in singletons()]
    modules = {name: module for name, module in sys.modules.items()
               if name in ("__main__", INLINE) or name.partition(".")[0] == "ipykernel"}
    path, filters, variables = list(sys.path), list(warnings.filters), dict(os.environ)
    worker.take_early()
    shell.ZMQInteractiveShell.clear_instance()
    atexit.register = lambda function, *_, **__: function
    try:
        yield
    finally:
        for space, values in before:
            space.update(values)
        vars(builtins).pop("_", None)
        for name in LAST_ERROR:
            vars(sys).pop(name, None)
        for one, values in set_before:
            dict.clear(one)
            dict.update(one, values)
        for kind in singletons():
            kind._instance = None
        for kind, instance in instances:
            kind._instance = instance
        if INLINE not in modules and sys.modules.pop(INLINE, None):
            del sys.modules["matplotlib_inline"].backend_inline
        sys.modules.update(modules)
        warnings.simplefilter("default")  # what was warned of already is warned of again
        sys.path[:], warnings.filters[:] = path, filters
        os.environ.clear()
        os.environ.update(variables)


@contextlib.contextmanager
def process_restored():
    descriptors = {fd: os.dup(fd) for fd in STREAMS}
    handler = signal.getsignal(signal.SIGINT)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, handler)
        for fd, kept in descriptors.items():
            os.dup2(kept, fd)
            os.close(kept)
        for kind in (displays.Publisher, displays.ResultHook):
            kind.channel = kind.pipes = None
        compiler.prefix.cache_clear()
        linecache.clearcache()
        getattr(linecache, "_ipython_cache", {}).clear()
        if "matplotlib.font_manager" in sys.modules:
            sys.modules["matplotlib.font_manager"]._get_font.cache_clear()  # fonts are open files


# --- the session

def plots():
    """Of what is preloaded."""
    has_plots, has_frames = (name in sys.modules for name in ("matplotlib.pyplot", "pandas"))
    return PLOTS * has_plots + FRAMES * has_frames + FRAME_PLOTS * (has_plots and has_frames)


def perform(codes, starts):
    with process_restored(), names_restored():
        stage = Stage()
        for _ in range(starts):
            stage.open()
            stage.close()
        stage.open()
        try:
            for code in codes:
                stage.run(code)
        finally:
            stage.close()


def warm_up(check):
    """Nothing, if it wouldn't go well: a fork tries it first. check(): whether it leaves anything behind."""
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            signal.alarm(SECONDS)
            perform(plots() + ERRORS + CELLS, 1)
            check()
            status = 0
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(status)
    if os.waitpid(pid, 0)[1] == 0:
        # The plain cells last: their ways are then those that Python has noted.
        perform(plots() * PLOT_TIMES + ERRORS + CELLS * TIMES, TIMES)
        check()
