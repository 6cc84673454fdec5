"""`cellblock install` has matplotlib's list of fonts made once; sandboxes read it and can't change it."""

import json
import os
import subprocess
import time

import pytest

PYTHON = "/usr/bin/python3"
HAS_MATPLOTLIB = subprocess.run([PYTHON, "-c", "import matplotlib"], capture_output=True, check=False).returncode == 0
pytestmark = pytest.mark.skipif(not HAS_MATPLOTLIB, reason="%s has no matplotlib" % PYTHON)
TEN_YEARS = 3653 * 24 * 3600

LOOK = """
import json, logging, os
told = []
class Keep(logging.Handler):
    def emit(self, record): told.append(record.getMessage())
logging.getLogger("matplotlib").addHandler(Keep())
logging.getLogger("matplotlib").setLevel(logging.DEBUG)
import matplotlib, matplotlib.font_manager as fonts
try:
    open("/opt/cellblock/fonts/evil", "w")
    wrote = True
except OSError:
    wrote = False
import matplotlib.pyplot as plt
plt.plot([1]); plt.title("a text")
plt.show()
print(json.dumps({"built": any("generated new fontManager" in one for one in told), "wrote": wrote,
                  "fonts": len(fonts.fontManager.ttflist)}))
"""


def look(cellblock, **env):
    (cellblock.home / "look.py").write_text(LOOK)
    done = cellblock("run", "--json", "--python", PYTHON, cellblock.home / "look.py", env=env)
    result = json.loads(done.stdout)
    assert result["status"] == "ok", (result, done.stderr)
    assert any("image/png" in bundle for bundle in result["results"]), result
    return json.loads(next(line for line in result["stdout"].splitlines() if line.startswith("{")))


def lists(folder):
    return sorted(path.name for path in folder.glob("cellblock/fonts/*/fontlist-v*.json"))


def test_a_session_after_install_looks_at_no_font(cellblock):
    before = look(cellblock)
    assert before["built"]
    done = cellblock("install", "--user", "--python", PYTHON)
    assert done.returncode == 0 and "takes longer" not in done.stdout, done.stdout
    assert len(lists(cellblock.home / ".cache")) == 1
    after = look(cellblock)
    assert after == {"built": False, "wrote": False, "fonts": before["fonts"]}
    assert len(lists(cellblock.home / ".cache")) == 1


def test_a_second_install_finds_the_list(cellblock):
    for _ in range(2):
        assert cellblock("install", "--user", "--python", PYTHON).returncode == 0
        found = [path.stat().st_mtime_ns for path in (cellblock.home / ".cache/cellblock/fonts").glob("*/*")]
        assert len(found) == 1


def test_lists_from_before_the_clock_was_set_back_displace_no_new_one(cellblock):
    folder = cellblock.home / ".cache/cellblock/fonts"
    for number in range(20):
        (folder / ("early-%02d" % number)).mkdir(parents=True)
        os.utime(folder / ("early-%02d" % number), (time.time() + TEN_YEARS,) * 2)
    assert cellblock("install", "--user", "--python", PYTHON).returncode == 0
    assert len(lists(cellblock.home / ".cache")) == 1
    assert len(list(folder.iterdir())) == 16


def test_a_list_that_others_may_change_is_not_shown(cellblock):
    assert cellblock("install", "--user", "--python", PYTHON).returncode == 0
    folder = next((cellblock.home / ".cache/cellblock/fonts").iterdir())
    folder.chmod(0o777)
    assert look(cellblock)["built"]
    done = cellblock("install", "--user", "--python", PYTHON)
    assert done.returncode == 0 and str(folder) in done.stdout and "remove what lies there" in done.stdout, done.stdout


def test_where_no_list_can_be_kept_install_goes_on(cellblock, tmp_path):
    (tmp_path / "file").write_text("")
    done = cellblock("install", "--user", "--python", PYTHON, env={"XDG_CACHE_HOME": str(tmp_path / "file")})
    assert done.returncode == 0 and "first plot takes longer" in done.stdout, done.stdout
    assert look(cellblock, XDG_CACHE_HOME=str(tmp_path / "file"))["built"]


LIAR = """
import os, matplotlib
class FontManager: __version__ = %r
path = os.path.join(matplotlib.get_cachedir(), "fontlist-v%%s.json" %% FontManager.__version__)
os.makedirs(os.path.dirname(path), exist_ok=True)
with open(path, "w") as file: file.write(%s)
"""
LIES = {
    "a_text": ("1", "'fonts'"),
    "a_list": ("1", "'[]'"),
    "no_fonts": ("1", "'{}'"),
    "great_depth": ("1", "'{\"ttflist\":' + '[' * 1_000_000 + ']' * 1_000_000 + '}'"),
    "many_values": ("1", "'{\"ttflist\":[' + '0,' * 3_000_000 + '0]}'"),
    "more_than_a_cell_may_show": ("1", "'{\"ttflist\":\"' + 'x' * (30 << 20) + '\"}'"),
    "another_folder": ("/../../../evil", "'{\"ttflist\":[]}'"),
}


@pytest.mark.parametrize("name", LIES)
def test_a_matplotlib_that_lies_gets_no_list(cellblock, tmp_path, name):
    subprocess.run([PYTHON, "-m", "venv", "--without-pip", "--system-site-packages", tmp_path / "env"], check=True, timeout=60)
    package = next((tmp_path / "env").glob("lib/python3*/site-packages")) / "matplotlib"
    package.mkdir()
    (package / "__init__.py").write_text("def get_cachedir(): return '/tmp/cache'\n")
    (package / "font_manager.py").write_text(LIAR % LIES[name])
    done = cellblock("install", "--user", "--python", tmp_path / "env/bin/python")
    assert done.returncode == 0 and "first plot takes longer" in done.stdout, (done.stdout, done.stderr)
    assert not list(cellblock.home.glob(".cache/cellblock/fonts/*")) and not list(cellblock.home.rglob("*evil*"))


def test_what_an_install_left_half_done_is_removed_by_a_later_one(cellblock):
    folder = cellblock.home / ".cache/cellblock/fonts"
    for name, age in (("made-old", 7200), ("made-now", 0)):
        (folder / name).mkdir(parents=True)
        os.utime(folder / name, (time.time() - age,) * 2)
    assert cellblock("install", "--user", "--python", PYTHON).returncode == 0
    assert not (folder / "made-old").exists() and (folder / "made-now").exists()
