"""Functions that each make a figure of another kind, for test_figure_printing.py."""

import datetime

import matplotlib.pyplot as plt
import numpy as np

KINDS = {}


def kind(make):
    KINDS[make.__name__] = make
    return make


def random():
    return np.random.RandomState(1)


def of_axes(draw, **subplots):
    def make():
        figure, axes = plt.subplots(**subplots)
        draw(axes)
        return figure
    return make


def simple(name, draw, **subplots):
    KINDS[name] = of_axes(draw, **subplots)


X = np.linspace(0, 10, 200)
WAVES = np.sin(np.mgrid[0:60, 0:80][0] / 9) * np.cos(np.mgrid[0:60, 0:80][1] / 7)
DAYS = [datetime.date(2024, 1, 1) + datetime.timedelta(days=9 * n) for n in range(30)]

simple("line", lambda a: a.plot(X, np.sin(X)))
simple("negative and tiny", lambda a: a.plot(X, -1e-7 * X))
simple("an offset", lambda a: a.plot(X, 1e9 + X))
simple("powers", lambda a: a.plot(X * 1e12, X ** 9))
simple("markers and dashes", lambda a: a.plot(X[::9], np.cos(X[::9]), "o--", mfc="none"))
simple("many points", lambda a: a.plot(random().randn(30000)))
simple("a gap", lambda a: a.plot([1, np.nan, 3, 4]))
simple("nothing", lambda a: None)
simple("no axis", lambda a: (a.plot(X), a.axis("off")))
simple("no frame", lambda a: (a.plot(X), a.set_frame_on(False)))
simple("no ticks", lambda a: (a.plot(X), a.set_xticks([]), a.set_yticks([])))
simple("grid", lambda a: (a.plot(X), a.grid(True, which="both"), a.minorticks_on()))
simple("labels and title", lambda a: (a.plot(X), a.set_xlabel("time"), a.set_ylabel("a\nb"), a.set_title("of\nlines")))
simple("titles left and right", lambda a: (a.plot(X), a.set_title("l", loc="left"), a.set_title("r", loc="right")))
simple("title above ticks", lambda a: (a.plot(X), a.xaxis.tick_top(), a.set_title("t"), a.set_xlabel("x")))
simple("ticks on the right", lambda a: (a.plot(X), a.yaxis.tick_right(), a.yaxis.set_label_position("right"), a.set_ylabel("y")))
simple("rotated ticks", lambda a: (a.plot(X), a.tick_params(axis="x", rotation=37, labelsize=7, direction="inout", length=9)))
simple("ticks everywhere", lambda a: (a.plot(X), a.tick_params(top=True, right=True, labeltop=True, labelright=True)))
simple("legend, best", lambda a: (a.plot(X, np.sin(X), label="sin"), a.plot(X, np.cos(X), label="$\\cos$"), a.legend()))
simple("legend, outside", lambda a: (a.plot(X, label="x"), a.legend(bbox_to_anchor=(1.1, 1), title="what")))
simple("mathtext", lambda a: (a.plot(X), a.set_title(r"$\frac{\alpha}{\beta} \sum_{i=0}^{n} x_i^2$"), a.set_xlabel("$x$")))
simple("text and boxes", lambda a: a.text(.3, .4, "a box", rotation=20, bbox={"boxstyle": "round", "fc": "yellow"}))
simple("text outside", lambda a: (a.plot(X), a.text(1.2, -.3, "far", transform=a.transAxes)))
simple("wrapped text", lambda a: a.text(.1, .5, "some words that are wrapped " * 5, wrap=True))
simple("annotation", lambda a: (a.plot(X), a.annotate("here", (50, 2), (120, 14), arrowprops={"arrowstyle": "->"})))
simple("annotation outside", lambda a: a.annotate("out", (1, 1), (1.3, 1.2), xycoords="axes fraction", arrowprops={}))
simple("log", lambda a: a.loglog(X + 1, np.exp(X)))
simple("log, half", lambda a: a.semilogy(X, X ** 5 + 1e-3))
simple("symlog", lambda a: (a.plot(X, X ** 3 - 300), a.set_yscale("symlog")))
simple("logit", lambda a: (a.plot(X, (X + .1) / 11), a.set_yscale("logit")))
simple("limits turned", lambda a: (a.plot(X), a.set_xlim(150, -20), a.set_ylim(12, -3)))
simple("equal aspect", lambda a: (a.plot(X, X ** 2), a.set_aspect("equal")))
simple("equal aspect, datalim", lambda a: (a.plot(X, X ** 2), a.set_aspect("equal", adjustable="datalim")))
simple("scatter", lambda a: a.scatter(*random().rand(2, 300), c=np.arange(300), s=40, alpha=.5))
simple("bars", lambda a: a.bar(range(5), [3, 1, 4, 1, 5], yerr=.4, capsize=4))
simple("categories", lambda a: a.bar(["one", "two", "three"], [1, 2, 3]))
simple("categories, sideways", lambda a: a.barh(["one", "two", "three"], [1, 2, 3], hatch="/"))
simple("histogram", lambda a: a.hist(random().randn(500), 30, histtype="step"))
simple("boxes", lambda a: a.boxplot(random().randn(50, 3)))
simple("violins", lambda a: a.violinplot(random().randn(50, 3)))
simple("errors", lambda a: a.errorbar(range(9), range(9), .5, .2, fmt="s"))
simple("filled", lambda a: a.fill_between(X, np.sin(X), alpha=.3))
simple("stacked", lambda a: a.stackplot(X, X, X ** 1.5, labels="ab"))
simple("steps", lambda a: a.step(X[::9], np.sin(X[::9])))
simple("stem", lambda a: a.stem(X[::9], np.sin(X[::9])))
simple("pie", lambda a: a.pie([1, 2, 3], labels=["a", "b", "c"], autopct="%d%%", explode=[0, .1, 0]))
simple("image", lambda a: a.imshow(WAVES))
simple("image of noise", lambda a: a.imshow(random().rand(400, 400, 3)))
simple("mesh", lambda a: a.pcolormesh(WAVES, shading="gouraud"))
simple("contours", lambda a: a.clabel(a.contour(WAVES)))
simple("filled contours", lambda a: a.contourf(WAVES, hatches=["/", None]))
simple("arrows", lambda a: a.quiver(*np.mgrid[0:5, 0:5], *random().rand(2, 5, 5)))
simple("streams", lambda a: a.streamplot(*np.meshgrid(X[::20], X[::20]), *random().rand(2, 10, 10)))
simple("hexagons", lambda a: a.hexbin(*random().randn(2, 900), gridsize=15))
simple("spans and lines", lambda a: (a.plot(X), a.axvspan(20, 30, alpha=.2), a.axhline(5), a.axline((0, 0), slope=.1)))
simple("a table", lambda a: a.table([["1", "2"], ["3", "4"]], loc="center"))
simple("dates", lambda a: a.plot(DAYS, range(30)))
simple("moved spines", lambda a: (a.plot(X - 5, X - 5), a.spines["left"].set_position("zero"), a.spines["top"].set_visible(False)))
simple("formatted", lambda a: (a.plot(X), a.yaxis.set_major_formatter("{x:.3f} m"), a.xaxis.set_major_formatter(lambda x, _: "<%d>" % x)))
simple("fixed ticks", lambda a: (a.plot(X), a.set_xticks([0, 77, 123]), a.set_xticklabels(["a", "b", "c"])))
simple("a clip path", lambda a: a.plot(X)[0].set_clip_path(plt.Circle((100, 5), 4, transform=a.transData)))
simple("rasterized", lambda a: (a.plot(X, rasterized=True), a.set_rasterization_zorder(1)))
simple("dpi 150", lambda a: a.plot(X), dpi=150)
simple("dpi 33.3", lambda a: a.plot(X), dpi=33.3)
simple("narrow", lambda a: a.plot(X), figsize=(1.1, 5.3))
simple("room for just so many ticks", lambda a: a.plot(X), figsize=(5, 5), gridspec_kw={"left": .1, "right": .9, "top": .9, "bottom": .1})
simple("transparent", lambda a: a.plot(X), facecolor="none")
simple("half transparent", lambda a: (a.plot(X, alpha=.5), a.set_facecolor("none")), facecolor=(1, 0, 0, .4))
simple("subplots", lambda many: [a.plot(X ** n) for n, a in enumerate(many.flat)], nrows=3, ncols=3)
simple("shared subplots", lambda many: [a.plot(X ** n) for n, a in enumerate(many.flat)], nrows=2, ncols=2, sharex=True, sharey=True)
simple("constrained", lambda many: [(a.plot(X), a.set_ylabel("long\nlabel")) for a in many.flat], nrows=2, ncols=2, constrained_layout=True)
simple("tight", lambda many: [(a.plot(X), a.set_ylabel("long\nlabel")) for a in many.flat], nrows=2, ncols=2, tight_layout=True)
simple("polar", lambda a: a.plot(X, X), subplot_kw={"projection": "polar"})
simple("hammer", lambda a: (a.plot(X / 9, X / 9), a.grid()), subplot_kw={"projection": "hammer"})
simple("3D line", lambda a: a.plot(X, np.sin(X), np.cos(X)), subplot_kw={"projection": "3d"})
simple("3D surface", lambda a: a.plot_surface(*np.mgrid[0:60, 0:80], WAVES), subplot_kw={"projection": "3d"})


