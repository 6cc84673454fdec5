"""`cellblock install` has matplotlib's list of fonts made once; sandboxes read it and can't change it."""

import json
import subprocess

import pytest

PYTHON = "/usr/bin/python3"
HAS_MATPLOTLIB = subprocess.run([PYTHON, "-c", "import matplotlib"], capture_output=True, check=False).returncode == 0
pytestmark = pytest.mark.skipif(not HAS_MATPLOTLIB, reason="%s has no matplotlib" % PYTHON)

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


def test_a_list_that_others_may_change_is_not_shown(cellblock):
    assert cellblock("install", "--user", "--python", PYTHON).returncode == 0
    next((cellblock.home / ".cache/cellblock/fonts").iterdir()).chmod(0o777)
    assert look(cellblock)["built"]


def test_where_no_list_can_be_kept_install_goes_on(cellblock, tmp_path):
    (tmp_path / "file").write_text("")
    done = cellblock("install", "--user", "--python", PYTHON, env={"XDG_CACHE_HOME": str(tmp_path / "file")})
    assert done.returncode == 0 and "first plot takes longer" in done.stdout, done.stdout
    assert look(cellblock, XDG_CACHE_HOME=str(tmp_path / "file"))["built"]
