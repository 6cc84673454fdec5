"""What sessions (sessions.py) take and give, by the names that llm-sandbox has for them."""
from __future__ import annotations

import json
import re
import struct
import warnings
from dataclasses import asdict, dataclass, field
from enum import Enum, IntEnum
from typing import Callable, List, Optional, Tuple

from .errors import SandboxError

StreamCallback = Callable[[str], None]
PNG = b"\x89PNG\r\n\x1a\n"


class FileType(Enum):
    """The format of a plot."""

    PNG = "png"
    JPEG = "jpeg"
    PDF = "pdf"
    SVG = "svg"
    CSV = "csv"
    JSON = "json"
    TXT = "txt"
    HTML = "html"


class SupportedLanguage(str, Enum):
    PYTHON = "python"


class KernelType(str, Enum):
    IPYTHON = "ipython"


@dataclass(frozen=True)
class PlotOutput:
    """A figure: its content in base64, and of a PNG its size in pixels and the dots per inch that it names."""

    format: FileType
    content_base64: str
    width: Optional[int] = None
    height: Optional[int] = None
    dpi: Optional[int] = None


@dataclass(frozen=True)
class ConsoleOutput:
    """What a program or a command wrote, and its exit status.

        >>> from cellblock import SandboxSession
        >>> with SandboxSession() as session:
        ...     done = session.execute_command("echo out; exit 3")
        >>> done.stdout, done.exit_code, done.success()
        ('out\\n', 3, False)
    """

    exit_code: int = 0
    stderr: str = ""
    stdout: str = ""

    def success(self) -> bool:
        return not self.exit_code

    def text(self) -> str:
        """Deprecated, in llm-sandbox too: use `stdout`."""
        warnings.warn("use stdout instead of text()", DeprecationWarning, stacklevel=2)
        return self.stdout

    def to_json(self, include_plots: bool = False) -> str:
        members = asdict(self)
        plots = members.pop("plots", None)
        if include_plots and plots is not None:
            members["plots"] = [{**plot, "format": plot["format"].value} for plot in plots]
        return json.dumps(members, indent=2)


@dataclass(frozen=True)
class ExecutionResult(ConsoleOutput):
    """The same with the figures that were shown or saved."""

    plots: List[PlotOutput] = field(default_factory=list)


def size_of_png(content: bytes) -> Tuple[Optional[int], Optional[int], Optional[int]]:
    """Width, height and dots per inch, as its header and its pHYs chunk tell (PNG, 3rd edition, 11.2.1 and 11.3.4.3)."""
    if not content.startswith(PNG) or len(content) < 24:
        return None, None, None
    width, height = struct.unpack(">II", content[16:24])
    place = content.find(b"pHYs", 24, 4096)
    dpi = None
    if place >= 0 and len(content) >= place + 13:
        across, _, unit = struct.unpack(">IIB", content[place + 4:place + 13])
        dpi = round(across * 0.0254) if unit == 1 else None
    return width, height, dpi


# --- a look at the source, which is no wall

class SecurityIssueSeverity(IntEnum):
    SAFE = 0
    LOW = 1
    MEDIUM = 2
    HIGH = 3


@dataclass
class SecurityPattern:
    """A regular expression that suspicious source has."""

    pattern: str
    description: str
    severity: SecurityIssueSeverity


@dataclass
class RestrictedModule:
    name: str
    description: str
    severity: SecurityIssueSeverity


@dataclass
class SecurityPolicy:
    """What `SandboxSession.is_safe()` looks for in a source. It tells of careless code and stops none: the walls are the sandbox's."""

    severity_threshold: SecurityIssueSeverity = SecurityIssueSeverity.SAFE
    patterns: Optional[List[SecurityPattern]] = None
    restricted_modules: Optional[List[RestrictedModule]] = None

    def add_pattern(self, pattern: SecurityPattern) -> None:
        self.patterns = [*(self.patterns or []), pattern]

    def add_restricted_module(self, module: RestrictedModule) -> None:
        self.restricted_modules = [*(self.restricted_modules or []), module]

    def judge(self, code: str) -> Tuple[bool, List[SecurityPattern]]:
        """Whether nothing in it is as severe as the threshold, and what was found."""
        source = re.sub(r"(?m)(^|\s)#.*$", "", code)
        imports = [SecurityPattern(r"(?m)(^|[\s;])(from\s+%s(\s|\.)|import\s+([\w., ]+,\s*)?%s\b)" % (re.escape(one.name), re.escape(one.name)),
                                   one.description, one.severity) for one in self.restricted_modules or []]
        found = [one for one in [*(self.patterns or []), *imports] if re.search(one.pattern, source)]
        limit = self.severity_threshold
        return not (limit > SecurityIssueSeverity.SAFE and any(one.severity >= limit for one in found)), found


# --- errors

class NotOpenSessionError(SandboxError):
    """The session isn't open: use it in a `with` statement, or call open()."""

    def __init__(self) -> None:
        super().__init__("the session isn't open: use it in a `with` statement, or call open() first")


class SandboxTimeoutError(SandboxError):
    """The code was stopped at its time limit, `timeout_duration` seconds."""

    def __init__(self, message: str, timeout_duration: Optional[float] = None) -> None:
        super().__init__(message)
        self.timeout_duration = timeout_duration


class LanguageNotSupportedError(SandboxError):
    """Python is the only language."""

    def __init__(self, lang: str) -> None:
        super().__init__(f"the language {lang} is not supported: cellblock runs Python")


class CommandEmptyError(SandboxError):
    def __init__(self) -> None:
        super().__init__("the command is empty")


class CommandFailedError(SandboxError):
    """Packages could not be installed; `output` says why."""

    def __init__(self, command: str, exit_code: int, output: str) -> None:
        super().__init__(f"{command} failed with exit status {exit_code}: {output}")
        self.output = output


class PoolExhaustedError(SandboxError):
    """All of the pool's sandboxes are in use."""


class PoolClosedError(SandboxError):
    """The pool was closed."""
