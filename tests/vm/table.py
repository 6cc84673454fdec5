#!/usr/bin/python3
"""Writes the README's table of systems from build/vm/*.json: table.py [FILE…]. Nothing stands in it that a run didn't write.

Without files it reads all of build/vm. The section goes between the two comments of README.md that name this program; `--print`
writes it to stdout instead. The page's rows of a system that none of the files is about stay: an earlier run wrote them.
"""

import json
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
PAGE = ROOT / "README.md"
PLACE = re.compile(r"(<!-- systems: written by tests/vm/table.py -->\n).*?(<!-- end of systems -->)", re.DOTALL)
INTRODUCTION = """
## Systems

Each row is what a run of [tests/vm](tests/vm/README.md) found: the system booted in a virtual machine, the package installed with apt, the
wheel with pip. The processor is emulated there, so the times compare rows, and are many times those of a real one. An empty cell was not tried.
No escape broke a promise: those that aren't counted could not be tried there, or passed where a layer is missing that the policy doesn't
require (`cellblock doctor` tells which).

"""
HEAD = ("system", "installed by", "started", "layers that stand", "escapes stopped", "first result, cold", "warm")


def row_of(run, how, way, found):
    layers = found.get("layers", {})
    missing = [name for name, in_force in layers.items() if not in_force]
    standing = len(layers) - len(missing)
    told = "%d of %d%s" % (standing, len(layers), "; not " + ", ".join("`%s`" % name for name in missing) if missing else "") if layers else ""
    stopped = "%d of %d" % (found["stopped"], found["attempts"]) if found.get("attempts") else ""
    seconds = ["%.1f s" % found[key] if key in found else "" for key in ("cold", "warm")]
    system = "%s, Linux %s, %s" % (run["system"], run["linux"], run["processor"])
    return system, how, way, told, stopped, *seconds


def rows_of(page):
    """The rows that the page has, each as its cells."""
    lines = PLACE.search(page)[0].splitlines()
    rows = [tuple(line[2:-2].split(" | ")) for line in lines if line.startswith("| ")]
    return [row for row in rows if row[0] not in (HEAD[0], "---")]


def what_was_tried(row):
    """A row's system without the version of its Linux, which updates change; its processor; how it was installed."""
    system, _, processor = row[0].rsplit(", ", 2)
    return system, processor, row[1]


def table(runs, earlier=()):
    rows = [row_of(run, how, way, found) for run in runs for how, ways in run["installed"].items() for way, found in ways.items()]
    tried = {what_was_tried(row) for row in rows}
    rows += [row for row in earlier if what_was_tried(row) not in tried]
    rows.sort(key=what_was_tried)
    return "".join("| %s |\n" % " | ".join(cells) for cells in [HEAD, ("---",) * len(HEAD), *rows])


def main():
    words = sys.argv[1:]
    to_stdout = "--print" in words
    files = [pathlib.Path(word) for word in words if word != "--print"] or sorted((ROOT / "build" / "vm").glob("*.json"))
    absent = [str(file) for file in files if not file.exists()] or ([] if files else ["build/vm/*.json"])
    if absent:
        sys.exit("table.py: there is no %s: tests/vm/run writes such files" % ", ".join(absent))
    runs = [json.loads(file.read_text()) for file in files]
    if to_stdout:
        print(table(runs), end="")
        return
    page = PAGE.read_text()
    if not PLACE.search(page):
        sys.exit("table.py: %s has no place for the table: the two comments are missing" % PAGE)
    text = table(runs, rows_of(page))
    PAGE.write_text(PLACE.sub(lambda found: found[1] + INTRODUCTION + text + "\n" + found[2], page))


if __name__ == "__main__":
    main()
