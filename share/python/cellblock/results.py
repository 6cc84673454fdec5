"""What a cell gave: its `Result`, and how that is gathered from Jupyter's messages."""
from __future__ import annotations

import base64
import re
from dataclasses import dataclass, field
from typing import Any, Dict, List, Literal, Mapping, Optional, Tuple

from . import provider_shapes

Status = Literal["ok", "error", "timeout", "interrupted", "killed", "unavailable"]

COLOUR = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
SHORT_NAMES = {"text": "text/plain", "html": "text/html", "markdown": "text/markdown", "svg": "image/svg+xml", "png": "image/png",
               "jpeg": "image/jpeg", "pdf": "application/pdf", "latex": "text/latex", "json": "application/json",
               "javascript": "application/javascript"}


@dataclass(frozen=True)
class Error:
    """Why a cell failed, in Python's words or in the kernel's; the traceback is one text without colours.

        >>> import cellblock
        >>> with cellblock.Sandbox() as box:
        ...     print(box.run("1 / 0").error)
        ZeroDivisionError: division by zero
    """

    name: str
    value: str
    traceback: str

    def __str__(self) -> str:
        return f"{self.name}: {self.value}" if self.value else self.name


@dataclass(frozen=True)
class Output:
    """One thing that a cell showed, in the representations that the policy lets through.

    `data` has them by MIME type, images as base64 text; the properties give the usual ones, images as bytes, and None for what
    isn't there. `is_main_result` tells the value of the cell's last line from what was displayed.

        >>> import cellblock
        >>> with cellblock.Sandbox() as box:
        ...     shown, = box.run("6 * 7").results
        >>> shown.text, shown.png, shown.formats()
        ('42', None, ['text'])
    """

    data: Mapping[str, Any]
    metadata: Mapping[str, Any] = field(default_factory=dict)
    is_main_result: bool = False
    display_id: Optional[str] = None

    def formats(self) -> List[str]:
        """The names of what is there: "text", "png", …, or the MIME type of what has no such name."""
        names = {mime: name for name, mime in SHORT_NAMES.items()}
        return [names.get(mime, mime) for mime in self.data]

    def _bytes(self, mime: str) -> Optional[bytes]:
        content = self.data.get(mime)
        return base64.b64decode(content) if isinstance(content, str) else None

    @property
    def text(self) -> Optional[str]:
        return self.data.get("text/plain")

    @property
    def html(self) -> Optional[str]:
        return self.data.get("text/html")

    @property
    def markdown(self) -> Optional[str]:
        return self.data.get("text/markdown")

    @property
    def latex(self) -> Optional[str]:
        return self.data.get("text/latex")

    @property
    def svg(self) -> Optional[str]:
        return self.data.get("image/svg+xml")

    @property
    def json(self) -> Any:
        return self.data.get("application/json")

    @property
    def png(self) -> Optional[bytes]:
        return self._bytes("image/png")

    @property
    def jpeg(self) -> Optional[bytes]:
        return self._bytes("image/jpeg")

    @property
    def pdf(self) -> Optional[bytes]:
        return self._bytes("application/pdf")


@dataclass(frozen=True)
class KeptFile:
    """A file of the cell's that the policy's `keep` has put on the host: `path` there, `name` as the cell has it."""

    name: str
    path: str
    size: int
    mime: str
    sha256: str


@dataclass(frozen=True)
class FileNotKept:
    """A file that wasn't kept, and why; without a name, why no more were looked at."""

    name: str
    reason: str


@dataclass(frozen=True)
class Usage:
    """What the cell used; zero where the host doesn't measure. The peak is the sandbox's so far, earlier cells included."""

    wall_seconds: float = 0.0
    cpu_seconds: float = 0.0
    peak_memory_bytes: int = 0
    output_bytes: int = 0


