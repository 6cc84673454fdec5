"""The zygote: a Python that has imported what cells will want, and forks.

Started by the daemon (sandbox/daemon), which sends the task on descriptor 3 and
then one message for each sandbox. It never runs a cell and never reads a
plan: the fork does that, so that nothing of one sandbox is in the memory that
the next one gets. A fork walks into its jail by libcellblock_jail.so and comes
back here as PID 1 in there, to be the warden.
"""

import _socket
import array
import atexit
import ctypes
import gc
import importlib.machinery
import importlib.util
import json
import os
import signal
import sys
import time

SOCKET = 3
PR_SET_NAME = 15
BEFORE_WARDEN = 4  # arguments of a plan: the program and its options -I -S -B
TASK_BYTES = 128 * 1024
OURS = (0, 1, 2, SOCKET)
PLAIN_DEVICES = ("/dev/null", "/dev/zero", "/dev/random", "/dev/urandom")
DESCRIPTORS = 5    # plan, control, warden, output to read and to write


views = set()  # descriptors of mount namespaces, during the imports
found_on_host = set()  # folders of sys.path
reopened = {}  # descriptor → device: held by a library, closed on the way into the jail, and there again inside


class Refused(Exception):
    """This Python can't be kept warm. The reason is for the user."""


# --- imports

class WorkerLoader(importlib.machinery.SourceFileLoader):
    """Names a module's file as it is seen in the jail, and reads it where it is now."""

    inside = outside = ""

    def _now(self, path):
        return self.outside + path[len(self.inside):]

    def get_data(self, path):
        return super().get_data(self._now(path))

    def path_stats(self, path):
        return super().path_stats(self._now(path))


class WorkerFinder:
    """Finds the warden and the worker's package."""

    @staticmethod
    def find_spec(name, path=None, target=None):
        if name != "warden" and name.partition(".")[0] != "cellblock_worker":
            return None
        place = os.path.join(WorkerLoader.inside, *name.split("."))
        package = os.path.isdir(WorkerLoader.outside + place[len(WorkerLoader.inside):])
        file = place + "/__init__.py" if package else place + ".py"
        return importlib.util.spec_from_file_location(name, file, loader=WorkerLoader(name, file),
                                                      submodule_search_locations=[place] if package else None)


def import_worker(task):
    """What every sandbox needs: the warden, the worker and IPython."""
    WorkerLoader.inside, WorkerLoader.outside = task["inside"], task["worker"]
    sys.meta_path.insert(0, WorkerFinder)
    try:
        import warden
        from cellblock_worker import figures, startup
        startup.find_ipython()
        figures.choose_backend()
        for name in sorted(os.listdir(os.path.join(task["worker"], "cellblock_worker"))):
            if name.endswith(".py") and name != "__init__.py":
                importlib.import_module("cellblock_worker." + name[:-3])
    except ImportError as error:
        raise Refused(str(error)) from None
    except Exception as error:  # CannotStart among them
        raise Refused("%s: %s" % (type(error).__name__, error)) from None
    finally:
        sys.meta_path.remove(WorkerFinder)
    warden.site_is_done = True
    import_what_comes_later()
    return warden


def import_what_comes_later():
    """Modules that a first cell would import."""
    for name in ("asyncio", "traceback", "inspect", "pprint", "_ssl", "IPython.core.completerlib"):
        try:
            importlib.import_module(name)
        except ImportError:
            pass


def rehearse():
    """Makes a shell, and lets go of it: what its making fills once (classes, caches) needn't be filled in each fork."""
    from cellblock_worker import kernel, shell
    hooks, main_module, paths = (sys.displayhook, sys.excepthook), sys.modules["__main__"], list(sys.path)
    made = shell.make_shell(None, None, kernel.Kernel(), {}, None)
    shell.ZMQInteractiveShell.clear_instance()
    atexit.unregister(made.atexit_operations)
    (sys.displayhook, sys.excepthook), sys.modules["__main__"], sys.path[:] = hooks, main_module, paths


def import_preload(names):
    for name in names:
        try:
            importlib.import_module(name)
        except BaseException as error:
            raise Refused("the module %s of the policy's `preload` can't be imported: %s: %s"
                          % (name, type(error).__name__, error)) from None
        check_alone("the module %s of the policy's `preload`" % name)


# --- what must not be shared between sandboxes

def threads():
    return len(os.listdir("/proc/self/task"))


def end_idle_threads():
    """Libraries like OpenBLAS end their threads before a fork, and start them again when they have work."""
    pid = os.fork()
    if pid == 0:
        os._exit(0)
    os.waitpid(pid, 0)


