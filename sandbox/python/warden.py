"""The warden: PID 1 of a sandbox. Forks the worker, interrupts, kills and reaps it.

Speaks the host's control frames on descriptor 3 (channel/FRAMES.md) and never
runs a cell, so it stays answerable whatever a worker does. Imports little, for
a fast start. A frame it can't read ends it, with the reason on stderr.
"""

import os
import select
import signal
import sys
from time import monotonic
import _signal  # signal's own functions look for an enum first
import _socket

CONTROL_FD = 3
WORKER_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT, signal.SIGUSR1,
                  signal.SIGUSR2, signal.SIGALRM, signal.SIGTSTP, signal.SIGTTIN, signal.SIGTTOU)
MAX_HEADER = 64 * 1024
PR_SET_DUMPABLE = 4
FAILED = 70  # exit status of a process that met what it didn't expect
REAP_SECONDS = 2.0  # how long killed processes are waited for before the host is told
EVERYBODY = -1  # one at a time won't do
site_is_done = False  # a warm Python has done it


class BadFrame(Exception):
    pass


def encode(text):
    body = text.encode()
    return len(body).to_bytes(4, "big") + bytes(4) + body


def set_dumpable(value):
    """Who isn't dumpable is closed to other processes of its user: no /proc/PID/mem, environ or fd, no ptrace."""
    import _ctypes  # ctypes itself takes five times as long to import
    prctl = _ctypes.dlsym(_ctypes.dlopen(None, 0), "prctl")
    if _ctypes.call_cdeclfunction(prctl, (PR_SET_DUMPABLE, value, 0, 0, 0)) != 0:
        raise OSError("prctl(PR_SET_DUMPABLE) failed")


def is_contained():
    """In a jail without namespaces, as the host says. Believed only if a signal to the supervisor is refused."""
    if "--contained" not in sys.argv:
        return False
    try:
        os.kill(os.getppid(), 0)
    except PermissionError:
        return True
    print("warden: this jail should keep signals in, and doesn't", file=sys.stderr)
    sys.exit(1)


class MemoryWatch:
    """Where no cgroup bounds the sum of memory: looks at it often enough that it can't get far, and kills the largest.

    What a process says of itself is not believed: statm is the kernel's. Page tables count, and sockets with what their
    buffers can hold, also those that wait to be accepted or received. Shared pages are told apart only once the
    plain sum is over the limit, since that costs the kernel a walk through each process's pages.
    """

    NEAR, FAR = 0.1, 0.5  # seconds between two looks: above half of the limit, and below

    def __init__(self, limit, of_socket=0):
        self.limit = limit
        self.of_socket = of_socket  # what each of the network namespace's counts
        self.page = os.sysconf("SC_PAGE_SIZE")

    @staticmethod
    def asked_for():
        told = {name: int(value) for name, _, value in (word.partition("=") for word in sys.argv)
                if name in ("--memory", "--socket")}
        return MemoryWatch(told["--memory"], told.get("--socket", 0)) if "--memory" in told else None

    def processes(self):
        try:
            return [int(name) for name in os.listdir("/proc") if name.isdigit() and name != str(os.getpid())]
        except OSError:
            return []  # a contained jail doesn't see /proc

    @staticmethod
    def value(file, name):
        try:
            with open(file) as lines:
                return next((int(line[len(name):].split()[0]) for line in lines if line.startswith(name)), 0)
        except (OSError, ValueError, IndexError):
            return 0

    def page_tables(self, pid):
        return self.value("/proc/%d/status" % pid, "VmPTE:") * 1024

    def sockets_of(self, pid):
        count, folder = 0, "/proc/%d/fd" % pid
        try:
            for name in os.listdir(folder):
                count += os.readlink(folder + "/" + name).startswith("socket:")
        except OSError:
            pass  # it ends, or has closed itself to us
        return count

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
        in_sockets = self.value("/proc/net/sockstat", "sockets: used") * self.of_socket if self.of_socket else 0
        rough = in_sockets + sum(self.resident(pid) + self.page_tables(pid) for pid in pids)
        if rough <= self.limit:
            return self.NEAR if rough > self.limit // 2 else self.FAR, None
        sizes = {pid: self.proportional(pid) + self.page_tables(pid) for pid in pids}
        used = in_sockets + sum(sizes.values())
        if used <= self.limit:
            return self.NEAR, None
        if self.of_socket:
            sizes = {pid: size + self.sockets_of(pid) * self.of_socket for pid, size in sizes.items()}
        return self.NEAR, max(sizes, key=sizes.get) if used <= 2 * self.limit else EVERYBODY


