"""A host without a jail: starts a warden, hands it workers, checks every frame.

The check follows sandbox/channel/FRAMES.md, so a test of any behaviour is a
test of the format too.
"""

import json
import os
import pathlib
import select
import signal
import socket
import struct
import subprocess
import time
import types

REPO = pathlib.Path(__file__).resolve().parents[2]
WORKER_FOLDER = REPO / "sandbox" / "python"
WARDEN = pathlib.Path(os.environ.get("CELLBLOCK", REPO / "build" / "cellblock")).parent / "cellblock-warden"
PYTHON = os.environ.get("CELLBLOCK_TEST_PYTHON", "/usr/bin/python3")
TIMEOUT = 60.0
NUMBER, TEXT, FLAG, LIST, RAW, UTF8 = "number", "text", "flag", "list", "raw", "UTF-8"
MAYBE_BYTES, ENTRIES = "bytes or null", "entries"
MAYBE_TEXT, MAYBE_ERROR, MIMES, BUFFERS = "text or null", "error or null", "mimes", "buffers"
ERROR = {"ename": TEXT, "evalue": TEXT, "traceback": LIST}
COMM = {"cell": NUMBER, "comm_id": TEXT, "data": RAW, "metadata": RAW, "buffers": BUFFERS}
SCHEMA = {
    "starting": {"python": TEXT},
    "ready": {"python": TEXT, "ipython": TEXT, "banner": TEXT},
    "failed": {"message": TEXT},
    "stream": {"cell": NUMBER, "name": TEXT, "text": UTF8},
    "display": {"cell": NUMBER, "kind": TEXT, "data": MIMES, "metadata": RAW, "display_id": MAYBE_TEXT,
                "buffers": BUFFERS},
    "clear_output": {"cell": NUMBER, "wait": FLAG},
    "error": {"cell": NUMBER, **ERROR},
    "input_request": {"cell": NUMBER, "request": NUMBER, "prompt": TEXT, "password": FLAG},
    "comm_open": {**COMM, "target_name": TEXT, "target_module": MAYBE_TEXT},
    "comm_msg": COMM,
    "comm_close": COMM,
    "done": {"cell": NUMBER, "status": TEXT, "error": MAYBE_ERROR, "user_expressions": RAW, "payload": RAW},
    "reply": {"query": NUMBER, "content": RAW},
    "file_reply": {"request": NUMBER, "errno": NUMBER, "size": NUMBER, "modified": NUMBER, "bytes": MAYBE_BYTES, "entries": ENTRIES,
                   "more": FLAG},
}


def encode(header, buffers=()):
    text = json.dumps(header, separators=(",", ":")).encode()
    return b"".join([struct.pack(">%dI" % (2 + len(buffers)), len(text), len(buffers), *map(len, buffers)), text,
                     *buffers])


class Frame(dict):
    """A header, with its buffers put where they belong."""

    def __init__(self, header, buffers):
        super().__init__(header)
        self.buffers = buffers
        self._taken = set()

    def take(self, index):
        assert isinstance(index, int) and 0 <= index < len(self.buffers), self
        assert index not in self._taken, "a buffer used twice"
        self._taken.add(index)
        return self.buffers[index]

    def json_at(self, index):
        return json.loads(self.take(index).decode("utf-8"), parse_constant=_no_constant)

    def check(self):
        schema = dict(SCHEMA[self["type"]])
        if self.get("kind") == "execute_result":
            schema["count"] = NUMBER
        assert set(self) == {"type", *schema}, "fields of %r" % (self,)
        for name, what in schema.items():
            self[name] = self._checked(self[name], what)
        assert len(self._taken) == len(self.buffers), "a buffer that nothing refers to"
        return self

    def _checked(self, value, what):
        if what == NUMBER:
            assert type(value) is int and value >= 0
        elif what == TEXT:
            assert isinstance(value, str)
        elif what == MAYBE_TEXT:
            assert value is None or isinstance(value, str)
        elif what == FLAG:
            assert isinstance(value, bool)
        elif what == LIST:
            assert all(isinstance(item, str) for item in value)
        elif what == RAW:
            return self.json_at(value)
        elif what == UTF8:
            return self.take(value).decode("utf-8")
        elif what == MAYBE_BYTES:
            return None if value is None else self.take(value)
        elif what == ENTRIES:
            assert all([type(part) for part in entry] == [str, str, int, int] for entry in value)
        elif what == BUFFERS:
            return [self.take(index) for index in value]
        elif what == MIMES:
            return {mime: self._mime(item) for mime, item in value.items()}
        elif what == MAYBE_ERROR:
            assert value is None or set(value) == set(ERROR)
        return value

    def _mime(self, item):
        if isinstance(item, str):
            return item
        assert len(item) == 1
        if "text" in item:
            return self.take(item["text"]).decode("utf-8")
        return self.take(item["bytes"]) if "bytes" in item else self.json_at(item["json"])


def _no_constant(name):
    raise AssertionError("%s is not JSON" % name)


