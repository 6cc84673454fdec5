"""Files and folders between the host and a sandbox. What comes out is regular files by plain names, within bounds."""
from __future__ import annotations

import io
import os
import posixpath
import tarfile
import tempfile
from typing import Any, Dict, Iterator, List, Optional, Tuple

from .errors import SandboxError
from .files import FileEntry, Files

MOST_DEPTH = 32
MOST_FILES = 10_000
MOST_BYTES = 1 << 30


def put(files: Files, source: str, target: str) -> None:
    """A file, or a folder with what is below it, but for symbolic links in it."""
    if os.path.isdir(source):
        files.make(target)
        for entry in sorted(os.scandir(source), key=lambda one: one.name):
            if entry.is_file(follow_symlinks=False) or entry.is_dir(follow_symlinks=False):
                put(files, entry.path, posixpath.join(target, entry.name))
        return
    with open(source, "rb") as file:  # raises FileNotFoundError
        files.write(target, file)


def entries_below(files: Files, folder: str, depth: int = MOST_DEPTH) -> Iterator[Tuple[str, FileEntry]]:
    """(path below `folder`, entry) of its files and folders, each folder before what is in it; links and others are passed over."""
    for entry in files.list(folder):
        if entry.type in ("file", "folder"):
            yield entry.name, entry
        if entry.type == "folder":
            if depth == 0:
                raise SandboxError(f"{folder} has more than {MOST_DEPTH} folders within each other")
            for name, inner in entries_below(files, posixpath.join(folder, entry.name), depth - 1):
                yield posixpath.join(entry.name, name), inner


def contents(files: Files, path: str) -> Iterator[Tuple[str, Optional[bytes]]]:
    """(path below `path`, its bytes, or None: a folder) of all that is there, itself first, by the name "". Raises
    FileNotFoundError, and SandboxError beyond the bounds: what lies there is code's own choice."""
    folder, name = posixpath.split(path.rstrip("/"))
    is_folder = name in ("", ".") or any(entry.name == name and entry.type == "folder" for entry in files.list(folder or "."))
    if is_folder:
        yield "", None
    found = ((name, entry.type == "folder") for name, entry in entries_below(files, path)) if is_folder else iter([("", False)])
    left = MOST_BYTES
    for count, (inner, is_inner_folder) in enumerate(found, 1):
        content = None if is_inner_folder else files.read(posixpath.join(path, inner) if inner else path, most=left + 1)
        left -= len(content or b"")
        if count > MOST_FILES or left < 0:
            raise SandboxError(f"{path} has more than {MOST_FILES} files or {MOST_BYTES >> 20} MiB: ask for parts of it")
        yield inner, content


def fetch(files: Files, path: str, target: str) -> None:
    """To `target` on the host; into it, where that is a folder. Nothing is there before all of it has come. A symbolic link of the
    host's is never followed below `target`, as names are code's own choice."""
    name = posixpath.basename(path.rstrip("/"))
    if os.path.isdir(target):
        target = os.path.join(target, name or "files")
    parent = os.path.dirname(os.path.abspath(target))
    os.makedirs(parent, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=parent, prefix=".cellblock-") as place:
        came: List[Tuple[str, bool]] = []
        for inner, content in contents(files, path):
            came.append((inner, content is None))
            here = os.path.join(place, "taken", *inner.split("/")) if inner else os.path.join(place, "taken")
            if content is None:
                os.mkdir(here)
            else:
                with open(here, "xb") as file:
                    file.write(content)
        for inner, is_folder in came:
            here, there = (os.path.join(one, *inner.split("/")) if inner else one for one in (os.path.join(place, "taken"), target))
            if not is_folder:
                os.replace(here, there)
            elif os.path.islink(there):
                raise SandboxError(f"{there} is a symbolic link, which files of a sandbox don't follow")
            elif not os.path.isdir(there):
                os.mkdir(there)


def archive(files: Files, path: str) -> Tuple[bytes, Dict[str, Any]]:
    """A tar file's bytes, and facts about `path`, as docker's get_archive() gives them."""
    name = posixpath.basename(path.rstrip("/")) or "files"
    made, total = io.BytesIO(), 0
    with tarfile.open(fileobj=made, mode="w") as tar:
        for inner, content in contents(files, path):
            member = tarfile.TarInfo(posixpath.join(name, inner) if inner else name)
            if content is None:
                member.type, member.mode = tarfile.DIRTYPE, 0o755
            member.size = len(content or b"")
            total += member.size
            tar.addfile(member, io.BytesIO(content or b""))
    return made.getvalue(), {"name": name, "size": total}
