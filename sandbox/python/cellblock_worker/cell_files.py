"""The files of cells that a debugger shows, under the names that the compiler gives them (debugInfo says how)."""

import os
import re

from . import compiler

# The host makes comments of these first lines (sandbox/cell_options).
OPTIONS = re.compile(r"\s*(?:%%(?:timeout|usage)(?=[ \t\r\n]|$)[^\n]*\s*)+")
OPTION_LINE = re.compile(r"%%(?:timeout|usage)[^\n]*")


class CellFiles:
    def __init__(self):
        self.prefix = compiler.prefix()
        self._known = {}  # of cells that reach us changed: their file

    def name_of(self, code):
        return self._known.get(code) or compiler.file_name(code)

    def dump(self, code):
        os.makedirs(self.prefix, exist_ok=True)
        name = self.name_of(code)
        with open(name, "w", encoding="utf-8", errors="replace") as file:
            file.write(code)
        options = OPTIONS.match(code)
        if options:
            kept = code[options.end():]
            stand_in = "" if not kept or kept.startswith("%%") else r"# \g<0>"
            self._known[OPTION_LINE.sub(stand_in, options.group()) + kept] = name
        return name
