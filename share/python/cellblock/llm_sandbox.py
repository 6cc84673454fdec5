"""A backend for llm-sandbox itself: `import cellblock.llm_sandbox`, then `llm_sandbox.SandboxSession(backend="cellblock")`.

For programs that keep their import and use more of that package than cellblock has names for. It needs llm-sandbox 0.3.46 or later.
The session takes Sandbox's `policy`, `python` and `program` beside llm-sandbox's own arguments.
"""
from __future__ import annotations

import contextlib
from typing import Any, Iterator, List, Optional, Tuple

from llm_sandbox import BackendCapabilities, ConsoleOutput, SessionConfig, exceptions, register_backend
from llm_sandbox.core.session_base import BaseSession

from . import session_types, sessions
from .errors import SandboxError

NAME = "cellblock"
OURS = ("policy", "python", "program", "cwd", "runtime_configs", "libraries")
# Theirs for ours, the first that fits.
ERRORS = ((session_types.NotOpenSessionError, lambda error: exceptions.NotOpenSessionError()),
          (session_types.SandboxTimeoutError, lambda error: exceptions.SandboxTimeoutError(str(error), error.timeout_duration)),
          (session_types.CommandEmptyError, lambda error: exceptions.CommandEmptyError()),
          (SandboxError, lambda error: exceptions.SandboxError(str(error))))


@contextlib.contextmanager
def their_errors() -> Iterator[None]:
    try:
        yield
    except SandboxError as error:
        make = next(make for kind, make in ERRORS if isinstance(error, kind))
        raise make(error) from error


class CellblockSession(BaseSession):
    """llm-sandbox's session on a cellblock SandboxSession."""

    def __init__(self, image: Optional[str] = None, dockerfile: Optional[str] = None, lang: str = "python", **named: Any) -> None:
        own = {name: named.pop(name) for name in OURS if named.get(name) is not None}
        known = {name: named[name] for name in named if name in SessionConfig.model_fields and named[name] is not None}
        super().__init__(SessionConfig(lang=lang, image=image, dockerfile=dockerfile, **known))
        self.stream = bool(named.get("stream"))
        config = self.config
        with their_errors():
            self._inner = sessions.SandboxSession(image=image, dockerfile=dockerfile, lang=lang, workdir=config.workdir,
                                                  container_id=config.container_id, default_timeout=config.default_timeout,
                                                  execution_timeout=config.execution_timeout, **own)

    def open(self) -> None:
        with their_errors():
            self._inner.open()
        self.container = self._inner.container
        super().open()

    def close(self) -> None:
        super().close()
        self.container = None
        self._inner.close()

    def run(self, code: str, libraries: Optional[list] = None, timeout: Optional[float] = None, on_stdout: Any = None,
            on_stderr: Any = None) -> ConsoleOutput:
        self._check_session_timeout()
        with their_errors():
            return _theirs(self._inner.run(code, libraries, timeout, on_stdout, on_stderr))

    def install(self, libraries: Optional[List[str]] = None) -> None:
        for module in (self.config.security_policy.restricted_modules or []) if self.config.security_policy else []:
            if module.name in (libraries or []):
                raise exceptions.SecurityViolationError("the package %s is not allowed to be installed" % module.name)
        try:
            with their_errors():
                self._inner.install(libraries)
        except exceptions.SandboxError as error:
            ours = error.__cause__
            if isinstance(ours, session_types.CommandFailedError):
                raise exceptions.CommandFailedError("pip install", 1, ours.output) from ours
            raise

    def execute_command(self, command: str, workdir: Optional[str] = None, on_stdout: Any = None, on_stderr: Any = None) -> ConsoleOutput:
        with their_errors():
            return _theirs(self._inner.execute_command(command, workdir, on_stdout, on_stderr))

    def copy_to_runtime(self, src: str, dest: str) -> None:
        with their_errors():
            self._inner.copy_to_runtime(src, dest)

    def copy_from_runtime(self, src: str, dest: str) -> None:
        with their_errors():
            self._inner.copy_from_runtime(src, dest)

    def get_archive(self, path: str) -> Tuple[bytes, dict]:
        with their_errors():
            return self._inner.get_archive(path)

    # --- what BaseSession leaves to backends that have containers

    def _handle_timeout(self) -> None:
        """The code was stopped, and the session goes on."""

    def _connect_to_existing_container(self, container_id: str) -> None:
        raise exceptions.SandboxError("cellblock has no containers to connect to: leave container_id out")

    def _ensure_ownership(self, paths: List[str]) -> None:
        """All files are the sandbox's user's."""

    def _ensure_directory_exists(self, path: str) -> None:
        with their_errors():
            self._inner.execute_command("mkdir -p -- '%s'" % path.replace("'", "'\\''"))

    def _process_non_stream_output(self, output: Any) -> Tuple[str, str]:
        return output

    def _process_stream_output(self, output: Any, on_stdout: Any = None, on_stderr: Any = None) -> Tuple[str, str]:
        return output


def _theirs(output: session_types.ConsoleOutput) -> ConsoleOutput:
    return ConsoleOutput(exit_code=output.exit_code, stderr=output.stderr, stdout=output.stdout)


register_backend(NAME, CellblockSession,
                 capabilities=BackendCapabilities(platforms=("linux",), filesystem_isolation=True, network_isolation=True, seccomp=True))
