"""The line under a traceback that says the policy is why, and names its key."""

import _thread
import errno
import json
import os
import re
import socket
import subprocess
import sys

NETWORK_ERRNOS = frozenset((errno.ENETUNREACH, errno.EHOSTUNREACH, errno.ENETDOWN, errno.EADDRNOTAVAIL))
NETWORK_NAMES = frozenset(("URLError", "ConnectError", "ConnectionError", "ConnectTimeout", "NewConnectionError",
                           "MaxRetryError", "NameResolutionError", "ClientConnectorError"))
NETWORK_MODULES = ("urllib", "http", "requests", "httpx", "aiohttp", "socket", "asyncio", "ssl", "ftplib", "smtplib")
REFUSED = re.compile(r"network\.(allow|deny|connections|bytes_(in|out))\b")  # what the broker says of it
DISK_ERRNOS = frozenset((errno.ENOSPC, errno.EDQUOT, errno.EFBIG))
CHAIN = 20
PROGRAMS = re.compile(r"(?:^|[;&|(]|\bsudo|\btime)\s*(?:\S*/)?(curl|wget|ping|ssh|scp|sftp|rsync|ftp|nc|telnet|dig|nslookup|npm|"
                      r"apt(?:-get)?|gh|git\s+(?:clone|fetch|pull|push|ls-remote))\b")


class Hints:
    def __init__(self, facts):
        self._facts = facts

    def line(self, error):
        """The line for an exception, or None where the policy has no part in it."""
        seen = []
        waiting = [error]
        while waiting and len(seen) < CHAIN:
            error = waiting.pop(0)
            if not isinstance(error, BaseException) or error in seen:
                continue
            seen.append(error)
            found = self._cause(error)
            if found:
                return self._line(*found)
            waiting += [error.__cause__, None if error.__suppress_context__ else error.__context__,
                        getattr(error, "reason", None), *getattr(error, "exceptions", ())]
        return None

    def line_for_program(self, command, status):
        """The line for a program of `!` that failed."""
        found = PROGRAMS.search(command)
        if status and found and self._facts.get("network", "none") == "none":
            return self._line("%s needs a network, and this sandbox has none" % found.group(1).split()[0], "network")
        return None

    def line_for_exit(self):
        """Where C code ends the process: could it be that it can't have another thread?"""
        return None if _can_have_a_thread() else self.line(RuntimeError("can't start new thread"))

    def _line(self, text, key):
        return 'cellblock: %s (policy "%s", key %s)' % (text, self._facts.get("name", "?"), key)

    def _fact(self, name):
        return self._facts.get(name) or "a limited amount"

    def _cause(self, error):
        if isinstance(error, MemoryError) or _errno(error) == errno.ENOMEM:
            return "this sandbox may use %s of memory" % self._fact("memory"), "limits.memory"
        if _is_network(error) or REFUSED.search(_text(error)):
            return self._about_network(error)
        # OpenBLAS answers a lack of threads with a signal, as if the user had interrupted.
        if _is_process_limit(error) or (isinstance(error, KeyboardInterrupt) and not _can_have_a_thread()):
            return ("this sandbox may have %s processes and threads" % self._fact("processes"),
                    "limits.processes")
        if _errno(error) == errno.EOVERFLOW and _is_anothers(error.filename):
            return ("a file that belongs to another user or group can be read here and not changed; give the host's file "
                    "your user and group (chown)"), "files"
        if _errno(error) == errno.EIO and error.filename and not os.path.isfile(error.filename) and _keeps_folders():
            return ("a folder of the host's can't be removed in this sandbox, nor another one be made in the place of one that was there: "
                    "that takes Linux 6.6, and this is %s; use another name" % os.uname().release), "files"
        if isinstance(error, OSError) and error.errno in DISK_ERRNOS:
            return "this sandbox may write %s" % self._fact("disk"), "limits.disk"
        if isinstance(error, OSError):
            return self._about_files(error)
        if isinstance(error, ImportError) and getattr(error, "refused_by_policy", False):
            return "the policy names the modules that cells may import", "imports"
        if isinstance(error, ModuleNotFoundError) and error.name:
            return self._about_module(error.name.partition(".")[0])
        return None

    def _about_network(self, error):
        hosts = self._facts.get("network", "none")
        if hosts == "none":
            return "this sandbox has no network", "network"
        if isinstance(error, socket.gaierror) or _errno(error) in NETWORK_ERRNOS:
            return "this sandbox reaches %s, and only by the proxy that HTTPS_PROXY names" % hosts, "network"
        return ("this sandbox reaches %s" % hosts, "network") if REFUSED.search(_text(error)) else None

    def _about_module(self, name):
        allowed = self._facts.get("packages")
        if allowed:
            return "no module %s; %%pip install may bring: %s" % (name, ", ".join(allowed)), "packages.allow"
        return "no module %s in %s; packages can't be installed from within this sandbox" % (name, sys.executable), "python"

    def _about_files(self, error):
        if not isinstance(error, (FileNotFoundError, PermissionError)) and error.errno != errno.EROFS:
            return None
        path = error.filename
        if isinstance(path, bytes):
            path = os.fsdecode(path)
        if not isinstance(path, str) or not path or _is_program(error):
            return None
        named, path = path, os.path.normpath(os.path.join(self._working_directory(), path))
        read_only = self._read_only(error, path)
        if read_only:
            return "this sandbox may read %s and not change it; mode overlay lets it write to a copy" % read_only, "files"
        if self._is_private(path):
            return self._about_link(error, path)
        if error.errno == errno.EROFS or isinstance(error, PermissionError):
            return "this sandbox may not change or read %s" % path, "files"
        shown = self._shown()
        what = "only %s" % ", ".join(shown) if shown else "none"
        leads = "%s is %s here, and " % (named, path) if ".." in named.split("/") else ""
        return "%sthis sandbox sees %s of the host's files" % (leads, what), "files"

    def _about_link(self, error, path):
        """A link within what is shown, to something that isn't."""
        target = os.path.realpath(path)
        if isinstance(error, FileNotFoundError) and target != path and not self._is_private(target):
            entry = _entry_for_link(path, self._facts.get("working_directory") or "/work")
            remedy = "; an entry such as %s shows it" % json.dumps(entry) if entry else ""
            return "%s is a link to %s, which this sandbox doesn't see%s" % (path, target, remedy), "files"
        return None

    def _read_only(self, error, path):
        """The folder that is shown to be read only, where that is why something couldn't be written."""
        if error.errno not in (errno.EROFS, errno.EACCES):
            return None
        for place in self._facts.get("read_only") or []:
            if any(_within(one, place) for one in (path, os.path.realpath(path))):
                unreadable = error.errno == errno.EACCES and os.path.exists(path) and not os.access(path, os.R_OK)
                return None if unreadable else place
        return None

    def _working_directory(self):
        try:
            return os.getcwd()
        except OSError:
            return self._facts.get("working_directory") or "/"

    def _shown(self):
        files = self._facts.get("files") or []
        if isinstance(files, str):
            files = files.split(", ")
        return [path for path in files if path]

    def _is_private(self, path):
        """Somewhere that is the sandbox's own, so that a missing file is the cell's own affair?"""
        return any(_within(path, place) for place in [*self._shown(), "/tmp", "/proc", "/dev"])


