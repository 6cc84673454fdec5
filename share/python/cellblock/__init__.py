"""Runs Python code that nobody has read in a sandbox, and hands back its text, figures and files.

    >>> import cellblock
    >>> with cellblock.Sandbox() as box:
    ...     done = box.run("total = sum(range(10))")
    ...     print(box.run("print(total)").stdout, end="")
    45

A sandbox is a `cellblock kernel` of its own: its cells share variables, and its policy says what they may do. `AsyncSandbox` is the
same for asyncio. The program `cellblock` must be installed; `find_program` tells where it is looked for.
"""
from .errors import KernelDied, ProgramNotFound, SandboxClosed, SandboxError
from .files import AsyncFiles, FileEntry, Files
from .program import find_program
from .results import Error, FileNotKept, KeptFile, Output, Result, Status, Usage
from .sandbox import AsyncSandbox, Sandbox

__all__ = ["AsyncFiles", "AsyncSandbox", "Error", "FileEntry", "FileNotKept", "Files", "KeptFile", "KernelDied", "Output",
           "ProgramNotFound", "Result", "Sandbox", "SandboxClosed", "SandboxError", "Status", "Usage", "find_program"]
