"""execute: results, errors, counts, magics, payloads, top-level await."""

import re

import pytest


def plain(lines):
    return re.sub(r"\x1b\[[0-9;]*m", "", "\n".join(lines))


def test_ready_tells_versions(fresh):
    host = fresh()
    assert host.execute("import sys; '%d.%d.%d' % sys.version_info[:3]").result == repr(host.python)


def test_a_value_is_an_execute_result_with_its_count(host):
    result = host.execute("6 * 7", count=12)
    assert result.status == "ok"
    assert [(frame["kind"], frame["count"], frame["data"]) for frame in result.displays] == [
        ("execute_result", 12, {"text/plain": "42"})]


def test_a_semicolon_hides_the_value(host):
    assert host.execute("6 * 7;").displays == []


def test_variables_persist_in_main(host):
    host.execute("x = 5")
    assert host.execute("import sys; sys.modules['__main__'].x, __name__").result == "(5, '__main__')"


def test_in_and_out_follow_the_hosts_count(host):
    host.execute("'first'", count=70)
    assert host.execute("In[70], Out[70], _70", count=71).result == "(\"'first'\", 'first', 'first')"


def test_history_magic_lists_the_session(host):
    host.execute("marker = 'remember'")
    assert "marker = 'remember'" in host.execute("%history").stdout


def test_without_store_history_nothing_is_kept(host):
    host.execute("'unkept'", store_history=False)
    assert "'unkept'" not in host.execute("In").result


def test_silent_shows_neither_result_nor_error(host):
    assert host.execute("1 + 1", silent=True).displays == []
    failed = host.execute("1 / 0", silent=True)
    assert failed.of("error") == [] and failed.status == "error"


def test_an_error_names_cell_and_line(host):
    result = host.execute("a = 1\nb = a / 0", count=9)
    assert result.error["ename"] == "ZeroDivisionError" and result.error["evalue"] == "division by zero"
    assert re.search(r"Cell In ?\[9\], line 2", plain(result.error["traceback"]))
    assert "\x1b[" in "".join(result.error["traceback"])
    shown, = result.of("error")
    assert {key: shown[key] for key in result.error} == result.error


def test_a_traceback_doesnt_study_ipythons_own_source(fresh):
    """Its run_code is the first frame of each; to read and parse that file takes longer than all else of an error."""
    host = fresh()
    assert "run_code" not in plain(host.execute("1 / 0").error["traceback"])
    assert host.execute("import linecache\n[f for f in linecache.cache if f.endswith('interactiveshell.py')]").result == "[]"


def test_a_syntax_error_is_an_error(host):
    result = host.execute("def (:")
    assert result.error["ename"] == "SyntaxError" and len(result.of("error")) == 1


def test_an_indentation_error_is_an_error(host):
    assert host.execute("  x = 1\n y = 2").error["ename"] == "IndentationError"


def test_a_failing_repr_is_an_error_reply(host):
    result = host.execute("class Bad:\n    def __repr__(self): raise ValueError('no')\nBad()")
    assert result.status == "error" and result.error["ename"] == "ValueError"
    assert host.execute("1").result == "1"


def test_an_exception_whose_str_fails(host):
    result = host.execute("class E(Exception):\n    def __str__(self): 1/0\nraise E()")
    assert result.status == "error" and result.error["ename"] in ("E", "ZeroDivisionError")


def test_lone_surrogates_are_replaced(host):
    result = host.execute("print('a\\ud800b'); raise ValueError('x\\ud800')")
    assert result.stdout == "a?b\n" and result.error["evalue"] == "x?"


def test_an_enormous_error_fits(host):
    result = host.execute("raise ValueError('x' * 30_000_000)")
    assert result.error["evalue"].startswith("xxx") and len(result.error["evalue"]) < 1 << 20


def test_deep_recursion_is_an_error(host):
    assert host.execute("def f(): f()\nf()").error["ename"] == "RecursionError"


def test_sys_exit_is_an_error_and_the_worker_lives(host):
    result = host.execute("import sys; sys.exit(3)")
    assert result.error["ename"] == "SystemExit" and result.error["evalue"] == "3"
    assert "To exit: use" in result.stderr
    assert host.execute("1").result == "1"


def test_exit_and_quit_ask_the_front_end(host):
    for code in ("exit", "quit", "exit()", "quit()"):
        result = host.execute(code)
        assert [item["source"] for item in result.done["payload"]] == ["ask_exit"]
    assert host.execute("1").result == "1"


def test_user_expressions_fail_by_key(host):
    found = host.execute("x = 3", user_expressions={"good": "x + 1", "bad": "nope"}).done["user_expressions"]
    assert found["good"]["data"] == {"text/plain": "4"} and found["good"]["status"] == "ok"
    assert found["bad"]["status"] == "error" and found["bad"]["ename"] == "NameError"


