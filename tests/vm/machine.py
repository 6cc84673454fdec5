"""A Debian in QEMU, without KVM: booted from the image of tests/vm/build, spoken to through a virtual serial port.

Purpose: `machine.run(argv)` runs a command in it as root. The machine has no network; its console goes to a file.
Ownership: QEMU ends with this process, however that ends. Its disk's changes are in a file without a name, gone with QEMU.
Failure: Broken, with the end of the console, where it doesn't boot or doesn't answer in time; all later calls fail at once.
"""

import ctypes
import itertools
import json
import pathlib
import platform
import shutil
import signal
import socket
import subprocess
import time

# The emulator, its options and the console's device. Without pauth-impdef QEMU would compute each signature of a pointer by a slow cipher.
X86 = (["qemu-system-x86_64", "-cpu", "max"], "ttyS0")
ARM = (["qemu-system-aarch64", "-machine", "virt", "-cpu", "max,pauth-impdef=on"], "ttyAMA0")
MEMORY_MIB = 3072
PROCESSORS = 2
BOOT_SECONDS = 600  # half a minute of processor time, on a machine that may be busy
PATIENCE = 60  # beyond a command's own time
PR_SET_PDEATHSIG = 1


class Broken(AssertionError):
    pass


class Done:
    def __init__(self, answer):
        self.status, self.stdout, self.stderr = answer["status"], answer["stdout"], answer["stderr"]

    def __str__(self):
        return "exit status %d\n%s\n%s" % (self.status, self.stdout[-6000:], self.stderr[-6000:])


def _emulator(system):
    return ARM if system.endswith("-arm64") or platform.machine() == "aarch64" else X86


def missing(system):
    """The reason why that system's machine can't be started here; empty: it can."""
    program = _emulator(system)[0][0]
    return "" if shutil.which(program) else "%s is missing: apt-get install qemu-system-%s" % (program, "arm" if program == ARM[0][0] else "x86")


def _dies_with_us():
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


class Machine:
    def __init__(self, folder):
        self._console = folder / "console.log"
        self._ids = itertools.count(1)
        self._read = b""
        self._broken = ""
        ours, theirs = socket.socketpair()
        self._port = ours
        begun = time.monotonic()
        with theirs:
            self._qemu = subprocess.Popen(self._command(folder, theirs.fileno()), pass_fds=[theirs.fileno()], stdin=subprocess.DEVNULL,
                                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, preexec_fn=_dies_with_us)
        try:
            self.run(["true"], BOOT_SECONDS)
        except BaseException:
            self.stop()
            raise
        self.boot_seconds = time.monotonic() - begun

    def _command(self, folder, port):
        emulator, console = _emulator(folder.name)
        return [*emulator, "-accel", "tcg,thread=multi", "-smp", str(PROCESSORS), "-m", str(MEMORY_MIB),
                "-nodefaults", "-no-user-config", "-display", "none", "-no-reboot", "-nic", "none",
                "-kernel", str(folder / "vmlinuz"), "-initrd", str(folder / "initrd.img"),
                "-append", "root=/dev/vda rw console=%s apparmor=1 security=apparmor systemd.default_timeout_start_sec=600 quiet" % console,
                "-drive", "file=%s,format=raw,if=virtio,snapshot=on" % (folder / "disk.img"),
                "-drive", "file=%s,format=raw,if=virtio,readonly=on" % (folder / "payload.tar"),
                "-object", "rng-random,filename=/dev/urandom,id=random", "-device", "virtio-rng-pci,rng=random",
                "-serial", "file:%s" % self._console,
                "-device", "virtio-serial-pci", "-chardev", "socket,id=port,fd=%d" % port,
                "-device", "virtserialport,chardev=port,name=agent"]

    def run(self, argv, seconds=60, check=True, text=""):
        """Runs it as root, with `text` as its input. Without `check` any exit status is fine."""
        number = next(self._ids)
        request = {"id": number, "argv": [str(word) for word in argv], "seconds": seconds, "input": text}
        done = Done(self._ask(request, time.monotonic() + seconds + PATIENCE))
        assert not check or done.status == 0, "%s: %s" % (" ".join(request["argv"]), done)
        return done

    def _ask(self, request, end):
        if self._broken:
            raise Broken(self._broken)
        try:
            self._port.settimeout(max(0.1, end - time.monotonic()))
            self._port.sendall(json.dumps(request).encode() + b"\n")
            while True:  # the answer to a request that a test didn't wait for may come first
                answer = json.loads(self._line(end))
                if answer["id"] == request["id"]:
                    return answer
        except OSError as error:
            self._broken = "the machine doesn't answer (%s)%s; its console ends with:\n%s" % (
                error, self._last_words(), self.console()[-3000:])
            raise Broken(self._broken) from None

    def _line(self, end):
        while b"\n" not in self._read:
            self._port.settimeout(max(0.1, end - time.monotonic()))
            piece = self._port.recv(1 << 20)
            if not piece:
                raise ConnectionResetError("the port was closed")
            self._read += piece
        line, _, self._read = self._read.partition(b"\n")
        return line

    def _last_words(self):
        try:
            self._qemu.wait(1)
        except subprocess.TimeoutExpired:
            return ""
        return ", as QEMU has ended: " + self._qemu.stdout.read().decode(errors="replace").strip()

    def console(self):
        return self._console.read_text(errors="replace") if self._console.exists() else ""

    def stop(self):
        self._broken = self._broken or "the machine was stopped"
        self._qemu.kill()
        self._qemu.wait()
        self._qemu.stdout.close()
        self._port.close()


def images():
    return pathlib.Path(__file__).resolve().parents[2] / "build" / "vm"
