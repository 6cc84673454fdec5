"""Queries between cells: complete, inspect, is_complete, comm_info."""

import contextlib
import sys
import threading
import traceback
import warnings

from IPython.core import oinspect
from IPython.core.completer import provisionalcompleter, rectify_completions
from IPython.utils.tokenutil import token_at_cursor

from . import ipython_import, stub_conditions


class Completer:
    """The shell's, which asks jedi. At its first question jedi reads the standard library's types, which takes a second,
    since a sandbox keeps no cache; front ends don't wait that long. So what is asked until then is answered without it
    if there is an answer, and jedi gets ready beside."""

    def __init__(self, completer, interrupts):
        self._completer = completer
        self._interrupts = interrupts
        self._preparation = None

    def complete(self, code, cursor):
        if self._completer.use_jedi and not self._is_ready():
            before = self._interrupts.count()
            found = self._without_jedi(code, cursor)
            if found:
                return found
            if self._interrupts.count() != before:
                raise KeyboardInterrupt  # IPython has swallowed it
            self._preparation.join()
        return self._ask(code, cursor)

    def _is_ready(self):
        if self._preparation is None:
            try:
                ipython_import.import_jedi()  # not beside: it sets the process's depth of recursion, as a cell may
            except Exception:  # what is installed of it can't be imported
                self._completer.use_jedi = False
                return True
            preparation = threading.Thread(target=_prepare_jedi, name="cellblock-jedi", daemon=True)
            try:
                preparation.start()
            except RuntimeError:  # the cell used up its threads
                return True
            self._preparation = preparation
        return not self._preparation.is_alive()

    def _without_jedi(self, code, cursor):
        self._completer.use_jedi = False
        try:
            return self._ask(code, cursor)
        finally:
            self._completer.use_jedi = True

    def _ask(self, code, cursor):
        with provisionalcompleter(), _interrupts_unshown():
            return list(rectify_completions(code, self._completer.completions(code, cursor)))


@contextlib.contextmanager
def _interrupts_unshown():
    """IPython shows by the hook what ends one of its matchers. The interrupt of a question that took too long would
    stand below the cell that ran last."""
    hook = sys.excepthook

    def others(kind, error, trace):
        if not issubclass(kind, KeyboardInterrupt):
            hook(kind, error, trace)

    sys.excepthook = others
    try:
        yield
    finally:
        if sys.excepthook is others:
            sys.excepthook = hook


class _Warnings:
    """The module `warnings` as jedi sees it. Its filters are the whole process's: two threads that change them and put them back
    can leave them changed. So the thread that prepares jedi changes none, as cells may run beside it."""

    def __init__(self):
        self._thread = threading.get_ident()

    def catch_warnings(self, **options):
        return contextlib.nullcontext([]) if self._is_beside() else warnings.catch_warnings(**options)

    def simplefilter(self, *arguments, **options):
        if not self._is_beside():
            warnings.simplefilter(*arguments, **options)

    def _is_beside(self):
        return threading.get_ident() == self._thread

    def __getattr__(self, name):
        return getattr(warnings, name)


def _prepare_jedi():
    with contextlib.suppress(Exception):
        import jedi
        import parso.cache
        seen = _Warnings()
        for name, module in list(sys.modules.items()):
            if name.startswith("jedi.") and getattr(module, "warnings", None) is warnings:
                module.warnings = seen
        # What it would keep ends with the session, and a file cut short by a kill would end all completion.
        parso.cache._save_to_file_system = lambda *_, **__: None
        stub_conditions.remember()
        for one in jedi.Interpreter("import os; os.pat", [{"a": ""}]).complete():
            one.type  # noqa: B018 (it is computed when it is asked for)


class Queries:
    """Answers with the content of a Jupyter reply."""

    def __init__(self, shell, comm_manager, interrupts):
        self._shell = shell
        self._comms = comm_manager
        self._completer = Completer(shell.Completer, interrupts)
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
            return self.failure(error)

    @staticmethod
    def failure(error):
        return {"status": "error", "ename": type(error).__name__, "evalue": str(error),
                "traceback": "".join(traceback.format_exception(type(error), error, error.__traceback__)).splitlines()}

    def _complete(self, header):
        code, cursor = header["code"], _cursor(header)
        found = self._completer.complete(code, cursor)
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
            with contextlib.nullcontext() if self._shell.enable_html_pager else _without_html():
                bundle = self._shell.object_inspect_mime(name, detail_level=header.get("detail", 0))
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


@contextlib.contextmanager
def _without_html():
    """IPython makes everything as HTML too, which takes longer than the rest, and here nobody gets it."""
    made, oinspect.pylight = oinspect.pylight, lambda code: ""
    try:
        yield
    finally:
        oinspect.pylight = made


def _cursor(header):
    cursor = header.get("cursor")
    length = len(header["code"])
    return length if cursor is None else max(0, min(cursor, length))
