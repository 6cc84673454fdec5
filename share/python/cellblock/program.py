"""Finds the program `cellblock`."""
from __future__ import annotations

import importlib.metadata
import os
import pathlib
import shutil
from typing import Optional, Union

from .errors import ProgramNotFound

# Of an installation that is PREFIX/bin beside PREFIX/share/python, of a checkout build/.
ROOT = pathlib.Path(__file__).resolve().parents[3]
BESIDE = (ROOT / "bin" / "cellblock", ROOT / "build" / "cellblock")
REMEDY = "Install it (the README's \"Two commands\" builds it), or name it by Sandbox(program=…) or the variable CELLBLOCK"


def find_program(given: Union[str, "os.PathLike[str]", None] = None) -> str:
    """The path of the program: `given`, else $CELLBLOCK, else the one of the same wheel, else on PATH, else beside this package.

    A path that is given, or named by the variable, is never replaced by another: ProgramNotFound says what is wrong with it.

        >>> import cellblock
        >>> cellblock.find_program().endswith("cellblock")
        True
    """
    for path, where in ((given, "the argument program"), (os.environ.get("CELLBLOCK"), "the variable CELLBLOCK")):
        if path:
            return _checked(os.fspath(path), where)
    found: Optional[str] = _of_the_wheel() or shutil.which("cellblock")
    for beside in BESIDE:
        if found is None and _runs(str(beside)):
            found = str(beside)
    if found is None:
        raise ProgramNotFound(f"there is no program cellblock on PATH, nor at {BESIDE[0]}. {REMEDY}")
    return os.path.abspath(found)


def _of_the_wheel() -> Optional[str]:
    """The program that pip installed together with this package."""
    here = str(pathlib.Path(__file__).resolve().parents[1])
    for distribution in importlib.metadata.distributions(name="cellblock", path=[here]):
        for file in distribution.files or ():
            path = os.path.abspath(os.fspath(distribution.locate_file(file)))
            if file.parts[-2:] == ("bin", "cellblock") and _runs(path):
                return path
    return None


def _checked(path: str, where: str) -> str:
    found = shutil.which(path)
    if found is None:
        raise ProgramNotFound(f"{where} names {path}, which is no program that can be run. {REMEDY}")
    return os.path.abspath(found)


def _runs(path: str) -> bool:
    return os.path.isfile(path) and os.access(path, os.X_OK)
