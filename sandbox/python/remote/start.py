"""The far end of a relay: a warden that is reached through nothing but its stdin and stdout (relay/README.md).

It comes through stdin itself, as text, and after it an archive: facts as JSON and the files of warden and worker, which
are imported from memory. Everything runs in the one process that is the warden, so that nothing else in the sandbox may
be killed by mistake, and nobody else holds the way out.
"""

import os
import sys

FOLDER = "/opt/cellblock/python/"  # where the files seem to lie


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
    """Imports from memory what came: the package cellblock_worker and, until cells may import, remote."""

    def __init__(self, files):
        self.files = files
        self.packages = {"cellblock_worker", "remote"}

    def find_spec(self, name, path=None, target=None):
        base = name.replace(".", "/")
        for file, is_package in ((base + "/__init__.py", True), (base + ".py", False)):
            if base.split("/")[0] in self.packages and file in self.files:
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
    if not facts["allow_unenforced"]:
        sys.exit("the system call filter can't be applied: %s. \"allow_unenforced\": true in the policy does without" % why)


# --- files, by Landlock (sandbox/jail/landlock.cc has the same numbers and a longer word on them)

WRITE_FILE, MAKE_CHARACTER, MAKE_BLOCK, MOVE, TRUNCATE, DEVICE_CONTROL = 1 << 1, 1 << 6, 1 << 11, 1 << 13, 1 << 14, 1 << 15
ALL_CHANGES = WRITE_FILE | sum(1 << bit for bit in range(4, 13))
OUTSIDE = 0b11  # abstract sockets and signals


def writable_places():
    """Where something is mounted that may be changed. What is shown to be read isn't among them."""
    places = []
    with open("/proc/self/mountinfo", "rb") as file:
        for line in file:
            fields = line.split()
            for code, letter in ((b"\\040", b" "), (b"\\011", b"\t"), (b"\\012", b"\n"), (b"\\134", b"\\")):
                fields[4] = fields[4].replace(code, letter)
            if b"rw" in fields[5].split(b",") and not (fields[4] + b"/").startswith((b"/proc/", b"/sys/", b"/dev/pts/")):
                places.append(fields[4])
    return [b"/"] if b"/" in places else places  # whose rule is that of all others, which may be another machine's


def lock_files():
    """A second lock, where this kernel has one and the engine lets us: what may be read only stays as it is, though it
    be a FIFO, which no mount protects; and nothing outside can be signalled."""
    import ctypes
    libc = ctypes.CDLL(None, use_errno=True)
    abi = libc.syscall(ctypes.c_long(444), None, ctypes.c_size_t(0), 1)
    if abi <= 0:
        return
    handled = ALL_CHANGES | (MOVE if abi >= 2 else 0) | (TRUNCATE if abi >= 3 else 0) | (DEVICE_CONTROL if abi >= 5 else 0)
    attributes = (ctypes.c_uint64 * 3)(handled, 0, OUTSIDE if abi >= 6 else 0)
    size = 8 if abi < 4 else 16 if abi < 6 else 24
    ruleset = libc.syscall(ctypes.c_long(444), attributes, ctypes.c_size_t(size), 0)
    places = dict.fromkeys(writable_places(), handled & ~(MAKE_CHARACTER | MAKE_BLOCK))
    places.update({b"/proc": WRITE_FILE, b"/dev": handled & (WRITE_FILE | TRUNCATE | DEVICE_CONTROL)})
    for place, rights in places.items():
        try:
            fd = os.open(place, os.O_PATH | os.O_CLOEXEC)
        except OSError:
            continue  # covered by another mount, or nobody's to enter
        if not os.path.isdir(place):
            rights &= WRITE_FILE | TRUNCATE | DEVICE_CONTROL
        rule = rights.to_bytes(8, sys.byteorder) + fd.to_bytes(4, sys.byteorder)
        libc.syscall(ctypes.c_long(445), ruleset, 1, rule, 0)
        os.close(fd)
    if libc.prctl(38, 1, 0, 0, 0) != 0 or libc.syscall(ctypes.c_long(446), ruleset, 0) != 0:
        sys.exit("files can't be locked by Landlock: %s" % os.strerror(ctypes.get_errno()))
    os.close(ruleset)


def drop_capabilities():
    """Where we are root without a namespace of our own, that is worth something."""
    import ctypes
    libc = ctypes.CDLL(None)
    for number in range(64):
        libc.prctl(24, number, 0, 0, 0)  # from the bounding set
    libc.capset((ctypes.c_uint32 * 2)(0x20080522, 0), (ctypes.c_uint32 * 6)())


def listen(port, connections):
    """Where cells find the proxy. Without it, what the policy allows can't be reached, so nothing runs."""
    try:
        return connections.listen(port)
    except OSError as error:
        sys.exit("network.allow: the proxy's port %d can't be had on the sandbox's own loopback (%s): the layer \"network\" needs"
                 " a network namespace whose loopback is up" % (port, error.strerror))


def main():
    import json
    files = take_archive()
    facts = json.loads(files["facts.json"])
    sys.argv = ["warden"]
    memory = Memory(files)
    sys.meta_path.insert(0, memory)
    from remote import connections, mux, warden
    memory.packages.remove("remote")
    for name in [name for name in sys.modules if name.partition(".")[0] == "remote"]:
        del sys.modules[name]
    facts["alone"] = facts["private"] and warden.has_namespace()  # the engine's word is not enough
    base = settle(facts)
    place_copies(files)
    control = mux.Mux()
    if facts["connections"]:
        control.connections = connections.Connections(control, listen(facts["proxy_port"], connections), facts["connections"])
    ours = warden.Warden(control, facts["alone"], facts["memory"])
    drop_capabilities()
    lock_files()
    filter_calls(facts)
    try:
        ours.run()
    except warden.BadFrame as error:
        sys.exit("warden: the host sent %s" % error)
    finally:
        ours.kill_all()
        if base:
            import shutil
            shutil.rmtree(base, ignore_errors=True)


main()
