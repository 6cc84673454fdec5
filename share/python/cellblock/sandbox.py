"""The sandboxes: `Sandbox` blocks, `AsyncSandbox` is to be awaited. Both are one `Core` and the same steps."""
from __future__ import annotations

import asyncio
import contextlib
import inspect
import os
import queue
import threading
import weakref
from typing import Any, Awaitable, Callable, Dict, Mapping, Optional, Union

from .commands import AsyncCommands, Commands
from .connection import Connection
from .errors import SandboxClosed, SandboxError
from .files import Answer, Answering, AsyncFiles, Files, Steps, Walk, request_content
from .kernel_process import KernelProcess, policy_text
from .program import find_program
from .results import Gathering, Output, Result

PathText = Union[str, "os.PathLike[str]"]
Policy = Union[PathText, Mapping[str, Any]]
START_SECONDS = 60.0
DEFAULT_POLICY = "default"  # the strict one, as `cellblock run` has it


def execute_content(code: str) -> Dict[str, Any]:
    return {"code": code, "silent": False, "store_history": True, "user_expressions": {}, "allow_stdin": False,
            "stop_on_error": False}


def execute_metadata(seconds: Optional[float]) -> Dict[str, Any]:
    """Asks the kernel for that time limit, which goes before what code asks for by %%timeout."""
    if seconds is None:
        return {}
    if not seconds > 0:
        raise ValueError(f"timeout must be more than 0 seconds, not {seconds!r}")
    return {"cellblock": {"timeout": f"{max(seconds, 0.001):.3f}"}}


class Core:
    """A kernel's process and the connection with it. Its methods block, and may be called from any thread."""

    def __init__(self, policy: Optional[Policy], python: Optional[PathText], program: Optional[PathText],
                 cwd: Optional[PathText], start_timeout: float) -> None:
        command, environment, text = [find_program(program), "kernel"], dict(os.environ), None
        if isinstance(policy, Mapping):
            text = policy_text(policy)
        elif policy is not None:
            name = os.fspath(policy)
            command += ["--policy", os.path.abspath(name) if "/" in name or name.endswith(".json") else name]
        else:
            command += ["--policy", DEFAULT_POLICY]
        if policy is not None:
            environment.pop("CELLBLOCK_POLICY", None)  # which would go before what was asked for here
        if python is not None:
            command += ["--python", os.fspath(python)]
        directory = os.fspath(cwd) if cwd is not None else None
        if directory is not None and not os.path.isdir(directory):
            raise SandboxError(f"cwd names {directory}, which is no folder")
        self._process = KernelProcess(command, policy=text, environment=environment, directory=directory)
        self._start_timeout = start_timeout
        self._owner = os.getpid()
        self._lock = threading.Lock()  # of starting and ending
        self._connection: Optional[Connection] = None
        self._is_open = False

    @property
    def connection(self) -> Connection:
        connection = self._connection
        if connection is None:
            raise SandboxClosed("the sandbox is being reset" if self._is_open else "the sandbox is not open")
        return connection

    @property
    def pid(self) -> Optional[int]:
        popen = self._process.popen
        return popen.pid if popen is not None else None

    def start(self) -> None:
        with self._lock:
            if self._process.has_ended:
                raise SandboxClosed("the sandbox was closed; make another one")
            if self._connection is None:
                self._begin(self._process.start)

    def reset(self) -> None:
        with self._lock:
            old = self.connection
            self._connection = None
            old.ask_to_leave(SandboxClosed("the sandbox was reset"))
            self._process.wait_until_it_leaves()
            old.close()
            self._begin(self._process.restart)

    def close(self) -> None:
        with self._lock:
            if not self._is_open or os.getpid() != self._owner:
                return
            if self._connection is not None:
                self._connection.ask_to_leave(SandboxClosed("the sandbox is closed"))
                self._process.wait_until_it_leaves()
            self._end_connection()
            self._process.stop()

    def abandon(self) -> None:
        """As close(), where Python itself may be ending."""
        if self._is_open and os.getpid() == self._owner:
            self._end_connection()
            self._process.end_without_threads()

    def _begin(self, begin: Callable[[], None]) -> None:
        self._is_open = True
        try:
            begin()
            self._connection = Connection(self._process.connection_info(), self._process.popen, self._process.last_words)
            self._connection.wait_ready(self._start_timeout)
        except BaseException:
            self._end_connection()
            self._process.stop()
            raise
        self._process.forget_files()

    def _end_connection(self) -> None:
        self._is_open = False
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    # --- requests

    def ask(self, channel: str, kind: str, content: Mapping[str, Any], buffers: Any = (),
            take: Callable[[Any], None] = lambda message: None) -> None:
        answers: "queue.SimpleQueue[Any]" = queue.SimpleQueue()
        self.connection.send(channel, kind, content, answers.put, buffers)
        for message in iter(answers.get, None):
            take(_checked(message))

    def run_cell(self, code: str, timeout: Optional[float], tell: Mapping[str, Optional[Callable[[Any], Any]]],
                 metadata: Optional[Mapping[str, Any]] = None) -> Result:
        """Sandbox.run(); `tell`: the callbacks by what they are told of."""
        gathering = Gathering(code)
        answers: "queue.SimpleQueue[Any]" = queue.SimpleQueue()
        self.connection.send("shell", "execute_request", execute_content(code), answers.put,
                             metadata={**execute_metadata(timeout), **(metadata or {})})
        try:
            for message in iter(answers.get, None):
                told = gathering.take(_checked(message))
                callback = tell.get(told[0]) if told else None
                if told and callback is not None:
                    callback(told[1])
        except BaseException:
            self.interrupt_quietly()
            raise
        return gathering.result()

    def run_unseen(self, code: str) -> Callable[[], None]:
        """Begins a cell whose output and end are nobody's; the next one begins after it. Gives what waits for its end."""
        content = {**execute_content(code), "silent": True, "store_history": False}
        answers: "queue.SimpleQueue[Any]" = queue.SimpleQueue()
        self.connection.send("shell", "execute_request", content, answers.put)

        def wait() -> None:
            for message in iter(answers.get, None):
                _checked(message)

        return wait

    def drive(self, steps: Steps) -> Any:
        """Asks what the steps want about files, one request after the other, and gives what they return."""
        def answer_to(request: Dict[str, Any], buffers: Any) -> Answer:
            answering = Answering()
            self.ask("control", "comm_msg", request_content(self.connection.files_comm, request), buffers, answering.take)
            return answering.answer()

        walk = Walk(steps)
        while walk.request is not None:
            try:
                answer = answer_to(*walk.request)
            except Exception as error:
                walk.fail(error)
            else:
                walk.go_on(answer)
        return walk.value

    def send_async(self, channel: str, kind: str, content: Mapping[str, Any], buffers: Any = (),
                   metadata: Optional[Mapping[str, Any]] = None) -> "asyncio.Queue[Any]":
        loop, answers = asyncio.get_running_loop(), asyncio.Queue()  # type: ignore[var-annotated]

        def sink(message: Any) -> None:
            with contextlib.suppress(RuntimeError):  # the loop has ended
                loop.call_soon_threadsafe(answers.put_nowait, message)

        self.connection.send(channel, kind, content, sink, buffers, metadata)
        return answers

    async def ask_async(self, channel: str, kind: str, content: Mapping[str, Any], buffers: Any = (),
                        take: Callable[[Any], None] = lambda message: None) -> None:
        answers = self.send_async(channel, kind, content, buffers)
        while (message := await answers.get()) is not None:
            take(_checked(message))

    async def drive_async(self, steps: Steps) -> Any:
        """As drive()."""
        async def answer_to(request: Dict[str, Any], buffers: Any) -> Answer:
            answering = Answering()
            await self.ask_async("control", "comm_msg", request_content(self.connection.files_comm, request), buffers,
                                 answering.take)
            return answering.answer()

        walk = Walk(steps)
        while walk.request is not None:
            try:
                answer = await answer_to(*walk.request)
            except Exception as error:
                walk.fail(error)
            else:
                walk.go_on(answer)
        return walk.value

    def interrupt_quietly(self) -> None:
        """After a caller has given up: its cell shall not go on."""
        with contextlib.suppress(SandboxError):
            self.connection.send("control", "interrupt_request", {})


