"""Cells as E2B's SDK runs them."""

import base64
import concurrent.futures
import re
import time

import pytest
from e2b import NotFoundException, SandboxException, TimeoutException
from e2b_code_interpreter import Sandbox, charts

NEXT_CELL_SECONDS = 5


# --- results

def test_the_last_value(box):
    assert box.run_code("x = 41").text is None
    done = box.run_code("x += 1; x")
    assert done.text == "42" and done.error is None and done.results[0].is_main_result and done.logs.stdout == []
    assert box.run_code("'quotes are gone'").text == "quotes are gone" and box.run_code("None").results == []


def test_execution_count(box):
    assert [box.run_code("1").execution_count for _ in range(3)] == [1, 2, 3]


def test_displays_and_the_main_result(lasting_box):
    done = lasting_box.run_code("from IPython.display import display\ndisplay(1)\ndisplay('two')\n3")
    assert [(one.text, one.is_main_result) for one in done.results] == [("1", False), ("'two'", False), ("3", True)]
    assert done.text == "3"


@pytest.mark.parametrize("value, name, shown", [
    ("HTML('<b>bold</b>')", "html", "<b>bold</b>"), ("Markdown('# head')", "markdown", "# head"), ("Latex('$x^2$')", "latex", "$x^2$"),
    ("JSON({'a': [1, None]})", "json", {"a": [1, None]})])
def test_rich_results(lasting_box, value, name, shown):
    result, = lasting_box.run_code("from IPython.display import HTML, Markdown, Latex, JSON\n" + value).results
    assert result[name] == shown and result.is_main_result and name in result.formats() and result.text.startswith("<IPython")


def test_an_svg(lasting_box):
    result, = lasting_box.run_code("from IPython.display import SVG\n"
                                   "SVG('<svg xmlns=\"http://www.w3.org/2000/svg\"><circle r=\"3\"/></svg>')").results
    assert "<circle" in result.svg


def test_scripts_stay_inside(lasting_box):
    """Unlike E2B, cellblock lets no script out: what a cell shows ends in a person's browser."""
    done = lasting_box.run_code("from IPython.display import HTML, Javascript, display\n"
                                "display(Javascript('alert(1)'))\nHTML('<p>good</p><script>alert(1)</script>')")
    assert all(not one.javascript and "alert" not in (one.html or "") for one in done.results)
    assert "<p>good</p>" in done.results[-1].html


def test_a_figure(lasting_box):
    done = lasting_box.run_code("import matplotlib.pyplot as plt\nplt.plot([1, 4, 9])\nplt.title('T')\nplt.show()", timeout=60)
    result, = done.results
    assert base64.b64decode(result.png).startswith(b"\x89PNG") and not result.is_main_result and "Figure" in result.text
    assert "png" in result.formats()


def test_two_figures_in_their_order(lasting_box):
    done = lasting_box.run_code("import matplotlib.pyplot as plt\nfor n in 1, 2:\n    plt.figure(figsize=(n, n)); plt.plot([n])\n    plt.show()", timeout=60)
    one, two = (base64.b64decode(each.png) for each in done.results)
    assert one.startswith(b"\x89PNG") and two.startswith(b"\x89PNG") and one != two


def test_a_table(lasting_box):
    result, = lasting_box.run_code("import pandas as pd\npd.DataFrame({'a': [1, 2], 'b': ['x', 'y']})", timeout=60).results
    assert "<table" in result.html and "a" in result.text and "data" in result.formats()
    assert result.data == {"a": [1, 2], "b": ["x", "y"]} and result.chart is None


CHARTS = {
    "plt.plot([1, 2], [3, 4], label='l'); plt.xlabel('t (s)')": (charts.LineChart, "line"),
    "plt.scatter([1, 2], [3, 4], label='l')": (charts.ScatterChart, "scatter"), "plt.bar(['a', 'b'], [3, 4], label='l')": (charts.BarChart, "bar"),
    "plt.pie([1, 3], labels=['a', 'b'])": (charts.PieChart, "pie"), "plt.boxplot([[1, 2, 3], [2, 3, 4]])": (charts.BoxAndWhiskerChart, "box_and_whisker"),
    "plt.imshow([[1, 2]])": (charts.Chart, "unknown")}