def check_alone(who):
    """No thread, descriptor or memory that forks would share or miss."""
    if threads() > 1:
        end_idle_threads()
    if threads() > 1:
        raise Refused("%s leaves a thread running, which a fork would miss" % who)
    for fd, path in open_files():
        if path not in PLAIN_DEVICES:
            raise Refused("%s keeps a file open, which sandboxes would share: %s" % (who, path))
        reopened[fd] = path
    shared = shared_memory()
    if shared:
        raise Refused("%s has memory that sandboxes would share: %s" % (who, shared))


def open_files():
    """[(descriptor, where it leads)], but for our own."""
    found = []
    for name in os.listdir("/proc/self/fd"):
        if int(name) in OURS or int(name) in views:
            continue
        try:
            found.append((int(name), os.readlink("/proc/self/fd/" + name)))
        except OSError:
            pass  # the listing's own
    return found


def shared_memory():
    """The first mapping that could be written to for all; None: there is none. Files of /usr are nobody's to write."""
    with open("/proc/self/maps") as maps:
        for line in maps:
            part = line.split(None, 5)
            if part[1][3] == "s" and not (part[1][1] == "-" and len(part) > 5 and part[5].startswith("/usr/")):
                return part[5].strip() if len(part) > 5 else "without a name"
    return None


def check_origins(task):
    """What is in memory, cells can read: so no code from where the jail shows nothing."""
    places = [place.rstrip("/") + "/" for place in ("/usr", "/lib", task["inside"], *task["prefixes"])]
    for name, module in list(sys.modules.items()):
        file = getattr(module, "__file__", None)
        if not isinstance(file, str) or name == "__main__":
            continue
        ways = (os.path.abspath(file), os.path.realpath(file))
        if not any(way.startswith(place) for way in ways for place in places):
            raise Refused("the module %s comes from %s, which a sandbox doesn't see" % (name, file))


# --- is it still the same on disk?

def stamps(task, since):
    """[[path, stamp]]: the program, the worker's files, and each folder that modules came from."""
    worker = os.path.join(task["worker"], "cellblock_worker")
    paths = {os.path.realpath(sys.executable), task["library"], task["worker"], worker,
             os.path.join(task["worker"], "warden.py"), os.path.join(task["worker"], "zygote.py")}
    paths.update(os.path.join(worker, name) for name in os.listdir(worker) if name.endswith(".py"))
    paths.update(path for path in sys.path if os.path.isdir(path))
    for module in list(sys.modules.values()):
        file = getattr(module, "__file__", None)
        if isinstance(file, str) and os.path.isfile(file):
            paths.add(os.path.dirname(file))
    found = []
    for path in sorted(paths):
        info = os.stat(path)
        if info.st_mtime_ns > since:
            raise Refused("%s was changed during the imports" % path)
        found.append([path, "%d:%d:%d:%d" % (info.st_dev, info.st_ino, *divmod(info.st_mtime_ns, 10 ** 9))])
    return found


# --- preparation

def load_library(path):
    library = ctypes.PyDLL(path)  # the interpreter stays locked during a call: a fork comes back from one
    library.cellblock_shield.argtypes = [ctypes.c_char_p]
    library.cellblock_argument.restype = library.cellblock_variable.restype = ctypes.c_char_p
    if not library.cellblock_usable():
        raise Refused("this kernel doesn't tell where libc keeps a thread's number (CONFIG_CHECKPOINT_RESTORE)")
    if not hasattr(os, "pidfd_open"):
        raise Refused("Python 3.9 or later is needed")
    return library


def prepare(task):
    """(library, warden, stamps)."""
    begun = time.time_ns()
    os.chdir("/")
    library = load_library(task["library"])
    view = None
    if task["shield"]:
        view = library.cellblock_shield(os.fsencode(task["scratch"]))
        if view < 0:
            raise Refused("no read-only view of the host can be made for the imports")
        views.add(view)
    os.environ["MPLCONFIGDIR"] = os.environ["TMPDIR"] = task["scratch"]
    import site
    site.main()
    warden = import_worker(task)
    rehearse()
    check_alone("IPython")
    import_preload(task["preload"])
    check_origins(task)
    found = stamps(task, begun)
    if view is not None and library.cellblock_unshield(view) != 0:
        raise Refused("the read-only view of the host can't be left")
    views.clear()
    found_on_host.update(path for path in sys.path if os.path.exists(path))
    gc.collect()
    gc.freeze()
    return library, warden, found


# --- sandboxes

def tell_of_ends(connection):
    """Gives a handler of SIGCHLD, which tells the daemon of each fork's end."""
    def reap(*_):
        try:
            while True:
                pid, status = os.waitpid(-1, os.WNOHANG)
                if pid == 0:
                    break
                connection.send(b"d" + in_bytes(pid, 4) + in_bytes(status, 4), _socket.MSG_DONTWAIT)
        except OSError:
            pass  # there is no child, or no daemon
    return reap


def in_bytes(number, size):
    return number.to_bytes(size, sys.byteorder)