def _entry_for_link(path, work):
    """The entry of `files` by which the first link in a path below the working directory, which shows the session's
    directory, would lead to the same place as on the host."""
    at = "/"
    for part in path.split("/")[1:]:
        folder, at = at, os.path.join(at, part)
        if os.path.islink(at):
            break
    if not _within(folder, work) or not os.path.islink(at):
        return None
    text = os.readlink(at)
    inside = os.path.normpath(os.path.join(folder, text))
    host = text if os.path.isabs(text) else os.path.normpath(os.path.join(os.path.relpath(folder, work), text))
    return {"host": host, "sandbox": inside} if os.path.isabs(text) or host.startswith("..") else None


def _is_anothers(path):
    """Its owner or group has no number in here, so that an overlay can't make a copy with that owner."""
    try:
        info = os.stat(path)
        overflow = [int(open("/proc/sys/fs/overflow" + kind).read()) for kind in ("uid", "gid")]
    except (OSError, TypeError, ValueError):
        return False
    return info.st_uid == overflow[0] or info.st_gid == overflow[1]


def _text(error):
    try:
        return str(error)[:2000] if isinstance(error, Exception) else ""
    except Exception:
        return ""


def _keeps_folders():
    """Is there an overlay that can't mark folders? Linux's tmpfs has attributes of users, by which an overlay marks them, since 6.6."""
    version = [int(number) for number in re.findall(r"\d+", os.uname().release)[:2]]
    try:
        with open("/proc/self/mounts", encoding="utf-8", errors="replace") as mounts:
            return version < [6, 6] and any(line.split()[2] == "overlay" for line in mounts)
    except OSError:
        return False


def _errno(error):
    return getattr(error, "errno", None) if isinstance(error, OSError) else None


def _within(path, place):
    return path == place or path.startswith(place.rstrip("/") + "/")


def _is_network(error):
    if isinstance(error, (socket.gaierror, socket.herror, ConnectionRefusedError)):
        return True
    if isinstance(error, OSError) and error.errno in NETWORK_ERRNOS:
        return True
    module = type(error).__module__.partition(".")[0]
    if type(error).__name__ in NETWORK_NAMES and module in ("urllib", "urllib3", *NETWORK_MODULES):
        return not isinstance(getattr(error, "reason", None), (FileNotFoundError, ValueError))
    if isinstance(error, PermissionError) and error.filename is None:
        return any(name in NETWORK_MODULES for name in _modules(error)) or _calls_connect(error)
    return False


def _modules(error):
    trace = error.__traceback__
    while trace is not None:
        yield str(trace.tb_frame.f_globals.get("__name__", "")).partition(".")[0]
        trace = trace.tb_next


def _calls_connect(error):
    """A cell's own socket call: the last frame names it."""
    trace = error.__traceback__
    last = None
    while trace is not None:
        last, trace = trace, trace.tb_next
    names = last.tb_frame.f_code.co_names if last is not None else ()
    return any(name in names for name in ("connect", "connect_ex", "socket", "sendto", "bind"))


def _can_have_a_thread():
    try:
        _thread.start_new_thread(int, ())
        return True
    except RuntimeError:
        return False


def _is_process_limit(error):
    if isinstance(error, RuntimeError) and "can't start new thread" in str(error):
        return True
    if not isinstance(error, BlockingIOError) or error.errno != errno.EAGAIN:
        return False
    return error.filename is None and not _calls_connect(error)


def _is_program(error):
    """A missing program rather than a file: raised by subprocess."""
    trace = error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == subprocess.__file__:
            return True
        trace = trace.tb_next
    return False
