"""What cells may import, by the policy's `imports`.

A speed bump and no wall: it tells a person or a language model at once what is
meant to be used. Who wants to gets around it; the jail is what holds. Libraries
import what they like: only code of the user's namespace is asked.
"""

import builtins
import functools
import importlib
import sys

ALWAYS = frozenset(("__future__", "__main__"))


class ImportGate:
    def __init__(self, names):
        self._names = tuple(names)
        self._allowed = ALWAYS.union(names)

    def install(self):
        builtins.__import__ = self._guarded_import(builtins.__import__)
        importlib.import_module = self._guarded_module(importlib.import_module)

    def _check(self, name, namespace):
        if not isinstance(name, str) or not isinstance(namespace, dict) or namespace.get("__name__") != "__main__":
            return
        if name.partition(".")[0] not in self._allowed:
            raise refusal(name, self._names)

    def _guarded_import(self, original):
        @functools.wraps(original)
        def guarded(name, globals=None, locals=None, fromlist=(), level=0):
            if level == 0:
                self._check(name, sys._getframe(1).f_globals if globals is None else globals)
            return original(name, globals, locals, fromlist, level)
        return guarded

    def _guarded_module(self, original):
        @functools.wraps(original)
        def guarded(name, package=None):
            self._check(name, sys._getframe(1).f_globals)
            return original(name, package)
        return guarded


def refusal(name, names):
    error = ImportError("%s may not be imported in this sandbox; allowed: %s"
                        % (name, ", ".join(sorted(names)) or "nothing"), name=name)
    error.refused_by_policy = True
    return error
