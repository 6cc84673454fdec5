"""The warden: PID 1 of a sandbox. Forks the worker, interrupts, kills and reaps it.

Speaks the host's control frames on descriptor 3 (channel/FRAMES.md) and never
runs a cell, so it stays answerable whatever a worker does. Imports little, for
a fast start. A frame it can't read ends it, with the reason on stderr.
"""

import os
import select
import signal
import sys
import _socket

CONTROL_FD = 3
WORKER_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT, signal.SIGUSR1,
                  signal.SIGUSR2, signal.SIGALRM, signal.SIGTSTP, signal.SIGTTIN, signal.SIGTTOU)
MAX_HEADER = 64 * 1024
REAP_SECONDS = 2.0  # how long killed processes are waited for before the host is told


class BadFrame(Exception):
    pass


def encode(text):
    body = text.encode()
    return len(body).to_bytes(4, "big") + bytes(4) + body


class Warden:
    def __init__(self, control):
        self.control = control
        self.is_init = os.getpid() == 1
        self.worker = None       # its process id, also that of its process group
        self.death = None        # (exit status, signal) of a worker not yet told of
        self.give_up_at = 0.0
        self.received = b""
        self.descriptors = []
        self.wake_read, self.wake_write = os.pipe()
        os.set_blocking(self.wake_read, False)
        os.set_blocking(self.wake_write, False)

    def run(self):
        for number in WORKER_SIGNALS:
            signal.signal(number, signal.SIG_IGN)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(self.wake_write, warn_on_full_buffer=False)
        self.send('{"type": "hello", "python": "%d.%d.%d", "pid_namespace": %s}'
                  % (*sys.version_info[:3], "true" if self.is_init else "false"))
        poller = select.poll()
        poller.register(self.control.fileno(), select.POLLIN)
        poller.register(self.wake_read, select.POLLIN)
        while True:
            for fd, _ in poller.poll(None if self.death is None else 20):
                if fd == self.wake_read:
                    self.clear_wakeups()
                elif not self.receive():
                    return
            self.reap()

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
        fd = self.descriptors.pop(0)
        pid = os.fork()
        if pid == 0:
            self.become_worker(fd)
        os.close(fd)
        self.worker = pid

    def become_worker(self, fd):
        status = 70
        try:
            signal.set_wakeup_fd(-1)
            for number in WORKER_SIGNALS + (signal.SIGCHLD,):
                signal.signal(number, signal.SIG_DFL)
            # Ignored until the worker has a handler of its own, so that an early interrupt isn't its end.
            signal.signal(signal.SIGINT, signal.SIG_IGN)
            os.setsid()
            self.control.close()
            os.close(self.wake_read)
            os.close(self.wake_write)
            prefer_as_oom_victim()
            null = os.open(os.devnull, os.O_RDONLY)
            if null != 0:
                os.dup2(null, 0)
                os.close(null)
            run_worker(fd)
            status = 0
        except SystemExit as leaving:
            status = leaving.code if isinstance(leaving.code, int) else 1
        except BaseException:
            import traceback
            traceback.print_exc()
        finally:
            os._exit(status)

    def signal_group(self, number):
        if self.worker is not None:
            try:
                os.killpg(self.worker, number)
            except OSError:
                pass

    def kill_all(self):
        if self.is_init:
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
        import time
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
                self.give_up_at = time.monotonic() + REAP_SECONDS
                self.kill_all()
                self.worker = None
        if self.death is None:
            return
        if alone or time.monotonic() > self.give_up_at:
            status, number = ("null" if part is None else str(part) for part in self.death)
            self.death = None
            self.send('{"type": "worker_exited", "exit_status": %s, "signal": %s}' % (status, number))
        elif self.is_init:
            self.kill_all()


def prefer_as_oom_victim():
    try:
        with open("/proc/self/oom_score_adj", "w") as file:
            file.write("1000")
    except OSError:
        pass


def run_worker(fd):
    """site as if Python had been started without -S, then the worker's loop."""
    if "site" not in sys.modules or sys.flags.no_site:
        import site
        site.main()
    folder = os.path.dirname(os.path.abspath(__file__))
    sys.path.insert(0, folder)
    from cellblock_worker import worker
    sys.path.remove(folder)
    worker.main(fd)


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