@pytest.mark.parametrize("code", CHARTS)
def test_a_chart(lasting_box, code):
    model, name = CHARTS[code]
    result, = lasting_box.run_code("import matplotlib.pyplot as plt\n%s; plt.title('T'); plt.show()" % code, timeout=60).results
    chart = result.chart
    assert type(chart) is model and chart.type == charts.ChartType(name) and chart.title == "T" and {"png", "chart"} <= set(result.formats())
    assert result.png and chart.to_dict()["type"] == name
    if name in ("line", "scatter"):
        assert chart.elements[0].label == "l" and chart.elements[0].points == [(1, 3), (2, 4)] and chart.x_scale == charts.ScaleType.LINEAR
        assert len(chart.x_ticks) == len(chart.x_tick_labels) and chart.x_unit == ("s" if name == "line" else None)
    elif name == "bar":
        assert [(one.label, one.group, one.value) for one in chart.elements] == [("a", "l", 3), ("b", "l", 4)]
    elif name == "pie":
        assert [(one.label, one.angle, one.radius) for one in chart.elements] == [("a", 90, 1), ("b", 270, 1)]
    elif name == "box_and_whisker":
        assert [(one.label, one.min, one.first_quartile, one.median, one.third_quartile, one.max, one.outliers) for one in chart.elements] == [
            ("1", 1, 1.5, 2, 2.5, 3, []), ("2", 2, 2.5, 3, 3.5, 4, [])]


def test_several_charts(lasting_box):
    code = "fig, axes = plt.subplots(1, 2); fig.suptitle('Two'); axes[0].plot([1]); axes[1].bar(['a'], [1]); plt.show()"
    chart = lasting_box.run_code("import matplotlib.pyplot as plt\n" + code, timeout=60).results[0].chart
    assert type(chart) is charts.SuperChart and chart.title == "Two" and [type(one) for one in chart.elements] == [charts.LineChart, charts.BarChart]


def test_a_class_with_several_forms(lasting_box):
    code = ("class Both:\n    def _repr_html_(self): return '<i>h</i>'\n    def _repr_markdown_(self): return '*m*'\n"
            "    def _repr_png_(self): return b'\\x89PNG\\r\\n\\x1a\\n'\n    def __repr__(self): return 'both'\nBoth()")
    result, = lasting_box.run_code(code).results
    assert (result.text, result.html, result.markdown) == ("both", "<i>h</i>", "*m*")


def test_await_and_magics(lasting_box):
    assert lasting_box.run_code("import asyncio\nawait asyncio.sleep(0.01)\n'slept'").text == "slept"
    assert "".join(lasting_box.run_code("!echo from a shell").logs.stdout).replace("\r\n", "\n") == "from a shell\n"
    assert lasting_box.run_code("%%timeit -n1 -r1\npass").error is None


# --- output

def test_stdout_and_stderr(lasting_box):
    done = lasting_box.run_code("import sys\nprint('out')\nprint('err', file=sys.stderr)\nprint('Grüße \\N{SNOWMAN}')")
    assert "".join(done.logs.stdout) == "out\nGrüße \N{SNOWMAN}\n" and "".join(done.logs.stderr) == "err\n"
    assert done.results == []


def test_line_ends_of_all_kinds(lasting_box):
    done = lasting_box.run_code("print('a\\u2028b\\u2029c')\n'e\\u2028f'")
    assert "".join(done.logs.stdout) == "a\u2028b\u2029c\n" and "\\u2028" in done.text


def test_callbacks(lasting_box):
    out, err, results, errors = [], [], [], []
    done = lasting_box.run_code("import sys\nprint('out'); print('err', file=sys.stderr)\ndisplay(7)\n1 / 0", on_stdout=out.append,
                                on_stderr=err.append, on_result=results.append, on_error=errors.append)
    assert "".join(one.line for one in out) == "out\n" and "".join(one.line for one in err) == "err\n"
    assert [one.error for one in out + err] == [False, True] and abs(out[0].timestamp / 1e9 - time.time()) < 60
    assert [one.text for one in results] == ["7"] and [one.name for one in errors] == ["ZeroDivisionError"] and done.error is errors[0]


