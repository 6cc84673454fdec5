"""Is this process one that can be forked: no thread, process, open file or shared memory beside what it needs?"""

import fcntl
import os
import stat

from .fork import identity_of, reopened

OURS = (0, 1, 2, 3)  # descriptors
PLAIN_DEVICES = ("/dev/null", "/dev/zero", "/dev/random", "/dev/urandom")
KEEPER = 1


class Refused(Exception):
    """This Python can't be kept warm. The reason is for the user."""


def threads():
    return len(os.listdir("/proc/self/task"))


def end_idle_threads():
    """Libraries like OpenBLAS end their threads before a fork, and start them again when they have work."""
    pid = os.fork()
    if pid == 0:
        os._exit(0)
    os.waitpid(pid, 0)


def check_alone(who):
    """No thread, descriptor or memory that forks would share or miss, and no other process."""
    if threads() > 1:
        end_idle_threads()
    if threads() > 1:
        raise Refused("%s leaves a thread running, which a fork would miss" % who)
    if not processes() <= {KEEPER, os.getppid(), os.getpid()}:
        raise Refused("%s leaves a process running" % who)
    for fd, path in open_files():
        if path not in PLAIN_DEVICES and not is_read_from_usr(fd, path):
            raise Refused("%s keeps a file open, which sandboxes would share: %s" % (who, path))
        reopened[fd] = path, identity_of(fd)
    shared = shared_memory()
    if shared:
        raise Refused("%s has memory that sandboxes would share: %s" % (who, shared))


def processes():
    return {int(name) for name in os.listdir("/proc") if name.isdigit()}


def open_files():
    """[(descriptor, where it leads)], but for our own."""
    found = []
    for name in os.listdir("/proc/self/fd"):
        if int(name) in OURS:
            continue
        try:
            found.append((int(name), os.readlink("/proc/self/fd/" + name)))
        except OSError:
            pass  # the listing's own
    return found


def is_read_from_usr(fd, path):
    """A sandbox has the same file there, and nobody can write to it. libffi keeps its own library open."""
    access = fcntl.fcntl(fd, fcntl.F_GETFL) & os.O_ACCMODE
    if access != os.O_RDONLY or not path.startswith("/usr/") or not stat.S_ISREG(os.fstat(fd).st_mode):
        return False
    try:
        return os.path.samestat(os.stat(path), os.fstat(fd))
    except OSError:
        return False  # it is deleted


def shared_memory():
    """The first mapping that could be written to for all; None: there is none. Files of /usr are nobody's to write."""
    with open("/proc/self/maps") as maps:
        for line in maps:
            part = line.split(None, 5)
            if part[1][3] == "s" and not (part[1][1] == "-" and len(part) > 5 and part[5].startswith("/usr/")):
                return part[5].strip() if len(part) > 5 else "without a name"
    return None
