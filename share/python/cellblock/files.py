"""A sandbox's files: put in, taken out, listed, moved, removed, also while a cell runs.

Paths are the sandbox's: relative to its working directory, or absolute. What can't be done is raised as Python's own error:
FileNotFoundError, IsADirectoryError, PermissionError, OSError. What comes out is a cell's work, so its content and its names may be
anything.
"""
from __future__ import annotations

import builtins
import os
import posixpath
import uuid
from dataclasses import dataclass
from typing import Any, BinaryIO, Callable, Dict, Generator, List, Literal, Mapping, Optional, Tuple, Union

PIECE = 8 << 20  # bytes of one request; the kernel takes 16 MiB
Data = Union[str, bytes, bytearray, memoryview, BinaryIO]
Answer = Tuple[Mapping[str, Any], bytes]
Steps = Generator[Tuple[Dict[str, Any], Tuple[bytes, ...]], Answer, Any]
ERRORS = {kind.__name__: kind for kind in (FileNotFoundError, FileExistsError, IsADirectoryError, NotADirectoryError,
                                           PermissionError, OSError, ValueError)}


@dataclass(frozen=True)
class FileEntry:
    """A name in a folder; `modified` in seconds since 1970."""

    name: str
    type: Literal["file", "folder", "link", "other"]
    size: int
    modified: float


# --- what is asked, one request after the other, for both kinds of sandboxes

class Walk:
    """Goes through steps: `request` is what they ask for next, or None once they are done and `value` is what they give."""

    def __init__(self, steps: Steps) -> None:
        self._steps = steps
        self.value: Any = None
        self.request: Optional[Tuple[Dict[str, Any], Tuple[bytes, ...]]] = None
        self._after(lambda: next(steps))

    def go_on(self, answer: Answer) -> None:
        self._after(lambda: self._steps.send(answer))

    def fail(self, error: Exception) -> None:
        """The request had no answer. Raises the error, unless the steps know what to do."""
        self._after(lambda: self._steps.throw(error))

    def _after(self, advance: Callable[[], Any]) -> None:
        try:
            self.request = advance()
        except StopIteration as end:
            self.request, self.value = None, end.value


def write_steps(path: str, data: Data) -> Steps:
    pieces = _pieces(data)
    first = next(pieces, b"")
    second = next(pieces, b"")
    if not second:
        yield {"do": "write", "path": path}, (first,)
        return
    folder, name = posixpath.split(path)
    partial = posixpath.join(folder, f".{name[:60]}.{uuid.uuid4().hex[:12]}")
    try:
        place = 0
        for piece in (first, second):
            yield {"do": "write", "path": partial, "offset": place}, (piece,)
            place += len(piece)
        for piece in pieces:
            yield {"do": "write", "path": partial, "offset": place}, (piece,)
            place += len(piece)
        yield {"do": "move", "path": partial, "to": path}, ()
    except BaseException:
        try:
            yield {"do": "remove", "path": partial}, ()
        except OSError:
            pass
        raise


def _pieces(data: Data) -> Any:
    if hasattr(data, "read"):
        while piece := data.read(PIECE):  # type: ignore[union-attr]
            if isinstance(piece, str):
                raise TypeError("the file must be open for bytes: open(path, 'rb')")
            yield piece
        return
    view = memoryview(data.encode("utf-8") if isinstance(data, str) else data).cast("B")  # type: ignore[arg-type, union-attr]
    for place in range(0, len(view), PIECE):
        yield bytes(view[place:place + PIECE])


def read_steps(path: str, most: Optional[int] = None) -> Steps:
    pieces: List[bytes] = []
    place = 0
    while True:
        size = PIECE if most is None else min(PIECE, most - place)
        facts, piece = yield {"do": "read", "path": path, "offset": place, "size": size}, ()
        piece = piece[:size]
        pieces.append(piece)
        place += len(piece)
        if not piece or place >= facts["size"] or place == most:
            return b"".join(pieces)


def list_steps(path: str) -> Steps:
    entries: List[FileEntry] = []
    while True:
        after = {"after": entries[-1].name} if entries else {}
        page, _ = yield {"do": "list", "path": path, **after}, ()
        entries += [FileEntry(one["name"], one["type"], one["size"], one["modified"]) for one in page["entries"]]
        if not page["more"] or not page["entries"]:
            return entries


def one_step(**request: Any) -> Steps:
    yield request, ()


# --- one request and its answer

def request_content(comm: str, request: Mapping[str, Any]) -> Dict[str, Any]:
    return {"comm_id": comm, "data": dict(request)}


class Answering:
    """Takes the messages that answer one request."""

    def __init__(self) -> None:
        self._found: Any = None

    def take(self, message: Mapping[str, Any]) -> None:
        if message["header"]["msg_type"] == "comm_msg":
            self._found = message

    def answer(self) -> Answer:
        if self._found is None:
            raise OSError("the kernel gave no answer about the file")
        data = self._found["content"]["data"]
        if data.get("status") != "ok":
            raise ERRORS.get(data.get("ename", ""), OSError)(data.get("evalue", ""))
        return data, b"".join(bytes(buffer) for buffer in self._found.get("buffers") or ())


