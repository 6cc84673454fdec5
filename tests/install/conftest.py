"""Where the program under test lies: $CELLBLOCK, else build/cellblock."""
import os
import pathlib
import subprocess

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]


@pytest.fixture
def cellblock(tmp_path):
    program = pathlib.Path(os.environ.get("CELLBLOCK", ROOT / "build" / "cellblock"))
    assert program.exists(), f"{program} is missing; build it first"
    home = tmp_path / "home"
    home.mkdir()

    def run(*arguments, env=None, cwd=None):
        kept = {name: value for name, value in os.environ.items()
                if name not in ("VIRTUAL_ENV", "CONDA_PREFIX", "JUPYTER_DATA_DIR", "XDG_DATA_HOME",
                                "XDG_CONFIG_HOME", "XDG_CACHE_HOME", "JUPYTER_PATH")}
        kept.update(HOME=str(home), **(env or {}))
        return subprocess.run([str(program), *map(str, arguments)], env=kept, cwd=cwd or tmp_path,
                              capture_output=True, text=True, timeout=120)

    run.home = home
    run.program = program.resolve()
    return run
