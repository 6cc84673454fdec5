"""Commands: programs that run in a sandbox beside its cells, by `Sandbox.commands`.

A command has a cell's rights, files and limits. It may run while a cell runs, and it ends at its time limit, when the sandbox is
closed or reset, and when a cell had to be killed.
"""
from __future__ import annotations

import asyncio
import codecs
import inspect
import os
import signal as signals
import threading
import uuid
from collections import deque
from dataclasses import dataclass
from typing import Any, Awaitable, Callable, Deque, Dict, Iterator, List, Mapping, Optional, Sequence, Tuple, Union

from .errors import SandboxError

PIECE = 4 << 20  # bytes of input of one message; the kernel takes 16 MiB
Line = Union[str, Sequence[str]]
Listener = Callable[[str], Any]
AsyncListener = Callable[[str], Union[Any, Awaitable[Any]]]


@dataclass(frozen=True)
class CommandResult:
    """How a command ended. `exit_code` is a shell's: 128 + the signal that killed it, 124 at its time limit, 126 and 127 where it
    can't be executed or isn't there, 125 where it was lost. `error` says why it wasn't started or was lost. `cut`: it wrote more
    than the policy's `limits.output`, and the rest is lost.

        >>> import cellblock
        >>> with cellblock.Sandbox() as box:
        ...     done = box.commands.run("echo out; echo err >&2; exit 3")
        >>> done.exit_code, done.stdout, done.stderr, done.ok
        (3, 'out\\n', 'err\\n', False)
    """

    exit_code: int
    stdout_bytes: bytes = b""
    stderr_bytes: bytes = b""
    signal: Optional[int] = None
    timed_out: bool = False
    cut: bool = False
    error: Optional[str] = None

    @property
    def stdout(self) -> str:
        """As text; what isn't UTF-8 has U+FFFD in it."""
        return self.stdout_bytes.decode("utf-8", "replace")

    @property
    def stderr(self) -> str:
        """As stdout."""
        return self.stderr_bytes.decode("utf-8", "replace")

    @property
    def ok(self) -> bool:
        """Whether it exited with 0."""
        return self.exit_code == 0

    def to_openai(self) -> Dict[str, Any]:
        """As an item of the `output` of OpenAI's `shell_call_output`.

            >>> from cellblock import CommandResult
            >>> CommandResult(exit_code=0, stdout_bytes=b"1").to_openai()
            {'stdout': '1', 'stderr': '', 'outcome': {'type': 'exit', 'exit_code': 0}}
        """
        outcome = {"type": "timeout"} if self.timed_out else {"type": "exit", "exit_code": self.exit_code}
        stderr = self.stderr + (self.error or "" if not self.stderr else "")
        return {"stdout": self.stdout, "stderr": stderr, "outcome": outcome}


def request_of(command: Line, cwd: Optional[str], env: Optional[Mapping[str, str]], takes_input: bool, timeout: Optional[float],
               terminal: Optional[Tuple[int, int]]) -> Dict[str, Any]:
    request: Dict[str, Any] = {"do": "run", "input": takes_input}
    request.update({"line": command} if isinstance(command, str) else {"argv": [os.fspath(one) for one in command]})
    if cwd is not None:
        request["directory"] = os.fspath(cwd)
    if env:
        request["environment"] = dict(env)
    if timeout is not None:
        if not timeout >= 0:
            raise ValueError(f"timeout must be a number of seconds from 0 on, not {timeout!r}")
        request["timeout"] = timeout
    if terminal is not None:
        rows, columns = terminal
        request.update({"terminal": True, "rows": rows, "columns": columns})
    return request


