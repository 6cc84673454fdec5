"""ipykernel by its modules' names, as libraries look for it in a notebook.

tqdm draws widgets where ipykernel.zmqshell is loaded, others ask `"ipykernel" in sys.modules`. Here these names lead to
the worker's own classes. ipykernel itself isn't needed and nothing of it is loaded: where it is installed, its other
modules can still be imported.
"""

import collections.abc
import importlib.machinery
import sys
import types

from . import application


def install(shell_class, publisher, result_hook, magics, comm, comm_manager):
    package = _module("ipykernel", Folders())
    package.__getattr__ = _of_the_package
    _module("ipykernel.zmqshell", ZMQInteractiveShell=shell_class, ZMQDisplayPublisher=publisher,
            ZMQShellDisplayHook=result_hook, KernelMagics=magics)
    _module("ipykernel.comm", [], Comm=comm, CommManager=comm_manager)
    _module("ipykernel.comm.comm", Comm=comm, BaseComm=comm)  # ipykernel.ipkernel makes this one
    _module("ipykernel.comm.manager", CommManager=comm_manager)
    _module("ipykernel.kernelapp", IPKernelApp=application.IPKernelApp)
    shell_class.__module__ = "ipykernel.zmqshell"


def _module(name, path=None, **members):
    module = types.ModuleType(name, "Of this sandbox, under the name that libraries know.")
    module.__dict__.update(members)
    module.__spec__ = importlib.machinery.ModuleSpec(name, None, is_package=path is not None)
    if path is not None:
        module.__path__ = module.__spec__.submodule_search_locations = path
    sys.modules[name] = module
    parent, _, last = name.rpartition(".")
    if parent:
        setattr(sys.modules[parent], last, module)
    return module


class Folders(collections.abc.Sequence):
    """Where ipykernel's other modules are, if it is installed. Looked for when one is imported."""

    _found = None

    def _folders(self):
        if self._found is None:
            found = importlib.machinery.PathFinder.find_spec("ipykernel")
            self._found = list(found.submodule_search_locations or ()) if found else []
        return self._found

    def __getitem__(self, index):
        return self._folders()[index]

    def __len__(self):
        return len(self._folders())

    def __repr__(self):
        return repr(self._folders())


def _of_the_package(name):
    """What ipykernel's own __init__ would offer."""
    if name in ("__version__", "version_info"):
        from importlib import metadata
        try:
            version = metadata.version("ipykernel")
        except metadata.PackageNotFoundError:
            version = "6.0.0"  # whose comms and names these are
        return version if name == "__version__" else tuple(
            int(part) if part.isdigit() else part for part in version.split("."))
    if name in ("get_connection_file", "get_connection_info", "connect_qtconsole"):
        def refuse(*_, **__):
            raise RuntimeError("the connection file stays outside of the sandbox")
        return refuse
    raise AttributeError("module 'ipykernel' has no attribute %r" % name)
