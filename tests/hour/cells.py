"""The notebook as cells: the percent format, with what the person does in brackets after a title."""

import dataclasses
import pathlib
import re

NOTEBOOK = pathlib.Path(__file__).resolve().parent / "notebook.py"
TITLE = re.compile(r"^# %% (?P<title>.*?)(?: \[(?P<act>[a-z_]+)(?:: (?P<words>.*))?\])?$", re.MULTILINE)


@dataclasses.dataclass
class Cell:
    title: str
    act: str  # what is in brackets: type, interrupt, move, … or nothing
    words: str
    code: str


def read(text=None):
    parts = list(TITLE.finditer(NOTEBOOK.read_text() if text is None else text))
    ends = [part.start() for part in parts[1:]] + [None]
    whole = parts[0].string
    return [Cell(part["title"], part["act"] or "", part["words"] or "", whole[part.end() + 1:end].strip("\n"))
            for part, end in zip(parts, ends)]
