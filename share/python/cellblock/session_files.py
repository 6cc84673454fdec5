"""Files and folders between the host and a sandbox. What comes out is regular files by plain names, within bounds."""
from __future__ import annotations

import io
import os
import posixpath
import shutil
import tarfile
import tempfile
from typing import Any, Dict, Iterator, List, Tuple

from .errors import SandboxError
from .files import FileEntry, Files

MOST_DEPTH = 32
MOST_FILES = 10_000


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
    """(path below `folder`, entry) of its files and folders; links and others are passed over."""
    for entry in files.list(folder):
        if entry.type == "file" or entry.type == "folder":
            yield entry.name, entry
        if entry.type == "folder":
            if depth == 0:
                raise SandboxError(f"{folder} has more than {MOST_DEPTH} folders within each other")
            for name, inner in entries_below(files, posixpath.join(folder, entry.name), depth - 1):
                yield posixpath.join(entry.name, name), inner


def tree(files: Files, path: str) -> List[Tuple[str, bool]]:
    """(path, is it a folder?) of all that is there, the path itself first. Raises FileNotFoundError."""
    folder, name = posixpath.split(path.rstrip("/"))
    if not any(entry.name == name and entry.type == "folder" for entry in files.list(folder or ".")):
        return [("", False)]
    found = [("", True)]
    for inner, entry in entries_below(files, path):
        found.append((inner, entry.type == "folder"))
        if len(found) > MOST_FILES:
            raise SandboxError(f"{path} has more than {MOST_FILES} files")
    return found


def fetch(files: Files, path: str, target: str) -> None:
    """To `target` on the host; into it, where that is a folder. Either all of it comes, or nothing is there that wasn't before."""
    name = posixpath.basename(path.rstrip("/"))
    if os.path.isdir(target):
        target = os.path.join(target, name or "files")
    parent = os.path.dirname(os.path.abspath(target))
    os.makedirs(parent, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=parent, prefix=".cellblock-") as place:
        taken = os.path.join(place, "taken")
        for inner, is_folder in tree(files, path):
            here = os.path.join(taken, *inner.split("/")) if inner else taken
            if is_folder:
                os.makedirs(here, exist_ok=True)
                continue
            content = files.read(posixpath.join(path, inner) if inner else path)
            with open(here, "xb") as file:
                file.write(content)
        if os.path.isdir(taken):
            shutil.copytree(taken, target, dirs_exist_ok=True)
        else:
            os.replace(taken, target)


def archive(files: Files, path: str) -> Tuple[bytes, Dict[str, Any]]:
    """A tar file's bytes, and facts about `path`, as docker's get_archive() gives them."""
    name = posixpath.basename(path.rstrip("/")) or "files"
    made, total = io.BytesIO(), 0
    with tarfile.open(fileobj=made, mode="w") as tar:
        for inner, is_folder in tree(files, path):
            member = tarfile.TarInfo(posixpath.join(name, inner) if inner else name)
            content = b""
            if is_folder:
                member.type, member.mode = tarfile.DIRTYPE, 0o755
            else:
                content = files.read(posixpath.join(path, inner) if inner else path)
                member.size = len(content)
            total += member.size
            tar.addfile(member, io.BytesIO(content))
    return made.getvalue(), {"name": name, "size": total}
