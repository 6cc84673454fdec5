"""The far end of a relay: a warden that is reached through nothing but its stdin and stdout (relay/README.md).

It comes through stdin itself, as text, and after it an archive: facts as JSON and the files of warden and worker, which
are imported from memory. Everything runs in the one process that is the warden, so that nothing else in the sandbox may
be killed by mistake, and nobody else holds the way out.
"""

import os
import sys

FOLDER = "/opt/cellblock/worker/"  # where the files seem to lie


def take(size):
    data = bytearray()
    while len(data) < size:
        part = os.read(0, min(size - len(data), 1 << 20))
        if not part:
            sys.exit("the relay's start was cut off")
        data += part
    return bytes(data)


def take_archive():
    """{name: bytes}"""
    files = {}
    for _ in range(int.from_bytes(take(4), "big")):
        name = take(int.from_bytes(take(4), "big")).decode()
        files[name] = take(int.from_bytes(take(4), "big"))
    return files


class Memory:
    """Imports from memory what came: the package cellblock_worker, and this file's own parts."""

    OURS = ("cellblock_worker", "far_mux", "far_warden")

    def __init__(self, files):
        self.files = files

    def find_spec(self, name, path=None, target=None):
        base = name.replace(".", "/")
        for file, is_package in ((base + "/__init__.py", True), (base + ".py", False)):
            if base.split("/")[0] in self.OURS and file in self.files:
                spec = type(sys.__spec__)(name, self, origin=FOLDER + file, is_package=is_package)
                spec.has_location = True
                return spec
        return None

    def create_module(self, spec):
        return None

    def exec_module(self, module):
        exec(compile(self.get_source(module.__name__), module.__spec__.origin, "exec", dont_inherit=True),
             module.__dict__)

    def get_source(self, name):
        return self.files[self.find_spec(name).origin[len(FOLDER):]].decode()


# --- the place that cells see

def is_writable(folder):
    return os.path.isdir(folder) and os.access(folder, os.W_OK | os.X_OK)


def settle(facts):
    """Environment, folders and resource limits. The folder to be removed at the end, or None."""
    base = None
    if facts["alone"] and is_writable("/tmp"):
        home, work = "/tmp/home", "/work" if is_writable("/work") else "/tmp/work"
    else:
        base = make_base(facts["name"])
        home, work = base + "/home", base + "/work"
    for folder in (home, work):
        os.makedirs(folder, mode=0o700, exist_ok=True)
    os.chdir(work)
    path = os.environ.get("PATH", os.defpath)
    os.environ.clear()
    os.environ.update(facts["environment"])
    os.environ.setdefault("PATH", path)
    os.environ.update({"HOME": home, "MPLCONFIGDIR": home + "/.config/matplotlib", "IPYTHONDIR": home + "/.ipython",
                       "XDG_CACHE_HOME": home + "/.cache"})
    limit_resources(facts["limits"])
    return base


def make_base(name):
    """A folder in the temporary directory, locked for as long as it is in use. One that isn't is what a killed sandbox
    left, and goes."""
    import fcntl
    import shutil
    import tempfile
    place = tempfile.gettempdir()
    base = os.path.join(place, "cellblock-far-" + name)
    os.mkdir(base, 0o700)
    fcntl.flock(os.open(base, os.O_RDONLY), fcntl.LOCK_EX)
    for other in os.listdir(place):
        path = os.path.join(place, other)
        if other.startswith("cellblock-far-") and path != base and os.lstat(path).st_uid == os.geteuid():
            try:
                fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_DIRECTORY)
            except OSError:
                continue
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(path, ignore_errors=True)
            except OSError:
                pass
            finally:
                os.close(fd)
    return base


def place_copies(files):
    """The host's folders that cells have a copy of, into the working directory."""
    for name, data in files.items():
        kind, _, path = name.partition("/")
        if kind not in ("copy", "run", "link"):
            continue
        os.makedirs(os.path.dirname(path) or ".", exist_ok=True)
        if kind == "link":
            os.symlink(data.decode(), path)
            continue
        with open(path, "wb") as file:
            file.write(data)
        if kind == "run":
            os.chmod(path, 0o755)


def limit_resources(limits):
    import resource
    for name, value in limits.items():
        number = getattr(resource, name, None)
        if number is None:
            continue
        hard = resource.getrlimit(number)[1]
        value = value if hard == resource.RLIM_INFINITY else min(value, hard)
        try:
            resource.setrlimit(number, (value, value))
        except (OSError, ValueError):
            pass  # gVisor has not all of them


def filter_calls(facts):
    """The jail's system call filter, over whatever the engine has set up. It holds for all that is forked from here."""
    import ctypes
    if os.uname().machine != facts["filter"]["machine"]:
        why = "this machine is %s, the filter is for %s" % (os.uname().machine, facts["filter"]["machine"])
    else:
        program = bytes.fromhex(facts["filter"]["program"])
        lines = ctypes.create_string_buffer(program, len(program))

        class Program(ctypes.Structure):
            _fields_ = [("length", ctypes.c_ushort), ("lines", ctypes.c_void_p)]
        whole = Program(len(program) // 8, ctypes.addressof(lines))
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.prctl(38, 1, 0, 0, 0) == 0 and libc.prctl(22, 2, ctypes.byref(whole), 0, 0) == 0:
            return
        why = os.strerror(ctypes.get_errno())
    if not facts["best_effort"]:
        sys.exit("the system call filter can't be applied: %s. \"best_effort\": true in the policy does without" % why)


def drop_capabilities():
    """Where we are root without a namespace of our own, that is worth something."""
    import ctypes
    libc = ctypes.CDLL(None)
    for number in range(64):
        libc.prctl(24, number, 0, 0, 0)  # from the bounding set
    libc.capset((ctypes.c_uint32 * 2)(0x20080522, 0), (ctypes.c_uint32 * 6)())


def main():
    import json
    import types
    files = take_archive()
    facts = json.loads(files["facts.json"])
    sys.argv = ["warden"] + facts["arguments"]
    sys.meta_path.insert(0, Memory(files))
    module = types.ModuleType("warden")
    module.__file__ = FOLDER + "warden.py"
    exec(compile(files["warden.py"], module.__file__, "exec", dont_inherit=True), module.__dict__)
    import far_mux
    import far_warden
    facts["alone"] = facts["private"] and far_warden.is_alone()
    base = settle(facts)
    place_copies(files)
    warden = far_warden.make_warden(module.Warden)(far_mux.Mux(), facts)
    drop_capabilities()
    filter_calls(facts)
    try:
        warden.run()
    except module.BadFrame as error:
        sys.exit("warden: the host sent %s" % error)
    finally:
        warden.kill_all()
        if base:
            import shutil
            shutil.rmtree(base, ignore_errors=True)


main()