def test_user_expressions_of_a_failed_cell_are_empty(host):
    assert host.execute("1/0", user_expressions={"a": "1"}).done["user_expressions"] == {}


def test_question_mark_pages(host):
    item, = host.execute("len?").done["payload"]
    assert item["source"] == "page" and item["start"] == 0 and "len" in item["data"]["text/plain"]


def test_load_sets_the_next_input_once(host, tmp_path):
    file = tmp_path / "a.py"
    file.write_text("loaded = 1\n")
    payload = host.execute("%load " + str(file)).done["payload"]
    assert [item["source"] for item in payload] == ["set_next_input"] and "loaded = 1" in payload[0]["text"]


def test_payload_is_not_kept_for_the_next_cell(host):
    host.execute("len?")
    assert host.execute("1").done["payload"] == []


def test_shell_commands(host):
    assert host.execute("!echo out; echo err >&2").stdout == "out\n"
    assert host.execute("!echo err >&2").stderr == "err\n"
    assert host.execute("x = !printf 'a\\nb'\nx").result == "['a', 'b']"
    assert host.execute("!exit 3\n_exit_code").result == "3"
    assert host.execute("name = 'w'\n!echo {name} $name").stdout == "w w\n"


def test_bash_cell_magic(host):
    result = host.execute("%%bash\necho one\necho two >&2")
    assert result.stdout == "one\n" and result.stderr == "two\n"
    again = host.execute("%%bash\necho three")
    assert again.stdout == "three\n", host.late
    assert host.execute("%%bash\nexit 2").error["ename"] == "CalledProcessError"


def test_pip_and_conda_say_that_nothing_can_be_installed(host):
    for code in ("%pip install x", "%conda install x"):
        result = host.execute(code)
        assert "packages can't be installed in this sandbox" in result.error["evalue"]


def test_pip_install_of_what_is_there_succeeds_with_pips_words(host, tmp_path):
    result = host.execute("%pip install ipython 'traitlets>=1'  # both are there")
    assert result.error is None, result.error
    lines = result.stdout.splitlines()
    assert len(lines) == 2 and lines[0].startswith("Requirement already satisfied: ipython in /"), lines
    assert lines[1].startswith("Requirement already satisfied: traitlets>=1 in /") and lines[1].endswith(")")
    assert host.execute("%pip install -q ipython").stdout == ""
    for words in ("-U ipython", "ipython no-such-thing", "'ipython<1'", "'ipython[nothing]'", "ipython --index-url https://x/",
                  "./ipython", "git+https://example.org/ipython"):
        assert "packages can't be installed in this sandbox" in host.execute("%pip install " + words).error["evalue"], words


def test_pip_install_reads_files_of_requirements(host, tmp_path):
    (tmp_path / "requirements.txt").write_text(
        "\ufeff# what we need\nipython  # at least\n\ntraitlets \\\n >=1\n-r more/others.txt\n"
        "tomli; python_version < '3'\n")
    (tmp_path / "more").mkdir()
    (tmp_path / "more/others.txt").write_text("--requirement=again.txt\n")
    (tmp_path / "more/again.txt").write_text("matplotlib-inline\n")
    result = host.execute("%%pip install -r %s" % (tmp_path / "requirements.txt"))
    assert result.error is None and result.stdout.count("already satisfied") == 3, result
    (tmp_path / "more/again.txt").write_text("-r ../requirements.txt\n")
    assert "in a row" in host.execute("%%pip install -r%s" % (tmp_path / "requirements.txt")).error["evalue"]
    assert "No such file" in host.execute("%pip install -r nowhere.txt").error["evalue"]
    for text, words in (("ipython\n--index-url https://x/", "line 2"), ("x --hash=sha256:0", "line 1"),
                        ("ipython\n" * 600, "more than 500"), ("#" * 300000, "more than 256 KiB")):
        (tmp_path / "bad.txt").write_text(text)
        assert words in host.execute("%%pip install -r %s" % (tmp_path / "bad.txt")).error["evalue"], words


def test_run_executes_a_file(host, tmp_path):
    file = tmp_path / "script.py"
    file.write_text("import sys\nprint(sys.argv[1:], __name__)\nmade = 7\n")
    assert host.execute("%run " + str(file) + " a b").stdout == "['a', 'b'] __main__\n"
    assert host.execute("made").result == "7"


def test_timing_magics(host):
    assert "loop" in host.execute("%timeit -n1 -r1 pass").stdout
    assert "loop" in host.execute("%%timeit -n1 -r1\npass").stdout
    assert "Wall time" in host.execute("%%time\nx = 1").stdout


