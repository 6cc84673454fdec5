"""Run as a cell: tells all that a session could know of itself, as JSON. Cold and warm sandboxes must say the same."""

import asyncio
import builtins
import decimal
import gc
import json
import locale
import logging
import os
import re
import signal
import sys
import tempfile
import threading
import time
import warnings

OWN = ("text", "tell", "of_the_shell", "of_the_process", "of_libraries", "OWN", "MASKS", "LINKS", "PARTS", "SYS")
MASKS = ((r"0x[0-9a-f]{6,}|object at [0-9a-f]{8,}", "PLACE"), (r"cellblock-test-\w+", "TEST"), (r"ipykernel_\d+", "CELLS"))
LINKS = ("parent", "shell", "channel", "_channel", "_interrupts", "pipes", "questions", "packages", "reserve", "log",
         "manager", "banner", "exec_result", "_trait_notifiers", "_cross_validation_lock", "_sent_at", "_orig_sys_modules_main_mod")
PARTS = ("Completer", "InteractiveTB", "alias_manager", "builtin_trap", "compile", "db", "display_formatter", "display_pub",
         "display_trap", "displayhook", "events", "extension_manager", "history_manager", "inspector", "kernel", "logger",
         "magics_manager", "payload_manager", "prefilter_manager", "profile_dir")
SYS = ("argv", "orig_argv", "path", "flags", "ps1", "stdin", "stdout", "stderr", "__stdin__", "__stdout__", "__stderr__",
       "displayhook", "excepthook", "meta_path", "path_hooks", "dont_write_bytecode", "executable", "prefix")


def text(value):
    found = repr(sorted(map(str, value)) if isinstance(value, (set, frozenset)) else value)
    for pattern, mask in MASKS:
        found = re.sub(pattern, mask, found)
    return found[:2000]


def tell(value, depth=3):
    kind = type(value).__module__ + "." + type(value).__qualname__
    if isinstance(value, dict):
        inner = {str(key): one for key, one in value.items() if key not in LINKS}
        return {key: tell(one, depth - 1) for key, one in inner.items()} if depth else "%s of %d" % (kind, len(inner))
    if isinstance(value, (list, tuple)) and depth:
        return [tell(one, depth - 1) for one in value]
    if depth and hasattr(value, "__dict__") and not callable(value) and not isinstance(value, type(sys)):
        return {"is": kind, "has": tell(vars(value), depth - 1)}
    return kind + ": " + text(value)


def of_the_shell(ip):
    found = {"main": tell({key: one for key, one in vars(sys.modules["__main__"]).items() if key not in OWN}, 1),
             "main is user_ns": vars(sys.modules["__main__"]) is ip.user_ns,
             "shell": tell({key: one for key, one in vars(ip).items() if key not in ("user_ns", "_trait_values")}),
             "traits": tell(ip.trait_values()),
             "configurables": [type(one).__name__ for one in ip.configurables],
             "callbacks": {key: [one.__qualname__ for one in value] for key, value in ip.events.callbacks.items()},
             "magics": {kind: sorted(names) for kind, names in ip.magics_manager.lsmagic().items()},
             "comms": [tell(ip.kernel.comm_manager.comms), tell(ip.kernel.comm_manager.targets)]}
    for name in PARTS:
        part = getattr(ip, name, None)
        found[name] = [tell(part, 4), tell(part.trait_values(), 2) if hasattr(part, "trait_values") else None]
    return found


def of_the_process():
    files = {int(name): "/proc/self/fd/" + name for name in os.listdir("/proc/self/fd")}
    return {"builtins": {key: text(one)[:80] for key, one in vars(builtins).items() if key != "_"},
            "sys": {key: tell(getattr(sys, key, None), 1) for key in SYS},
            "python": [sys.getrecursionlimit(), sys.getswitchinterval(), text(sys.gettrace()), gc.isenabled(),
                       gc.get_threshold(), text(decimal.getcontext()), text(asyncio.get_event_loop_policy())],
            "variables": dict(os.environ),
            "place": [os.getcwd(), os.path.expanduser("~"), tempfile.gettempdir(), os.getuid(), os.umask(0o22), os.getppid(), sorted(os.listdir(tempfile.gettempdir())), sorted(os.listdir())],
            "locale": [locale.setlocale(locale.LC_ALL), time.tzname],
            "signals": {str(one): text(signal.getsignal(one)) for one in signal.valid_signals()},
            "threads": [sorted(one.name for one in threading.enumerate()), len(os.listdir("/proc/self/task"))],
            "files": sorted(re.sub(r"\d+", "N", os.readlink(path)) for path in files.values() if os.path.lexists(path)),
            "warnings": [text(one) for one in warnings.filters],
            "logging": [text(logging.root), text(logging.root.handlers)]}


def of_libraries():
    found, modules = {}, sys.modules
    if "matplotlib" in modules:
        from matplotlib import units
        matplotlib = modules["matplotlib"]
        found["rc"] = [{key: text(one) for key, one in dict.items(params)}
                       for params in (matplotlib.rcParams, matplotlib.rcParamsDefault, matplotlib.rcParamsOrig)]
        found["matplotlib"] = [matplotlib.get_configdir(), matplotlib.get_cachedir(),
                               {text(key): text(one) for key, one in units.registry.items()}]
    if "matplotlib.pyplot" in modules:
        pyplot = modules["matplotlib.pyplot"]
        found["pyplot"] = {key: text(one) for key, one in vars(pyplot).items() if not key.startswith("__")}
        found["figures"] = pyplot.get_fignums()
    if "pandas" in modules:
        pandas = modules["pandas"]
        found["pandas"] = {key: text(pandas.get_option(key)) for key in ("display.max_rows", "plotting.backend")}
    if "numpy" in modules:
        found["numpy"] = [text(modules["numpy"].geterr()), text(modules["numpy"].get_printoptions())]
    return found


print(json.dumps([of_the_shell(get_ipython()), of_the_process(), of_libraries(), sorted(sys.modules)], default=text))  # noqa: F821