def serve(connection, library, warden):
    """A fork for each message, until the daemon is gone."""
    signal.signal(signal.SIGCHLD, tell_of_ends(connection))
    numbers = array.array("i")
    space = _socket.CMSG_SPACE(DESCRIPTORS * numbers.itemsize)
    while True:
        data, ancillary, _, _ = connection.recvmsg(16, space, _socket.MSG_CMSG_CLOEXEC)
        if not data:
            os._exit(0)
        numbers = array.array("i")
        for _, _, payload in ancillary:
            numbers.frombytes(payload[:len(payload) - len(payload) % numbers.itemsize])
        if len(numbers) == DESCRIPTORS and threads() == 1:
            make_sandbox(connection, library, warden, data[1:], numbers)
        else:
            connection.send(b"n" + data[1:] + b"it has a thread, or got no descriptors")
        for fd in numbers:
            os.close(fd)


def make_sandbox(connection, library, warden, number, descriptors):
    """`number`: the daemon's, for its answer."""
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGCHLD})  # so that its number stays its own until pidfd_open
    try:
        pid = os.fork()
        if pid == 0:
            connection.detach()
            become_first(library, warden, descriptors)
        process = os.pidfd_open(pid)
        connection.sendmsg([b"y" + number + in_bytes(pid, 4)],
                           [(_socket.SOL_SOCKET, _socket.SCM_RIGHTS, array.array("i", [process]))])
        os.close(process)
    except OSError as error:
        connection.send(b"n" + number + str(error).encode())
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGCHLD})


def become_first(library, warden, descriptors):
    """In the fork: the jail's supervisor, which stays in C, and its first process, which comes back."""
    status = 1
    try:
        ctypes.pythonapi.PyOS_BeforeFork()
        library.cellblock_enter(*descriptors)
        ctypes.pythonapi.PyOS_AfterFork_Child()
        wake(library)
        warden.main()
        status = 0
    except SystemExit as leaving:
        status = leaving.code if isinstance(leaving.code, int) else 1
    except BaseException:
        import traceback
        traceback.print_exc()
    finally:
        os._exit(status)


def texts(function):
    found = []
    while (text := function(len(found))) is not None:
        found.append(text)
    return found


def wake(library):
    """What another program's start would have brought about."""
    arguments, variables = texts(library.cellblock_argument), texts(library.cellblock_variable)
    library.cellblock_forget_plan()
    os.environb.clear()
    os.environb.update(text.split(b"=", 1) for text in variables)
    sys.argv = [os.fsdecode(text) for text in arguments[BEFORE_WARDEN:]]
    ctypes.pythonapi.prctl(PR_SET_NAME, os.path.basename(arguments[0])[:15], 0, 0, 0)
    reopen_devices()
    signal.signal(signal.SIGPIPE, signal.SIG_IGN)
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    sys.path[:] = [path for path in sys.path if path not in found_on_host or os.path.exists(path)]
    importlib.invalidate_caches()
    forget_places()
    renew_chance()


def reopen_devices():
    """Else another file would get the number, and be closed by whom it doesn't belong to."""
    for number, path in reopened.items():
        fd = os.open(path, os.O_RDWR if path == "/dev/null" else os.O_RDONLY)
        if fd != number:
            os.dup2(fd, number, inheritable=False)
            if fd not in reopened:
                os.close(fd)


def forget_places():
    """Folders that were found on the host."""
    if "tempfile" in sys.modules:
        sys.modules["tempfile"].tempdir = None
    if "matplotlib" in sys.modules:
        for name in ("get_configdir", "get_cachedir"):
            forget_value(getattr(sys.modules["matplotlib"], name, None))


def forget_value(function):
    """Of matplotlib's own decorator for a function that is called once."""
    names = getattr(getattr(function, "__code__", None), "co_freevars", ())
    if "called" in names:
        function.__closure__[names.index("called")].cell_contents = False


def renew_chance():
    """No two sandboxes draw the same numbers. `random` has seen to itself, after the fork."""
    modules = sys.modules
    if "tempfile" in modules:
        modules["tempfile"]._name_sequence = None
    if "_ssl" in modules:  # a fork is told by its process id, which all jails share
        modules["_ssl"].RAND_add(os.urandom(48), 48.0)
    if "uuid" in modules:
        modules["uuid"]._node = modules["uuid"]._last_timestamp = None
    if "numpy.random" in modules:
        modules["numpy.random"].seed()


def main():
    connection = _socket.socket(fileno=SOCKET)
    os.set_inheritable(SOCKET, False)
    task = json.loads(connection.recv(TASK_BYTES))
    try:
        library, warden, found = prepare(task)
    except Refused as reason:
        connection.send(json.dumps({"refused": str(reason)}).encode())
        sys.exit(1)
    connection.send(json.dumps({"ready": found}).encode())
    del task, found
    serve(connection, library, warden)


main()
