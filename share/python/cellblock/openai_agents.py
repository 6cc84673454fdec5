"""A sandbox for OpenAI's Agents SDK: `SandboxRunConfig(client=CellblockSandboxClient(), options=CellblockSandboxClientOptions())`.

Needs openai-agents (0.24.0 was tested). A session's commands and files are those of one sandbox, which lasts until the session is
deleted or this process ends; what a later process resumes is a new one, with the files of the snapshot that was kept.
"""
from __future__ import annotations

import asyncio
import io
import shlex
import uuid
import weakref
from pathlib import Path
from typing import Any, Literal, Optional, Union

from agents.sandbox.errors import (ExecTimeoutError, ExecTransportError, WorkspaceArchiveReadError, WorkspaceArchiveWriteError,
                                   WorkspaceReadNotFoundError, WorkspaceStartError, WorkspaceWriteTypeError)
from agents.sandbox.manifest import Manifest
from agents.sandbox.session import SandboxSession, SandboxSessionState
from agents.sandbox.session.base_sandbox_session import BaseSandboxSession
from agents.sandbox.session.manager import Instrumentation
from agents.sandbox.session.runtime_helpers import RESOLVE_WORKSPACE_PATH_HELPER
from agents.sandbox.session.sandbox_client import BaseSandboxClient, BaseSandboxClientOptions
from agents.sandbox.session.tar_workspace import shell_tar_exclude_args
from agents.sandbox.snapshot import SnapshotBase, SnapshotSpec, resolve_snapshot
from agents.sandbox.types import ExecResult, User
from agents.sandbox.util.tar_utils import UnsafeTarMemberError, validate_tar_bytes

from .commands import AsyncCommand, CommandResult
from .errors import SandboxError
from .sessions import InteractiveSandboxSession

LOST = 125  # exit code of a command that no sandbox told the end of
ARCHIVE = "/tmp/.cellblock-workspace.tar"  # inside
_SESSIONS: "weakref.WeakValueDictionary[str, InteractiveSandboxSession]" = weakref.WeakValueDictionary()


class CellblockSandboxClientOptions(BaseSandboxClientOptions):
    """`policy`: a policy's name, file, or a dict; `python`: the Python that `python` is in the sandbox."""

    type: Literal["cellblock"] = "cellblock"
    policy: Any = None
    python: Optional[str] = None


class CellblockSandboxSessionState(SandboxSessionState):
    type: Literal["cellblock"] = "cellblock"
    sandbox_id: str
    policy: Any = None
    python: Optional[str] = None


class CellblockSandboxSession(BaseSandboxSession):
    """One sandbox; CellblockSandboxClient makes it."""

    state: CellblockSandboxSessionState

    def __init__(self, *, state: CellblockSandboxSessionState, session: InteractiveSandboxSession) -> None:
        self.state = state
        self._session = session

    async def _run(self, *command: str, timeout: Optional[float] = None, anywhere: bool = False) -> CommandResult:
        box = self._session._opened()
        environment = await self.state.manifest.environment.resolve()
        running = AsyncCommand(box.commands.start([str(one) for one in command], cwd=None if anywhere else self.state.manifest.root,
                                                  env=environment, timeout=timeout or 0))
        try:
            return await running.wait()
        except BaseException:
            await running.kill()
            raise

    async def _prepare_backend_workspace(self) -> None:
        done = await self._run("mkdir", "-p", "--", self.state.manifest.root, anywhere=True)
        if not done.ok:
            raise WorkspaceStartError(path=Path(self.state.manifest.root), context={"backend": "cellblock", "output": done.stderr},
                                      message="a session's folder must be one that the policy lets be written: " + (done.error or done.stderr))

    async def _validate_path_access(self, path: Union[Path, str], *, for_write: bool = False) -> Path:
        return await self._validate_remote_path_access(path, for_write=for_write)

    def _runtime_helpers(self) -> Any:
        return (RESOLVE_WORKSPACE_PATH_HELPER,)

    async def _exec_internal(self, *command: Union[str, Path], timeout: Optional[float] = None) -> ExecResult:
        try:
            done = await self._run(*map(str, command), timeout=timeout)
        except SandboxError as error:
            raise ExecTransportError(command=command, cause=error, message=str(error)) from error
        if done.timed_out:
            raise ExecTimeoutError(command=command, timeout_s=timeout)
        if done.cut or (done.error and done.exit_code == LOST):
            raise ExecTransportError(command=command, message=done.error or "it wrote more than the policy's limits.output")
        return ExecResult(stdout=done.stdout_bytes, stderr=done.stderr_bytes + (done.error or "").encode(), exit_code=done.exit_code)

    async def _files(self, deed: str, *arguments: Any) -> Any:
        return await asyncio.to_thread(getattr(self._session._opened().files, deed), *arguments)

    async def read(self, path: Union[Path, str], *, user: Union[str, User, None] = None) -> io.IOBase:
        inside = await (self._check_read_with_exec(path, user=user) if user is not None else self._validate_path_access(path))
        try:
            return io.BytesIO(await self._files("read", str(inside)))
        except FileNotFoundError as error:
            raise WorkspaceReadNotFoundError(path=Path(path), cause=error) from error
        except (OSError, SandboxError) as error:
            raise WorkspaceArchiveReadError(path=Path(path), cause=error) from error

    async def write(self, path: Union[Path, str], data: io.IOBase, *, user: Union[str, User, None] = None) -> None:
        if user is not None:
            await self._check_write_with_exec(path, user=user)
        payload = data.read()
        if not isinstance(payload, (str, bytes, bytearray)):
            raise WorkspaceWriteTypeError(path=Path(path), actual_type=type(payload).__name__)
        inside = await self._validate_path_access(path, for_write=True)
        try:
            await self._files("write", str(inside), payload)
        except (OSError, SandboxError) as error:
            raise WorkspaceArchiveWriteError(path=Path(path), cause=error) from error

    async def running(self) -> bool:
        try:
            return (await self._run("true")).ok
        except Exception:
            return False

    async def persist_workspace(self) -> io.IOBase:
        root = self._workspace_root_path()
        excludes = " ".join(shell_tar_exclude_args(self._persist_workspace_skip_relpaths()))
        done = await self._run("sh", "-c", "tar %s -C %s -cf %s ." % (excludes, shlex.quote(root.as_posix()), ARCHIVE), anywhere=True)
        if not done.ok:
            raise WorkspaceArchiveReadError(path=root, context={"reason": "tar_failed", "output": done.stderr}, retryable=False)
        try:
            return io.BytesIO(await self._files("read", ARCHIVE))
        except (OSError, SandboxError) as error:
            raise WorkspaceArchiveReadError(path=root, cause=error) from error
        finally:
            await self._run("rm", "-f", ARCHIVE, anywhere=True)

    async def hydrate_workspace(self, data: io.IOBase) -> None:
        root = self._workspace_root_path()
        payload = data.read()
        try:
            validate_tar_bytes(bytes(payload), allow_external_symlink_targets=False)
        except UnsafeTarMemberError as error:
            raise WorkspaceArchiveWriteError(path=root, context={"reason": "unsafe_or_invalid_tar", "detail": str(error)}, cause=error) from error
        try:
            await self._files("write", ARCHIVE, payload)
            done = await self._run("sh", "-c", 'mkdir -p "$1" && tar -C "$1" -xf "$2"; code=$?; rm -f "$2"; exit $code', "sh", root.as_posix(),
                                   ARCHIVE, anywhere=True)
        except (OSError, SandboxError) as error:
            raise WorkspaceArchiveWriteError(path=root, cause=error) from error
        if not done.ok:
            raise WorkspaceArchiveWriteError(path=root, context={"reason": "tar_extract_failed", "output": done.stderr})

    async def _shutdown_backend(self) -> None:
        await asyncio.to_thread(self._session.close)