def test_everyday_magics(host, tmp_path):
    assert host.execute("%%capture got\nprint('in')\n1").stdout == ""
    assert host.execute("got.stdout").result == "'in\\n'"
    assert host.execute("%env A_VARIABLE=1").stdout == "env: A_VARIABLE=1\n"
    assert host.execute("import os; os.environ['A_VARIABLE']").result == "'1'"
    assert str(tmp_path) in host.execute("%cd " + str(tmp_path)).stdout
    assert "Writing" in host.execute("%%writefile w.txt\nhello").stdout
    assert (tmp_path / "w.txt").read_text() == "hello\n"
    assert "got" in host.execute("%who").stdout
    assert host.execute("%precision 2").result == "'%.2f'"
    assert host.execute("3.14159").result == "3.14"
    assert host.execute("%precision").result == "'%r'"
    assert host.execute("%lsmagic").status == "ok"
    assert host.execute("%cd -q /tmp").status == "ok"
    assert host.execute("%no_such_magic").status in ("ok", "error")


def test_top_level_await(host):
    assert host.execute("import asyncio\nawait asyncio.sleep(0, 'slept')").result == "'slept'"
    result = host.execute("async def f():\n    1/0\nawait f()")
    assert result.error["ename"] == "ZeroDivisionError"


def test_tasks_go_on_between_cells_and_print_to_their_own(host):
    code = ("import asyncio\nasync def later():\n    await asyncio.sleep(0.1)\n    print('late')\n"
            "task = asyncio.create_task(later())")
    cell = host.begin(code)
    assert host.finish(cell).stdout == ""
    host.late.clear()
    host.execute("await asyncio.sleep(0.3)")
    assert [(frame["cell"], frame["text"]) for frame in host.late] == [(cell, "late\n")]


def test_a_task_prints_while_no_cell_runs(host):
    host.execute("async def soon():\n    await asyncio.sleep(0.05)\n    print('idle')\n"
                 "import asyncio; task = asyncio.create_task(soon())")
    assert host.until("stream")["text"] == "idle\n"


def test_context_variables_persist(host):
    host.execute("import contextvars; var = contextvars.ContextVar('var'); var.set('kept');")
    assert host.execute("var.get()").result == "'kept'"
    host.execute("import asyncio; await asyncio.sleep(0); var.set('async');")
    assert host.execute("var.get()").result == "'async'"


def test_argv_and_path_are_sane(host):
    assert host.execute("import sys; sys.argv, sys.path[0]").result == "([''], '')"
    assert "cellblock_worker" not in host.execute("sys.path").result
    assert host.execute("any(p.endswith('worker') for p in sys.path)").result == "False"


def test_user_modules_may_have_any_name(host, tmp_path):
    for name in ("frames", "streams", "channel", "kernel", "magics"):
        (tmp_path / (name + ".py")).write_text("mine = True\n")
    host.execute("%cd -q " + str(tmp_path))
    assert host.execute("import frames, streams, channel, kernel, magics\n"
                        "frames.mine and magics.mine").result == "True"


def test_classes_of_cells_can_be_pickled(host):
    host.execute("class Point:\n    def __init__(self): self.x = 3")
    assert host.execute("import pickle; pickle.loads(pickle.dumps(Point())).x").result == "3"


def test_libraries_take_it_for_a_notebook(host):
    assert host.execute("get_ipython().__class__.__name__").result == "'ZMQInteractiveShell'"
    assert host.execute("'IPKernelApp' in get_ipython().config").result == "True"


def test_queued_cells_are_answered_in_order(host):
    cells = [host.begin("%d" % number) for number in range(100)]
    assert [host.finish(cell).result for cell in cells] == [str(number) for number in range(100)]


def test_preloaded_modules_are_there(fresh):
    assert fresh(preload=["decimal"]).execute("import sys; 'decimal' in sys.modules").result == "True"


def test_a_usage_error_is_one_error_output(host):
    result = host.execute("%no_such_magic_at_all")
    assert result.error["ename"] == "UsageError" and len(result.of("error")) == 1


def test_a_group_of_exceptions_is_one_error_output(host):
    if host.execute("import sys; sys.version_info >= (3, 11)").result == "False":
        pytest.skip("this Python has no exception groups")
    result = host.execute("raise ExceptionGroup('several', [ValueError(1), OSError(101, 'unreachable')])")
    shown, = result.of("error")
    assert shown["ename"] == "ExceptionGroup" and "ValueError" in plain(shown["traceback"])
    assert shown["traceback"][-1].startswith("cellblock: this sandbox has no network")


