"""A sandbox for LangChain's deep agents: `create_deep_agent(…, backend=CellblockBackend())`.

Needs deepagents (0.7.32 was tested). Its tools' shell commands and files are those of one sandbox; processes that a command leaves in the
background go on until the sandbox is closed.
"""
from __future__ import annotations

import posixpath
import uuid
from typing import Any, Callable, List, Optional, Tuple

from deepagents.backends.protocol import ExecuteResponse, FileDownloadResponse, FileUploadResponse
from deepagents.backends.sandbox import BaseSandbox

from .session_types import SandboxTimeoutError
from .sessions import InteractiveSandboxSession

TIMED_OUT = 124  # as timeout(1) leaves
COMBINED = 'exec 2>&1; eval "$1"'
READ_ONLY = "Read-only file system"
ERRORS = ((FileNotFoundError, "file_not_found"), (PermissionError, "permission_denied"), (IsADirectoryError, "is_directory"),
          (NotADirectoryError, "invalid_path"))


class CellblockBackend(BaseSandbox):
    """Use it as a context manager, or call delete() in the end. The arguments are InteractiveSandboxSession's.

        from cellblock.deepagents import CellblockBackend
        with CellblockBackend(policy={"limits": {"memory": "2GiB"}}) as backend:
            agent = create_deep_agent(model, backend=backend)
    """

    def __init__(self, **session: Any) -> None:
        self._id = "cellblock-" + uuid.uuid4().hex[:12]
        self._session = InteractiveSandboxSession(**session)
        self._session.open()

    @property
    def id(self) -> str:
        return self._id

    def execute(self, command: str, *, timeout: Optional[int] = None) -> ExecuteResponse:
        """Combined output, as it was written. Exit code 124: it was stopped at `timeout`, by default the session's."""
        texts: List[str] = []
        try:
            done = self._session._call(["/bin/sh", "-c", COMBINED, "sh", command], timeout=timeout or None, on_stdout=texts.append)
        except SandboxTimeoutError as error:
            return ExecuteResponse(output="".join(texts) + str(error), exit_code=TIMED_OUT, truncated=False)
        return ExecuteResponse(output=done.stdout + (done.error or ""), exit_code=done.exit_code, truncated=done.cut)

    def upload_files(self, files: List[Tuple[str, bytes]]) -> List[FileUploadResponse]:
        return [FileUploadResponse(path=path, error=_error_of(path, lambda: self._session._files().write(path, content)))
                for path, content in files]

    def download_files(self, paths: List[str]) -> List[FileDownloadResponse]:
        found = []
        for path in paths:
            contents: List[bytes] = []
            error = _error_of(path, lambda: contents.append(self._session._files().read(path)))
            found.append(FileDownloadResponse(path=path, content=contents[0] if contents else None, error=error))
        return found

    def delete(self) -> None:
        """Ends the sandbox."""
        self._session.close()

    def __enter__(self) -> "CellblockBackend":
        return self

    def __exit__(self, *_: Any) -> None:
        self.delete()


def _error_of(path: str, act: Callable[[], Any]) -> Any:
    """None, or what went wrong in the protocol's words."""
    if not posixpath.isabs(path) or "\0" in path:
        return "invalid_path"
    try:
        act()
    except OSError as error:
        if READ_ONLY in str(error):
            return "permission_denied"
        return next((word for kind, word in ERRORS if isinstance(error, kind)), str(error))
    return None
