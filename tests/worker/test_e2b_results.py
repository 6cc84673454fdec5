"""Tables and charts as data, which cells of `cellblock serve` have beside their pictures."""

import datetime
import re

import pytest

DATA, CHART = "e2b/data", "e2b/chart"
PLT = "import matplotlib.pyplot as plt, numpy as np, datetime\n"


def displays(host, code, **facts):
    result = host.execute(code, metadata={"cellblock_context": {"e2b_results": True, **facts}}, timeout=120)
    assert result.status == "ok" and result.stderr == "", (result.error, result.stderr)
    return [frame["data"] for frame in result.displays]


def table(host, code):
    data, = displays(host, "import pandas as pd, numpy as np, datetime\n" + code)
    assert "text/html" in data and CHART not in data
    return data.get(DATA)


def chart(host, code):
    data, = displays(host, PLT + code)
    assert data["image/png"].startswith(b"\x89PNG") and DATA not in data
    return data.get(CHART)


# --- who has them

@pytest.fixture(autouse=True)
def libraries(has):
    has("matplotlib")
    has("pandas")


def test_other_cells_have_none(fresh):
    host = fresh()
    for metadata in ({}, {"cellblock_context": {}}, {"cellblock_context": {"name": "a"}}):
        for code in ("import pandas as pd; pd.DataFrame({'a': [1]})", PLT + "plt.plot([1]); plt.show()"):
            frame, = host.execute(code, metadata=metadata).displays
            assert not {DATA, CHART} & frame["data"].keys()


def test_what_is_no_table_and_no_figure_has_none(host):
    assert displays(host, "1") == [{"text/plain": "1"}]
    assert displays(host, "class C:\n    def __repr__(self): return 'c'\nC()") == [{"text/plain": "c"}]
    assert "matplotlib" not in displays(host, "import sys; [n for n in sys.modules if n == 'cellblock_worker.charts']")[0]["text/plain"]


def test_an_object_may_give_its_own(host):
    code = "class C:\n    def _repr_e2b_data_(self): return {'a': [1]}\n    def _repr_e2b_chart_(self): return {'type': 'unknown'}\nC()"
    data, = displays(host, code)
    assert (data[DATA], data[CHART]) == ({"a": [1]}, {"type": "unknown"})


def test_in_a_context_of_its_own(host):
    data, = displays(host, "import pandas as pd; pd.DataFrame({'a': [1]})", name="own")
    assert data[DATA] == {"a": [1]}


# --- tables

def test_a_table(host):
    assert table(host, "pd.DataFrame({'a': [1, 2], 'b': ['x', None], 'c': [.5, np.nan], 'd': [True, False], 4: [np.inf, -np.inf]})") == {
        "a": [1, 2], "b": ["x", None], "c": [0.5, None], "d": [True, False], "4": [None, None]}
    assert table(host, "pd.DataFrame({'a': []})") == {"a": []} and table(host, "pd.DataFrame()") is None
    assert displays(host, "from IPython.display import display\ndisplay(pd.DataFrame({'a': [1]}))\n0")[0][DATA] == {"a": [1]}


def test_a_table_of_times(host):
    found = table(host, "pd.DataFrame({'t': pd.to_datetime(['2024-01-02T03:04:05', None]), 'z': pd.to_datetime(['2024-01-02'] * 2, utc=True), "
                        "'d': [datetime.date(2024, 1, 2), pd.NaT], 'p': pd.period_range('2024-01', periods=2, freq='M'), 'l': pd.to_timedelta([1, 2], 's')})")
    assert found["t"] == ["2024-01-02T03:04:05", None] and found["z"][0] == "2024-01-02T00:00:00+00:00" and found["d"] == ["2024-01-02", None]
    assert found["p"] == ["2024-01", "2024-02"] and found["l"] == ["0 days 00:00:01", "0 days 00:00:02"]


