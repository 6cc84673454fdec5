"""A workspace for pydantic-ai's agents: `Workspace(CellblockBackend())`.

Needs pydantic-ai (2.68.0 was tested). Commands and files are those of one sandbox, which begins with the first operation and lasts until
`delete()` or the end of this process. Files go by commands, as pydantic-ai derives them.
"""
from __future__ import annotations

import asyncio
import uuid
import weakref
from typing import Any, List, Mapping, Optional

from pydantic_ai.workspaces import (CommandResult, WorkspaceCommand, WorkspaceError, WorkspaceOutputLimitError, WorkspaceRef,
                                    WorkspaceTimeoutError, WorkspaceUnavailableError)
from pydantic_ai.workspaces.protocol import validate_timeout

from .errors import SandboxError
from .sandbox import AsyncSandbox

PROVIDER = "cellblock"
LOST = 125  # exit code of a command that no sandbox told the end of


class _Environment:
    """A sandbox, for all backends that name it."""

    def __init__(self, options: Mapping[str, Any]) -> None:
        self.ref = WorkspaceRef(provider=PROVIDER, id=uuid.uuid4().hex)
        self.box = AsyncSandbox(**options)
        self.directory = ""
        self.is_gone = False


_ENVIRONMENTS: "weakref.WeakValueDictionary[str, _Environment]" = weakref.WeakValueDictionary()


class CellblockBackend:
    """`ref`: of another backend of this process, to share its sandbox; else the arguments are AsyncSandbox's, and the sandbox is a new one.

        from cellblock.pydantic_ai import CellblockBackend
        backend = CellblockBackend(policy={"limits": {"memory": "2GiB"}})
        agent.run_sync("…", workspace=Workspace(backend))
    """

    def __init__(self, ref: Optional[WorkspaceRef] = None, **sandbox: Any) -> None:
        self._asked = ref
        self._options = sandbox
        self._environment: Optional[_Environment] = _ENVIRONMENTS.get(ref.id) if ref is not None else None
        self._starting = asyncio.Lock()

    @property
    def ref(self) -> Optional[WorkspaceRef]:
        return self._environment.ref if self._environment is not None else self._asked

    async def _opened(self) -> _Environment:
        async with self._starting:
            environment = self._environment
            if environment is None and self._asked is None:
                environment = self._environment = _Environment(self._options)
                _ENVIRONMENTS[environment.ref.id] = environment
            if environment is None or environment.is_gone:
                raise WorkspaceUnavailableError("there is no such sandbox (any more) in this process")
            if not environment.directory:
                try:
                    await environment.box.start()
                    found = await environment.box.commands.run("pwd -P")
                except SandboxError as error:
                    raise WorkspaceUnavailableError(str(error)) from error
                if found.error:
                    raise WorkspaceUnavailableError(found.error)
                environment.directory = found.stdout.rstrip("\n")
            return environment

    async def working_dir(self) -> str:
        return (await self._opened()).directory

    async def run(self, command: WorkspaceCommand, *, shell: bool = False, env: Optional[Mapping[str, str]] = None,
                  timeout: Optional[float] = None) -> CommandResult:
        if isinstance(command, str) != shell:
            raise TypeError("a text needs shell=True, and a list shell=False")
        validate_timeout(timeout)
        environment = await self._opened()
        line = command if isinstance(command, str) else [str(one) for one in command]
        texts: List[str] = []
        errors: List[str] = []
        try:
            done = await environment.box.commands.run(line, env=env, timeout=timeout or 0, on_stdout=texts.append, on_stderr=errors.append)
        except SandboxError as error:
            raise WorkspaceUnavailableError(str(error)) from error
        if done.timed_out:
            raise WorkspaceTimeoutError("the command was stopped after %g s" % (timeout or 0), stdout="".join(texts), stderr="".join(errors))
        if done.cut:
            raise WorkspaceOutputLimitError("the command wrote more than the policy's limits.output", limit=len(done.stdout_bytes) + len(
                done.stderr_bytes), stdout=done.stdout, stderr=done.stderr)
        if done.exit_code == LOST and done.error:
            raise WorkspaceUnavailableError(done.error) if environment.is_gone else WorkspaceError(done.error)
        return CommandResult(exit_code=done.exit_code, stdout=done.stdout, stderr=done.stderr + (done.error or ""))

    async def delete(self) -> None:
        """Ends the sandbox, for all backends that share it."""
        environment = self._environment
        if environment is not None:
            environment.is_gone = True
            await environment.box.close()
