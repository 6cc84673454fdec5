"""aiohttp goes by the usual variables to the policy's proxy, as requests, urllib and httpx do.

aiohttp's ClientSession looks at the variables only if it is told to (`trust_env=True`). Where the policy allows hosts, this
module makes that the default; a call with `trust_env=False` keeps its meaning. A session that never imports aiohttp pays one
comparison of names for each import.
"""

import sys
from importlib.machinery import PathFinder

MODULE = "aiohttp.client"


def install():
    if MODULE in sys.modules:  # a warm Python had it before the fork
        heed_variables(sys.modules[MODULE])
    else:
        sys.meta_path.insert(0, _Finder)


def heed_variables(module):
    """The default is changed where it is kept, so that inspect shows what holds."""
    for function in (getattr(getattr(module, "ClientSession", None), "__init__", None), getattr(module, "request", None)):
        defaults = getattr(function, "__kwdefaults__", None) or {}
        if defaults.get("trust_env") is False:
            defaults["trust_env"] = True


class _Finder:
    @classmethod
    def find_spec(cls, name, path=None, target=None):
        if name != MODULE:
            return None
        spec = PathFinder.find_spec(name, path, target)
        if spec is not None and spec.loader is not None:
            spec.loader = _Loader(spec.loader)
        return spec


class _Loader:
    """Steps aside before the module is run: its own loader is the one that is seen."""

    def __init__(self, loader):
        self._loader = loader

    def create_module(self, spec):
        return self._loader.create_module(spec)

    def exec_module(self, module):
        module.__spec__.loader = module.__loader__ = self._loader
        self._loader.exec_module(module)
        heed_variables(module)