def test_a_traceback_of_huge_lines_fits(host):
    result = host.execute("exec(compile('a = 1/0 #' + 'x' * 5_000_000, 'long', 'exec'))")
    assert result.status == "error"
    code = "def f(n):\n    raise ValueError('e' * 50_000) from (None if not n else g(n))\n" \
           "def g(n):\n    try: f(n - 1)\n    except ValueError as e: return e\nf(200)"
    assert sum(map(len, host.execute(code).error["traceback"])) < 1 << 20


def test_an_enormous_user_expression_does_no_harm(host):
    result = host.execute("1", user_expressions={"a": "'x' * 100_000_000"})
    assert result.done["user_expressions"] == {} and host.execute("2").result == "2"


def test_a_raw_fork_gives_no_warning(host):
    assert host.execute("import os\npid = os.fork()\nif not pid: os._exit(0)\nos.waitpid(pid, 0);").stderr == ""


def test_code_that_meddles_with_the_loop(host):
    host.execute("import asyncio; asyncio.get_event_loop().stop()")
    assert host.execute("1").result == "1"
    host.execute("for task in asyncio.all_tasks(): task.cancel()")
    assert host.execute("await asyncio.sleep(0, 2)").result == "2"
    assert host.execute("asyncio.run(asyncio.sleep(0))").error["ename"] == "RuntimeError"


def test_a_cells_file_name_is_as_ipykernel_names_it(host):
    name = r"/tmp/ipykernel_\d+/2359671083.py"  # a hash of the cell's text
    result = host.execute("import sys, warnings\nwarnings.warn('mind this')")
    assert re.fullmatch(r"/tmp/ipykernel_\d+/\d+\.py:2: UserWarning: mind this\n  warnings\.warn\('mind this'\)\n",
                        result.stderr)
    named = host.execute("get_ipython().compile.get_code_name('1 + 1', '1 + 1', 1)").result
    assert re.fullmatch(name, named.strip("'"))


def test_the_file_name_of_a_syntax_error(host):
    assert re.fullmatch(r"invalid syntax \(\d+\.py, line 1\)", host.execute("x = = 1").error["evalue"])


def test_commands_are_bashs_as_in_a_terminal(host):
    assert host.execute("![[ abc == a* ]] && echo it is").stdout == "it is\n"


def test_programs_that_it_starts_see_its_packages(host):
    """joblib and others start Python with the flags that sys.flags tells, and the worker's own are no one's business."""
    result = host.execute("import subprocess, sys\nprint(subprocess._args_from_interpreter_flags())\n"
                          "subprocess.run([sys.executable, *subprocess._args_from_interpreter_flags(), '-c', 'import IPython'])"
                          ".returncode, sys.flags.isolated, sys.flags.no_site, type(sys.flags).__name__, len(sys.flags) > 10")
    assert result.result == "(0, 0, 0, 'flags', True)" and "-I" not in result.stdout and "-S" not in result.stdout


def test_store_remembers_within_the_session(host):
    result = host.execute("kept = [1, 2]\n%store kept\ndel kept\n%store -r kept\nkept")
    assert result.result == "[1, 2]", result.frames


def test_a_cell_runs_where_nothing_can_be_written(host):
    host.execute("import tempfile\ntempfile.tempdir = None\n"
                 "def refuse(*_): raise FileNotFoundError('no usable temporary directory')\n"
                 "tempfile._get_default_tempdir = refuse")
    assert host.execute("6 * 7").result == "42"


def test_an_error_in_a_forked_child_is_shown(host):
    result = host.execute("import os\nif os.fork() == 0:\n    raise RuntimeError('in the child')\n_, status = os.wait(); print('parent', status)")
    assert result.status == "ok" and result.stdout == "parent 256\n"
    assert "RuntimeError" in result.stderr and "in the child" in result.stderr and result.stderr.count("Traceback") == 1
    quiet = host.execute("if os.fork() == 0:\n    import sys; sys.stdout.write('no newline')\nelse:\n    print(os.wait()[1])")
    assert quiet.status == "ok" and "no newline" in quiet.stdout and not quiet.stderr


def test_a_group_of_exceptions_has_no_empty_lines(host):
    result = host.execute("raise ExceptionGroup('group', [ValueError('a'), ExceptionGroup('inner', [KeyError('k')])])")
    lines = result.error["traceback"]
    assert any("ExceptionGroup: group (2 sub-exceptions)" in line for line in lines)
    assert all(line.strip() and "\n" not in line for line in lines), lines


def test_a_text_as_lines(host):
    shown = host.execute("display({'text/plain': ['a\\n', 'b'], 'application/json': ['a', 'b']}, raw=True)").displays[0]
    assert shown["data"] == {"text/plain": "a\nb", "application/json": ["a", "b"]}


def test_debuggers_warnings_are_no_output(host, has):
    has("ipykernel")
    assert host.execute("from ipykernel import kernelbase, ipkernel").stderr == ""
