"""Reads, writes, lists, makes, moves and removes files for the host, in a process of its own.

The warden forks it at the host's `start_files` (channel/FRAMES.md). It may do what a cell may do and no more, so it checks no
path: whatever a link leads to, the cell could have read it. It waits for nothing but its socket, whose end is its own.
"""

import errno
import heapq
import os
import shutil
import socket
import stat

from . import frames
from .descriptors import out_of_the_way

RECEIVED = 256 * 1024
MOST_READ = 16 << 20     # bytes of one reply
MOST_ENTRIES = 500       # of one reply, so that long names fit its header
NEW_FILE, NEW_FOLDER = 0o644, 0o755
KINDS = {stat.S_IFREG: "file", stat.S_IFDIR: "folder", stat.S_IFLNK: "link"}
NOTHING = {"size": 0, "modified": 0, "bytes": None, "entries": [], "more": False}


def main(fd):
    connection = socket.socket(fileno=out_of_the_way(fd))
    connection.setblocking(True)
    parser = frames.Parser()
    while True:
        for header, buffers in iter(parser.next, None):
            for part in reply_to(header, buffers):
                connection.sendall(part)
        data = connection.recv(RECEIVED)
        if not data:
            return
        parser.feed(data)


def reply_to(header, buffers):
    """A frame's parts."""
    failed, found, content = 0, {}, ()
    try:
        found = DEEDS[header["do"]](header, buffers)
        content = found.pop("content", ())
    except MemoryError:
        failed = errno.ENOMEM
    except OSError as error:
        failed = error.errno or errno.EIO
    except ValueError:  # a NUL in a path
        failed = errno.EINVAL
    return frames.encode({"type": "file_reply", "request": header["request"], "errno": failed, **NOTHING, **found}, content)


def facts(info):
    return {"size": info.st_size, "modified": max(info.st_mtime_ns, 0)}


def open_file(path, flags):
    """A regular file's descriptor: what isn't one could be waited for without end."""
    fd = os.open(path, flags | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC, NEW_FILE)
    kind = stat.S_IFMT(os.fstat(fd).st_mode)
    if kind != stat.S_IFREG:
        os.close(fd)
        raise OSError(errno.EISDIR if kind == stat.S_IFDIR else errno.EINVAL, "no file")
    return fd


def read(header, _):
    fd = open_file(header["path"], os.O_RDONLY)
    try:
        left, place, pieces = min(header["size"], MOST_READ), header["offset"], []
        while left > 0 and (piece := os.pread(fd, left, place)):
            pieces.append(piece)
            place += len(piece)
            left -= len(piece)
        return {**facts(os.fstat(fd)), "bytes": 0, "content": (b"".join(pieces),)}
    finally:
        os.close(fd)


def write(header, buffers):
    path, data = header["path"], memoryview(buffers[header["bytes"]])
    make_parent(path)
    if header["offset"] is not None:
        return write_all(open_file(path, os.O_WRONLY | os.O_CREAT), data, header["offset"])
    folder, name = os.path.split(path)
    temporary = os.path.join(folder, ".%s.%s" % (name[:60], os.urandom(6).hex()))
    try:
        found = write_all(open_file(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL), data, 0)
        os.replace(temporary, path)
    except BaseException:
        try:
            os.unlink(temporary)
        except OSError:
            pass
        raise
    return found


def write_all(fd, data, place):
    try:
        while data:
            count = os.pwrite(fd, data, place)
            place += count
            data = data[count:]
        return facts(os.fstat(fd))
    finally:
        os.close(fd)


def list_folder(header, _):
    after = header["after"]
    with os.scandir(header["path"]) as entries:
        names = ((shown(entry.name), entry) for entry in entries)
        first = heapq.nsmallest(MOST_ENTRIES + 1, (one for one in names if one[0] > after), key=lambda one: one[0])
    return {"entries": [entry_of(name, entry) for name, entry in first[:MOST_ENTRIES]], "more": len(first) > MOST_ENTRIES}


def shown(name):
    """As UTF-8; what isn't has U+FFFD in it, and can't be asked for."""
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def entry_of(name, entry):
    try:
        info = entry.stat(follow_symlinks=False)
    except OSError:  # gone again
        return [name, "other", 0, 0]
    return [name, KINDS.get(stat.S_IFMT(info.st_mode), "other"), *facts(info).values()]


def make(header, _):
    os.makedirs(header["path"], NEW_FOLDER, exist_ok=True)
    return {}


def make_parent(path):
    folder = os.path.dirname(path)
    if folder:
        os.makedirs(folder, NEW_FOLDER, exist_ok=True)


def move(header, _):
    make_parent(header["to"])
    os.replace(header["path"], header["to"])
    return {}


def remove(header, _):
    path = header["path"]
    if not stat.S_ISDIR(os.lstat(path).st_mode):
        os.unlink(path)
    elif header["with_content"]:
        shutil.rmtree(path)
    else:
        os.rmdir(path)
    return {}


DEEDS = {"read": read, "write": write, "list": list_folder, "make": make, "move": move, "remove": remove}
