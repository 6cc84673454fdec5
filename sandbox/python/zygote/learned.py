"""What earlier sessions have imported (the policy's `preload`: "auto"), as far as others are none the worse for it.

The names come from cells' code. A fork tries each one first: a module that isn't there, fails, takes too long, leaves
something that sandboxes would share, or changes what other modules see is unfit, and the daemon remembers the reason. A
session that never imports such a module would have it nevertheless.
"""

import builtins
import importlib
import importlib.util
import os
import signal
import sys
import time

from .alone import Refused, check_alone

SECONDS_FOR_ONE, SECONDS_FOR_ALL, BYTES_WITH_ALL = 10, 20, 1 << 30
WENT_WELL, LEAVES, FAILS, ISNT_THERE, CHANGES = 100, 101, 102, 103, 104  # exit statuses, none a program's usual one
REASONS = {LEAVES: "it leaves a thread, a process, a file or shared memory", FAILS: "its import fails",
           ISNT_THERE: "there is no such module", CHANGES: "it changes what other modules see"}
HOOKS = ("excepthook", "displayhook", "breakpointhook", "unraisablehook", "stdout", "stderr", "stdin", "path")


class Unfit(Exception):
    """A name that can't be imported ahead. The reason is for the user."""


def import_learned(names, places, tell):
    """{unfit name: reason}. `places`: where modules may come from; tell(message): to the daemon, so that it knows at which
    name this process has ended."""
    began, unfit = time.monotonic(), {}
    for name in names:
        if name in sys.modules:
            continue
        if time.monotonic() - began > SECONDS_FOR_ALL or resident() > BYTES_WITH_ALL:
            break
        tell({"importing": name})
        try:
            try_in_fork(name, places)
        except Unfit as reason:
            unfit[name] = str(reason)
        else:
            importlib.import_module(name)
            check_alone("the module %s" % name)  # as it has been in the fork
    tell({"importing": None})
    return unfit


def try_in_fork(name, places):
    pid = os.fork()
    if pid == 0:
        status = FAILS
        try:
            signal.alarm(SECONDS_FOR_ONE)
            status = import_watched(name, places)
        except BaseException:
            status = FAILS
        finally:
            os._exit(status)
    ended = os.waitpid(pid, 0)[1]
    if os.WIFSIGNALED(ended):
        raise Unfit("its import takes too long" if os.WTERMSIG(ended) == signal.SIGALRM else "its import is killed")
    if os.WEXITSTATUS(ended) != WENT_WELL:
        raise Unfit(REASONS.get(os.WEXITSTATUS(ended), "its import ends the process"))


def import_watched(name, places):
    """An exit status."""
    before, modules = seen_by_others(), dict(sys.modules)
    if not is_installed(name, places):
        return ISNT_THERE
    importlib.import_module(name)
    if seen_by_others() != before or any(sys.modules.get(one) is not module for one, module in modules.items()):
        return CHANGES
    try:
        check_alone(name)
    except Refused:
        return LEAVES
    return WENT_WELL


def seen_by_others():
    """Which objects other code finds by these names. (What is added to warnings' filters and to finders is usual, and C++
    libraries keep something of their own among the builtins, named __pybind11_…)"""
    kept = [(key, id(value)) for key, value in sorted(vars(builtins).items()) if not key.startswith("_")]
    return kept, [id(getattr(sys, hook, None)) for hook in HOOKS], list(sys.path), \
        [signal.getsignal(number) for number in signal.valid_signals()]


def is_installed(name, places):
    """In this Python. Imports the packages above it."""
    try:
        spec = importlib.util.find_spec(name)
    except (ImportError, ValueError, AttributeError):
        spec = None
    origin = None if spec is None else spec.origin or next(iter(spec.submodule_search_locations or ()), None)
    return origin in ("built-in", "frozen") or (origin or "").startswith(places)


def resident():
    """Bytes."""
    with open("/proc/self/statm") as statm:
        return int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