class Command:
    """A command that runs: `Commands.start`. Its methods may be called from any thread.

        >>> import cellblock
        >>> with cellblock.Sandbox() as box:
        ...     counting = box.commands.start(["wc", "-c"], takes_input=True)
        ...     counting.write("four")
        ...     counting.close_input()
        ...     print(counting.wait().stdout)
        4
        <BLANKLINE>
    """

    def __init__(self, connection: Any, request: Mapping[str, Any]) -> None:
        self._connection = connection
        self._id = uuid.uuid4().hex
        self._changed = threading.Condition()
        self._events: Deque[Tuple[str, bytes]] = deque()  # output that nobody has taken
        self._wants_input = True
        self._done: Optional[Mapping[str, Any]] = None
        self._failed: Optional[BaseException] = None
        self._ended = False
        self._pieces: Dict[str, List[bytes]] = {"stdout": [], "stderr": []}
        self._send(dict(request), sink=self._take)

    def _send(self, data: Dict[str, Any], buffers: Any = (), sink: Any = None) -> None:
        content = {"comm_id": self._connection.commands_comm, "data": {**data, "id": self._id}}
        self._connection.send("control", "comm_msg", content, sink, buffers)

    def _take(self, message: Any) -> None:
        """On the connection's thread."""
        with self._changed:
            if message is None:
                self._ended = True
            elif isinstance(message, BaseException):
                self._failed, self._ended = message, True
            elif message["header"]["msg_type"] == "comm_msg":
                data = message["content"]["data"]
                event = data.get("event")
                if event in ("stdout", "stderr"):
                    self._events.append((event, b"".join(bytes(one) for one in message.get("buffers") or ())))
                elif event == "wants_input":
                    self._wants_input = True
                elif event == "done":
                    self._done = data
                elif data.get("status") == "error":
                    self._failed = ValueError(data.get("evalue", ""))
            self._changed.notify_all()

    @property
    def is_running(self) -> bool:
        """Whether it hasn't ended."""
        with self._changed:
            return not self._ended

    def _next(self) -> List[Tuple[str, bytes]]:
        """What has come; waits for something. Nothing more: an empty list."""
        with self._changed:
            self._changed.wait_for(lambda: self._events or self._ended)
            found = list(self._events)
            self._events.clear()
            for name, data in found:
                self._pieces[name].append(data)
            return found

    def _result(self) -> CommandResult:
        if self._failed is not None:
            raise self._failed
        if self._done is None:
            raise SandboxError("the kernel doesn't tell how the command ended")
        data = self._done
        return CommandResult(data["exit_code"], b"".join(self._pieces["stdout"]), b"".join(self._pieces["stderr"]), data["signal"],
                             data["timed_out"], data["cut"], data.get("evalue"))

    def wait(self, *, on_stdout: Optional[Listener] = None, on_stderr: Optional[Listener] = None) -> CommandResult:
        """Waits for its end. The callbacks are called here with what it writes, as text.

            >>> import cellblock
            >>> with cellblock.Sandbox() as box:
            ...     done = box.commands.start("echo one; echo two").wait(on_stdout=lambda text: print(text, end=""))
            one
            two
        """
        texts = Texts({"stdout": on_stdout, "stderr": on_stderr})
        while found := self._next():
            for callback, text in texts.of(found):
                callback(text)
        for callback, text in texts.rest():
            callback(text)
        return self._result()

    def write(self, data: Union[str, bytes]) -> None:
        """Gives it input; waits until the command has read what it was given before. BrokenPipeError: it has ended.

            >>> import cellblock
            >>> with cellblock.Sandbox() as box:
            ...     upper = box.commands.start(["tr", "a-z", "A-Z"], takes_input=True)
            ...     upper.write("abc")
            ...     upper.close_input()
            ...     upper.wait().stdout
            'ABC'
        """
        view = memoryview(data.encode("utf-8") if isinstance(data, str) else data).cast("B")
        for place in range(0, len(view), PIECE):
            self._give(bytes(view[place:place + PIECE]), False)

    def close_input(self) -> None:
        """There is no more input.

            >>> import cellblock
            >>> with cellblock.Sandbox() as box:
            ...     nothing = box.commands.start(["cat"], takes_input=True)
            ...     nothing.close_input()
            ...     nothing.wait().exit_code
            0
        """
        try:
            self._give(b"", True)
        except BrokenPipeError:
            pass

    def _give(self, data: bytes, end: bool) -> None:
        with self._changed:
            self._changed.wait_for(lambda: self._wants_input or self._ended)
            if self._ended:
                raise BrokenPipeError("the command has ended")
            self._wants_input = False
        self._send({"do": "input", "end": end}, (data,))

    def send_signal(self, number: int) -> None:
        """To the command and to what it has started in its process group.

            >>> import cellblock, signal
            >>> with cellblock.Sandbox() as box:
            ...     asleep = box.commands.start(["sleep", "60"])
            ...     asleep.send_signal(signal.SIGTERM)
            ...     asleep.wait().exit_code
            143
        """
        self._send({"do": "signal", "signal": int(number)})

    def kill(self) -> None:
        """Ends it at once, by SIGKILL.

            >>> import cellblock
            >>> with cellblock.Sandbox() as box:
            ...     asleep = box.commands.start(["sleep", "60"])
            ...     asleep.kill()
            ...     asleep.wait().signal
            9
        """
        self.send_signal(signals.SIGKILL)

    def resize(self, rows: int, columns: int) -> None:
        """Of its terminal.

            >>> import cellblock
            >>> with cellblock.Sandbox() as box:
            ...     shell = box.commands.start(["sh"], terminal=(24, 80))
            ...     shell.resize(40, 100)
            ...     shell.write("stty size; exit\\n")
            ...     "40 100" in shell.wait().stdout
            True
        """
        self._send({"do": "resize", "rows": rows, "columns": columns})