@kind
def colorbar():
    figure, axes = plt.subplots()
    figure.colorbar(axes.imshow(WAVES), label="how high", extend="both")
    return figure


@kind
def colorbar_log_below():
    from matplotlib.colors import LogNorm
    figure, axes = plt.subplots(constrained_layout=True)
    figure.colorbar(axes.imshow(np.abs(WAVES) + .01, norm=LogNorm()), ax=axes, orientation="horizontal")
    return figure


@kind
def twins():
    figure, axes = plt.subplots()
    axes.plot(X)
    other = axes.twinx()
    other.plot(X ** 3, "r")
    other.set_ylabel("cubes")
    axes.twiny().set_xlim(0, 1e-5)
    return figure


@kind
def secondary_axis():
    figure, axes = plt.subplots()
    axes.plot(X)
    axes.secondary_xaxis("top", functions=(lambda x: x * 2, lambda x: x / 2)).set_xlabel("doubled")
    return figure


@kind
def inset():
    figure, axes = plt.subplots()
    axes.plot(X)
    axes.inset_axes([.1, .6, .3, .3]).plot(X ** 2)
    return figure


@kind
def suptitle_and_aligned_labels():
    figure, many = plt.subplots(2, 1)
    for n, axes in enumerate(many):
        axes.plot(X * 1000 ** n)
        axes.set_ylabel("y")
    figure.suptitle("above all")
    figure.align_ylabels()
    figure.text(.5, -.05, "below all")
    return figure


