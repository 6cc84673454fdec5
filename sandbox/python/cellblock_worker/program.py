"""Cells that are one program: what `python FILE` does beside running the file.

`cellblock run` says so in each cell's metadata. sys.argv and __file__ are the file's, exit() ends the program, asyncio.run()
finds no loop that runs; and at the end of the last cell, or of one that fails, threads are waited for and atexit's functions called.
"""

import asyncio
import contextlib
import os
import sys
import threading

KEY = "cellblock_program"


def facts_in(header):
    facts = (header.get("metadata") or {}).get(KEY)
    return facts if isinstance(facts, dict) else None


class Program:
    def __init__(self, shell, facts):
        self._shell = shell
        self._has_own_loop = False
        name = str(facts.get("name") or "-")
        sys.argv[:] = [name, *map(str, facts.get("arguments") or [])]
        if facts.get("is_file"):
            file = shell.user_ns["__file__"] = os.path.join(os.getcwd(), name)
            if os.path.dirname(name):
                sys.path.insert(0, os.path.dirname(file))
        for word in ("exit", "quit"):
            shell.user_ns[word] = leave_with
        shell.is_program = True
        _be_quiet_about_exit()

    @contextlib.contextmanager
    def without_loop(self, loop):
        """The worker's own loop is out of sight."""
        swap = getattr(asyncio.tasks, "_swap_current_task", None)
        task = asyncio.current_task()
        if swap:
            swap(loop, None)
        asyncio._set_running_loop(None)
        if not self._has_own_loop:
            self._has_own_loop = True
            asyncio.set_event_loop(asyncio.new_event_loop())  # as asyncio.get_event_loop() would make one in a file
        try:
            yield
        finally:
            asyncio._set_running_loop(loop)
            if swap:
                swap(loop, task)

    def leave(self):
        """Within the time of the cell that ends the program, so that each cell is still one activity of the session."""
        import atexit
        for call in reversed(getattr(threading, "_threading_atexits", ())):  # executors end their threads here
            call()
        main = threading.current_thread()
        while True:
            left = [one for one in threading.enumerate() if one is not main and not one.daemon and
                    hasattr(one, "_cellblock_cell")]
            if not left:
                break
            for one in left:
                one.join()
        atexit._run_exitfuncs()


def leave_with(code=None):
    """Ends the program with that status."""
    raise SystemExit(code)


def exit_status(error):
    """What the program's process would leave with. A text is printed, as Python does it."""
    code = error.code
    if code is None:
        return 0
    if isinstance(code, int):
        return code & 0xff
    print(code, file=sys.stderr)
    return 1


def error_of(error):
    return {"ename": "SystemExit", "evalue": str(exit_status(error)), "traceback": []}


def _be_quiet_about_exit():
    """IPython tells whoever calls sys.exit() how a shell is left."""
    from IPython.core import interactiveshell  # not above: a Python without IPython says so
    warn = interactiveshell.warn

    def warn_of_others(message, *args, **kwargs):
        if not str(message).startswith("To exit:"):
            kwargs["stacklevel"] = kwargs.get("stacklevel", 1) + 1
            warn(message, *args, **kwargs)

    interactiveshell.warn = warn_of_others