class Warden:
    def __init__(self, control):
        self.control = control
        self.is_init = os.getpid() == 1
        self.alone = self.is_init or is_contained()  # kill(-1) goes to the sandbox and to nobody else
        self.worker = None       # its process id, also that of its process group
        self.death = None        # (exit status, signal) of a worker not yet told of
        self.give_up_at = 0.0
        self.watch = MemoryWatch.asked_for()
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
        self.send('{"type": "hello", "python": "%d.%d.%d", "pid_namespace": %s}'
                  % (*sys.version_info[:3], "true" if self.is_init else "false"))
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
        try:
            self.control.sendall(encode(header))
        except OSError:
            pass  # the host is gone; end of file follows

    # --- the host's commands

    def receive(self):
        """Reads what is there. False at the end of file."""
        try:
            data, ancillary, _, _ = self.control.recvmsg(65536, _socket.CMSG_SPACE(4 * 4),
                                                         _socket.MSG_CMSG_CLOEXEC)
        except ConnectionError:
            return False
        for level, kind, payload in ancillary:
            if level == _socket.SOL_SOCKET and kind == _socket.SCM_RIGHTS:
                for start in range(0, len(payload) - len(payload) % 4, 4):
                    self.descriptors.append(int.from_bytes(payload[start:start + 4], sys.byteorder))
        if not data:
            return False
        self.received += data
        for command in self.whole_frames():
            self.obey(command)
        return True

    def whole_frames(self):
        import json  # after hello: the first frame asks for a worker, which needs it anyway
        while len(self.received) >= 8:
            length = int.from_bytes(self.received[:4], "big")
            if length > MAX_HEADER or self.received[4:8] != bytes(4):
                raise BadFrame("a frame out of bounds")
            if len(self.received) < 8 + length:
                return
            header, self.received = self.received[8:8 + length], self.received[8 + length:]
            try:
                yield json.loads(header)["type"]
            except (ValueError, KeyError, TypeError):
                raise BadFrame("a frame without a type") from None

    def obey(self, command):
        if command == "start_worker":
            self.start_worker()
        elif command == "interrupt":
            self.signal_group(signal.SIGINT)
        elif command == "kill_worker":
            self.kill_all()
        else:
            raise BadFrame("the unknown command %r" % (command,))

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

    def become_worker(self, fd, debugger=None):
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
        run_worker(fd, debugger)

    def signal_group(self, number):
        if self.worker is not None:
            try:
                os.killpg(self.worker, number)
            except OSError:
                pass

    def kill_all(self):
        if self.alone:
            targets = [-1]
        else:  # the worker by itself too: it may not lead its group yet
            targets = [-self.worker, self.worker] if self.worker is not None else []
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
        if self.death is None:
            return
        if alone or monotonic() > self.give_up_at:
            status, number = ("null" if part is None else str(part) for part in self.death)
            self.death = None
            self.send('{"type": "worker_exited", "exit_status": %s, "signal": %s}' % (status, number))
        elif self.alone:
            self.kill_all()


def run_and_leave(work):
    """Runs work(), and ends this process as a program would end."""
    status = FAILED
    try:
        work()
        status = 0
    except SystemExit as leaving:
        status = leaving.code if isinstance(leaving.code, int) else 1
    except BaseException:
        import traceback
        traceback.print_exc()
    finally:
        os._exit(status)


def prefer_as_oom_victim():
    try:
        fd = os.open("/proc/self/oom_score_adj", os.O_WRONLY)
        os.write(fd, b"1000")
        os.close(fd)
    except OSError:
        pass


def run_worker(fd, debugger):
    """site as if Python had been started without -S, then the worker's loop."""
    if not site_is_done and ("site" not in sys.modules or sys.flags.no_site):
        import site
        site.main()
    folder = os.path.dirname(os.path.abspath(__file__))
    sys.path.insert(0, folder)
    from cellblock_worker import worker
    sys.path.remove(folder)
    worker.main(fd, debugger)


def main():
    control = _socket.socket(fileno=CONTROL_FD)
    os.set_inheritable(CONTROL_FD, False)
    warden = Warden(control)
    try:
        warden.run()
    except BadFrame as error:
        print("warden: the host sent %s" % error, file=sys.stderr)
        sys.exit(1)
    finally:
        warden.kill_all()


if __name__ == "__main__":
    main()