def test_a_table_of_odd_values(host):
    found = table(host, "import decimal\npd.DataFrame({'o': [np.int64(1), np.float32(.5), np.bool_(True), decimal.Decimal('1.10'), pd.NA, [1, {'k': (np.nan, 'é')}], b'b', "
                        "2**70, 1j, '\\ud800']})")
    assert found["o"] == [1, 0.5, True, "1.10", None, [1, {"k": [None, "é"]}], "b'b'", 2 ** 70, "1j", "?"]
    assert table(host, "pd.DataFrame({'c': pd.Categorical(['a', 'b'])})") == {"c": ["a", "b"]}


def test_a_table_of_odd_columns(host):
    assert table(host, "pd.DataFrame([[1, 2]], columns=['a', 'a'])") == {"a": [2]}
    assert table(host, "pd.DataFrame([[1, 2]], columns=pd.MultiIndex.from_tuples([('a', 1), ('b', 2)]))") == {"('a', 1)": [1], "('b', 2)": [2]}
    assert table(host, "class Mine(pd.DataFrame): pass\nMine({'a': [1]})") == {"a": [1]}


ODD_TABLES = {
    "long": "pd.DataFrame({'a': range(60_000)})", "wide": "pd.DataFrame(np.zeros((3, 30_000)))", "a long text": "pd.DataFrame({'a': ['x' * 2_000_000]})",
    "long lists": "pd.DataFrame({'a': [['x' * 100_000] * 20]})", "a long number": "pd.DataFrame({'a': [1 << 5000]}, dtype=object)",
    "a name that ends the program": "import sys\nclass Name:\n    def __str__(self):\n"
                                     "        if 'cellblock_worker' in sys._getframe(1).f_code.co_filename: raise SystemExit(1)\n"
                                     "        return 'name'\npd.DataFrame({Name(): [1]})",
    "no shape": "class Bad(pd.DataFrame):\n    @property\n    def shape(self): return 'odd'\n    def __repr__(self): return 'bad'\n"
                "    def _repr_html_(self): return 'bad'\nBad({'a': [1]})"}


@pytest.mark.parametrize("name", ODD_TABLES)
def test_a_table_that_is_too_large_or_odd_is_shown_without_its_data(host, name):
    data, = displays(host, "import pandas as pd, numpy as np\n" + ODD_TABLES[name])
    assert DATA not in data and data["text/plain"]
    assert table(host, "pd.DataFrame({'a': [1]})") == {"a": [1]}


def test_lists_without_end_are_told_in_part(host):
    assert table(host, "deep = []\nfor _ in range(50): deep = [deep]\npd.DataFrame({'a': [deep, 1]})")["a"][1] == 1
    assert table(host, "deep.append(deep)\npd.DataFrame({'a': [deep, 1]})")["a"][1] == 1


# --- charts

def test_lines(host):
    found = chart(host, "plt.plot([0, 1, 2], [1, 4, np.nan], label='squares'); plt.plot([0, 1], [1, 2]); plt.axhline(3, color='r')\n"
                        "plt.xlabel('Time (s)'); plt.ylabel('Level [dB]'); plt.title('Levels'); plt.grid(True); plt.show()")
    assert (found["type"], found["title"]) == ("line", "Levels")
    assert [found[name] for name in ("x_label", "x_unit", "y_label", "y_unit")] == ["Time (s)", "s", "Level [dB]", "dB"]
    assert (found["x_scale"], found["y_scale"]) == ("linear", "linear") and len(found["x_ticks"]) == len(found["x_tick_labels"]) > 2
    assert all(type(one) is float for one in found["x_ticks"] + found["y_ticks"]) and all(type(one) is str for one in found["y_tick_labels"])
    assert found["elements"] == [{"label": "squares", "points": [[0, 1], [1, 4], [2, None]]}, {"label": "Line 1", "points": [[0, 1], [1, 2]]}]


