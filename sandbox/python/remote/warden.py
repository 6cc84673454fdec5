"""The warden of a sandbox that is reached through a program's stdin: forks the worker, interrupts, kills and reaps it.

It keeps the contract in channel/FRAMES.md ("The warden"), as the warden of jails does, which is in C (jail/warden.h): no
program of ours can be brought into such a sandbox, whose machine may be another one, and Python is there anyway. It never
runs a cell, so it stays answerable whatever a worker does. Imports little, for a fast start.
"""

import gc
import os
import select
import signal
import sys
from time import monotonic
import _signal  # signal's own functions look for an enum first

from cellblock_worker.agents import agent_of
from cellblock_worker.process import WORKER_SIGNALS, run_and_leave, set_dumpable

MAX_HEADER = 256  # of a command; it is a type and no more
MOST_DESCRIPTORS = 2
REAP_SECONDS = 2.0  # how long killed processes are waited for before the host is told
EVERYBODY = -1  # one at a time won't do


class BadFrame(Exception):
    """What ends the warden. The reason is for the user."""


def encode(text):
    body = text.encode()
    return len(body).to_bytes(4, "big") + bytes(4) + body


class MemoryWatch:
    """Where no cgroup bounds the sum of memory: looks at it often enough that it can't get far, and kills the largest.

    What a process says of itself is not believed: statm is the kernel's. Page tables count. Shared pages are told apart
    only once the plain sum is over the limit, since that costs the kernel a walk through each process's pages. (Sockets
    count only in jails: jail/memory_watch.h.)
    """

    NEAR, FAR = 0.1, 0.5  # seconds between two looks: above half of the limit, and below

    def __init__(self, limit):
        self.limit = limit
        self.page = os.sysconf("SC_PAGE_SIZE")

    def processes(self):
        try:
            return [int(name) for name in os.listdir("/proc") if name.isdigit() and name != str(os.getpid())]
        except OSError:
            return []

    @staticmethod
    def value(file, name):
        try:
            with open(file) as lines:
                return next((int(line[len(name):].split()[0]) for line in lines if line.startswith(name)), 0)
        except (OSError, ValueError, IndexError):
            return 0

    def page_tables(self, pid):
        return self.value("/proc/%d/status" % pid, "VmPTE:") * 1024

    def resident(self, pid):
        try:
            with open("/proc/%d/statm" % pid) as file:
                return int(file.read().split()[1]) * self.page
        except (OSError, ValueError, IndexError):
            return 0

    def proportional(self, pid):
        """Its share: anonymous and shared memory, not what it has mapped of files."""
        total = 0
        try:
            with open("/proc/%d/smaps_rollup" % pid) as file:
                for line in file:
                    if line.startswith(("Pss_Anon:", "Pss_Shmem:")):
                        total += int(line.split()[1]) * 1024
            return total
        except (OSError, ValueError, IndexError):
            return self.resident(pid)  # it has closed itself to us

    def look(self):
        """(seconds to the next look, the process to be killed, EVERYBODY or None)."""
        pids = self.processes()
        rough = sum(self.resident(pid) + self.page_tables(pid) for pid in pids)
        if rough <= self.limit:
            return self.NEAR if rough > self.limit // 2 else self.FAR, None
        sizes = {pid: self.proportional(pid) + self.page_tables(pid) for pid in pids}
        used = sum(sizes.values())
        if used <= self.limit:
            return self.NEAR, None
        return self.NEAR, max(sizes, key=sizes.get) if used <= 2 * self.limit else EVERYBODY


