"""The warden on a Mux instead of a socket."""

import os
import signal


def make_warden(base):
    class RemoteWarden(base):
        def __init__(self, mux, facts):
            super().__init__(mux)
            self.owns_namespace = facts["alone"]
            self.alone = True  # kill_all() reaches everyone
            self.known_kills = oom_kills()
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
                self.tell_of_memory()
            super().send(header)

        def tell_of_memory(self):
            """The engine's own limit kills without a word; the host is told, as of a kill of the warden's own."""
            count = oom_kills()
            if count > self.known_kills:
                super().send('{"type": "memory_kill"}')
            self.known_kills = count

        def kill_all(self):
            if self.owns_namespace:
                return super().kill_all()
            for pid in descendants():
                try:
                    os.kill(pid, signal.SIGKILL)
                except OSError:
                    pass

    return RemoteWarden


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


def is_alone():
    """Does kill(-1) meet nobody but the sandbox's? The engine's word is not enough: we must be the first process of a
    namespace, or have come into one from outside (`kubectl exec`)."""
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