def test_output_arrives_while_the_cell_runs(lasting_box):
    arrived = []
    lasting_box.run_code("import time\nfor n in range(4):\n    print(n)\n    time.sleep(0.5)", on_stdout=lambda one: arrived.append((time.monotonic(), one.line)))
    ended = time.monotonic()
    assert "".join(line for _, line in arrived) == "0\n1\n2\n3\n"
    assert ended - arrived[0][0] > 1.2 and arrived[-1][0] - arrived[0][0] > 1.0


def test_a_result_arrives_while_the_cell_runs(lasting_box):
    arrived = []
    lasting_box.run_code("import time\ndisplay(1)\ntime.sleep(1)", on_result=lambda _: arrived.append(time.monotonic()))
    assert time.monotonic() - arrived[0] > 0.7


def test_a_silent_cell_outlasts_the_keepalives(lasting_box):
    assert lasting_box.run_code("import time; time.sleep(11); 'woke'", timeout=60).text == "woke"


def test_a_long_output(lasting_box):
    done = lasting_box.run_code("for n in range(20000): print(n)")
    assert "".join(done.logs.stdout) == "".join("%d\n" % n for n in range(20000))


# --- errors

def test_an_error(lasting_box):
    done = lasting_box.run_code("def f():\n    return 1 / 0\nf()")
    assert (done.error.name, done.error.value) == ("ZeroDivisionError", "division by zero")
    trace = re.sub(r"\x1b\[[0-9;]*m", "", done.error.traceback)
    assert "ZeroDivisionError: division by zero" in trace and "return 1 / 0" in trace and "in f()" in trace
    assert done.text is None and lasting_box.run_code("1").text == "1"


def test_a_syntax_error(lasting_box):
    assert lasting_box.run_code("for").error.name == "SyntaxError"


def test_input_ends_as_an_error(lasting_box):
    """Nobody can answer: the cell mustn't wait."""
    assert lasting_box.run_code("input('? ')", timeout=20).error is not None
    assert lasting_box.run_code("1").text == "1"


def test_a_process_that_ends(box):
    done = box.run_code("import os\nprint('before')\nos._exit(3)", timeout=30)
    assert done.error is not None and done.error.value
    assert box.run_code("2 + 2", timeout=30).text == "4"


def test_exit_is_survived(box):
    box.run_code("exit()", timeout=30)
    assert box.run_code("2 + 2", timeout=30).text == "4"


# --- time limits

@pytest.mark.parametrize("code", ["import time\nx = 1\ntime.sleep(100)", "x = 1\nwhile True: pass", "x = 1\n!sleep 100"])
def test_a_timeout_interrupts_the_cell(box, code):
    box.run_code("kept = 'kept'")
    with pytest.raises(TimeoutException, match="Execution timed out"):
        box.run_code(code, timeout=1)
    began = time.monotonic()
    assert box.run_code("kept, x", timeout=NEXT_CELL_SECONDS).text == "('kept', 1)"
    assert time.monotonic() - began < NEXT_CELL_SECONDS


def test_a_client_that_leaves_interrupts_the_cell(box):
    class Left(Exception):
        pass

    def leave(_):
        raise Left

    with pytest.raises(Left):
        box.run_code("import time\nprint('on')\nwhile True: time.sleep(0.1)", on_stdout=leave)
    assert box.run_code("'next'", timeout=NEXT_CELL_SECONDS).text == "next"


def test_a_cell_that_waits_is_taken_back(box):
    """Who leaves the queue takes the cell along: it never runs."""
    with concurrent.futures.ThreadPoolExecutor() as pool:
        first = pool.submit(box.run_code, "import time; time.sleep(3); 'first'")
        time.sleep(0.5)
        with pytest.raises(TimeoutException):
            box.run_code("ran = True", timeout=1)
        assert first.result().text == "first"
    assert box.run_code("'ran' in globals()").text == "False"