class CellblockSandboxClient(BaseSandboxClient[CellblockSandboxClientOptions]):
    """Makes sandboxes on this machine.

        from cellblock.openai_agents import CellblockSandboxClient, CellblockSandboxClientOptions
        config = RunConfig(sandbox=SandboxRunConfig(client=CellblockSandboxClient(), options=CellblockSandboxClientOptions()))
        result = await Runner.run(SandboxAgent(name="Analyst", …), "…", run_config=config)
    """

    backend_id = "cellblock"
    supports_default_options = True

    def __init__(self, *, instrumentation: Optional[Instrumentation] = None, dependencies: Any = None) -> None:
        self._instrumentation = instrumentation if instrumentation is not None else Instrumentation()
        self._dependencies = dependencies

    async def create(self, *, snapshot: Union[SnapshotSpec, SnapshotBase, None] = None, manifest: Optional[Manifest] = None,
                     options: Optional[CellblockSandboxClientOptions] = None) -> SandboxSession:
        wanted = options or CellblockSandboxClientOptions()
        manifest = self._validate_manifest_for_create(manifest if manifest is not None else Manifest())
        number = uuid.uuid4()
        state = CellblockSandboxSessionState(session_id=number, manifest=manifest, snapshot=resolve_snapshot(snapshot, str(number)),
                                             sandbox_id=number.hex, policy=wanted.policy, python=wanted.python)
        return await self._session_of(state)

    async def _session_of(self, state: CellblockSandboxSessionState) -> SandboxSession:
        known = _SESSIONS.get(state.sandbox_id)
        session = known if known is not None and known.is_open else None
        reached = session is not None
        if session is None:
            session = InteractiveSandboxSession(workdir=state.manifest.root, policy=state.policy, python=state.python, max_memory=None)
            try:
                await asyncio.to_thread(session.open)
            except SandboxError as error:
                raise WorkspaceStartError(path=Path(state.manifest.root), context={"backend": "cellblock"}, cause=error,
                                          message=str(error)) from error
            state.workspace_root_ready = False
            _SESSIONS[state.sandbox_id] = session
        inner = CellblockSandboxSession(state=state, session=session)
        inner._set_start_state_preserved(reached, system=reached)
        return self._wrap_session(inner, instrumentation=self._instrumentation)

    async def delete(self, session: SandboxSession) -> SandboxSession:
        inner = session._inner
        if not isinstance(inner, CellblockSandboxSession):
            raise TypeError("CellblockSandboxClient.delete expects a session that it has made")
        await inner.shutdown()
        return session

    async def resume(self, state: SandboxSessionState) -> SandboxSession:
        if not isinstance(state, CellblockSandboxSessionState):
            raise TypeError("CellblockSandboxClient.resume expects a state that it has made")
        state.assert_path_grants_rebound()
        return await self._session_of(state)

    def deserialize_session_state(self, payload: "dict[str, object]") -> SandboxSessionState:
        return self._deserialize_session_state_payload(payload, CellblockSandboxSessionState)
