"""Variables as a debugger shows them while no cell is stopped, and one variable in all its richness."""

import re
import reprlib
import sys

from . import jsontext

HIDDEN = frozenset((
    "__name__", "__doc__", "__package__", "__loader__", "__spec__", "__annotations__", "__builtins__", "__builtin__",
    "__display__", "get_ipython", "debugpy", "exit", "quit", "open", "In", "Out", "_oh", "_dh", "_ih", "_ii", "_iii",
    "_", "__", "___"))
NUMBERED = re.compile(r"_i?\d*$|_i{1,3}$")
MOST_CHILDREN = 500
FIRST_REFERENCE = 1 << 20

_short = reprlib.Repr()
_short.maxlevel = 4
_short.maxlist = _short.maxtuple = _short.maxset = _short.maxfrozenset = _short.maxdeque = _short.maxdict = 50
_short.maxstring = _short.maxlong = _short.maxother = 1000


def is_shown(name):
    """Not IPython's own names."""
    return name not in HIDDEN and not NUMBERED.match(name)


class Variables:
    """Numbers what can be unfolded, until the next inspection."""

    def __init__(self):
        self._containers = []

    def inspect(self, namespace):
        self._containers = []
        return [self._one(name, value, name) for name, value in list(namespace.items())[:10 * MOST_CHILDREN]
                if isinstance(name, str) and is_shown(name)]

    def children(self, reference):
        index = reference - FIRST_REFERENCE
        if not isinstance(index, int) or not 0 <= index < len(self._containers):
            return []
        value, path = self._containers[index]
        return [self._one(name, child, path and path + step) for name, child, step in _parts(value)]

    def evaluate(self, expression, namespace):
        try:
            code = compile(expression, "<evaluate>", "eval")
        except SyntaxError:
            exec(compile(expression, "<evaluate>", "exec"), namespace)
            return {"result": "", "variablesReference": 0}
        one = self._one("", eval(code, namespace), expression)
        return {"result": one["value"], "type": one["type"], "variablesReference": one["variablesReference"]}

    def _one(self, name, value, path):
        reference = 0
        if _unfolds(value):
            reference = FIRST_REFERENCE + len(self._containers)
            self._containers.append((value, path))
        return {"name": name, "value": text_of(value), "type": type(value).__name__, "evaluateName": path,
                "variablesReference": reference}


def text_of(value):
    try:
        return str(_short.repr(value))
    except Exception as error:
        return "<its repr raised %s>" % type(error).__name__


def _unfolds(value):
    if isinstance(value, (dict, list, tuple, set, frozenset)):
        return bool(value)
    if isinstance(value, (type, str, bytes, int, float, complex)) or callable(value):
        return False
    return bool(getattr(value, "__dict__", None))


def _parts(value):
    """(name, value, how it is reached) of what is in a container."""
    if isinstance(value, dict):
        return [(text_of(key), child, "[%r]" % (key,)) for key, child in list(value.items())[:MOST_CHILDREN]]
    if isinstance(value, (list, tuple)):
        return [(str(index), child, "[%d]" % index) for index, child in enumerate(value[:MOST_CHILDREN])]
    if isinstance(value, (set, frozenset)):
        return [(str(index), child, "") for index, child in zip(range(MOST_CHILDREN), list(value))]
    return [(str(name), child, ".%s" % name) for name, child in list(vars(value).items())[:MOST_CHILDREN]]


def modules(start, count):
    """Those of sys.modules that have a source."""
    every = list(sys.modules.values())
    found = []
    for number, module in enumerate(every[start:start + count], start):
        origin = getattr(getattr(module, "__spec__", None), "origin", None)
        if isinstance(origin, str) and origin.endswith(".py"):
            found.append({"id": number, "name": str(getattr(module, "__name__", "")), "path": origin})
    return {"modules": found, "totalModules": len(every)}


# --- rich

def rich(value):
    """{"data", "metadata"} as a cell's result would have."""
    from IPython import get_ipython
    data, metadata = get_ipython().display_formatter.format(value)
    return {"data": data, "metadata": {key: part for key, part in metadata.items() if key in data}}


def rich_text(value):
    """The same as JSON text, for a debugger that evaluates it in a frame."""
    return jsontext.dump(rich(value)).decode()


RICH_EXPRESSION = "__import__('sys').modules['cellblock_worker.inspection'].rich_text(%s)"