class Texts:
    """Output as text for callbacks, where a character may be cut by the end of a piece."""

    def __init__(self, callbacks: Mapping[str, Optional[Callable[[str], Any]]]) -> None:
        self._callbacks = {name: one for name, one in callbacks.items() if one is not None}
        self._decoders = {name: codecs.getincrementaldecoder("utf-8")("replace") for name in self._callbacks}

    def of(self, found: Sequence[Tuple[str, bytes]]) -> Iterator[Tuple[Callable[[str], Any], str]]:
        for name, data in found:
            if name in self._callbacks and (text := self._decoders[name].decode(data)):
                yield self._callbacks[name], text

    def rest(self) -> Iterator[Tuple[Callable[[str], Any], str]]:
        for name, decoder in self._decoders.items():
            if text := decoder.decode(b"", True):
                yield self._callbacks[name], text


class Commands:
    """`Sandbox.commands`.

        >>> import cellblock
        >>> with cellblock.Sandbox() as box:
        ...     box.files.write("data.csv", "a,b\\n1,2\\n")
        ...     print(box.commands.run(["wc", "-l", "data.csv"]).stdout, end="")
        2 data.csv
    """

    def __init__(self, core: Any) -> None:
        self._core = core

    def run(self, command: Line, *, cwd: Optional[str] = None, env: Optional[Mapping[str, str]] = None,
            input: Union[str, bytes, None] = None, timeout: Optional[float] = None, on_stdout: Optional[Listener] = None,
            on_stderr: Optional[Listener] = None) -> CommandResult:
        """Runs a command and waits for its end: a text is a line for the shell, a list a program and its arguments.

        `python` is the Python that runs the cells. `cwd`: a folder inside, by default the working directory. `env`: variables beside
        the cells' own. `timeout`: seconds; by default the policy's `limits.cell_time`, and 0 is none. The callbacks are called here;
        an exception of one of them, and Ctrl-C, kill the command.

            >>> import cellblock
            >>> with cellblock.Sandbox() as box:
            ...     box.commands.run(["python", "-c", "print(input()[::-1])"], input="abc").stdout
            ...     box.commands.run("sleep 60", timeout=0.2).timed_out
            'cba\\n'
            True
        """
        running = self.start(command, cwd=cwd, env=env, takes_input=input is not None, timeout=timeout)
        feeding = _feed(running, input)
        try:
            return running.wait(on_stdout=on_stdout, on_stderr=on_stderr)
        except BaseException:
            _kill_quietly(running)
            raise
        finally:
            if feeding is not None:
                feeding.join(5)

    def start(self, command: Line, *, cwd: Optional[str] = None, env: Optional[Mapping[str, str]] = None, takes_input: bool = False,
              timeout: Optional[float] = 0, terminal: Optional[Tuple[int, int]] = None) -> Command:
        """Begins a command, as run(), and goes on: at most 16 run at a time. By default without a time limit.

        `terminal`: (rows, columns) of a terminal of its own; all that it writes is then stdout.

            >>> import cellblock
            >>> with cellblock.Sandbox() as box:
            ...     server = box.commands.start(["python", "-m", "http.server", "8000"])
            ...     done = box.run("import time, urllib.request\\nfor n in range(100):\\n    try:\\n        print(urllib.request.urlopen("
            ...                    "'http://127.0.0.1:8000').status)\\n        break\\n    except OSError:\\n        time.sleep(0.1)")
            ...     server.kill()
            >>> done.stdout
            '200\\n'
        """
        return Command(self._core.connection, request_of(command, cwd, env, takes_input, timeout, terminal))