class Sandbox:
    """A sandbox with a Python session in it, whose cells share variables.

    `policy`: a policy's name, the path of a .json file, or a dict with the policy's keys; by default what $CELLBLOCK_POLICY names,
    or else "default", the strict one. `python`: the Python that runs the cells, if not the policy's. `program`: the
    program cellblock (`find_program`). `cwd`: the folder that a policy's relative paths start from.

    A wrong policy starts nothing: each cell's Result then has the status "unavailable" and the kernel's words. The constructor
    raises ProgramNotFound, or SandboxError where the kernel doesn't start. Close it, or use it as a context manager; one that is
    forgotten is ended when it is collected, when Python ends, or when the program is killed. Its methods may be called from any
    thread; cells of several threads run one after another.

        >>> import cellblock
        >>> with cellblock.Sandbox(policy={"limits": {"memory": "512MiB"}}) as box:
        ...     done = box.run("x = 6")
        ...     print(box.run("x * 7").text)
        42
    """

    def __init__(self, policy: Optional[Policy] = None, *, python: Optional[PathText] = None, program: Optional[PathText] = None,
                 cwd: Optional[PathText] = None, start_timeout: float = START_SECONDS) -> None:
        self._core = Core(policy, python, program, cwd, start_timeout)
        self._finalizer = weakref.finalize(self, self._core.abandon)
        self._core.start()
        self.files = Files(self._core.drive)
        self.commands = Commands(self._core)

    def __enter__(self) -> "Sandbox":
        return self

    def __exit__(self, *_: Any) -> None:
        self.close()

    @property
    def pid(self) -> Optional[int]:
        """The process id of the kernel."""
        return self._core.pid

    def run(self, code: str, *, timeout: Optional[float] = None, on_stdout: Optional[Callable[[str], Any]] = None,
            on_stderr: Optional[Callable[[str], Any]] = None, on_result: Optional[Callable[[Output], Any]] = None) -> Result:
        """Runs a cell and waits for its end, whatever that is: what goes wrong in it is told by the Result.

        `timeout`: seconds until the kernel stops the cell, up to the policy's `limits.cell_time_max`; by default
        `limits.cell_time`, or what the code asks for by %%timeout. The callbacks are called here, in the order in which things come; an exception of one of
        them, and Ctrl-C, interrupt the cell. KernelDied is raised where the kernel itself has ended.

            >>> import cellblock
            >>> with cellblock.Sandbox() as box:
            ...     done = box.run("print('begun'); import time; time.sleep(60)", timeout=0.5,
            ...                    on_stdout=lambda text: print(text, end=""))
            begun
            >>> done.status, done.error.value
            ('timeout', 'stopped after 500 ms; your variables are intact')
        """
        return self._core.run_cell(code, timeout, {"stdout": on_stdout, "stderr": on_stderr, "result": on_result})

    def interrupt(self) -> None:
        """Interrupts the cell that runs, from another thread: it ends with "interrupted", or goes on if it ignores that, and a
        second interrupt after the grace time kills it. Does nothing where no cell runs.

            >>> import cellblock, threading
            >>> with cellblock.Sandbox() as box:
            ...     done = box.run("print('on')\\nwhile True: pass", on_stdout=lambda text: box.interrupt())
            >>> done.status, done.state
            ('interrupted', 'intact')
        """
        self._core.ask("control", "interrupt_request", {})

    def reset(self) -> None:
        """Begins anew with another kernel: variables and files are gone. A cell that runs meanwhile raises SandboxClosed in its
        thread.

            >>> import cellblock
            >>> with cellblock.Sandbox() as box:
            ...     done = box.run("x = 1")
            ...     box.reset()
            ...     print(box.run("x").error.name)
            NameError
        """
        self._core.reset()

    def close(self) -> None:
        """Ends the kernel and the sandbox. A second time does nothing.

            >>> import cellblock
            >>> box = cellblock.Sandbox()
            >>> box.close()
        """
        self._core.close()


