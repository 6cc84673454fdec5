"""Runs Python code that nobody has read in a sandbox, and hands back its text, figures and files.

    >>> import cellblock
    >>> with cellblock.Sandbox() as box:
    ...     done = box.run("total = sum(range(10))")
    ...     print(box.run("print(total)").stdout, end="")
    45

A sandbox is a `cellblock kernel` of its own: its cells share variables, and its policy says what they may do. `AsyncSandbox` is the
same for asyncio. The program `cellblock` must be installed; `find_program` tells where it is looked for.
"""
from .commands import AsyncCommand, AsyncCommands, Command, CommandResult, Commands
from .errors import KernelDied, ProgramNotFound, SandboxClosed, SandboxError
from .files import AsyncFiles, FileEntry, Files
from .program import find_program
from .results import Error, FileNotKept, KeptFile, Output, Result, Status, Usage
from .sandbox import AsyncSandbox, Sandbox
from .session_pool import ExhaustionStrategy, PoolConfig, PooledSandboxSession, create_pool_manager
from .session_types import (CommandEmptyError, CommandFailedError, ConsoleOutput, ExecutionResult, FileType, KernelType,
                            LanguageNotSupportedError, NotOpenSessionError, PlotOutput, PoolClosedError, PoolExhaustedError,
                            RestrictedModule, SandboxTimeoutError, SecurityIssueSeverity, SecurityPattern, SecurityPolicy,
                            StreamCallback, SupportedLanguage)
from .sessions import ArtifactSandboxSession, InteractiveSandboxSession, SandboxSession, create_session

__all__ = ["ArtifactSandboxSession", "AsyncCommand", "AsyncCommands", "AsyncFiles", "AsyncSandbox", "Command", "CommandEmptyError",
           "CommandFailedError", "CommandResult", "Commands", "ConsoleOutput", "Error",
           "ExecutionResult", "ExhaustionStrategy", "FileEntry", "FileNotKept", "FileType", "Files", "InteractiveSandboxSession",
           "KeptFile", "KernelDied", "KernelType", "LanguageNotSupportedError", "NotOpenSessionError", "Output", "PlotOutput",
           "PoolClosedError", "PoolConfig", "PoolExhaustedError", "PooledSandboxSession", "ProgramNotFound", "RestrictedModule", "Result",
           "Sandbox", "SandboxClosed", "SandboxError", "SandboxSession", "SandboxTimeoutError", "SecurityIssueSeverity",
           "SecurityPattern", "SecurityPolicy", "Status", "StreamCallback", "SupportedLanguage", "Usage", "create_pool_manager",
           "create_session", "find_program"]