@dataclass(frozen=True)
class Result:
    """How a cell ended and what it gave.

    `status` is "ok"; "error" (the code raised), "timeout", "interrupted", "killed" (a limit, or the code ended its own Python) or
    "unavailable" (no sandbox could be had and nothing was run: `error` says why). Where it isn't "ok", `error` is there.
    `state` tells whether the session's variables have survived: "intact" or "lost".

        >>> import cellblock
        >>> with cellblock.Sandbox() as box:
        ...     done = box.run("print('working'); 6 * 7")
        >>> done.status, done.stdout, done.text
        ('ok', 'working\\n', '42')
    """

    code: str
    status: Status
    stdout: str = ""
    stderr: str = ""
    results: Tuple[Output, ...] = ()
    error: Optional[Error] = None
    files: Tuple[KeptFile, ...] = ()
    files_not_kept: Tuple[FileNotKept, ...] = ()
    usage: Optional[Usage] = None
    execution_count: Optional[int] = None
    state: Literal["intact", "lost"] = "intact"

    @property
    def ok(self) -> bool:
        return self.status == "ok"

    @property
    def text(self) -> Optional[str]:
        """The value of the cell's last line as text, or None."""
        return next((output.text for output in self.results if output.is_main_result), None)

    def to_anthropic(self, tool_use_id: str) -> Dict[str, Any]:
        """A `tool_result` block of Anthropic's Messages API, with text and images.

            >>> import cellblock
            >>> with cellblock.Sandbox() as box:
            ...     block = box.run("print(6 * 7)").to_anthropic("toolu_1")
            >>> block["content"], block["is_error"]
            ([{'type': 'text', 'text': '42\\n'}], False)
        """
        return provider_shapes.anthropic(self, tool_use_id)

    def to_openai(self, call_id: Optional[str] = None, container_id: str = "cellblock") -> Dict[str, Any]:
        """A `code_interpreter_call` item of OpenAI's Responses API; images are data URLs. `call_id`: by default a new one.

            >>> import cellblock
            >>> with cellblock.Sandbox() as box:
            ...     item = box.run("print(6 * 7)").to_openai()
            >>> item["outputs"], item["status"]
            ([{'type': 'logs', 'logs': '42\\n'}], 'completed')
        """
        return provider_shapes.openai(self, call_id, container_id)

    def to_gemini(self) -> List[Dict[str, Any]]:
        """Parts of Gemini's API: a `code_execution_result`, and `inline_data` for each image.

            >>> import cellblock
            >>> with cellblock.Sandbox() as box:
            ...     box.run("print(6 * 7)").to_gemini()
            [{'code_execution_result': {'outcome': 'OUTCOME_OK', 'output': '42\\n'}}]
        """
        return provider_shapes.gemini(self)

    def to_e2b(self) -> Dict[str, Any]:
        """The members of E2B's `Execution`: results, logs, error, execution_count.

            >>> import cellblock
            >>> with cellblock.Sandbox() as box:
            ...     box.run("print(6 * 7)").to_e2b()["logs"]
            {'stdout': ['42\\n'], 'stderr': []}
        """
        return provider_shapes.e2b(self)


class Gathering:
    """Gathers one cell's messages: `take` each of them in their order, then `result()` once both reply and idle have come.

    What is shown follows a notebook's rules: `clear_output` removes what was shown so far, and an update takes the place of the
    display that has its id.
    """

    def __init__(self, code: str) -> None:
        self._code = code
        self._streams: Dict[str, List[str]] = {"stdout": [], "stderr": []}
        self._outputs: List[Output] = []
        self._clear_first = False
        self._reply: Dict[str, Any] = {}
        self._metadata: Dict[str, Any] = {}

    def take(self, message: Mapping[str, Any]) -> Optional[Tuple[str, Any]]:
        """What a callback is told of it: ("stdout" or "stderr", the text), ("result", an Output), or None."""
        kind, content = message["header"]["msg_type"], message["content"]
        if kind == "execute_reply":
            self._reply, self._metadata = content, message.get("metadata") or {}
        elif kind == "clear_output":
            self._clear_first = True
            if not content.get("wait"):
                self._clear()
        elif kind == "stream" and content.get("name") in self._streams:
            self._clear()
            self._streams[content["name"]].append(content["text"])
            return content["name"], content["text"]
        elif kind in ("display_data", "execute_result", "update_display_data"):
            self._clear()
            return "result", self._show(kind, content)
        return None

    def _clear(self) -> None:
        if self._clear_first:
            self._clear_first = False
            self._outputs.clear()
            for pieces in self._streams.values():
                pieces.clear()

    def _show(self, kind: str, content: Mapping[str, Any]) -> Output:
        shown = Output(content["data"], content.get("metadata") or {}, kind == "execute_result",
                       (content.get("transient") or {}).get("display_id"))
        if kind == "update_display_data":
            self._outputs = [shown if one.display_id == shown.display_id else one for one in self._outputs]
        else:
            self._outputs.append(shown)
        return shown

    def result(self) -> Result:
        reply, error = self._reply, None
        told = self._metadata.get("cellblock") or {}  # not there where the cell was aborted before it began
        status: Status = "ok"
        if reply.get("status") != "ok":
            error = Error(reply.get("ename", "Aborted"), reply.get("evalue", "the cell was not run"),
                          COLOUR.sub("", "\n".join(reply.get("traceback", []))))
            status = told.get("status", "error")
        return Result(
            self._code, status, "".join(self._streams["stdout"]), "".join(self._streams["stderr"]), tuple(self._outputs), error,
            tuple(_record(KeptFile, one) for one in self._metadata.get("files", [])),
            tuple(_record(FileNotKept, one) for one in self._metadata.get("files_not_kept", [])),
            _record(Usage, told) if told else None, reply.get("execution_count"), told.get("state", "intact"))


def _record(kind: Any, members: Mapping[str, Any]) -> Any:
    """A later kernel may tell more than this package knows of."""
    return kind(**{name: members[name] for name in kind.__dataclass_fields__ if name in members})
