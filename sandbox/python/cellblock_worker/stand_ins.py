"""Stand-ins, for what a package imports with itself and uses in few sessions: each becomes what it stands for at its first use.

A name that is imported from such a module, or looked up in it, while the package is imported, may be called later and may
have attributes; no more. A package that wants more of it meets an error, and has to be imported without stand-ins.
"""

import contextlib
import importlib
import sys
import types
from importlib.machinery import ModuleSpec, PathFinder


@contextlib.contextmanager
def for_modules(names):
    """For the time of an import, stand-ins by those of these names that can be imported and aren't yet."""
    known = set(sys.modules)
    made = {name: _Module(name) for name in names if name not in known and _can_be_found(name)}
    sys.modules.update(made)
    try:
        yield
        for name in set(sys.modules) - known - set(made):
            _remember_places(vars(sys.modules[name]))
    finally:
        for name in made:
            sys.modules.pop(name, None)
            vars(made[name])["_is_open"] = False


def _can_be_found(name):
    package, _, rest = name.rpartition(".")
    try:
        path = importlib.import_module(package).__path__ if package else None
        return PathFinder.find_spec(name, path) is not None
    except (ImportError, AttributeError):
        return False


def _remember_places(namespace):
    for name, value in list(namespace.items()):
        if type(value) in (_Module, _Name):
            vars(value)["_places"].append((namespace, name))


class _Module(types.ModuleType):
    """`_is_open`: an import still goes on, whose names may be anything."""

    def __init__(self, name):
        super().__init__(name)
        vars(self).update(__spec__=ModuleSpec(name, None), _is_open=True, _places=[])

    def __getattr__(self, name):
        if name.startswith("__"):  # of the import system and of inspect
            raise AttributeError("module %r has no attribute %r" % (self.__name__, name))
        if self._is_open:
            return _Name(self, name)
        return getattr(self._become(), name)

    def _become(self):
        real = importlib.import_module(self.__name__)
        _put(real, self._places)
        return real


class _Name:
    def __init__(self, module, name):
        self._module, self._name, self._places = module, name, []

    def _become(self):
        real = getattr(self._module._become(), self._name)
        _put(real, self._places)
        return real

    def __call__(self, *arguments, **named):
        if self._module._is_open:
            raise TypeError("%s.%s is called by an import" % (self._module.__name__, self._name))
        return self._become()(*arguments, **named)

    def __getattr__(self, name):
        if self._module._is_open:
            raise AttributeError("%s.%s.%s is wanted by an import" % (self._module.__name__, self._name, name))
        return getattr(self._become(), name)


def _put(real, places):
    for namespace, name in places:
        if type(namespace.get(name)) in (_Module, _Name):  # unless somebody has put another there
            namespace[name] = real


# --- objects that take long to make

@contextlib.contextmanager
def for_objects(kind):
    """For the time of an import, an object of that class makes itself at its first use: when an attribute is looked for."""
    begin = kind.__init__

    class Unmade(kind):
        def __getattr__(self, name):
            given = vars(self).get("_given")
            if given is not None:  # else another thread has just made it
                made = kind.__new__(kind)
                begin(made, *given[0], **given[1])
                vars(self).update(vars(made))
                self.__class__ = kind
                vars(self).pop("_given", None)
            return object.__getattribute__(self, name)

    def remember(self, *arguments, **named):
        if type(self) is kind:
            self._given = (arguments, named)
            self.__class__ = Unmade
        else:
            begin(self, *arguments, **named)

    kind.__init__ = remember
    try:
        yield
    finally:
        kind.__init__ = begin
