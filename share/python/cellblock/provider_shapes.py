"""A Result in the shapes of providers of language models. Everything here can be written as JSON."""
from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any, Dict, List, Optional, Tuple

if TYPE_CHECKING:
    from .results import Output, Result

IMAGES = ("image/png", "image/jpeg")
READABLE = ("text/markdown", "text/plain", "text/latex", "text/html")  # the first that an output has
OPENAI_STATUS = {"ok": "completed", "timeout": "incomplete", "interrupted": "incomplete"}
GEMINI_OUTCOME = {"ok": "OUTCOME_OK", "timeout": "OUTCOME_DEADLINE_EXCEEDED"}
E2B_NAMES = {"text/plain": "text", "text/html": "html", "text/markdown": "markdown", "image/svg+xml": "svg", "image/png": "png",
             "image/jpeg": "jpeg", "application/pdf": "pdf", "text/latex": "latex", "application/json": "json",
             "application/javascript": "javascript"}


def image_of(output: "Output") -> Optional[Tuple[str, str]]:
    """An output's image as MIME type and base64 text on one line, or None."""
    for mime in IMAGES:
        if isinstance(output.data.get(mime), str):
            return mime, "".join(output.data[mime].split())
    return None


def text_of(result: "Result") -> str:
    """What a person would read below the cell: what was printed, the values without an image, the error."""
    parts = [result.stdout, result.stderr]
    for output in result.results:
        if image_of(output) is None:
            parts.append(next((output.data[mime] for mime in READABLE if isinstance(output.data.get(mime), str)), ""))
    if result.error is not None:
        parts.append(result.error.traceback or str(result.error))
    text = ""
    for part in parts:
        text += ("\n" if text and part and not text.endswith("\n") else "") + part
    return text


def images_of(result: "Result") -> List[Tuple[str, str]]:
    return [image for image in map(image_of, result.results) if image is not None]


def anthropic(result: "Result", tool_use_id: str) -> Dict[str, Any]:
    text = text_of(result)
    content: List[Dict[str, Any]] = [{"type": "text", "text": text}] if text.strip() else []  # blank blocks are refused
    content += [{"type": "image", "source": {"type": "base64", "media_type": mime, "data": data}}
                for mime, data in images_of(result)]
    return {"type": "tool_result", "tool_use_id": tool_use_id, "content": content, "is_error": not result.ok}


def openai(result: "Result", call_id: Optional[str], container_id: str) -> Dict[str, Any]:
    text = text_of(result)
    outputs: List[Dict[str, Any]] = [{"type": "logs", "logs": text}] if text else []
    outputs += [{"type": "image", "url": f"data:{mime};base64,{data}"} for mime, data in images_of(result)]
    return {"type": "code_interpreter_call", "id": call_id or "ci_" + uuid.uuid4().hex, "code": result.code,
            "container_id": container_id, "outputs": outputs, "status": OPENAI_STATUS.get(result.status, "failed")}


def gemini(result: "Result") -> List[Dict[str, Any]]:
    outcome = GEMINI_OUTCOME.get(result.status, "OUTCOME_FAILED")
    return [{"code_execution_result": {"outcome": outcome, "output": text_of(result)}},
            *({"inline_data": {"mime_type": mime, "data": data}} for mime, data in images_of(result))]


def e2b(result: "Result") -> Dict[str, Any]:
    error = result.error and {"name": result.error.name, "value": result.error.value, "traceback": result.error.traceback}
    return {"results": [_e2b_result(output) for output in result.results],
            "logs": {name: [text] if text else [] for name, text in (("stdout", result.stdout), ("stderr", result.stderr))},
            "error": error, "execution_count": result.execution_count}


def _e2b_result(output: "Output") -> Dict[str, Any]:
    shown: Dict[str, Any] = {"text": None, "is_main_result": output.is_main_result, "extra": {}}
    for mime, content in output.data.items():
        (shown if mime in E2B_NAMES else shown["extra"])[E2B_NAMES.get(mime, mime)] = content
    return shown
