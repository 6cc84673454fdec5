"""Which folder may include or import which: the table, and what the sources do.

A folder of sources is a room. Each room's line in sandbox/CMakeLists.txt or kernel/CMakeLists.txt (`cellblock_room(… USES …)`)
says the same as this table.
"""

import ast
import pathlib
import re

ROOT = pathlib.Path(__file__).resolve().parents[2]

# The lowest come first: a room includes itself and what is named here.
SANDBOX = {
    "api": "",
    "base": "api",
    "policy": "api base",
    "channel": "api base",
    "outputs": "api base channel",
    "audit": "api base",
    "jail": "api base",
    "packages": "api base policy channel jail",
    "relay": "api base jail",
    "pool": "api base policy channel jail relay",
    "engines": "api base policy channel jail relay pool",
    "files": "api base policy",
    "network": "api base policy channel jail",
    "session": "api base channel outputs audit packages files network",
    "doctor": "api base",
    "jail_library": "api base jail",
    "helper": "api base outputs network",
}

KERNEL = {
    "jupyter": "",
    "history": "",
    "server": "jupyter history",
    "xeus": "jupyter server",
    "http": "",
    "e2b": "jupyter http",
    "mcp": "jupyter http",
    "cli": "jupyter server xeus mcp http e2b",
}

# What of sandbox/ the rooms of kernel/ may include.
KERNEL_OF_SANDBOX = {
    "jupyter": "api base",
    "history": "api base",
    "server": "api base",
    "xeus": "api base",
    "http": "api base",
    "e2b": "api base",
    "mcp": "api base",
    "cli": "api base policy outputs audit jail relay pool engines network doctor",
}

# The Python inside, sandbox/python: which folder's modules may import which. "" are the files that lie in no folder.
PYTHON = {
    "cellblock_worker": "",
    "": "cellblock_worker",
    "zygote": "cellblock_worker warden",
    "remote": "cellblock_worker",
}

# Libraries that one room alone includes.
LIBRARIES = {
    r"xeus/": {"kernel/xeus"},
    r"zmq": {"kernel/jupyter"},
    r"boost/": {"kernel/http"},
    r"zlib\.h": {"kernel/http"},
    r"libxml/": {"sandbox/outputs"},
    r"sqlite3": {"kernel/history"},
    r"seccomp\.h": {"sandbox/jail", "sandbox/engines", "sandbox/outputs", "sandbox/network"},
}


def table():
    allowed = {"sandbox/" + room: {"sandbox/" + other for other in [room, *others.split()]}
               for room, others in SANDBOX.items()}
    for room, others in KERNEL.items():
        allowed["kernel/" + room] = ({"kernel/" + other for other in [room, *others.split()]}
                                     | {"sandbox/" + other for other in KERNEL_OF_SANDBOX[room].split()})
    allowed["kernel"] = {"kernel/cli", "sandbox/base", "sandbox/policy"}  # main.cc
    return allowed


def rooms_of_cmake(wing):
    """What CMake links: {room: the rooms that it uses}."""
    text = (ROOT / wing / "CMakeLists.txt").read_text()
    rooms = {}
    for name, rest in re.findall(r"^cellblock_room\((\w+)([^)]*)\)", text, re.MULTILINE):
        uses = re.search(r"USES ([\w ]+?)(?: LIBRARIES|$)", rest)
        rooms[name] = uses[1].split() if uses else []
    return rooms


def includes():
    """Of each source of sandbox/ and kernel/: {path: the paths that it includes}, all relative to the project's root."""
    found = {}
    for wing in ("sandbox", "kernel"):
        for path in sorted((ROOT / wing).rglob("*")):
            if path.suffix in (".cc", ".h"):
                found[str(path.relative_to(ROOT))] = re.findall(r'^#include [<"]([^">]+)[">]', path.read_text(), re.MULTILINE)
    return found


def module_name(path):
    parts = path.relative_to(ROOT / "sandbox/python").with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def python_imports():
    """Of each module of sandbox/python: {module: our modules that it imports}, also within functions."""
    paths = {module_name(path): path for path in sorted((ROOT / "sandbox/python").rglob("*.py"))}
    found = {}
    for name, path in paths.items():
        package = name if path.name == "__init__.py" else name.rpartition(".")[0]
        found[name] = set()
        for node in ast.walk(ast.parse(path.read_text())):
            wanted = []
            if isinstance(node, ast.Import):
                wanted = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                base = package if node.level == 1 else ""
                whole = ".".join(part for part in (base, node.module) if part)
                wanted = [whole + "." + alias.name if whole + "." + alias.name in paths else whole for alias in node.names]
            found[name].update(other for other in wanted if other in paths and other != name)
    return found


def python_room(module):
    """The folder of a module."""
    return module.partition(".")[0] if (ROOT / "sandbox/python" / module.partition(".")[0]).is_dir() else ""


def circle_in(graph):
    """A circle of names, or None."""
    done, way = set(), []

    def visit(name):
        if name in way:
            return [*way[way.index(name):], name]
        if name in done:
            return None
        way.append(name)
        for other in graph.get(name, ()):
            found = visit(other)
            if found:
                return found
        way.pop()
        done.add(name)
        return None

    for name in list(graph):
        found = visit(name)
        if found:
            return found
    return None
