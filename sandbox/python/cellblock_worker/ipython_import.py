"""IPython's import, without what most sessions never use: its terminal and jedi, which take two fifths of a worker's start,
and modules and colours that wait in stand-ins.

`import IPython` also imports a shell for terminals, and prompt_toolkit with it. Here that waits until somebody imports a
module of `IPython.terminal`, or asks for `IPython.embed`. And IPython's completer imports jedi; here it does so at the first
question that needs it.
"""

import contextlib
import importlib
import os
import re
import sys
import types
from importlib.machinery import ModuleSpec, PathFinder

from . import stand_ins

TERMINAL = "IPython.terminal"
EMBED = "IPython.terminal.embed"  # IPython's own first module imports it, and it the others: they need that order
ENTRANCES = (TERMINAL, "IPython.core.shellapp")
JEDI = ("jedi", "jedi.api", "jedi.api.helpers", "jedi.api.classes")
# Modules that %pastebin, %prun, an application's logging and a verbose traceback call. A traceback's own modules aren't among them:
# it is shown where nothing can be imported any more, for want of memory or of files, say.
SELDOM_USED = ("urllib.request", "cProfile", "pstats", "logging.config", "pydoc")
DEPTH = re.compile(rb"^sys\.setrecursionlimit\((\d+)\)", re.MULTILINE)  # cells know no other than what jedi's import sets


def import_ipython():
    """Raises what `import IPython` raises."""
    if "IPython" in sys.modules:
        return
    known = set(sys.modules)
    try:
        _import_without_the_rest()
    except Exception:  # another version of IPython goes about it in another way: it is imported as it is
        for name in set(sys.modules) - known:
            if name.partition(".")[0] == "IPython":
                del sys.modules[name]
        if _Later in sys.meta_path:
            sys.meta_path.remove(_Later)
        importlib.import_module("IPython")


def _import_without_the_rest():
    with stand_ins.for_modules(SELDOM_USED), _colours_are_made_later():
        _import_without_entrances()
        importlib.import_module("IPython.core.magics")


@contextlib.contextmanager
def _colours_are_made_later():
    """IPython 9 makes tables of 256 colours for all of its themes."""
    from pygments.formatters.terminal256 import Terminal256Formatter
    with stand_ins.for_objects(Terminal256Formatter):
        yield


def _import_without_entrances():
    with _in_place_of(TERMINAL, EMBED) as (_, embed):
        import IPython
    if vars(IPython).get("embed") is embed.embed:
        _look_up_later(IPython)
        sys.meta_path.insert(0, _Later)
    _import_completer()


@contextlib.contextmanager
def _in_place_of(*names):
    """Empty modules by these names, for the time of an import."""
    places = [_Place(name) for name in names]
    sys.modules.update(zip(names, places))
    try:
        yield places
    finally:
        for name in names:
            sys.modules.pop(name, None)


class _Place(types.ModuleType):
    """Has what IPython's modules want of the true one while they are imported."""

    def __init__(self, name):
        super().__init__(name)
        self.__spec__ = ModuleSpec(name, None)  # importlib.util.find_spec() insists on one
        self.embed, self.settings = object(), types.SimpleNamespace()


# --- the terminal

def _look_up_later(package):
    del package.embed
    others = vars(package).get("__getattr__")

    def look_up(name):
        if name in ("embed", "terminal"):
            package.embed = importlib.import_module(EMBED).embed
            return vars(package)[name]
        if others is not None:
            return others(name)
        raise AttributeError("module %r has no attribute %r" % (package.__name__, name))

    package.__getattr__ = look_up
    package.__dir__ = lambda: sorted({*vars(package), "embed", "terminal"})


class _Later:
    """Finds the modules by whose import the terminal's begins: EMBED is imported first, which imports them too."""

    @classmethod
    def find_spec(cls, name, path=None, target=None):
        if name not in ENTRANCES or cls not in sys.meta_path:
            return None
        sys.meta_path.remove(cls)
        importlib.import_module(EMBED)
        module = sys.modules.get(name)
        if module is None:
            return None
        spec = ModuleSpec(name, _Imported(module))
        module.__spec__ = spec  # or Python would load it once more by its own
        return spec


class _Imported:
    """Loads what is there, as it is."""

    def __init__(self, module):
        self._module, self._spec = module, module.__spec__

    def create_module(self, spec):
        return self._module

    def exec_module(self, module):
        module.__spec__ = self._spec


# --- jedi

def _import_completer():
    spec = None if JEDI[0] in sys.modules else PathFinder.find_spec(JEDI[0])
    if spec is None or not spec.submodule_search_locations:
        return
    with _in_place_of(*JEDI) as places:
        from IPython.core import completer
    if vars(completer).get("jedi") is places[0]:
        completer.jedi = _Jedi()
        _set_depth(spec.submodule_search_locations[0])


def _set_depth(folder):
    """jedi does so until 0.19."""
    with contextlib.suppress(OSError), open(os.path.join(folder, "api", "__init__.py"), "rb") as source:
        found = DEPTH.search(source.read())
        if found:
            sys.setrecursionlimit(int(found[1]))


class _Jedi:
    """Stands for jedi in IPython's completer until something of it is wanted."""

    def __getattr__(self, name):
        return getattr(import_jedi(), name)


def import_jedi():
    """As the completer would have done it. Raises what `import jedi` raises."""
    from IPython.core import completer
    depth = sys.getrecursionlimit()
    modules = [importlib.import_module(name) for name in JEDI]
    sys.setrecursionlimit(depth)  # which a cell may have set
    if isinstance(vars(completer).get("jedi"), _Jedi):
        modules[0].settings.case_insensitive_completion = False
        completer.jedi = modules[0]
    return modules[0]