def test_the_policys_time_limit(start_server, tmp_path):
    """Without a limit of the client's the policy's holds, and the cell's error tells of it."""
    policy = tmp_path / "brief.json"
    policy.write_text('{"limits": {"cell_time": "2s"}}')
    policy.chmod(0o644)
    server = start_server("--policy", policy)
    with Sandbox.create(**server.options) as box:
        box.run_code("kept = 1")
        began = time.monotonic()
        done = box.run_code("print('on')\nwhile True: pass", timeout=0)
        assert 1.5 < time.monotonic() - began < 10
        assert done.error.name == "CellTimeout" and "2 s" in done.error.value and "".join(done.logs.stdout) == "on\n"
        assert box.run_code("kept", timeout=NEXT_CELL_SECONDS).text == "1"
    server.stop()


# --- contexts

def test_contexts_have_their_own_variables(box):
    one, two = box.create_code_context(), box.create_code_context()
    box.run_code("x = 'one'", context=one)
    box.run_code("x = 'two'", context=two)
    assert (box.run_code("x", context=one).text, box.run_code("x", context=two).text) == ("one", "two")
    assert box.run_code("x").error.name == "NameError"


def test_contexts_share_files(box):
    one = box.create_code_context()
    box.run_code("open('shared.txt', 'w').write('shared')", context=one)
    assert box.run_code("open('shared.txt').read()").text == "shared" and box.files.read("shared.txt") == "shared"


def test_a_contexts_folder(box):
    box.files.make_dir("/home/user/project")
    context = box.create_code_context(cwd="/home/user/project")
    assert (context.language, context.cwd) == ("python", "/home/user/project")
    box.run_code("open('in.txt', 'w').write('here')", context=context)
    assert box.files.read("/home/user/project/in.txt") == "here"
    assert box.create_code_context().cwd == "/home/user"
    assert box.run_code("import os; os.path.samefile('.', '/home/user')").text == "True"


def test_list_contexts(box):
    before = {one.id for one in box.list_code_contexts()}
    made = box.create_code_context()
    assert {one.id for one in box.list_code_contexts()} == before | {made.id} and before
    assert all(one.language == "python" and one.cwd for one in box.list_code_contexts())
    box.remove_code_context(made)
    assert {one.id for one in box.list_code_contexts()} == before


def test_restart_a_context(box):
    context = box.create_code_context()
    box.run_code("x = 1", context=context)
    box.run_code("y = 1")
    box.restart_code_context(context)
    assert box.run_code("x", context=context).error.name == "NameError" and box.run_code("y").text == "1"


def test_restart_a_context_whose_cell_runs(box):
    context = box.create_code_context()
    with concurrent.futures.ThreadPoolExecutor() as pool:
        running = pool.submit(box.run_code, "while True: pass", context=context, timeout=60)
        time.sleep(1)
        box.restart_code_context(context.id)
        assert running.result(timeout=20).error is not None
    assert box.run_code("1", context=context, timeout=20).text == "1"


def test_a_removed_context_is_not_found(box):
    context = box.create_code_context()
    box.remove_code_context(context.id)
    with pytest.raises(NotFoundException):
        box.run_code("1", context=context)
    with pytest.raises(NotFoundException):
        box.remove_code_context(context)
    with pytest.raises(NotFoundException):
        box.restart_code_context(context)


def test_cells_queue(box):
    """Unlike E2B's, contexts of one sandbox take turns, as a context's own cells do: each cell gets its own answer."""
    contexts = [box.create_code_context() for _ in range(3)]
    with concurrent.futures.ThreadPoolExecutor() as pool:
        told = [pool.submit(box.run_code, "import time; time.sleep(0.2); print(%d); %d" % (n, n), context=contexts[n % 3]) for n in range(9)]
        assert [(one.result().text, one.result().logs.stdout) for one in told] == [(str(n), ["%d\n" % n]) for n in range(9)]


def test_other_languages(lasting_box):
    assert lasting_box.run_code("1", language="python").text == "1"
    for language in ("javascript", "r", "bash"):
        with pytest.raises(SandboxException, match="(?i)python"):
            lasting_box.run_code("1", language=language)
    with pytest.raises(SandboxException, match="(?i)python"):
        lasting_box.create_code_context(language="java")
