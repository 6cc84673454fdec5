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
MEMORY_PLACE = "/dev/shm"  # so that no disk is written to
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
        return "what root does there needs root's rights to this machine's files"
    return "" if shutil.which(PROGRAM) else "%s is missing: apt-get install user-mode-linux" % PROGRAM


def run(script, seconds, show=()):
    """The Done of a script that runs there for at most so many seconds.

    `show`: folders of this machine which it needs, as one may lie below /tmp or /root, which are others there.
    """
    with tempfile.TemporaryDirectory(prefix="cbtest-uml-") as name:
        folder = pathlib.Path(name)
        shown = "".join("mkdir -p {0} && mount -r -t hostfs -o {0} hostfs {0} || exit\n".format(shlex.quote(str(path))) for path in show)
        (folder / "script").write_text(shown + script)
        late = _boot(folder, seconds + BOOT_SECONDS)
        done = Done(folder)
        if done.status < 0:
            raise Broken("%s; the script printed:\n%s\nIts console ends with:\n%s" % (
                late or "it ended before the script", done.output[-3000:], done.files["console"][-3000:]))
        return done


def _dies_with_us():
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


def _has_room(place):
    return os.path.isdir(place) and shutil.disk_usage(place).free > MEMORY_GIB << 30


def _boot(folder, seconds):
    """Returns when it has ended, with its console's output in folder/console; why it was ended, if it ran for longer."""
    # Its helpers outlive it where it is killed, unless it is the first process of a namespace.
    command = ["unshare", "--pid", "--fork", "--kill-child", PROGRAM, "mem=%dG" % MEMORY_GIB, "rootfstype=hostfs", "rootflags=/", "ro",
               "init=%s" % INIT, "FOLDER=%s" % folder, "uml_dir=%s" % folder, "con=null", "con0=null,fd:1", "quiet"]
    variables = {**os.environ, "TMPDIR": MEMORY_PLACE if _has_room(MEMORY_PLACE) else str(folder)}
    with open(folder / "console", "wb") as console:
        booted = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=console, stderr=subprocess.STDOUT, env=variables,
                                  preexec_fn=_dies_with_us)
    try:
        booted.wait(seconds)
        return ""
    except subprocess.TimeoutExpired:
        return "it hasn't ended within %d s" % seconds
    finally:
        booted.kill()
        booted.wait()
