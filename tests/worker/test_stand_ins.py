"""What IPython imports for few sessions comes at its first use, and is then what it always is."""

import pathlib
import subprocess
import sys
import threading

import pytest
from host import PYTHON

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.append(str(ROOT / "sandbox" / "python"))

from cellblock_worker import stand_ins  # noqa: E402

SELDOM = ("urllib.request", "cProfile", "pstats", "logging.config", "pydoc")


@pytest.fixture
def modules(tmp_path, monkeypatch):
    """modules(name=source, …) can be imported during the test, and is forgotten after it."""
    monkeypatch.syspath_prepend(str(tmp_path))
    names = []

    def make(**sources):
        for name, source in sources.items():
            (tmp_path / (name + ".py")).write_text(source)
            names.append(name)

    yield make
    for name in names:
        sys.modules.pop(name, None)


def imported(name):
    with stand_ins.for_modules(["stood_for"]):
        return __import__(name)


# --- as sessions meet them

def test_a_session_begins_without_them(fresh):
    assert fresh().execute("import sys\n[one for one in %r if one in sys.modules]" % (SELDOM,)).result == "[]"


@pytest.mark.parametrize(("name", "use"), [
    ("urllib.request", "from IPython.core.magics import code\ntry:\n    code.urlopen('nothing')\nexcept ValueError: pass\ncode.urlopen is {0}.urlopen"),
    ("cProfile", "from IPython.core.magics import execution\nexecution.profile.Profile is {0}.Profile and execution.profile is {0}"),
    ("pstats", "from IPython.core.magics import execution\nexecution.pstats.Stats is {0}.Stats and execution.pstats is {0}"),
    ("logging.config", "from traitlets.config import application\napplication.Application().log.name\napplication.dictConfig is {0}.dictConfig"),
])
def test_each_is_itself_after_its_first_use(fresh, name, use):
    result = fresh().execute("import sys, %s\nbefore = sys.modules[%r]\n%s" % (name, name, use.format(name)))
    assert result.result == "True", result.error


def test_magics_that_need_them(fresh):
    host = fresh()
    profile = host.execute("%prun -q -r sum(range(10))")
    assert "pstats.Stats" in profile.result, profile.error
    traceback = host.execute("%xmode Verbose\nvalue = [1, 2]\n1 / 0")
    assert "ZeroDivisionError" in traceback.error["ename"]


def test_colours_of_a_traceback(fresh):
    """Its first one as its second, in each of IPython's colours."""
    host = fresh()
    for colours in ("Linux", "NoColor", "LightBG"):
        host.execute("%colors " + colours)
        texts = ["\n".join(host.execute("1 / 0  # here").error["traceback"]).replace("Cell In[", "") for _ in range(2)]
        assert all("ZeroDivisionError" in text and "# here" in text.replace("\x1b", "") for text in texts), texts
        assert ("\x1b[" in texts[0]) == (colours != "NoColor"), texts[0]


def test_garbage_is_collected_once_a_session_has_begun(fresh):
    code = ("import gc, weakref\nclass Ring: pass\none = Ring(); one.me = one; seen = weakref.ref(one); del one\n"
            "gc.collect(); gc.isenabled(), seen() is None")
    assert fresh().execute(code).result == "(True, True)"


def test_ipythons_import_fits_them():
    """It falls back on none."""
    code = ("import sys; sys.path.insert(0, %r)\nfrom cellblock_worker import ipython_import\n"
            "ipython_import._import_without_the_rest()\nprint(*(one for one in %r if one in sys.modules))"
            % (str(ROOT / "sandbox" / "python"), SELDOM))
    done = subprocess.run([PYTHON, "-I", "-B", "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout.strip()) == (0, ""), done.stderr


# --- by themselves

def test_a_module_and_a_name(modules):
    modules(stood_for="def ten(): return 10\nclass Kind: value = 3\n",
            user="import stood_for\nfrom stood_for import ten, Kind\n")
    user = imported("user")
    assert "stood_for" not in sys.modules
    assert user.ten() == 10 and "stood_for" in sys.modules
    real = sys.modules["stood_for"]
    assert user.ten is real.ten and user.stood_for is real
    assert user.Kind.value == 3 and user.Kind is real.Kind


def test_what_was_put_in_its_place_stays(modules):
    modules(stood_for="def ten(): return 10\n", user="from stood_for import ten\ndef call(): return ten()\n")
    user = imported("user")
    kept, user.ten = user.ten, lambda: 11
    assert kept() == 10 and user.call() == 11


def test_a_module_that_is_there_or_cant_be_found_has_none(modules):
    modules(stood_for="value = 1\n", user="import stood_for\nfound = stood_for.value\n")
    assert __import__("stood_for").value == 1 and imported("user").found == 1
    with stand_ins.for_modules(["nothing_of_that_name", "nothing.inside", "sys.inside"]), pytest.raises(ImportError):
        import nothing_of_that_name  # noqa: F401


@pytest.mark.parametrize("user", ["class Own(stood_for.Kind): pass", "stood_for.ten()", "stood_for.Kind.value", "isinstance(1, stood_for.Kind)"])
def test_an_import_that_wants_more_fails_and_succeeds_without(modules, user):
    modules(stood_for="def ten(): return 10\nclass Kind: value = 3\n", user="import stood_for\n" + user)
    with pytest.raises((TypeError, AttributeError)):
        imported("user")
    assert "stood_for" not in sys.modules and "user" not in sys.modules
    assert __import__("user").stood_for.ten() == 10


def test_a_module_that_is_broken_says_so_at_each_use(modules):
    modules(stood_for="raise ValueError('broken')\n", user="from stood_for import ten\n")
    user = imported("user")
    for _ in range(2):
        with pytest.raises(ValueError, match="broken"):
            user.ten()


def test_many_threads_at_once(modules):
    modules(stood_for="import time\ntime.sleep(0.2)\ndef ten(): return 10\n", user="from stood_for import ten\n")
    user = imported("user")

    class Slow:
        def __init__(self, value):
            import time
            time.sleep(0.2)
            self.value = value

    with stand_ins.for_objects(Slow):
        one = Slow(5)
    found = []
    threads = [threading.Thread(target=lambda: found.append((user.ten(), one.value))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [(10, 5)] * 8 and type(one) is Slow


def test_an_object_is_made_at_its_first_use():
    made = []

    class Kind:
        common = 1

        def __init__(self, first, more=0):
            made.append(first)
            self.sum = first + more

    with stand_ins.for_objects(Kind):
        one = Kind(1, more=2)
    assert made == [] and isinstance(one, Kind) and one.common == 1
    assert one.sum == 3 and made == [1] and type(one) is Kind and vars(one) == {"sum": 3}
    with pytest.raises(AttributeError):
        one.nothing  # noqa: B018
    assert Kind(4).sum == 4 and made == [1, 4]


def test_an_object_of_a_class_that_extends_it_is_made_at_once():
    class Kind:
        def __init__(self):
            self.value = 1

    class Own(Kind):
        pass

    with stand_ins.for_objects(Kind):
        assert vars(Own()) == {"value": 1}


def test_an_object_that_cant_be_made_says_so_at_each_use():
    class Kind:
        def __init__(self):
            raise ValueError("broken")

    with stand_ins.for_objects(Kind):
        one = Kind()
    for _ in range(2):
        with pytest.raises(ValueError, match="broken"):
            one.value  # noqa: B018