class Socket:
    """Frames of one stream socket, with timeouts."""

    def __init__(self, sock):
        self.sock = sock
        self.data = bytearray()

    def read(self, timeout=TIMEOUT):
        """The next (header, buffers); None at the end of file."""
        end = time.monotonic() + timeout
        while True:
            frame = self._cut()
            if frame is not None:
                return frame
            left = end - time.monotonic()
            if left <= 0 or not select.select([self.sock], [], [], left)[0]:
                raise TimeoutError("no frame within %s s" % timeout)
            try:
                data = self.sock.recv(1 << 20)
            except ConnectionResetError:
                data = b""
            if not data:
                return None
            self.data += data

    def _cut(self):
        if len(self.data) < 8:
            return None
        length, count = struct.unpack_from(">II", self.data)
        assert length <= 1 << 20 and count <= 256, "bounds"
        start = 8 + 4 * count
        if len(self.data) < start:
            return None
        lengths = struct.unpack_from(">%dI" % count, self.data, 8)
        assert all(one <= 64 << 20 for one in lengths)
        end = start + length + sum(lengths)
        assert end <= 128 << 20
        if len(self.data) < end:
            return None
        header = json.loads(bytes(self.data[start:start + length]).decode("utf-8"))
        buffers = []
        at = start + length
        for one in lengths:
            buffers.append(bytes(self.data[at:at + one]))
            at += one
        del self.data[:end]
        return header, buffers


class Result:
    """All that a cell sent up to its `done`."""

    def __init__(self, frames):
        self.frames = frames
        self.done = frames[-1]
        self.status = self.done["status"]
        self.error = self.done["error"]

    def of(self, kind):
        return [frame for frame in self.frames if frame["type"] == kind]

    def text(self, name):
        return "".join(frame["text"] for frame in self.of("stream") if frame["name"] == name)

    @property
    def stdout(self):
        return self.text("stdout")

    @property
    def stderr(self):
        return self.text("stderr")

    @property
    def displays(self):
        return self.of("display")

    @property
    def result(self):
        found = [frame for frame in self.displays if frame["kind"] == "execute_result"]
        return found[-1]["data"]["text/plain"] if found else None


def unshare():
    """Makes a PID namespace, which ends with the test."""
    return ["unshare", *([] if os.geteuid() == 0 else ["--user", "--map-root-user"]), "--pid", "--fork", "--kill-child",
            "--mount-proc"]


def namespaces_work():
    return subprocess.run([*unshare(), "true"], capture_output=True, check=False).returncode == 0


def children(pid):
    with open("/proc/%d/task/%d/children" % (pid, pid)) as file:
        return [int(one) for one in file.read().split()]