class AsyncSandbox:
    """A Sandbox whose methods are awaited. It starts in `async with`, or by `await box.start()`.

    The arguments are Sandbox's. A task that is cancelled while it waits for a cell interrupts that cell.

        >>> import asyncio, cellblock
        >>> async def main():
        ...     async with cellblock.AsyncSandbox() as box:
        ...         await box.run("x = 6")
        ...         return (await box.run("x * 7")).text
        >>> asyncio.run(main())
        '42'
    """

    def __init__(self, policy: Optional[Policy] = None, *, python: Optional[PathText] = None, program: Optional[PathText] = None,
                 cwd: Optional[PathText] = None, start_timeout: float = START_SECONDS) -> None:
        self._core = Core(policy, python, program, cwd, start_timeout)
        self._finalizer = weakref.finalize(self, self._core.abandon)
        self.files = AsyncFiles(self._core.drive_async)
        self.commands = AsyncCommands(self._core)

    async def start(self) -> "AsyncSandbox":
        """Starts the kernel, where it hasn't started."""
        await asyncio.to_thread(self._core.start)
        return self

    async def __aenter__(self) -> "AsyncSandbox":
        return await self.start()

    async def __aexit__(self, *_: Any) -> None:
        await self.close()

    @property
    def pid(self) -> Optional[int]:
        """The process id of the kernel."""
        return self._core.pid

    async def run(self, code: str, *, timeout: Optional[float] = None,
                  on_stdout: Optional[Callable[[str], Union[Any, Awaitable[Any]]]] = None,
                  on_stderr: Optional[Callable[[str], Union[Any, Awaitable[Any]]]] = None,
                  on_result: Optional[Callable[[Output], Union[Any, Awaitable[Any]]]] = None) -> Result:
        """As Sandbox.run. A callback may be a coroutine function."""
        gathering = Gathering(code)
        tell = {"stdout": on_stdout, "stderr": on_stderr, "result": on_result}
        answers = self._core.send_async("shell", "execute_request", execute_content(code), metadata=execute_metadata(timeout))
        try:
            while (message := await answers.get()) is not None:
                told = gathering.take(_checked(message))
                callback = tell[told[0]] if told else None
                if told and callback is not None:
                    waiting = callback(told[1])
                    if inspect.isawaitable(waiting):
                        await waiting
        except BaseException:
            self._core.interrupt_quietly()
            raise
        return gathering.result()

    async def interrupt(self) -> None:
        """As Sandbox.interrupt, from another task."""
        await self._core.ask_async("control", "interrupt_request", {})

    async def reset(self) -> None:
        """As Sandbox.reset."""
        await asyncio.to_thread(self._core.reset)

    async def close(self) -> None:
        """As Sandbox.close."""
        await asyncio.to_thread(self._core.close)


def _checked(message: Any) -> Any:
    if isinstance(message, BaseException):
        raise message
    return message