def _feed(command: Command, data: Union[str, bytes, None]) -> Optional[threading.Thread]:
    """What a command writes is to be read meanwhile, so a thread gives it more than fits into one message."""
    if data is None:
        return None
    whole = data.encode("utf-8") if isinstance(data, str) else data
    if len(whole) <= PIECE:
        command._give(whole, True)
        return None

    def feed() -> None:
        try:
            command.write(whole)
            command.close_input()
        except (OSError, SandboxError):  # it has ended
            pass

    thread = threading.Thread(target=feed, name="cellblock-input", daemon=True)
    thread.start()
    return thread


def _kill_quietly(command: Command) -> None:
    try:
        command.kill()
    except SandboxError:
        pass


class AsyncCommand:
    """A command that runs, as Command, to be awaited.

        >>> import asyncio, cellblock
        >>> async def main():
        ...     async with cellblock.AsyncSandbox() as box:
        ...         running = await box.commands.start("echo one")
        ...         return (await running.wait()).stdout
        >>> asyncio.run(main())
        'one\\n'
    """

    def __init__(self, command: Command) -> None:
        self._command = command

    @property
    def is_running(self) -> bool:
        """Whether it hasn't ended."""
        return self._command.is_running

    async def wait(self, *, on_stdout: Optional[AsyncListener] = None, on_stderr: Optional[AsyncListener] = None) -> CommandResult:
        """As Command.wait; a callback may be a coroutine function."""
        texts = Texts({"stdout": on_stdout, "stderr": on_stderr})

        async def tell(pairs: Iterator[Tuple[Callable[[str], Any], str]]) -> None:
            for callback, text in pairs:
                waiting = callback(text)
                if inspect.isawaitable(waiting):
                    await waiting

        while found := await asyncio.to_thread(self._command._next):
            await tell(texts.of(found))
        await tell(texts.rest())
        return self._command._result()

    async def write(self, data: Union[str, bytes]) -> None:
        """As Command.write."""
        await asyncio.to_thread(self._command.write, data)

    async def close_input(self) -> None:
        """As Command.close_input."""
        await asyncio.to_thread(self._command.close_input)

    async def send_signal(self, number: int) -> None:
        """As Command.send_signal."""
        self._command.send_signal(number)

    async def kill(self) -> None:
        """As Command.kill."""
        self._command.kill()

    async def resize(self, rows: int, columns: int) -> None:
        """As Command.resize."""
        self._command.resize(rows, columns)


class AsyncCommands:
    """`AsyncSandbox.commands`: as Commands, to be awaited.

        >>> import asyncio, cellblock
        >>> async def main():
        ...     async with cellblock.AsyncSandbox() as box:
        ...         return (await box.commands.run("exit 2")).exit_code
        >>> asyncio.run(main())
        2
    """

    def __init__(self, core: Any) -> None:
        self._commands = Commands(core)

    async def run(self, command: Line, *, cwd: Optional[str] = None, env: Optional[Mapping[str, str]] = None,
                  input: Union[str, bytes, None] = None, timeout: Optional[float] = None,
                  on_stdout: Optional[AsyncListener] = None, on_stderr: Optional[AsyncListener] = None) -> CommandResult:
        """As Commands.run. A task that is cancelled while it waits kills the command."""
        running = self._commands.start(command, cwd=cwd, env=env, takes_input=input is not None, timeout=timeout)
        _feed(running, input)
        try:
            return await AsyncCommand(running).wait(on_stdout=on_stdout, on_stderr=on_stderr)
        except BaseException:
            _kill_quietly(running)
            raise

    async def start(self, command: Line, *, cwd: Optional[str] = None, env: Optional[Mapping[str, str]] = None,
                    takes_input: bool = False, timeout: Optional[float] = 0,
                    terminal: Optional[Tuple[int, int]] = None) -> AsyncCommand:
        """As Commands.start."""
        return AsyncCommand(self._commands.start(command, cwd=cwd, env=env, takes_input=takes_input, timeout=timeout, terminal=terminal))
