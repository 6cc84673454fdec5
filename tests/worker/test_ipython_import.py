"""IPython's terminal and jedi are imported when somebody asks for them, and are then what they always are."""

import pathlib
import subprocess

import pytest
from host import PYTHON

ROOT = pathlib.Path(__file__).resolve().parents[2]

BEFORE = """
import sys, IPython
assert not {'IPython.terminal', 'prompt_toolkit'} & set(sys.modules)
assert {'embed', 'terminal', 'version_info'} <= set(dir(IPython))
"""
AFTER = """
import IPython.terminal.embed as module, IPython.terminal.interactiveshell
assert embed is module.embed is IPython.embed is IPython.terminal.embed.embed is vars(IPython)['embed'], embed
import IPython.core.shellapp
for one in (IPython.terminal, IPython.core.shellapp):
    assert one.__spec__.origin == one.__file__ and one.__spec__.loader is one.__loader__, one.__spec__
assert embed.__module__ == 'IPython.terminal.embed' and 'prompt_toolkit' in sys.modules
'as always'
"""


@pytest.fixture(scope="module")
def eager():
    """Of an IPython that imports all of this with itself, as those before 9.18 do. Later ones wait by themselves."""
    said = run("import IPython, sys\nfrom IPython.core import completer\nprint('IPython.terminal' in sys.modules, hasattr(completer, '_get_jedi'))")
    if said.split() != ["True", "False"]:
        pytest.skip("this IPython imports its terminal and jedi later by itself")


@pytest.mark.usefixtures("eager")
@pytest.mark.parametrize("way", [
    "embed = IPython.embed",
    "from IPython import embed",
    "from IPython.terminal.embed import embed",
    "from IPython.terminal import embed as module; embed = module.embed",
    "import IPython.terminal.embed; embed = IPython.terminal.embed.embed",
    "IPython.terminal.interactiveshell.TerminalInteractiveShell; embed = IPython.embed",
    "from IPython.terminal.debugger import TerminalPdb; embed = IPython.embed",
    "import IPython.terminal; embed = IPython.terminal.embed.embed",
    "from IPython.core import shellapp; embed = IPython.embed",
])
def test_ways_to_it(fresh, way):
    result = fresh().execute(BEFORE + way + AFTER)
    assert result.result == "'as always'", result.error


@pytest.mark.usefixtures("eager")
def test_names_that_are_not_there(fresh):
    host = fresh()
    for name in ("IPython.nothing", "IPython.terminal.nothing"):
        error = host.execute("import IPython\n" + name).error
        assert error["ename"] == "AttributeError", error
        assert error["evalue"] == "module %r has no attribute %r" % tuple(name.rsplit(".", 1))


def test_a_terminal_that_is_broken_is_no_matter_until_it_is_wanted(fresh, tmp_path):
    (tmp_path / "prompt_toolkit.py").write_text("raise ImportError('broken')")
    host = fresh()
    assert host.execute("import sys, IPython\nsys.path[0], 'prompt_toolkit' in sys.modules").result == "('', False)"
    for _ in range(2):
        assert host.execute("IPython.embed").error["evalue"] == "broken"


@pytest.mark.usefixtures("eager")
def test_jedi_comes_with_the_first_completion(fresh, has):
    has("jedi")
    host = fresh()
    assert host.execute("import sys; from IPython.core import completer\n"
                        "completer.JEDI_INSTALLED, get_ipython().Completer.use_jedi, 'jedi' in sys.modules").result == "(True, True, False)"
    for _ in range(2):
        assert "path" in host.ask("complete", code="import os; os.pa", cursor=16)["matches"]
    always = run("import IPython, sys; print(sys.getrecursionlimit())").strip()
    assert host.execute("before = sys.getrecursionlimit(); sys.setrecursionlimit(4321); before").result == always
    host.ask("complete", code="'a'.jo", cursor=6)
    assert host.execute("sys.getrecursionlimit()").result == "4321"
    assert host.execute("import jedi; completer.jedi is jedi, jedi.settings.case_insensitive_completion").result == "(True, False)"