def _path(path: Union[str, "os.PathLike[str]"]) -> str:
    return os.fspath(path)


class Files:
    """`Sandbox.files`.

        >>> import cellblock
        >>> with cellblock.Sandbox() as box:
        ...     box.files.write("in/numbers.txt", "1 4 9")
        ...     done = box.run("open('sum.txt', 'w').write(str(sum(map(int, open('in/numbers.txt').read().split()))))")
        ...     print(box.files.read("sum.txt"), [entry.name for entry in box.files.list()])
        b'14' ['in', 'sum.txt']
    """

    def __init__(self, drive: Callable[[Steps], Any]) -> None:
        self._drive = drive

    def write(self, path: Union[str, "os.PathLike[str]"], data: Data) -> None:
        """Writes the whole file, which is there as a whole or not at all. `data`: text (as UTF-8), bytes, or a file that is
        open for bytes. Folders above it are made.

            >>> import cellblock
            >>> with cellblock.Sandbox() as box:
            ...     box.files.write("data.bin", bytes(3))
            ...     print(box.run("len(open('data.bin', 'rb').read())").text)
            3
        """
        self._drive(write_steps(_path(path), data))

    def read(self, path: Union[str, "os.PathLike[str]"], *, most: Optional[int] = None) -> bytes:
        """The whole file, or its first `most` bytes. Without `most`, what it holds is bounded by the policy's `limits.disk` alone.

            >>> import cellblock
            >>> with cellblock.Sandbox() as box:
            ...     done = box.run("open('a.txt', 'w').write('from inside')")
            ...     print(box.files.read("a.txt").decode())
            from inside
        """
        return self._drive(read_steps(_path(path), most))

    def list(self, path: Union[str, "os.PathLike[str]"] = ".") -> "builtins.list[FileEntry]":
        """What is in a folder, by name.

            >>> import cellblock
            >>> with cellblock.Sandbox() as box:
            ...     box.files.write("a.txt", "abc")
            ...     print([(entry.name, entry.type, entry.size) for entry in box.files.list()])
            [('a.txt', 'file', 3)]
        """
        return self._drive(list_steps(_path(path)))

    def make(self, path: Union[str, "os.PathLike[str]"]) -> None:
        """Makes a folder, and those above it; one that is there already is no error.

            >>> import cellblock
            >>> with cellblock.Sandbox() as box:
            ...     box.files.make("a/b")
            ...     print(box.run("import os; os.path.isdir('a/b')").text)
            True
        """
        self._drive(one_step(do="make", path=_path(path)))

    def move(self, path: Union[str, "os.PathLike[str]"], to: Union[str, "os.PathLike[str]"]) -> None:
        """Moves or renames; a file that is at `to` is replaced.

            >>> import cellblock
            >>> with cellblock.Sandbox() as box:
            ...     box.files.write("a.txt", "abc")
            ...     box.files.move("a.txt", "b/c.txt")
            ...     print(box.files.read("b/c.txt"))
            b'abc'
        """
        self._drive(one_step(do="move", path=_path(path), to=_path(to)))

    def remove(self, path: Union[str, "os.PathLike[str]"], *, with_content: bool = False) -> None:
        """Removes a file, a link or an empty folder; `with_content` a folder with all that is in it.

            >>> import cellblock
            >>> with cellblock.Sandbox() as box:
            ...     box.files.write("a/b.txt", "abc")
            ...     box.files.remove("a", with_content=True)
            ...     print(box.files.list())
            []
        """
        self._drive(one_step(do="remove", path=_path(path), with_content=with_content))


class AsyncFiles:
    """`AsyncSandbox.files`: as Files, to be awaited.

        >>> import asyncio, cellblock
        >>> async def main():
        ...     async with cellblock.AsyncSandbox() as box:
        ...         await box.files.write("a.txt", "abc")
        ...         return await box.files.read("a.txt")
        >>> asyncio.run(main())
        b'abc'
    """

    def __init__(self, drive: Callable[[Steps], Any]) -> None:
        self._drive = drive

    async def write(self, path: Union[str, "os.PathLike[str]"], data: Data) -> None:
        """As Files.write."""
        await self._drive(write_steps(_path(path), data))

    async def read(self, path: Union[str, "os.PathLike[str]"], *, most: Optional[int] = None) -> bytes:
        """As Files.read."""
        return await self._drive(read_steps(_path(path), most))

    async def list(self, path: Union[str, "os.PathLike[str]"] = ".") -> "builtins.list[FileEntry]":
        """As Files.list."""
        return await self._drive(list_steps(_path(path)))

    async def make(self, path: Union[str, "os.PathLike[str]"]) -> None:
        """As Files.make."""
        await self._drive(one_step(do="make", path=_path(path)))

    async def move(self, path: Union[str, "os.PathLike[str]"], to: Union[str, "os.PathLike[str]"]) -> None:
        """As Files.move."""
        await self._drive(one_step(do="move", path=_path(path), to=_path(to)))

    async def remove(self, path: Union[str, "os.PathLike[str]"], *, with_content: bool = False) -> None:
        """As Files.remove."""
        await self._drive(one_step(do="remove", path=_path(path), with_content=with_content))
