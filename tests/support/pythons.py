"""Where Pythons lie: what the caller named, PATH, and the folders of pyenv and uv."""

import json
import os
import pathlib
import shutil
import subprocess

NAMED = "CELLBLOCK_MATRIX_PYTHONS"  # paths, parted by colons
FACTS = """
import importlib, json, sys
facts = {"python": "%d.%d.%d" % sys.version_info[:3], "program": sys.executable}
for name in ("IPython", "matplotlib"):
    try:
        facts[name] = importlib.import_module(name).__version__
    except ImportError:
        facts[name] = "-"
print(json.dumps(facts))
"""


def ask(program):
    """What that Python says of itself; None where it is none, as pyenv's shims of versions that aren't chosen."""
    try:
        done = subprocess.run([program, "-I", "-c", FACTS], capture_output=True, text=True, timeout=60, check=False)
        return json.loads(done.stdout.splitlines()[-1])
    except (OSError, ValueError, IndexError, subprocess.TimeoutExpired):
        return None


def candidates(version, named):
    """Programs that may be Python of that version ("3.12"), the likeliest first."""
    yield from named
    yield from filter(None, os.environ.get(NAMED, "").split(":"))
    found = shutil.which("python" + version)
    if found:
        yield found
    home = pathlib.Path.home()
    pyenv = pathlib.Path(os.environ.get("PYENV_ROOT", home / ".pyenv"))
    for folder in (pyenv / "versions", home / ".local/share/uv/python"):
        yield from map(str, sorted(folder.glob("*%s.*/bin/python3" % version), reverse=True))


def find(version, named=()):
    """(program, None), or (None, why there is none)."""
    for candidate in candidates(version, named):
        facts = ask(candidate)
        if facts and facts["python"].startswith(version + "."):
            return facts["program"], None
    return None, ("there is no Python %s on PATH, in pyenv or in uv; name one with --python, or in $%s" % (version, NAMED))
