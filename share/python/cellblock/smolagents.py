"""A sandbox for Hugging Face's smolagents: `CodeAgent(…, executor=CellblockExecutor())`.

Needs smolagents (1.26.0 was tested). The agent's code runs in one sandbox, whose variables last; its tools are defined there, and
work under the same policy. What the code hands back is text, an image, or JSON: nothing that is unpickled.
"""
from __future__ import annotations

import io
import sys
from typing import Any, Dict, List, Sequence

import PIL.Image
from smolagents.local_python_executor import CodeOutput
from smolagents.monitoring import AgentLogger, LogLevel
from smolagents.remote_executors import RemotePythonExecutor
from smolagents.utils import AgentError

from .errors import SandboxError
from .session_types import CommandFailedError, SandboxTimeoutError
from .sessions import InteractiveSandboxSession

NOT_PACKAGES = {"smolagents", *getattr(sys, "stdlib_module_names", ())}


class CellblockExecutor(RemotePythonExecutor):
    """`additional_imports`: packages that the agent may import, installed for this sandbox where they are missing. The other arguments
    are InteractiveSandboxSession's. `cleanup()`, which the agent calls in the end of a `with`, ends the sandbox.

        from cellblock.smolagents import CellblockExecutor
        with CodeAgent([], model, executor=CellblockExecutor(["numpy"])) as agent:
            agent.run("What is the 20th Fibonacci number?")
    """

    def __init__(self, additional_imports: Sequence[str] = (), logger: Any = None, **session: Any) -> None:
        super().__init__(list(additional_imports), logger or AgentLogger(level=LogLevel.ERROR), allow_pickle=False)
        self._variables: Dict[str, Any] = {}
        self._session = InteractiveSandboxSession(**session)
        self._session.open()
        try:
            self.installed_packages = self.install_packages(self.additional_imports)
        except BaseException:
            self.cleanup()
            raise

    def run_code_raise_errors(self, code: str) -> CodeOutput:
        """Runs code; AgentError tells an exception, a time limit, or a limit that it met."""
        try:
            done = self._session._execute(code, None, None, None)
        except (SandboxTimeoutError, SandboxError) as error:
            raise AgentError(str(error), self.logger) from error
        logs = done.stdout + done.stderr
        if done.error is not None:
            if done.error.name == self.FINAL_ANSWER_EXCEPTION:
                return CodeOutput(self._deserialize_final_answer(done.error.value, allow_pickle=False), logs, True)
            raise AgentError("%s\nExecuting code yielded an error:\n%s: %s\n%s" % (
                logs, done.error.name, done.error.value, done.error.traceback), self.logger)
        picture = next((one.png or one.jpeg for one in done.results if one.png or one.jpeg), None)
        return CodeOutput(PIL.Image.open(io.BytesIO(picture)) if picture else done.text, logs, False)

    def send_variables(self, variables: Dict[str, Any]) -> None:
        self._variables.update(variables)
        super().send_variables(variables)

    def install_packages(self, additional_imports: List[str]) -> List[str]:
        """As `%pip install`, wheels alone. The sandbox starts anew where its policy didn't allow them, with the agent's variables."""
        names = [one.partition(".")[0] for one in additional_imports]
        wanted = sorted({"pillow" if one == "PIL" else one for one in names} - NOT_PACKAGES)
        try:
            self._session.install(wanted)
        except CommandFailedError as error:
            raise AgentError(str(error), self.logger) from error
        super().send_variables(self._variables)
        return list(additional_imports)

    def cleanup(self) -> None:
        """Ends the sandbox."""
        self._session.close()
