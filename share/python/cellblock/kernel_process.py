"""Starts, restarts and ends one kernel's process by jupyter_client, without a kernelspec and without a notebook server.

The kernel watches this process ($JPY_PARENT_PID) and leaves when it ends, whatever it ends of. No file is left then either: the
connection file, the policy's and those of the sockets are removed as soon as the connection stands, which needs them no more.
"""
from __future__ import annotations

import asyncio
import contextlib
import json
import os
import select
import signal
import subprocess
import tempfile
import threading
import uuid
from concurrent.futures import Future
from typing import Any, Awaitable, Callable, Dict, List, Mapping, Optional

from jupyter_client.kernelspec import KernelSpec
from jupyter_client.manager import AsyncKernelManager
from jupyter_core.paths import jupyter_runtime_dir

from .errors import SandboxError

LONGEST_SOCKET_PATH = 107  # bytes, of a Unix socket's address
MOST_LAST_WORDS = 4096     # bytes
SECONDS_TO_LEAVE = 5.0


class Manager(AsyncKernelManager):
    """A manager of a kernel whose command is known. Its asynchronous kind is taken because in jupyter_client 7.4 the other one
    changes asyncio for the whole program."""

    command: List[str] = []

    @property
    def kernel_spec(self) -> KernelSpec:
        return KernelSpec(argv=[*self.command, "-f", "{connection_file}"], display_name="cellblock", language="python",
                          interrupt_mode="message",
                          metadata={"kernel_provisioner": {"provisioner_name": "local-provisioner"}})

    async def interrupt_kernel(self) -> None:  # type: ignore[override]
        """Nothing: the connection interrupts, and a message that waits for a dead kernel would reach the next one."""

    _async_interrupt_kernel = interrupt_kernel  # by this name jupyter_client 8 interrupts a kernel before it ends it


class KernelProcess:
    """One kernel's process. `policy` is the text of a policy for which a file is made, or None where `command` names one.

    Every method blocks. They may be called from any thread, but only by one at a time.
    """

    def __init__(self, command: List[str], *, policy: Optional[str], environment: Mapping[str, str],
                 directory: Optional[str]) -> None:
        stem = _stem()
        self._policy, self._policy_file = policy, stem + "-policy.json"
        self._errors = tempfile.TemporaryFile()
        self._manager = Manager(connection_file=stem + ".json", transport=_transport(stem))
        self._manager.command = [*command, *(["--policy", self._policy_file] if policy is not None else [])]
        self._options: Dict[str, Any] = {"env": dict(environment), "cwd": directory, "stdout": self._errors,
                                         "stderr": self._errors}

    def start(self) -> None:
        self._write_policy()
        _wait(lambda: self._manager.start_kernel(**self._options))

    def restart(self) -> None:
        """Kills the process if it hasn't left, and starts another."""
        self._write_policy()
        _wait(lambda: self._manager.restart_kernel(now=True))

    def wait_until_it_leaves(self) -> None:
        """After it was asked to; for SECONDS_TO_LEAVE at most."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            if self.popen is not None:
                self.popen.wait(SECONDS_TO_LEAVE)

    def stop(self) -> None:
        """Kills the process if it hasn't left, and removes its files."""
        try:
            if self._manager.has_kernel:
                _wait(lambda: self._manager.shutdown_kernel(now=True))
        finally:
            self.forget_files()
            self._errors.close()

    def end_without_threads(self) -> None:
        """As stop(), where Python is about to end and no thread can be started any more."""
        process = self.popen
        if process is not None and process.poll() is None:
            try:
                fd = os.pidfd_open(process.pid)
                process.send_signal(signal.SIGTERM)
                if not select.select([fd], [], [], SECONDS_TO_LEAVE)[0]:
                    process.kill()
                process.wait()
                os.close(fd)
            except OSError:
                pass  # it has left by itself
        self.forget_files()

    def forget_files(self) -> None:
        """Removes what is needed only until the connection stands."""
        self._manager.cleanup_ipc_files()
        for path in (self._manager.connection_file, self._policy_file):
            try:
                os.unlink(path)
            except OSError:
                pass

    def connection_info(self) -> Dict[str, Any]:
        return dict(self._manager.get_connection_info())

    @property
    def popen(self) -> Any:
        return getattr(self._manager.provisioner, "process", None)

    @property
    def has_ended(self) -> bool:
        """stop() was called, so nothing can be started any more."""
        return self._errors.closed

    def last_words(self) -> str:
        """What the kernel wrote last to its stderr."""
        try:
            size = os.fstat(self._errors.fileno()).st_size
            text = os.pread(self._errors.fileno(), MOST_LAST_WORDS, max(0, size - MOST_LAST_WORDS))
        except (OSError, ValueError):
            return ""
        return text.decode("utf-8", "replace").strip()

    def _write_policy(self) -> None:
        if self._policy is not None:
            fd = os.open(self._policy_file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
            with open(fd, "w", encoding="utf-8") as file:
                file.write(self._policy)


def _stem() -> str:
    folder = jupyter_runtime_dir()
    try:
        os.makedirs(folder, mode=0o700, exist_ok=True)
    except OSError as error:
        raise SandboxError(f"the folder for the kernel's sockets can't be made: {error}. JUPYTER_RUNTIME_DIR names another") \
            from error
    return os.path.join(os.path.abspath(folder), f"cellblock-{os.getpid()}-{uuid.uuid4().hex[:8]}")


def _transport(stem: str) -> str:
    """Unix sockets, but where their path would be too long."""
    return "ipc" if len(os.fsencode(stem + "-ipc-5")) <= LONGEST_SOCKET_PATH else "tcp"


def policy_text(policy: Mapping[str, Any]) -> str:
    try:
        return json.dumps(policy)
    except (TypeError, ValueError) as error:
        raise ValueError(f"the policy can't be written as JSON: {error}") from error


def _wait(begin: Callable[[], Awaitable[Any]]) -> Any:
    """Runs a coroutine in a thread of its own, since the caller's may have a loop already."""
    outcome: "Future[Any]" = Future()

    async def whole() -> Any:
        return await begin()

    def body() -> None:
        try:
            outcome.set_result(asyncio.run(whole()))
        except BaseException as error:  # whatever it is, the caller has it
            outcome.set_exception(error)

    threading.Thread(target=body, name="cellblock-manager", daemon=True).start()
    return outcome.result()