class Host:
    POLICY = {"name": "default", "cell_time": "60 s", "memory": "1 GiB", "processes": 128, "disk": "256 MiB",
              "output_bytes": 1 << 30, "network": "none", "files": "", "working_directory": "/work"}

    def __init__(self, python=PYTHON, preload=(), imports=None, cwd=None, temporary=None, warden="python", namespace=False,
                 **policy):
        """`warden`: that of jails, "c", or "python". `namespace`: it is PID 1 of one; the first is nowhere else."""
        self.policy = {**self.POLICY, **policy}
        self.preload = list(preload)
        self.imports = imports
        ours, theirs = socket.socketpair()
        script = 'exec 3<&%d; exec "$@"' % theirs.fileno()
        commands = {"python": [python, "-I", "-S", str(REPO / "tests" / "worker" / "python_warden.py")],
                    "c": [str(WARDEN), "--", python, "-I", "-S", "-B", str(WORKER_FOLDER / "worker.py")]}
        self.process = subprocess.Popen(
            ["bash", "-c", script, "warden", *(unshare() if namespace else []), *commands[warden]],
            pass_fds=[theirs.fileno()], cwd=cwd, start_new_session=True, stderr=subprocess.PIPE if namespace else None,
            env={**os.environ, **({"TMPDIR": str(temporary)} if temporary else {})})
        theirs.close()
        self.namespace = namespace
        self.warden = Socket(ours)
        self.cells = self.queries = 0
        self.late = []
        self.hello = self.warden.read()[0]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.warden.sock.close()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            raise

    # --- workers

    def start_worker(self):
        """Starts one and returns its first frame."""
        ours, theirs = socket.socketpair()
        command = encode({"type": "start_worker"})
        socket.send_fds(self.warden.sock, [command[:1]], [theirs.fileno()])
        self.warden.sock.sendall(command[1:])
        theirs.close()
        self.worker = Socket(ours)
        self.send({"type": "configure", "policy": self.policy, "preload": self.preload,
                   "imports": self.imports})
        frame = self.first_frame()
        self.python = frame.get("python")
        return frame

    def start_files(self):
        ours, theirs = socket.socketpair()
        socket.send_fds(self.warden.sock, [encode({"type": "start_files"})], [theirs.fileno()])
        theirs.close()
        self.files, self.asked = Socket(ours), 0

    def file(self, do, buffers=(), **more):
        """What the file agent answers."""
        self.asked += 1
        self.files.sock.sendall(encode({"type": "file", "request": self.asked, "do": do, **more}, buffers))
        header, received = self.files.read()
        assert header["request"] == self.asked
        return Frame(header, received).check()

    # --- commands

    def start_commands(self):
        ours, theirs = socket.socketpair()
        socket.send_fds(self.warden.sock, [encode({"type": "start_commands"})], [theirs.fileno()])
        theirs.close()
        self.commands, self.commanded = Socket(ours), 0

    def tell_commands(self, header, buffers=()):
        self.commands.sock.sendall(encode(header, buffers))

    def begin_command(self, argv, directory=None, environment=None, input=False, terminal=None, output_bytes=1 << 20):
        self.commanded += 1
        self.tell_commands({"type": "run", "command": self.commanded, "argv": argv, "directory": directory, "input": input,
                            "environment": environment or {}, "terminal": terminal, "output_bytes": output_bytes})
        return self.commanded

    def input(self, number, data, end=False, wait=False):
        while wait and self.command_frame()[0] != {"type": "input_taken", "command": number}:
            pass
        self.tell_commands({"type": "input", "command": number, "bytes": 0, "end": end}, [data])

    def signal_command(self, number, signal_number):
        self.tell_commands({"type": "signal", "command": number, "signal": int(signal_number)})

    def resize_command(self, number, rows, columns):
        self.tell_commands({"type": "resize", "command": number, "rows": rows, "columns": columns})

    def command_frame(self):
        """Its header and buffers."""
        return self.commands.read()

    def command_ends(self, numbers):
        """What each of them wrote, and its end."""
        found = {number: types.SimpleNamespace(stdout=b"", stderr=b"", end=None) for number in numbers}
        while any(one.end is None for one in found.values()):
            header, buffers = self.command_frame()
            one = found[header["command"]]
            if header["type"] == "command_output":
                setattr(one, header["name"], getattr(one, header["name"]) + bytes(buffers[0]))
            elif header["type"] == "command_exited":
                one.end = {name: header[name] for name in ("status", "signal", "errno", "cut")}
        return found

    def command_end(self, number):
        return self.command_ends([number])[number]

    def run_command(self, argv, **more):
        return self.command_end(self.begin_command(argv, **more))

    def command_line(self, line, **more):
        return self.run_command(["/bin/sh", "-c", line], **more)

    def first_frame(self):
        """A worker's, but for the one that only tells a cold jail's Python."""
        frame = self.read()
        return self.read() if frame["type"] == "starting" else frame

    def warden_pid(self):
        return children(self.process.pid)[0] if self.namespace else self.process.pid

    def command(self, kind):
        self.warden.sock.sendall(encode({"type": kind}))

    def interrupt(self):
        self.command("interrupt")

    def worker_exited(self, timeout=TIMEOUT):
        return self.warden.read(timeout)[0]

    def send(self, header, buffers=()):
        self.worker.sock.sendall(encode(header, buffers))

    def read(self, timeout=TIMEOUT):
        frame = self.worker.read(timeout)
        return None if frame is None else Frame(*frame).check()

    # --- cells

    def begin(self, code, **options):
        self.cells += 1
        header = {"type": "execute", "cell": self.cells, "code": code, "silent": False, "store_history": True,
                  "user_expressions": {}, "allow_stdin": False, "count": self.cells, "metadata": {}, "parent": ""}
        self.send({**header, **options})
        return self.cells

    def finish(self, cell, answer=None, timeout=TIMEOUT):
        """Reads up to the cell's `done`. answer(frame) gives the reply to an input_request."""
        frames = []
        while True:
            frame = self.read(timeout)
            assert frame is not None, "the worker is gone"
            if frame["type"] == "input_request" and answer is not None:
                self.send({"type": "input_reply", "request": frame["request"], "value": answer(frame)})
            if frame.get("cell", cell) != cell:
                self.late.append(frame)
                continue
            frames.append(frame)
            if frame["type"] == "done":
                return Result(frames)

    def execute(self, code, answer=None, timeout=TIMEOUT, **options):
        return self.finish(self.begin(code, **options), answer, timeout)

    def until(self, kind, timeout=TIMEOUT):
        """Reads frames up to one of a kind and returns it."""
        while True:
            frame = self.read(timeout)
            assert frame is not None, "the worker is gone"
            if frame["type"] == kind:
                return frame

    def ask(self, kind, **fields):
        self.queries += 1
        self.send({"type": kind, "query": self.queries, **fields})
        frame = self.until("reply")
        assert frame["query"] == self.queries
        return frame["content"]

    def comm(self, kind, comm_id, data=None, buffers=(), **fields):
        self.cells += 1
        self.send({"type": kind, "cell": self.cells, "comm_id": comm_id, "data": 0, "metadata": 1, "parent": "", **fields},
                  [json.dumps(data or {}).encode(), b"{}", *buffers])
        return self.finish(self.cells)