class Warden:
    """`control`: a Mux. `alone`: kill(-1) meets the sandbox's processes and nobody else; if not, all descendants are
    looked for. `memory_limit`: of the sum, in bytes; 0: something else sees to it."""

    def __init__(self, control, alone, memory_limit=0):
        self.control = control
        self.alone = alone
        self.worker = None       # its process id, also that of its process group
        self.agents = {}         # "--files" or "--commands" → the agent's
        self.death = None        # (exit status, signal) of a worker not yet told of
        self.give_up_at = 0.0
        self.known_kills = oom_kills()
        self.watch = MemoryWatch(memory_limit) if memory_limit and alone else None  # else it would see others' processes
        if not alone:
            become_subreaper()
        self.next_look = 0.0
        self.received = b""
        self.descriptors = []
        self.wake_read, self.wake_write = os.pipe()
        os.set_blocking(self.wake_read, False)
        os.set_blocking(self.wake_write, False)

    def run(self):
        for number in WORKER_SIGNALS:
            _signal.signal(number, _signal.SIG_IGN)
        _signal.signal(signal.SIGCHLD, lambda *_: None)
        _signal.set_wakeup_fd(self.wake_write, warn_on_full_buffer=False)
        self.send('{"type": "hello"}')
        poller = select.poll()
        poller.register(self.control.fileno(), select.POLLIN)
        poller.register(self.wake_read, select.POLLIN)
        while True:
            for fd, _ in poller.poll(self.milliseconds()):
                if fd == self.wake_read:
                    self.clear_wakeups()
                elif not self.receive():
                    return
            self.reap()
            if self.watch is not None and self.worker is not None:
                self.bound_memory()

    def milliseconds(self):
        """How long nothing needs to be done."""
        if self.death is not None:
            return 20
        if self.watch is None or self.worker is None:
            return None
        return max(0, self.next_look - monotonic()) * 1000 + 1

    def bound_memory(self):
        if monotonic() < self.next_look:
            return  # woken by something else; there may be much of that
        wait, victim = self.watch.look()
        self.next_look = monotonic() + wait
        if victim is not None:
            self.send('{"type": "memory_kill"}')
            if victim == EVERYBODY:
                return self.kill_all()
            try:
                os.kill(victim, signal.SIGKILL)
            except OSError:
                pass

    def clear_wakeups(self):
        try:
            while os.read(self.wake_read, 4096):
                pass
        except BlockingIOError:
            pass

    def send(self, header):
        if '"worker_exited"' in header:
            self.control.empty_lanes()
            self.tell_of_memory()
        try:
            self.control.sendall(encode(header))
        except OSError:
            pass  # the host is gone; end of file follows

    def tell_of_memory(self):
        """The engine's own limit kills without a word; the host is told, as of a kill of the warden's own."""
        count = oom_kills()
        if count > self.known_kills:
            self.send('{"type": "memory_kill"}')
        self.known_kills = count

    # --- the host's commands

    def receive(self):
        """Reads what is there. False at the end of file."""
        self.control.pump()
        arrived, self.control.descriptors = self.control.descriptors, []
        self.descriptors += arrived
        if len(self.descriptors) > MOST_DESCRIPTORS:
            raise BadFrame("more descriptors than a worker has")
        data, self.control.control = self.control.control, bytearray()
        self.received += bytes(data)
        for command in self.whole_frames():
            self.obey(command)
        return not self.control.ended

    def whole_frames(self):
        while len(self.received) >= 8:
            length = int.from_bytes(self.received[:4], "big")
            if not 0 < length <= MAX_HEADER or self.received[4:8] != bytes(4):
                raise BadFrame("a frame out of bounds")
            if len(self.received) < 8 + length:
                return
            header, self.received = self.received[8:8 + length], self.received[8 + length:]
            yield header

    def obey(self, command):
        if command == b'{"type":"start_worker"}':
            self.start_worker()
        elif command == b'{"type":"interrupt"}':
            self.signal_group(signal.SIGINT)
        elif command == b'{"type":"kill_worker"}':
            self.kill_all()
        elif command == b'{"type":"start_files"}':
            self.start_agent("--files")
        elif command == b'{"type":"start_commands"}':
            self.start_agent("--commands")
        else:
            raise BadFrame("an unknown command")

    # --- the worker

    def start_worker(self):
        if self.worker is not None or not self.descriptors:
            raise BadFrame("start_worker " + ("while one lives" if self.worker else "without a socket"))
        fd, *debugger = self.descriptors  # the second where the policy has a debugger
        self.descriptors = []
        set_dumpable(0)  # before there is anybody who could look
        pid = os.fork()
        if pid == 0:
            run_and_leave(lambda: self.become_worker(fd, *debugger))
        for one in (fd, *debugger):
            os.close(one)
        self.worker = pid

    def start_agent(self, which):
        if not self.descriptors:
            raise BadFrame("no socket for an agent")
        fd = self.descriptors.pop(0)
        self.kill_agent(which)
        try:
            pid = os.fork()
            if pid:
                self.agents[which] = pid
        except OSError:  # limits.processes: the socket's end tells the host
            pid = None
        if pid == 0:
            run_and_leave(lambda: self.become_agent(which, fd))
        os.close(fd)

    def kill_agent(self, which):
        if which in self.agents:
            try:
                os.kill(self.agents.pop(which), signal.SIGKILL)
            except OSError:
                pass

    def become_agent(self, which, fd):
        self.become_child()
        agent_of(which).main(fd)

    def become_worker(self, fd, debugger=None):
        self.become_child()
        run_worker(fd, debugger)

    def become_child(self):
        set_dumpable(1)  # its /proc/self is its own
        _signal.set_wakeup_fd(-1)
        for number in WORKER_SIGNALS + (signal.SIGCHLD,):
            _signal.signal(number, _signal.SIG_DFL)
        # Ignored until the worker has a handler of its own, so that an early interrupt isn't its end.
        _signal.signal(signal.SIGINT, _signal.SIG_IGN)
        os.setsid()
        self.control.close()
        os.close(self.wake_read)
        os.close(self.wake_write)
        prefer_as_oom_victim()
        null = os.open(os.devnull, os.O_RDONLY)
        if null != 0:
            os.dup2(null, 0)
            os.close(null)

    def signal_group(self, number):
        if self.worker is not None:
            try:
                os.killpg(self.worker, number)
            except OSError:
                pass

    def kill_all(self):
        if self.alone:
            targets = [-1]
        else:
            targets = descendants()
        for target in targets:
            try:
                os.kill(target, signal.SIGKILL)
            except OSError:
                pass

    def reap(self):
        """Collects the dead without ever waiting, and tells of the worker's end."""
        alone = False
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                alone = True
                break
            if pid == 0:
                break
            if pid == self.worker:
                killed = os.WIFSIGNALED(status)
                self.death = (None if killed else os.WEXITSTATUS(status),
                              os.WTERMSIG(status) if killed else None)
                self.give_up_at = monotonic() + REAP_SECONDS
                self.kill_all()
                self.worker = None
            else:
                self.agents = {which: one for which, one in self.agents.items() if one != pid}
        if self.death is None:
            return
        if alone or monotonic() > self.give_up_at:
            status, number = ("null" if part is None else str(part) for part in self.death)
            self.death = None
            self.send('{"type": "worker_exited", "exit_status": %s, "signal": %s}' % (status, number))
        else:
            self.kill_all()


def prefer_as_oom_victim():
    try:
        fd = os.open("/proc/self/oom_score_adj", os.O_WRONLY)
        os.write(fd, b"1000")
        os.close(fd)
    except OSError:
        pass


def run_worker(fd, debugger):
    """site as if Python had been started without -S, then the worker's loop."""
    gc.disable()  # until the start is over: what is imported stays
    if "site" not in sys.modules or sys.flags.no_site:
        import site
        site.main()
    from cellblock_worker import worker
    worker.main(fd, debugger)


def oom_kills():
    """As the sandbox's own control group tells, version 2 or 1, where the engine shows it."""
    for path in ("/sys/fs/cgroup/memory.events", "/sys/fs/cgroup/memory/memory.oom_control"):
        try:
            with open(path) as file:
                for line in file:
                    if line.startswith("oom_kill "):
                        return int(line.split()[1])
        except (OSError, ValueError):
            pass
    return 0


def has_namespace():
    """Does kill(-1) meet nobody but the sandbox's? We must be the first process of a namespace, or have come into one
    from outside (`kubectl exec`)."""
    return os.getpid() == 1 or os.getppid() == 0


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
