"""Code contexts: sets of variables beside a session's own, of which a cell may name one.

A cell's metadata says which: {"cellblock_context": {"name": "a", "directory": "/work/a", "environment": {"X": "1"}, "gone": ["b"],
"e2b_results": true}}.
A context has variables, __main__ and a working directory of its own; modules, files and everything else are the session's. The
environment holds for that cell. A name of "" is the session's own variables; those of `gone` are forgotten. With `e2b_results`
this cell and later ones show tables and charts as data too (e2b_results.py).
"""

import contextlib
import os
import sys
import types

KEY = "cellblock_context"
MOST = 64


class Context:
    def __init__(self, directory):
        self.module = types.ModuleType("__main__", doc="Variables of one code context")
        self.directory = directory
        self.is_new = True


class Contexts:
    def __init__(self, shell):
        self._shell = shell
        self._known = {}

    @contextlib.contextmanager
    def entered(self, header):
        facts = (header.get("metadata") or {}).get(KEY)
        if not isinstance(facts, dict):
            yield
            return
        for name in facts.get("gone") or ():
            self._known.pop(name, None)
        if facts.get("e2b_results"):
            from . import e2b_results  # needs IPython, which isn't there yet when a worker begins
            e2b_results.install(self._shell)
        with _environment(facts.get("environment") or {}), self._variables(str(facts.get("name") or ""), facts.get("directory")):
            yield

    @contextlib.contextmanager
    def _variables(self, name, directory):
        if not name:
            yield
            return
        if name not in self._known and len(self._known) >= MOST:
            raise RuntimeError("there are %d code contexts already: remove one" % MOST)
        context = self._known.setdefault(name, Context(directory))
        shell, main, before = self._shell, sys.modules.get("__main__"), _directory()
        own = shell.user_module, shell.user_ns
        shell.user_module, shell.user_ns = context.module, vars(context.module)
        sys.modules["__main__"] = context.module
        try:
            if context.directory:
                if context.is_new:
                    os.makedirs(context.directory, exist_ok=True)
                os.chdir(context.directory)
            if context.is_new:
                shell.init_user_ns()
                context.is_new = False
            yield
        finally:
            context.directory = _directory() or context.directory
            shell.user_module, shell.user_ns = own
            sys.modules["__main__"] = main
            if before:
                with contextlib.suppress(OSError):
                    os.chdir(before)


@contextlib.contextmanager
def _environment(wanted):
    before = {name: os.environ.get(name) for name in wanted}
    try:
        os.environ.update({str(name): str(value) for name, value in wanted.items()})
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def _directory():
    try:
        return os.getcwd()
    except OSError:
        return None  # a cell has removed it
