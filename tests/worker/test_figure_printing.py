"""Figures are printed in less time than by matplotlib alone, to the same pixels."""

import ast
import pathlib

import pytest

HERE = pathlib.Path(__file__).resolve().parent
BEGIN = """
import io, sys, warnings
sys.path.append(%r)
warnings.simplefilter("ignore")
import figure_kinds
import matplotlib.pyplot as plt
from IPython.core import pylabtools
from PIL import Image

def seen(data):
    if data is None:
        return None
    picture = Image.open(io.BytesIO(data))
    return picture.size, picture.mode, picture.info, picture.tobytes()

def compare(make, fmt="png", times=1, **words):
    both = []
    for function in (pylabtools.print_figure.cellblock_original, pylabtools.print_figure):
        figure = make()
        both.append([seen(function(figure, fmt, **words)) for _ in range(times)])
        plt.close(figure)
    return both[0] == both[1]

def line(**words):
    figure, axes = plt.subplots(**words)
    axes.plot(range(9))
    return figure

plt.close(line())  # matplotlib's backend is there with the first figure, and with it what it registers
""" % str(HERE)


@pytest.fixture(scope="module")
def printer(host):
    if "True" not in host.execute("import importlib.util\nprint(bool(importlib.util.find_spec('matplotlib')))").stdout:
        pytest.skip("no matplotlib")
    ran = host.execute(BEGIN)
    assert ran.status == "ok", ran.error
    return host


def result(printer, code, timeout=60):
    ran = printer.execute(code, timeout=timeout)
    assert ran.status == "ok", ran.error
    return ast.literal_eval(ran.result)


def test_pictures_have_matplotlibs_pixels_size_and_metadata(printer):
    different = result(printer, "[name for name, make in figure_kinds.KINDS.items() if not compare(make)]", timeout=400)
    assert different == []


def test_there_are_many_kinds(printer):
    wanted = 92 if "True" in printer.execute("print(bool(importlib.util.find_spec('pandas')))").stdout else 86
    assert result(printer, "len(figure_kinds.KINDS)") >= wanted


def test_second_prints_and_twice_the_resolution(printer):
    names = ["line", "mathtext", "shared subplots", "colorbar", "3D line", "constrained", "dates", "artist_that_changes_ticks"]
    for words in ("times=2", "fmt='retina'"):
        assert result(printer, "[name for name in %r if not compare(figure_kinds.KINDS[name], %s)]" % (names, words)) == []


@pytest.mark.parametrize("words", ["dpi=200", "dpi=77.7", "bbox_inches=None", "pad_inches=1", "facecolor='red', edgecolor='b'",
                                   "bbox_extra_artists=[]", "pil_kwargs={'compress_level': 1}", "metadata={'Title': 'of it'}",
                                   "orientation='landscape'", "dpi='figure'"])
def test_with_what_may_be_asked_for(printer, words):
    assert result(printer, "compare(line, %s)" % words)


def test_a_canvas_that_is_not_matplotlibs_prints_by_itself(printer):
    code = """
from matplotlib.backends.backend_agg import FigureCanvasAgg
def print_mine(canvas, file, **_):
    FigureCanvasAgg.draw(canvas)
    file.write(b"mine")
class Canvas(FigureCanvasAgg):
    print_png = print_mine
figure = line()
Canvas(figure)
printed = [pylabtools.print_figure(figure)]
figure = line()
figure.canvas.print_png = lambda *args, **words: print_mine(figure.canvas, *args, **words)
printed + [pylabtools.print_figure(figure)]"""
    assert result(printer, code) == [b"mine", b"mine"]


def test_a_version_of_matplotlib_that_is_not_known_prints_by_itself(printer):
    code = """
import matplotlib
known, matplotlib.__version_info__ = matplotlib.__version_info__, (99, 0, 0)
try:
    printed = compare(line), "_update_ticks" in vars(line().axes[0].xaxis)
finally:
    matplotlib.__version_info__ = known
printed"""
    assert result(printer, code) == (True, False)


def test_nothing_is_left_on_a_figure(printer):
    code = """
left = []
for make in (figure_kinds.KINDS["twins"], figure_kinds.KINDS["log"]):
    figure = make()
    pylabtools.print_figure(figure)
    left += [name for one in figure.findobj() for name in ("_update_ticks", "_get_layout", "draw") if name in vars(one)]
    plt.close(figure)
left"""
    assert result(printer, code) == []


def test_nothing_is_left_when_drawing_fails(printer):
    code = """
from matplotlib.artist import Artist
class Broken(Artist):
    def draw(self, renderer):
        raise ValueError("no")
figure = line()
figure.axes[0].add_artist(Broken()).set_zorder(99)
try:
    pylabtools.print_figure(figure)
except ValueError as error:
    raised = str(error)
raised, [name for one in figure.findobj() for name in ("_update_ticks", "_get_layout", "draw") if name in vars(one)]"""
    assert result(printer, code) == ("no", [])
    printer.execute("plt.close('all')")


@pytest.mark.parametrize("part", ["_Axis.update", "_Text.layout", "_encoded"])
def test_matplotlib_prints_what_this_cant(printer, part):
    code = """
from cellblock_worker import figure_printing
owner, _, name = "figure_printing.%s".rpartition(".")
kept = getattr(eval(owner), name)
def broken(*_):
    raise LookupError("ours")
setattr(eval(owner), name, broken)
try:
    same = compare(line)
finally:
    setattr(eval(owner), name, kept)
same""" % part
    assert result(printer, code)


def test_a_figure_can_be_changed_between_prints(printer):
    code = """
def changed(function):
    figure = line()
    function(figure)
    axes = figure.axes[0]
    axes.xaxis.label.set_text("new")
    axes.tick_params(labelsize=17, rotation=30)
    axes.set_xlim(2, 3)
    axes.xaxis.get_major_ticks()[1].label1.set_text("other")
    printed = seen(function(figure))
    plt.close(figure)
    return printed
changed(pylabtools.print_figure) == changed(pylabtools.print_figure.cellblock_original)"""
    assert result(printer, code)


def test_an_empty_figure_is_no_picture(printer):
    assert result(printer, "[pylabtools.print_figure(plt.Figure())]") == [None]


def test_cells_get_these_pictures(printer):
    ran = printer.execute("registered = get_ipython().display_formatter.formatters['image/png'].lookup_by_type(plt.Figure)\n"
                          "registered.func is pylabtools.print_figure, hasattr(registered.func, 'cellblock_original')")
    assert ran.result == "(True, True)"
    shown, = printer.execute("line();").displays
    assert shown["data"]["image/png"] == ast.literal_eval(printer.execute("pylabtools.print_figure(line())\n").result)
    printer.execute("plt.close('all')")