@pytest.mark.usefixtures("eager")
def test_a_completer_of_the_users_own(fresh, has):
    has("jedi")
    assert fresh().execute("from IPython.core import completer\nown = completer.IPCompleter(shell=get_ipython())\n"
                           "names = own.complete(line_buffer='str.joi', cursor_pos=7)[1]\n"
                           "completer.jedi.Interpreter.__name__").result == "'Interpreter'"


def test_jedi_that_is_broken(fresh, tmp_path):
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    (folder / "jedi.py").write_text("raise ValueError('broken')")
    host = fresh()
    host.execute("import sys; sys.path.insert(0, %r); abundance = 1" % str(folder))
    for _ in range(2):
        assert host.ask("complete", code="abund", cursor=5)["matches"] == ["abundance"]
        assert host.ask("complete", code="nothing_of_", cursor=11)["matches"] == []
    assert host.execute("get_ipython().Completer.use_jedi").result == "False"


def test_the_depth_of_a_cell_beside_jedis_preparation(fresh, has):
    """The cell runs right behind the first completion's answer."""
    has("jedi")
    host = fresh()
    host.execute("import sys; known = 1")
    assert host.ask("complete", code="know", cursor=4)["matches"] == ["known"]
    host.execute("sys.setrecursionlimit(4321)")
    host.ask("complete", code="'a'.jo", cursor=6)
    assert host.execute("sys.getrecursionlimit()").result == "4321"


@pytest.mark.usefixtures("eager")
def test_each_module_may_be_the_first_to_be_imported():
    """They import each other in circles."""
    lean = ("import sys; sys.path.insert(0, %r)\nfrom cellblock_worker import ipython_import\n"
            "ipython_import.import_ipython()\n" % str(ROOT / "sandbox" / "python"))
    listed = run(lean + "before = set(sys.modules)\nimport IPython.terminal\n"
                 "print(*(one for one in sys.modules if one.startswith('IPython.') and one not in before))").split()
    assert {"IPython.terminal.debugger", "IPython.core.shellapp"} <= set(listed)
    for name in listed:
        run(lean + "import %s\nmodule = sys.modules[%r]\nassert module.__spec__.origin == module.__file__\n"
            "from IPython import embed\nimport IPython\nassert embed is IPython.terminal.embed.embed\n"
            "for name, module in list(sys.modules.items()):\n    if name.startswith('IPython.terminal.'):\n"
            "        assert eval(name) is module, name\n" % (name, name))


def run(code):
    done = subprocess.run([PYTHON, "-I", "-B", "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, code + done.stderr
    return done.stdout


def test_a_version_that_the_places_dont_suit(tmp_path):
    """Newer ones look for jedi's spec, and another may want what the places don't have: it is imported as it is."""
    lean = ("import sys; sys.path[:0] = [%r, %r]\nfrom cellblock_worker import ipython_import\nipython_import.import_ipython()\nimport IPython\n"
            % (str(tmp_path), str(ROOT / "sandbox" / "python")))
    core = tmp_path / "IPython" / "core"
    core.mkdir(parents=True)
    (tmp_path / "jedi").mkdir()
    (tmp_path / "jedi" / "__init__.py").write_text("real = 1\n")
    (tmp_path / "IPython" / "__init__.py").write_text("")
    (core / "__init__.py").write_text("")
    completer = core / "completer.py"
    completer.write_text("import importlib.util\nassert importlib.util.find_spec('jedi') is not None\n")
    run(lean + "from IPython.core import completer")
    completer.write_text("import jedi\nassert jedi.real\n")
    run(lean + "from IPython.core import completer\nassert completer.jedi.real and not [one for one in sys.meta_path if one.__module__ == 'cellblock_worker']")