def test_scales(host):
    found = chart(host, "plt.plot([1, 10], [1, 100]); plt.yscale('log'); plt.ylabel('y (log scale)'); plt.show()")
    assert (found["x_scale"], found["y_scale"], found["y_unit"], found["x_label"]) == ("linear", "log", "log scale", None)
    found = chart(host, "plt.plot(['a', 'b'], [1, 2]); plt.show()")
    assert found["x_scale"] == "categorical" and found["x_ticks"] == ["a", "b"] and found["elements"][0]["points"] == [["a", 1], ["b", 2]]
    found = chart(host, "plt.plot([datetime.date(2024, 1, d) for d in (1, 2, 3)], [1, 2, 3]); plt.show()")
    assert found["x_scale"] == "datetime" and found["elements"][0]["points"][0] == ["2024-01-01", 1]
    assert all(datetime.datetime.fromisoformat(one) for one in found["x_ticks"])
    found = chart(host, "plt.plot(np.array(['2024-01-01T12:00', 'NaT'], 'M8[ns]'), [1, 2]); plt.show()")
    assert found["elements"][0]["points"] == [["2024-01-01T12:00:00", 1], [None, 2]]


def test_a_pandas_plot(host):
    found = chart(host, "import pandas as pd\npd.DataFrame({'v': [1., 2.]}, index=pd.to_datetime(['2024-01-01', '2024-01-05'])).plot(); plt.show()")
    assert found["type"] == "line" and found["elements"][0]["label"] == "v" and found["elements"][0]["points"][0][0].startswith("2024-01-01")
    found = chart(host, "pd.DataFrame({'v': [1., 2.]}, index=pd.date_range('2024-01', periods=2, freq='MS')).plot(); plt.show()")
    assert found["type"] == "line" and [one[0] for one in found["elements"][0]["points"]] == ["2024-01", "2024-02"]
    assert found["x_scale"] == "datetime" and found["x_ticks"][0] == "2024-01"
    found = chart(host, "pd.DataFrame({'n': ['a', 'b'], 'v': [1, 2], 'w': [3, 4]}).plot.bar(x='n'); plt.show()")
    assert [(one["label"], one["group"], one["value"]) for one in found["elements"]] == [("a", "v", 1), ("b", "v", 2), ("a", "w", 3), ("b", "w", 4)]


def test_scatter(host):
    found = chart(host, "plt.scatter([1, 2], [3, 4], label='one'); plt.scatter(np.arange(3), np.arange(3), c=[1, 2, 3]); plt.colorbar(); plt.show()")
    assert found["type"] == "scatter" and found["title"] is None
    assert found["elements"] == [{"label": "one", "points": [[1, 3], [2, 4]]}, {"label": "Points 1", "points": [[0, 0], [1, 1], [2, 2]]}]
    found = chart(host, "plt.scatter(['a', 'b'], [3, 4]); plt.show()")
    assert found["elements"][0]["points"] == [["a", 3], ["b", 4]] and found["x_scale"] == "categorical"


def bars(found):
    return [(one["label"], one["group"], one["value"]) for one in found["elements"]]


def test_bars(host):
    found = chart(host, "plt.bar(['A', 'B'], [3, -1], label='sold', yerr=[.1, .2]); plt.axhline(0); plt.xlabel('who'); plt.ylabel('count'); plt.title('T'); plt.show()")
    assert (found["type"], found["title"], found["x_label"], found["y_label"]) == ("bar", "T", "who", "count")
    assert bars(found) == [("A", "sold", 3), ("B", "sold", -1)]
    found = chart(host, "plt.barh(['A', 'B'], [3, 1]); plt.ylabel('who'); plt.xlabel('count'); plt.show()")
    assert bars(found) == [("A", "Group 0", 3), ("B", "Group 0", 1)] and (found["x_label"], found["y_label"]) == ("who", "count")
    found = chart(host, "x = np.arange(2)\nplt.bar(x - .2, [1, 2], .4, label='v'); plt.bar(x + .2, [3, 4], .4, label='w'); plt.xticks(x, ['A', 'B']); plt.show()")
    assert bars(found) == [("A", "v", 1), ("B", "v", 2), ("A", "w", 3), ("B", "w", 4)]
    found = chart(host, "plt.bar([2019, 2020], [1, 2]); plt.show()")
    assert [one[0] for one in bars(found)] == ["2019", "2020"]
    found = chart(host, "plt.hist([1, 1, 2, 3], bins=[0, 2, 4]); plt.show()")
    assert bars(found) == [("1", "Group 0", 2), ("3", "Group 0", 2)]


