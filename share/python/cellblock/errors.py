"""What goes wrong with a sandbox itself. What goes wrong in a cell is told by its `Result` instead."""


class SandboxError(Exception):
    """The sandbox can't do what was asked; the other errors here are kinds of it.

        >>> import cellblock
        >>> try:
        ...     cellblock.Sandbox(program="/no/such/program")
        ... except cellblock.SandboxError as error:
        ...     print(type(error).__name__)
        ProgramNotFound
    """


class ProgramNotFound(SandboxError):
    """There is no program `cellblock`; the text says where it was looked for and what to do."""


class SandboxClosed(SandboxError):
    """The sandbox was closed or reset before the answer came, or was used after it was closed."""


class KernelDied(SandboxError):
    """The kernel's process ended by itself or was killed, and the variables are lost; `reset()` starts another.

    A cell can't bring this about: what a cell kills is its own worker, which its `Result` tells.
    `last_words` is what the process wrote last to its stderr.
    """

    def __init__(self, what: str, last_words: str = "") -> None:
        super().__init__(what + (f"; its last words:\n{last_words}" if last_words else ""))
        self.last_words = last_words
