"""Runs commands for the host beside the worker, in a process of its own.

The warden forks it at the host's `start_commands` (channel/FRAMES.md). A command may do what a cell may do and no more. It is a
session and a process group of its own; what it starts in the background outlives it, until the sandbox's Python ends. The agent
waits for nothing but events; its socket's end is its own and that of its commands.
"""

import collections
import errno
import fcntl
import os
import select
import signal
import socket
import struct
import subprocess
import sys
import termios

from . import frames
from .descriptors import out_of_the_way
from .process import set_dumpable

RECEIVED = 64 * 1024
PIECE = 64 * 1024     # bytes of one message
LAST_PIECES = 32      # of what a command leaves in its pipes: more than they hold
PROGRAMS = ".cellblock-programs"  # a folder of the temporary one, first on a command's PATH
# A script, as a link to a virtual environment's Python would forget the environment.
PROGRAM = "#!/bin/sh\nexec '%s' \"$@\"\n"


def main(fd):
    set_dumpable(0)  # else a command could write into the pipe that tells of its start; a program is dumpable again
    connection = socket.socket(fileno=out_of_the_way(fd))
    agent = Agent(connection)
    try:
        agent.serve()
    finally:
        for command in list(agent.commands.values()):
            command.signal(signal.SIGKILL)


def executable(path, flags):
    """The file is one from its beginning: where others share the user, a later chmod is left undone."""
    return os.open(path, flags, 0o755)


def add_programs(variables):
    """python and python3 are the Python that runs the cells."""
    folder = os.path.join(os.environ.get("TMPDIR", "/tmp"), PROGRAMS)
    try:
        os.makedirs(folder, exist_ok=True)
        for name in ("python", "python3"):
            path = os.path.join(folder, name)
            if not os.path.exists(path):
                with open(path, "w", opener=executable) as file:
                    file.write(PROGRAM % sys.executable.replace("'", "'\\''"))
    except OSError:  # nothing can be written there: the system's own are found
        return
    variables["PATH"] = folder + os.pathsep + variables.get("PATH", os.defpath)


class Agent:
    def __init__(self, connection):
        self.connection = connection
        connection.setblocking(True)
        self.parser = frames.Parser()
        self.poller = select.poll()
        self.readers = {}   # descriptor → what is called when it is readable
        self.writers = {}
        self.commands = {}  # number → Command
        self.variables = dict(os.environ)
        add_programs(self.variables)
        self.watch(connection.fileno(), self.receive)
        self.ended = False
        wake, bell = os.pipe()
        for one in (wake, bell):
            os.set_blocking(one, False)
        self.watch(wake, lambda: self.reap(wake))
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.signal(signal.SIGINT, lambda *_: None)  # a command finds its default, where ignoring it would be inherited
        signal.set_wakeup_fd(bell, warn_on_full_buffer=False)

    def watch(self, fd, read=None, write=None):
        for known, wanted in ((self.readers, read), (self.writers, write)):
            if wanted is not None:
                known[fd] = wanted
            else:
                known.pop(fd, None)
        events = (select.POLLIN if read else 0) | (select.POLLOUT if write else 0)
        if events:
            self.poller.register(fd, events)
        else:
            self.forget(fd)

    def forget(self, fd):
        self.readers.pop(fd, None)
        self.writers.pop(fd, None)
        try:
            self.poller.unregister(fd)
        except KeyError:
            pass

    def serve(self):
        while not self.ended:
            for fd, events in self.poller.poll():
                if events & ~select.POLLOUT and fd in self.readers:
                    self.readers[fd]()
                if events & ~select.POLLIN and fd in self.writers:
                    self.writers[fd]()

    def send(self, header, buffers=()):
        for part in frames.encode(header, buffers):
            self.connection.sendall(part)

    def receive(self):
        data = self.connection.recv(RECEIVED)
        if not data:
            self.ended = True
            return
        self.parser.feed(data)
        for header, buffers in iter(self.parser.next, None):
            self.obey(header, buffers)

    def obey(self, header, buffers):
        number = header["command"]
        if header["type"] == "run":
            self.run(number, header)
            return
        command = self.commands.get(number)
        if command is None:  # it has ended meanwhile
            return
        if header["type"] == "input":
            command.take_input(buffers[header["bytes"]], header["end"])
        elif header["type"] == "signal":
            command.signal(header["signal"])
        elif header["type"] == "resize":
            command.resize(header["rows"], header["columns"])

    def run(self, number, header):
        failed = 0
        try:
            self.commands[number] = Command(self, number, header)
        except MemoryError:
            failed = errno.ENOMEM
        except OSError as error:
            failed = error.errno or errno.EIO
        except (ValueError, subprocess.SubprocessError):  # a NUL in a text; no terminal
            failed = errno.EINVAL
        if failed:
            self.send({"type": "command_exited", "command": number, "status": None, "signal": None, "errno": failed, "cut": False})

    def reap(self, wake):
        try:
            while os.read(wake, 4096):
                pass
        except BlockingIOError:
            pass
        for command in [one for one in self.commands.values() if one.process.poll() is not None]:
            command.finish()


