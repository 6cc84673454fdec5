"""The far end of a relay: a warden that is reached through nothing but its stdin and stdout (relay/README.md).

It comes through stdin itself, as text, and after it an archive: facts as JSON and the files of warden and worker, which
are imported from memory. Everything runs in the one process that is the warden, so that nothing else in the sandbox may
be killed by mistake, and nobody else holds the way out.
"""

import os
import select
import signal
import socket
import sys
from time import monotonic

GREETING = b"\0cellblock relay 1\n"
OPEN, DATA, CREDIT, CLOSE = 1, 2, 3, 4
HEADER = 9
WINDOW = 256 * 1024
MOST_DATA = 64 * 1024
MOST_QUEUED = 128 * 1024  # of workers' bytes that wait for stdout
LINGER = 2.0              # seconds for a dead worker's last words
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
    """Imports the package cellblock_worker from memory."""

    def __init__(self, files):
        self.files = files

    def find_spec(self, name, path=None, target=None):
        base = name.replace(".", "/")
        for file, is_package in ((base + "/__init__.py", True), (base + ".py", False)):
            if base.split("/")[0] == "cellblock_worker" and file in self.files:
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


class Lane:
    """Our end of one of a worker's sockets."""

    def __init__(self, number, end):
        self.number = number
        self.socket = end
        self.room = WINDOW       # that the host takes
        self.pending = bytearray()  # for the worker
        self.watched = 0


class Mux:
    """What the warden believes to be its control socket."""

    def __init__(self):
        self.source, self.sink = os.dup(0), os.dup(1)
        os.dup2(2, 1)
        null = os.open(os.devnull, os.O_RDONLY)
        os.dup2(null, 0)
        os.close(null)
        os.set_blocking(self.source, False)
        os.set_blocking(self.sink, False)
        self.poller = select.epoll()
        self.poller.register(self.source, select.EPOLLIN)
        self.sink_is_watched = False
        self.lanes = {}       # by number
        self.by_fd = {}
        self.half_closed = set()  # closed here, not yet by the host
        self.room = WINDOW    # of channel 0
        self.urgent, self.bulk = [GREETING], []
        self.queued = 0       # bytes in bulk
        self.writing = b""
        self.input = bytearray()
        self.control = bytearray()
        self.descriptors = []
        self.ended = False

    # --- as a socket

    def fileno(self):
        return self.poller.fileno()

    def sendall(self, data):
        self.put(DATA, 0, len(data), data)
        self.room -= len(data)
        self.flush()

    def close(self):
        for lane in self.lanes.values():
            lane.socket.close()
        self.poller.close()
        os.close(self.source)
        os.close(self.sink)

    # --- towards the host

    def put(self, kind, number, length, data=b""):
        frame = bytes((kind,)) + number.to_bytes(4, "big") + length.to_bytes(4, "big") + bytes(data)
        if number == 0 or kind == CREDIT:
            self.urgent.append(frame)
        else:
            self.bulk.append(frame)
            self.queued += len(frame)

    def flush(self):
        while True:
            if not self.writing:
                if self.urgent:
                    self.writing = self.urgent.pop(0)
                elif self.bulk:
                    self.writing = self.bulk.pop(0)
                    self.queued -= len(self.writing)
                else:
                    break
            try:
                self.writing = self.writing[os.write(self.sink, self.writing):]
            except BlockingIOError:
                break
            except OSError:
                self.ended = True
                return
        self.watch_sink(bool(self.writing))

    def watch_sink(self, wanted):
        if wanted != self.sink_is_watched:
            self.sink_is_watched = wanted
            if wanted:
                self.poller.register(self.sink, select.EPOLLOUT)
            else:
                self.poller.unregister(self.sink)

    def watch(self, lane):
        wanted = (select.EPOLLIN if lane.room > 0 and self.queued < MOST_QUEUED else 0) \
            | (select.EPOLLOUT if lane.pending else 0)
        if wanted == lane.watched:
            return
        if not lane.watched:
            self.poller.register(lane.socket.fileno(), wanted)
        elif wanted:
            self.poller.modify(lane.socket.fileno(), wanted)
        else:
            self.poller.unregister(lane.socket.fileno())  # an end would wake us again and again
        lane.watched = wanted

    # --- one round

    def pump(self, wait=0):
        for fd, events in self.poller.poll(wait):
            if fd == self.source:
                self.read_source()
            elif fd in self.by_fd:
                self.serve(self.by_fd[fd], events)
        self.flush()
        for lane in self.lanes.values():
            self.watch(lane)

    def serve(self, lane, events):
        if events & select.EPOLLOUT or lane.pending:
            self.write_lane(lane)
        if events & (select.EPOLLIN | select.EPOLLHUP | select.EPOLLERR) and lane.number in self.lanes \
                and lane.room > 0 and self.queued < MOST_QUEUED:
            self.read_lane(lane)

    def read_lane(self, lane):
        try:
            data = lane.socket.recv(min(MOST_DATA, lane.room))
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if data:
            lane.room -= len(data)
            self.put(DATA, lane.number, len(data), data)
        else:
            self.end_lane(lane)

    def write_lane(self, lane):
        """What the worker takes; the host is given the same room again."""
        size = len(lane.pending)
        try:
            while lane.pending:
                del lane.pending[:lane.socket.send(lane.pending)]
        except BlockingIOError:
            pass
        except OSError:
            lane.pending.clear()  # it doesn't read any more; what it wrote still counts
        if size > len(lane.pending):
            self.put(CREDIT, lane.number, size - len(lane.pending))

    def end_lane(self, lane):
        self.forget(lane)
        self.half_closed.add(lane.number)
        self.put(CLOSE, lane.number, 0)

    def forget(self, lane):
        del self.lanes[lane.number], self.by_fd[lane.socket.fileno()]
        if lane.watched:
            self.poller.unregister(lane.socket.fileno())
        lane.socket.close()

    # --- from the host

    def read_source(self):
        try:
            data = os.read(self.source, 4 * MOST_DATA)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self.ended = True
            return
        self.input += data
        at = 0
        while len(self.input) - at >= HEADER:
            kind = self.input[at]
            number = int.from_bytes(self.input[at + 1:at + 5], "big")
            length = int.from_bytes(self.input[at + 5:at + 9], "big")
            size = length if kind == DATA else 0
            if len(self.input) - at < HEADER + size:
                break
            self.obey(kind, number, length, self.input[at + HEADER:at + HEADER + size])
            at += HEADER + size
        del self.input[:at]

    def obey(self, kind, number, length, data):
        lane = self.lanes.get(number)
        if kind == DATA and number == 0:
            self.control += data
            self.put(CREDIT, 0, length)
        elif kind == CREDIT and number == 0:
            self.room += length
        elif kind == OPEN:
            self.open_lane(number)
        elif kind == DATA and lane:
            lane.pending += data
            self.write_lane(lane)
        elif kind == CREDIT and lane:
            lane.room += length
        elif kind == CLOSE and lane:
            self.forget(lane)
            self.put(CLOSE, number, 0)
        elif kind == CLOSE:
            self.half_closed.discard(number)

    def open_lane(self, number):
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        lane = self.lanes[number] = self.by_fd[ours.fileno()] = Lane(number, ours)
        lane.watched = select.EPOLLIN
        self.poller.register(ours.fileno(), select.EPOLLIN)
        self.descriptors.append(theirs.detach())

    def empty_lanes(self):
        """A dead worker's last words go before the word of its death."""
        until = monotonic() + LINGER
        while self.lanes and not self.ended and monotonic() < until:
            self.pump(0.02)
            for lane in list(self.lanes.values()):
                self.serve(lane, select.EPOLLIN)
        for lane in list(self.lanes.values()):
            self.end_lane(lane)
        while self.bulk and not self.ended and monotonic() < until:
            self.pump(0.02)


