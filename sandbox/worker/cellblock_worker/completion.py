"""Queries between cells: complete, inspect, is_complete, comm_info."""

import traceback
import warnings

from IPython.core.completer import provisionalcompleter, rectify_completions
from IPython.utils.tokenutil import token_at_cursor


class Queries:
    """Answers with the content of a Jupyter reply."""

    def __init__(self, shell, comm_manager):
        self._shell = shell
        self._comms = comm_manager
        self._answers = {"complete": self._complete, "inspect": self._inspect,
                         "is_complete": self._is_complete, "comm_info": self._comm_info}

    def knows(self, kind):
        return kind in self._answers

    def answer(self, header):
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                return self._answers[header["type"]](header)
        except (Exception, KeyboardInterrupt) as error:
            return {"status": "error", "ename": type(error).__name__, "evalue": str(error),
                    "traceback": traceback.format_exc().splitlines()}

    def _complete(self, header):
        code, cursor = header["code"], _cursor(header)
        with provisionalcompleter():
            found = list(rectify_completions(code, self._shell.Completer.completions(code, cursor)))
        return {
            "status": "ok",
            "matches": [one.text for one in found],
            "cursor_start": found[0].start if found else cursor,
            "cursor_end": found[0].end if found else cursor,
            "metadata": {"_jupyter_types_experimental": [
                {"start": one.start, "end": one.end, "text": one.text, "type": one.type,
                 "signature": one.signature} for one in found]},
        }

    def _inspect(self, header):
        name = token_at_cursor(header["code"], _cursor(header))
        try:
            bundle = self._shell.object_inspect_mime(name, detail_level=header.get("detail", 0),
                                                     omit_sections=header.get("omit_sections") or ())
        except KeyError:
            return {"status": "ok", "found": False, "data": {}, "metadata": {}}
        return {"status": "ok", "found": True, "metadata": {},
                "data": {mime: text for mime, text in bundle.items()
                         if mime == "text/plain" or self._shell.enable_html_pager}}

    def _is_complete(self, header):
        manager = getattr(self._shell, "input_transformer_manager", None) or self._shell.input_splitter
        status, indent = manager.check_complete(header["code"])
        content = {"status": status}
        if status == "incomplete":
            content["indent"] = " " * (indent or 0)
        return content

    def _comm_info(self, header):
        return {"status": "ok", "comms": self._comms.info(header.get("target_name") or None)}


def _cursor(header):
    cursor = header.get("cursor")
    length = len(header["code"])
    return length if cursor is None else max(0, min(cursor, length))