class Command:
    """OSError: it can't be started."""

    def __init__(self, agent, number, header):
        self.agent = agent
        self.number = number
        self.left = header["output_bytes"]
        self.cut = False
        self.input = collections.deque()  # pieces, and None for the end
        self.sinks = {}                   # descriptor → stdout or stderr
        self.terminal = None
        self.stdin = None
        variables = {**agent.variables, **header["environment"]}
        words = {"args": header["argv"], "cwd": header["directory"], "env": variables, "start_new_session": True, "close_fds": True}
        if header["terminal"] is not None:
            self.start_in_terminal(words, *header["terminal"])
        else:
            self.start(words, header["input"])
        for fd in self.sinks:
            os.set_blocking(fd, False)
            agent.watch(fd, lambda fd=fd: self.read(fd))

    def start(self, words, has_input):
        self.process = subprocess.Popen(stdin=subprocess.PIPE if has_input else subprocess.DEVNULL,
                                        stdout=subprocess.PIPE, stderr=subprocess.PIPE, bufsize=0, **words)
        self.sinks = {self.process.stdout.fileno(): "stdout", self.process.stderr.fileno(): "stderr"}
        if has_input:
            self.stdin = self.process.stdin.fileno()
            os.set_blocking(self.stdin, False)

    def start_in_terminal(self, words, rows, columns):
        leader, follower = os.openpty()
        try:
            self.terminal = leader
            self.resize(rows, columns)
            words["env"].setdefault("TERM", "xterm-256color")
            self.process = subprocess.Popen(stdin=follower, stdout=follower, stderr=follower,
                                            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0), **words)
        except BaseException:
            os.close(leader)
            raise
        finally:
            os.close(follower)
        os.set_inheritable(leader, False)
        self.sinks = {leader: "stdout"}
        self.stdin = leader

    # --- output

    def read(self, fd):
        """Gives how many bytes there were; 0: none now, or never again."""
        try:
            data = os.read(fd, PIECE)
        except BlockingIOError:
            return 0
        except OSError:  # a terminal whose last program has gone
            data = b""
        if not data:
            self.agent.forget(fd)
            if fd != self.terminal:
                self.close(fd)
            return 0
        self.tell(self.sinks[fd], data[:self.left])
        self.cut = self.cut or len(data) > self.left
        self.left = max(0, self.left - len(data))
        return len(data)

    def tell(self, name, data):
        if data:
            self.agent.send({"type": "command_output", "command": self.number, "name": name, "bytes": 0}, (data,))

    def close(self, fd):
        self.agent.forget(fd)
        self.sinks.pop(fd, None)
        for pipe in (self.process.stdin, self.process.stdout, self.process.stderr):
            if pipe is not None and not pipe.closed and pipe.fileno() == fd:
                pipe.close()

    # --- input

    def take_input(self, data, end):
        if data:
            self.input.append(data)
        if end:
            self.input.append(None)
        self.write()

    def write(self):
        while self.input and self.stdin is not None:
            data = self.input[0]
            if data is None:
                self.end_input()
                break
            try:
                count = os.write(self.stdin, data)
            except BlockingIOError:
                self.watch_input(True)
                return
            except OSError:  # it reads no more
                self.end_input()
                break
            if count < len(data):
                self.input[0] = data[count:]
            else:
                self.input.popleft()
        if self.stdin is None:
            self.input.clear()
        else:
            self.watch_input(False)
        self.agent.send({"type": "input_taken", "command": self.number})

    def watch_input(self, waits):
        reads = self.agent.readers.get(self.stdin)  # of a terminal
        self.agent.watch(self.stdin, reads, self.write if waits else None)

    def end_input(self):
        if self.stdin is None:
            return
        fd, self.stdin = self.stdin, None
        if fd == self.terminal:
            self.agent.watch(fd, self.agent.readers.get(fd))
            try:
                os.write(fd, termios.tcgetattr(fd)[6][termios.VEOF])
            except OSError:
                pass
        else:
            self.close(fd)

    # --- what else the host asks for

    def signal(self, number):
        if self.process.returncode is None:
            try:
                os.killpg(self.process.pid, number)
            except OSError:
                pass

    def resize(self, rows, columns):
        if self.terminal is not None:
            fcntl.ioctl(self.terminal, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    # --- its end

    def finish(self):
        """What it has written comes first; what its own children may still write isn't waited for."""
        for fd in list(self.sinks):
            for _ in range(LAST_PIECES):
                if fd not in self.sinks or not self.read(fd):
                    break
        for fd in [*self.sinks, *([self.stdin] if self.stdin is not None and self.stdin != self.terminal else [])]:
            if fd != self.terminal:
                self.close(fd)
        if self.terminal is not None:
            self.agent.forget(self.terminal)
            os.close(self.terminal)
        del self.agent.commands[self.number]
        code = self.process.returncode
        self.agent.send({"type": "command_exited", "command": self.number, "status": code if code >= 0 else None,
                         "signal": -code if code < 0 else None, "errno": 0, "cut": self.cut})
