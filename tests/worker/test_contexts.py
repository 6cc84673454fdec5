"""Code contexts: sets of variables of one worker, of which a cell's metadata names one."""

import os


def run(host, code, **facts):
    return host.execute(code, metadata={"cellblock_context": facts} if facts else {})


def value(host, code, **facts):
    result = run(host, code, **facts)
    assert result.status == "ok", result.error
    return result.result


def test_contexts_have_variables_of_their_own(fresh):
    host = fresh()
    run(host, "x = 1", name="a")
    run(host, "x = 2", name="b")
    run(host, "x = 3")
    assert [value(host, "x", name="a"), value(host, "x", name="b"), value(host, "x", name=""), value(host, "x")] == ["1", "2", "3", "3"]


def test_a_contexts_main_is_its_own(fresh):
    host = fresh()
    run(host, "def f():\n    return here\nhere = 'a'", name="a")
    run(host, "here = 'own'")
    assert value(host, "import sys; f(), sys.modules['__main__'].here, __name__", name="a") == "('a', 'a', '__main__')"
    assert value(host, "import sys; sys.modules['__main__'].here") == "'own'"
    # pickle finds a class by the name of its module
    assert value(host, "import pickle\nclass C: pass\ntype(pickle.loads(pickle.dumps(C()))) is C", name="a") == "True"


def test_a_new_context_has_what_ipython_gives(fresh):
    host = fresh()
    assert value(host, "get_ipython().__class__.__name__, callable(display)", name="a") == "('ZMQInteractiveShell', True)"
    assert value(host, "6 * 7", name="a") == "42"
    assert value(host, "_", name="a") == "42"
    assert value(host, "%time 7", name="a") == "7"


def test_modules_and_files_are_shared(fresh):
    host = fresh()
    run(host, "import math; math.mark = 5; open('f', 'w').write('x')", name="a")
    assert value(host, "import math; math.mark, open('f').read()", name="b") == "(5, 'x')"


def test_a_context_keeps_its_folder(fresh, tmp_path):
    host = fresh()
    folder = str(tmp_path / "made" / "for it")
    assert value(host, "import os; os.getcwd()", name="a", directory=folder) == repr(folder)
    run(host, "os.mkdir('sub'); os.chdir('sub')", name="a", directory=folder)
    assert value(host, "os.getcwd()", name="a", directory=folder) == repr(os.path.join(folder, "sub"))
    assert value(host, "import os; os.getcwd()") == repr(str(tmp_path))


def test_a_folder_that_is_gone_is_an_error_of_the_cell(fresh, tmp_path):
    host = fresh()
    run(host, "import os; os.mkdir('gone'); os.chdir('gone')", name="a")
    os.rmdir(tmp_path / "gone")
    failed = run(host, "1", name="a")
    assert failed.status == "error" and failed.error["ename"] == "FileNotFoundError"
    assert value(host, "import os; os.getcwd()") == repr(str(tmp_path))


def test_variables_of_the_environment_hold_for_their_cell(fresh):
    host = fresh()
    run(host, "import os; os.environ['KEPT'] = 'before'")
    assert value(host, "os.environ['KEPT'], os.environ['NEW']", environment={"KEPT": "now", "NEW": "n"}) == "('now', 'n')"
    assert value(host, "os.environ['KEPT'], os.environ.get('NEW')") == "('before', None)"
    assert run(host, "1 / 0", name="a", environment={"NEW": "n"}).status == "error"
    assert value(host, "'NEW' in os.environ") == "False"


def test_what_is_gone_is_forgotten(fresh):
    host = fresh()
    run(host, "x = 1", name="a")
    run(host, "pass", name="b", gone=["a"])
    assert run(host, "x", name="a").error["ename"] == "NameError"


def test_contexts_are_bounded(fresh):
    host = fresh()
    for number in range(64):
        assert value(host, "1", name="c%d" % number) == "1"
    refused = run(host, "1", name="one too many")
    assert refused.status == "error" and "64 code contexts" in refused.error["evalue"]
    assert value(host, "1", name="c5") == "1"
    assert value(host, "1", name="one too many", gone=["c0"]) == "1"


def test_an_error_and_an_interrupt_lead_back(fresh):
    host = fresh()
    run(host, "own = 1")
    run(host, "raise SystemExit", name="a")
    run(host, "raise KeyboardInterrupt", name="a")
    run(host, "def broken(:", name="a")
    assert value(host, "own") == "1"


def test_expressions_are_the_contexts(fresh):
    host = fresh()
    result = host.execute("x = 5", metadata={"cellblock_context": {"name": "a"}}, user_expressions={"e": "x"})
    assert result.done["user_expressions"]["e"]["data"] == {"text/plain": "5"}


def test_facts_of_the_wrong_kind_are_an_error_or_nothing(fresh):
    host = fresh()
    for facts in ([], "a", 5, None):
        assert host.execute("6", metadata={"cellblock_context": facts}).result == "6"
    for facts in ({"environment": 5}, {"gone": 5}, {"name": "a", "directory": 5}, {"environment": {"a\0": "b"}}):
        assert host.execute("6", metadata={"cellblock_context": facts}).status == "error"
    assert host.execute("6").result == "6"