def test_pie(host):
    found = chart(host, "plt.pie([90, 10], labels=['No', 'No, in blue'], autopct='%1.1f%%', startangle=90); plt.title('Early?'); plt.show()")
    assert found == {"type": "pie", "title": "Early?", "elements": [{"label": "No", "angle": 324, "radius": 1}, {"label": "No, in blue", "angle": 36, "radius": 1}]}
    assert [one["label"] for one in chart(host, "plt.pie([1, 2]); plt.show()")["elements"]] == ["", ""]


@pytest.mark.parametrize("options", ["", ", patch_artist=True", ", notch=True", ", vert=False", ", vert=False, patch_artist=True", ", showfliers=True, showmeans=True, meanline=True"])
def test_boxes(host, options):
    axis = "y" if "vert" in options else "x"
    found = chart(host, "import warnings; warnings.simplefilter('ignore')  # matplotlib's new versions have other names for vert\n"
                        "plt.boxplot([[1, 2, 3, 4, 5], [2, 4, 6, 8, 100]]%s); plt.%sticks([1, 2], ['a', 'b']); plt.ylabel('y'); plt.xlabel('x'); plt.show()" % (options, axis))
    assert found["type"] == "box_and_whisker" and [found["x_label"], found["y_label"]] == (["y", "x"] if "vert" in options else ["x", "y"])
    one, two = found["elements"]
    assert one == {"label": "a", "min": 1, "first_quartile": 2, "median": 3, "third_quartile": 4, "max": 5, "outliers": []}
    assert two == {"label": "b", "min": 2, "first_quartile": 4, "median": 6, "third_quartile": 8, "max": 8, "outliers": [100]}


def test_boxes_drawn_twice_are_told_once(host):
    found = chart(host, "for n in range(2): plt.boxplot([[1, 2, 3]], patch_artist=bool(n))\nplt.show()")
    assert found["type"] == "box_and_whisker" and len(found["elements"]) == 1


def test_a_line_around_a_rectangle_is_no_box(host):
    found = chart(host, "plt.plot([0, 1, 1, 0, 0], [0, 0, 1, 1, 0]); plt.plot([0, 1], [.5, .5]); plt.show()")
    assert found["type"] == "line" and len(found["elements"]) == 2


def test_several_charts(host):
    found = chart(host, "fig, axes = plt.subplots(1, 3); fig.suptitle('Both')\naxes[0].plot([1, 2]); axes[0].set_title('A'); axes[1].scatter([1], [2]); plt.show()")
    assert (found["type"], found["title"]) == ("superchart", "Both")
    assert [(one["type"], one["title"]) for one in found["elements"]] == [("line", "A"), ("scatter", None)]
    found = chart(host, "fig, ax = plt.subplots(); fig.suptitle('Only'); ax.plot([1]); ax.twinx().plot([2]); plt.show()")
    assert found["type"] == "superchart" and len(found["elements"]) == 2
    found = chart(host, "fig, ax = plt.subplots(); fig.suptitle('Only'); ax.plot([1]); plt.show()")
    assert (found["type"], found["title"]) == ("line", "Only")