@kind
def subfigures():
    figure = plt.figure(constrained_layout=True)
    for part in figure.subfigures(1, 2):
        part.subplots().plot(X)
        part.suptitle("a part")
    return figure


@kind
def mosaic():
    figure, axes = plt.subplot_mosaic([["a", "a"], ["b", "c"]])
    for one in axes.values():
        one.plot(X)
    return figure


@kind
def figure_legend_and_lines():
    figure, axes = plt.subplots()
    axes.plot(X, label="x")
    figure.legend(loc="upper right")
    figure.lines.append(plt.Line2D([0, 1], [0, 1], transform=figure.transFigure, figure=figure))
    return figure


@kind
def dates_told_shortly():
    from matplotlib import dates
    figure, axes = plt.subplots()
    axes.plot(DAYS, range(30))
    axes.xaxis.set_major_formatter(dates.ConciseDateFormatter(axes.xaxis.get_major_locator()))
    figure.autofmt_xdate()
    return figure


@kind
def one_formatter_for_two_axes():
    from matplotlib.ticker import ScalarFormatter
    figure, axes = plt.subplots()
    axes.plot(1e8 + X, 5e3 + X)
    formatter = ScalarFormatter()
    axes.yaxis.set_major_formatter(formatter)
    axes.xaxis.set_major_formatter(formatter)
    return figure


@kind
def artist_that_changes_ticks():
    from matplotlib.artist import Artist

    class Meddler(Artist):
        def draw(self, renderer):
            self.axes.xaxis.get_major_ticks()[1].label1.set_text("mine")
            self.axes.set_ylim(0, self.axes.get_ylim()[1] + 1)
            self.axes.yaxis.label.set_fontsize(self.axes.yaxis.label.get_fontsize() + 1)

    figure, axes = plt.subplots()
    axes.plot(X)
    axes.set_ylabel("grows")
    axes.add_artist(Meddler())
    return figure


@kind
def styled():
    with plt.style.context(["ggplot", {"axes.formatter.use_mathtext": True, "xtick.minor.visible": True, "path.sketch": (1, 100, 2)}]):
        figure, axes = plt.subplots()
        axes.plot(X * 1e8)
        figure.canvas.draw()
    return figure


@kind
def effects():
    from matplotlib import patheffects
    figure, axes = plt.subplots()
    axes.plot(X, path_effects=[patheffects.withStroke(linewidth=4, foreground="r")])
    axes.set_title("outlined", path_effects=[patheffects.withStroke(linewidth=3, foreground="y")])
    return figure


@kind
def axes_grid():
    from mpl_toolkits.axes_grid1 import make_axes_locatable
    figure, axes = plt.subplots()
    shown = axes.imshow(WAVES)
    figure.colorbar(shown, cax=make_axes_locatable(axes).append_axes("right", size="5%", pad=.1))
    return figure


@kind
def animation():
    from matplotlib.animation import FuncAnimation
    figure, axes = plt.subplots()
    line, = axes.plot(X, np.sin(X))
    figure.kept = FuncAnimation(figure, lambda n: [line.set_ydata(np.sin(X + n))], frames=2)
    figure.kept._draw_was_started = True  # it isn't run, and warns of that
    return figure


@kind
def drawn_before_and_changed():
    figure, axes = plt.subplots()
    axes.plot(X)
    figure.canvas.draw()
    axes.plot(X * 5)
    axes.tick_params(labelsize=14)
    return figure


def _of_pandas(name, draw):
    def make():
        import pandas as pd
        times = pd.date_range("2024-01-01", periods=90)
        return draw(pd, pd.DataFrame(random().randn(90, 3).cumsum(0), index=times, columns=list("abc")))
    KINDS["pandas " + name] = make


_of_pandas("lines", lambda pd, frame: frame.plot().figure)
_of_pandas("subplots", lambda pd, frame: frame.plot(subplots=True, secondary_y="b")[0].figure)
_of_pandas("bars", lambda pd, frame: frame.head().plot.bar(stacked=True).figure)
_of_pandas("histograms", lambda pd, frame: frame.hist()[0, 0].figure)
_of_pandas("scatter", lambda pd, frame: frame.plot.scatter("a", "b", c="c", colormap="viridis").figure)
_of_pandas("matrix", lambda pd, frame: pd.plotting.scatter_matrix(frame)[0, 0].figure)
