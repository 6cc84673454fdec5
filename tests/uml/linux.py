"""Another Linux on this machine's files: User-mode Linux, Debian's package user-mode-linux, which is an ordinary process.

Purpose: `run(script)` boots it within a second or two, and runs a script of bash there as root. It has control groups of version 2
and no others, one processor, namespaces and system call filters; no Landlock. It sees this machine's files and can't change them;
what it writes to /tmp, /run, /root and the like is gone with it.
Ownership: its processes end with run(), and with this process, however that ends.
Failure: Broken, with the end of its console, where it doesn't boot or doesn't end in time.
"""

import ctypes
import os
import pathlib
import shlex
import shutil
import signal
import subprocess
import tempfile

PROGRAM = "linux.uml"
MEMORY_GIB = 3  # of a file without a name, which grows as it is used
MEMORY_PLACE = "/dev/shm"  # where it is many times faster than on a disk
INIT = pathlib.Path(__file__).resolve().parent / "init"
BOOT_SECONDS = 60
PR_SET_PDEATHSIG = 1


class Broken(AssertionError):
    pass


class Done:
    """A script's exit status, what it printed, and the texts of the files that it left in $FOLDER: {name: text}."""

    def __init__(self, folder):
        self.files = {path.name: path.read_text(errors="replace") for path in folder.iterdir() if path.is_file()}
        self.output = self.files.pop("output", "")
        self.status = int(self.files.pop("status", -1))

    def __str__(self):
        return "exit status %d\n%s" % (self.status, self.output[-8000:])


def missing():
    """The reason why none can be started here; empty: it can."""
    if os.getuid() != 0:
        return "its root needs root's files"
    return "" if shutil.which(PROGRAM) else "%s is missing: apt-get install user-mode-linux" % PROGRAM


def run(script, seconds, show=()):
    """The Done of a script that runs there for at most so many seconds.

    `show`: folders of this machine which it needs, as one may lie below /tmp or /root, which are others there.
    """
    with tempfile.TemporaryDirectory(prefix="cbtest-uml-") as folder:
        shown = "".join("mkdir -p {0} && mount -r -t hostfs -o {0} hostfs {0} || exit\n".format(shlex.quote(str(path))) for path in show)
        (pathlib.Path(folder) / "script").write_text(shown + script)
        console = _boot(folder, seconds + BOOT_SECONDS)
        done = Done(pathlib.Path(folder))
        if done.status < 0:
            raise Broken("it ended before the script, which printed:\n%s\nIts console ends with:\n%s" % (done.output[-3000:], console[-3000:]))
        return done


def _dies_with_us():
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


def _boot(folder, seconds):
    """What its console showed, when it has ended."""
    command = [PROGRAM, "mem=%dG" % MEMORY_GIB, "rootfstype=hostfs", "rootflags=/", "ro", "init=%s" % INIT, "FOLDER=%s" % folder,
               "uml_dir=%s" % folder, "con=null", "con0=null,fd:1", "quiet"]
    place = MEMORY_PLACE if shutil.disk_usage(MEMORY_PLACE).free > MEMORY_GIB << 30 else folder
    booted = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace",
                              env={**os.environ, "TMPDIR": place}, start_new_session=True, preexec_fn=_dies_with_us)
    try:
        return booted.communicate(timeout=seconds)[0]
    except subprocess.TimeoutExpired as late:
        raise Broken("it hasn't ended within %d s; its console ends with:\n%s" % (seconds, (late.stdout or b"")[-3000:])) from None
    finally:
        try:
            os.killpg(booted.pid, signal.SIGKILL)  # each process there is one here, of its group
        except ProcessLookupError:
            pass
        booted.wait()