@pytest.mark.parametrize("code", ["plt.gca().add_artist(plt.Circle((0, 0), 1)); plt.title('T')", "plt.imshow([[1, 2]]); plt.colorbar(); plt.title('T')",
                                  "plt.plot([1, 2]); plt.bar([1], [1]); plt.title('T')", "plt.subplot(projection='3d').plot([1, 2], [1, 2], [1, 2]); plt.title('T')",
                                  "plt.fill_between([1, 2], [1, 2]); plt.title('T')"])
def test_others_are_unknown(host, code):
    assert chart(host, code + "; plt.show()") == {"type": "unknown", "title": "T", "elements": []}


def test_empty_figures_have_none(host):
    assert chart(host, "plt.subplots(2, 2); plt.show()") is None
    data, = displays(host, "plt.figure(); plt.show()")
    assert data.keys() == {"text/plain"}


def test_figures_of_other_ways(host):
    for code in ("fig, ax = plt.subplots(); ax.plot([1, 2]); plt.close(); fig", "plt.plot([1, 2]);",
                 "from matplotlib.figure import Figure\nf = Figure(); f.subplots().plot([1, 2]); f"):
        assert chart(host, code)["elements"][0]["points"] == [[0, 1], [1, 2]]
    svg, = displays(host, "%config InlineBackend.figure_formats = ['svg']\nplt.plot([1, 2]); plt.show()")
    assert svg[CHART]["type"] == "line" and "image/svg+xml" in svg
    host.execute("%config InlineBackend.figure_formats = ['png']")


def test_a_chart_leaves_the_picture_as_it_is(fresh):
    code = PLT + "plt.plot([datetime.date(2024, 1, d) for d in (1, 2, 3)], [1, 2, 3]); plt.title('T'); plt.bar(0, 0) if 0 else None; plt.show()"
    host = fresh()
    plain, = host.execute(code).displays
    assert displays(host, code)[0]["image/png"] == displays(host, code)[0]["image/png"] == plain["data"]["image/png"]


ODD_FIGURES = {
    "a long line": "plt.plot(np.zeros(60_000))", "many points": "plt.scatter(np.zeros(60_000), np.zeros(60_000))", "a long label": "plt.plot([1], label='x' * 2_000_000)",
    "many axes": "plt.subplots(9, 9, subplot_kw={'xticks': [], 'yticks': []}); plt.plot([1])", "many ticks": "plt.plot([1]); plt.xticks(np.linspace(0, .01, 1500), [''] * 1500)",
    "many boxes": "plt.boxplot([[1, 2, 3]] * 150)",
    "a line that ends the program": "class Line(plt.Line2D):\n    def get_xydata(self): raise SystemExit(1)\nplt.gca().add_line(Line([0, 1], [0, 1]))",
    "a line without points": "line, = plt.plot([1]); line.get_xdata = lambda orig=True: None", "a bar without height": "bar, = plt.bar(1, 1)\nbar.get_height = lambda: {}[0]",
    "no axes": "fig = plt.figure()\nfig.add_subplot().plot([1])\ntype(fig).suptitle\nfig._suptitle = 5"}


@pytest.mark.parametrize("name", ODD_FIGURES)
def test_a_figure_that_is_too_large_or_odd_is_shown_without_its_chart(host, name):
    data, = displays(host, PLT + ODD_FIGURES[name] + "\nplt.show()")
    assert CHART not in data and data["image/png"].startswith(b"\x89PNG")
    assert chart(host, "plt.plot([1, 2]); plt.show()")["type"] == "line"


def test_an_interrupt_ends_a_slow_chart(host):
    cell = host.begin(PLT + "import time\nline, = plt.plot([1])\nline.get_label = lambda: print('on', flush=True) or time.sleep(60)\nfig = plt.gcf(); plt.close(); fig",
                      metadata={"cellblock_context": {"e2b_results": True}})
    host.until("stream")
    host.interrupt()
    result = host.finish(cell)
    assert result.error["ename"] == "KeyboardInterrupt" and re.search("KeyboardInterrupt", "".join(result.error["traceback"]))