def make_warden(base):
    class FarWarden(base):
        def __init__(self, mux, facts):
            super().__init__(mux)
            self.owns_namespace = is_alone(facts)
            self.alone = True  # kill_all() reaches everyone
            if not self.owns_namespace:
                become_subreaper()
                self.watch = None  # it would see others' processes

        def receive(self):
            self.control.pump()
            descriptors, self.control.descriptors = self.control.descriptors, []
            self.descriptors += descriptors
            data, self.control.control = self.control.control, bytearray()
            if data:
                self.received += bytes(data)
                for command in self.whole_frames():
                    self.obey(command)
            return not self.control.ended

        def send(self, header):
            if '"worker_exited"' in header:
                self.control.empty_lanes()
            super().send(header)

        def kill_all(self):
            if self.owns_namespace:
                return super().kill_all()
            for pid in descendants():
                try:
                    os.kill(pid, signal.SIGKILL)
                except OSError:
                    pass

    return FarWarden


def is_alone(facts):
    """Does kill(-1) meet nobody but the sandbox's? The engine's word is not enough: we must be the first process of a
    namespace, or have come into one from outside (`kubectl exec`)."""
    return facts["private"] and (os.getpid() == 1 or os.getppid() == 0)


def become_subreaper():
    import ctypes
    ctypes.CDLL(None).prctl(36, 1, 0, 0, 0)


def descendants():
    """All that came from us, also what has lost its parent since. /proc may be that of an outer namespace, with other
    numbers; NSpid's last is the one that holds here."""
    parents, here = {}, {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                with open("/proc/%s/status" % name) as file:
                    facts = dict(line.split(":", 1) for line in file if line.startswith(("PPid:", "NSpid:")))
                parents[int(name)] = int(facts["PPid"])
                here[int(name)] = int(facts["NSpid"].split()[-1])
            except (OSError, ValueError, KeyError):
                pass
    root = int(os.readlink("/proc/self"))
    found, added = {root}, True
    while added:
        added = {pid for pid, parent in parents.items() if parent in found} - found
        found |= added
    return [here[pid] for pid in found - {root}]


# --- the place that cells see

def is_writable(folder):
    return os.path.isdir(folder) and os.access(folder, os.W_OK | os.X_OK)


def settle(facts):
    """Environment, folders and resource limits. The folder to be removed at the end, or None."""
    base = None
    if is_alone(facts) and is_writable("/tmp"):
        home, work = "/tmp/home", "/work" if is_writable("/work") else "/tmp/work"
    else:
        import tempfile
        base = os.path.join(tempfile.gettempdir(), facts["name"])
        os.mkdir(base, 0o700)
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
    base = settle(facts)
    place_copies(files)
    warden = make_warden(module.Warden)(Mux(), facts)
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
