"""Prints a matplotlib figure to the pixels that IPython's own print_figure gives, in some six tenths of the time.

matplotlib draws a figure twice for a tight bounding box: once without a canvas, to learn the sizes, and once to paint. On the
way it places an axis' ticks eleven times and lays each tick's label out seven times. For the time of one print, the axes and
texts of that figure remember what they have just worked out, and work again only when something that their result depends on
has changed:

- An axis keeps its ticks while its limits, its room for ticks and its locators are the same and nobody else has touched the
  ticks (`_Axis`).
- A text keeps its layout while its words, its font and its alignment are the same (`_Text`).
- Ticks aren't drawn while matplotlib's drawing is switched off: nothing would come of it.

The picture is compressed by zlib alone. Pillow would try five filters for each row of it, which helps photographs only.

All of this is done for classes of matplotlib that are known here, and never for a subclass: a figure may hold others, which go
on as they are. A version of matplotlib whose sources weren't compared with this module prints figures by itself.
tests/worker/test_figure_printing.py compares the pixels of some eighty kinds of figures.
"""

import binascii
import contextlib
import functools
import io
import operator
import struct
import sys
import zlib

FIRST, LAST = (3, 6), (3, 10)  # the versions of matplotlib whose sources were read for this
KNOWN_WORDS = frozenset(("dpi", "facecolor", "edgecolor", "pad_inches", "bbox_extra_artists"))
# Their ticks follow from what _Axis looks at.
LOCATORS = {"matplotlib.ticker": ("AutoLocator", "MaxNLocator", "NullLocator", "FixedLocator", "MultipleLocator", "LinearLocator",
                                  "LogLocator", "SymmetricalLogLocator", "AutoMinorLocator"),
            "matplotlib.dates": ("AutoDateLocator",), "matplotlib.category": ("StrCategoryLocator",)}
FORMATTERS = {"matplotlib.ticker": ("ScalarFormatter", "NullFormatter", "FixedFormatter", "StrMethodFormatter",
                                    "FormatStrFormatter", "PercentFormatter", "LogFormatter", "LogFormatterMathtext",
                                    "LogFormatterSciNotation", "EngFormatter"),
              "matplotlib.dates": ("DateFormatter", "AutoDateFormatter", "ConciseDateFormatter"),
              "matplotlib.category": ("StrCategoryFormatter",)}
# A layout follows from these, from the resolution, and from the kind of the renderer. Of a font the parts: it may be changed.
LAYOUT = operator.attrgetter("_text", "_rotation", "_rotation_mode", "_horizontalalignment", "_verticalalignment",
                             "_multialignment", "_linespacing", "_usetex", "_parse_math",
                             *("_fontproperties._" + name for name in ("family", "slant", "variant", "weight", "stretch", "size",
                                                                       "file", "math_fontfamily")),
                             "_wrap", "_transform_rotates_text")
LEVEL = 5  # of zlib: files as small as Pillow's of plots, in less than half of the time
SAMPLE_ROWS = 16
POOR = 0.25  # of a sample's size: such pictures gain by filters
SIGNATURE = 8  # bytes of a PNG, before its first chunk


def instead_of(function):
    """What prints figures in place of what IPython registers for them: its print_figure or retina_figure, with arguments."""
    tools = sys.modules[function.func.__module__]
    if not hasattr(tools.print_figure, "cellblock_original"):
        tools.print_figure = _printing(tools.print_figure)
    if function.func.__name__ != "print_figure":
        return function  # retina_figure calls the module's print_figure
    return functools.partial(tools.print_figure, *function.args, **function.keywords)


def _printing(original):
    @functools.wraps(original)
    def print_figure(fig, fmt="png", bbox_inches="tight", base64=False, **kwargs):
        dpi = kwargs.get("dpi", fig.dpi * (2 if fmt == "retina" else 1))
        if fmt not in ("png", "retina") or not kwargs.keys() <= KNOWN_WORDS or not _is_known(fig, dpi):
            return original(fig, fmt, bbox_inches, base64, **kwargs)
        try:
            with _remembering(fig):
                pixels = original(fig, "raw", bbox_inches, False, **{**kwargs, "dpi": dpi})
            picture = None if pixels is None else _encoded(pixels, fig.canvas.buffer_rgba().shape, dpi)
        except Exception:  # a fault of the figure's own comes again
            return original(fig, fmt, bbox_inches, base64, **kwargs)
        if picture is None or not base64:
            return picture
        return binascii.b2a_base64(picture, newline=False).decode("ascii")

    print_figure.cellblock_original = original
    return print_figure


def _is_known(fig, dpi):
    """The figure has matplotlib's own canvas, as it was made."""
    import matplotlib
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    return (FIRST <= matplotlib.__version_info__[:2] <= LAST and type(fig.canvas) is FigureCanvasAgg
            and isinstance(dpi, (int, float)) and not vars(fig.canvas).keys() & {"print_figure", "print_png", "print_raw", "draw"})


# --- the figure's parts remember

@contextlib.contextmanager
def _remembering(fig):
    memory = _Memory(fig)
    try:
        memory.begin()
        yield
    finally:
        memory.end()


class _Memory:
    """What is remembered for one print of one figure. No part uses it once end() has begun."""

    def __init__(self, fig):
        from matplotlib import axis, backends, lines, text
        self.fig, self.is_over = fig, False
        self.renderer, self.line, self.text = backends.backend_agg.RendererAgg, lines.Line2D, text.Text
        self.axes, self.ticks = (axis.XAxis, axis.YAxis), (axis.XTick, axis.YTick)
        self._changed = []

    def begin(self):
        for axes in self.fig.axes:
            if axes.name != "rectilinear" or not type(axes).__module__.startswith("matplotlib.axes."):
                continue
            for title in (axes.title, axes._left_title, axes._right_title):
                self.add_text(title)
            for axis in (axes.xaxis, axes.yaxis):
                self.add_text(axis.label)
                if type(axis) in self.axes and "_update_ticks" not in vars(axis):
                    self._set(axis, "_update_ticks", _Axis(axis, self).update)

    def end(self):
        self.is_over = True
        for artist, name in self._changed:
            vars(artist).pop(name, None)

    def add_tick(self, tick):
        if type(tick) not in self.ticks or "draw" in vars(tick):
            return
        lines, labels = (tick.tick1line, tick.tick2line, tick.gridline), (tick.label1, tick.label2)
        if all(type(line) is self.line for line in lines) and all(type(label) is self.text for label in labels):
            self._set(tick, "draw", functools.partial(self._draw, type(tick).draw, tick))
        for label in labels:
            self.add_text(label)

    def add_text(self, text):
        if type(text) is self.text and "_get_layout" not in vars(text):
            self._set(text, "_get_layout", _Text(text, self).layout)

    def _set(self, artist, name, value):
        self._changed.append((artist, name))
        setattr(artist, name, value)

    def _draw(self, draw, tick, renderer):
        if self.is_over or type(renderer) is not self.renderer or "draw_path" not in vars(renderer):
            draw(tick, renderer)  # else drawing is switched off: matplotlib puts functions that do nothing there


class _Axis:
    """An axis whose ticks stay while they would be placed and named the same again."""

    def __init__(self, axis, memory):
        self._axis, self._memory = axis, memory
        self._place = type(axis)._update_ticks
        self._inputs = None

    def update(self):
        axis = self._axis
        if self._memory.is_over:
            return self._place(axis)
        inputs = (tuple(axis.get_view_interval()), axis.get_tick_space(), axis.major.locator, axis.minor.locator,
                  axis.major.formatter, axis.minor.formatter)
        if inputs == self._inputs and self._outputs() == self._placed:
            return list(self._drawn)
        self._inputs = None
        drawn = self._place(axis)
        for tick in (*axis.majorTicks, *axis.minorTicks):
            self._memory.add_tick(tick)
        if self._are_known(inputs):
            self._inputs, self._placed, self._drawn = inputs, self._outputs(), list(drawn)
        return drawn

    def _outputs(self):
        """What placing the ticks changes. A formatter's own notes are told by the very list that it was given last."""
        axis = self._axis
        return ([(tick, tick._loc, tick.label1._text, tick.label2._text) for tick in (*axis.majorTicks, *axis.minorTicks)],
                _Same(getattr(axis.major.formatter, "locs", None)), _Same(getattr(axis.minor.formatter, "locs", None)))

    def _are_known(self, inputs):
        return (all(_is_one_of(one, LOCATORS) for one in inputs[2:4]) and all(_is_one_of(one, FORMATTERS) for one in inputs[4:])
                and all(one.axis is self._axis for one in inputs[2:]))


class _Text:
    """A text that keeps its layout, which says where its lines lie beside its own position."""

    def __init__(self, text, memory):
        self._text, self._memory = text, memory
        self._lay_out = type(text)._get_layout
        self._inputs = self._layout = None

    def layout(self, renderer):
        memory = self._memory
        try:
            inputs = (memory.fig.dpi, renderer.dpi, LAYOUT(self._text))
        except AttributeError:  # another version's text
            inputs = None
        if inputs is None or memory.is_over or type(renderer) is not memory.renderer or any(inputs[2][-2:]):
            return self._lay_out(self._text, renderer)
        if inputs != self._inputs:
            self._inputs, self._layout = inputs, self._lay_out(self._text, renderer)
        return self._layout


class _Same:
    """Equal to another of the same object only."""

    def __init__(self, value):
        self._value = value

    def __eq__(self, other):
        return self._value is other._value


def _is_one_of(one, kinds):
    return type(one).__name__ in kinds.get(type(one).__module__, ())


# --- the picture

def _encoded(pixels, shape, dpi):
    """A PNG of rows of RGBA."""
    import numpy
    height, width, _ = shape
    rows = numpy.zeros((height, 1 + 4 * width), numpy.uint8)  # each begins with the number of its filter: none
    rows[:, 1:] = numpy.frombuffer(pixels, numpy.uint8).reshape(height, 4 * width)
    if _is_poor(rows):
        return _by_matplotlib(memoryview(pixels).cast("B", shape), dpi)
    head, tail = _frame(dpi)
    size = struct.pack(">II", width, height)
    return b"".join((head[:SIGNATURE], _chunk(b"IHDR", size + head[SIGNATURE + 16:SIGNATURE + 21]), head[SIGNATURE + 25:],
                     _chunk(b"IDAT", zlib.compress(rows, LEVEL)), tail))


def _is_poor(rows):
    """Judged by some rows in the middle and some above and below."""
    sample = b"".join(rows[len(rows) * part // 6:][:SAMPLE_ROWS].tobytes() for part in (1, 3, 5))
    return len(zlib.compress(sample, 1)) > POOR * len(sample)


def _by_matplotlib(pixels, dpi):
    from matplotlib.image import imsave
    picture = io.BytesIO()
    imsave(picture, pixels, format="png", origin="upper", dpi=dpi)
    return picture.getvalue()


@functools.lru_cache(maxsize=8)
def _frame(dpi):
    """What matplotlib writes before and after a picture's data, of a picture of one pixel."""
    picture = _by_matplotlib(memoryview(bytes(4)).cast("B", (1, 1, 4)), dpi)
    data = picture.index(b"IDAT") - 4
    return picture[:data], picture[picture.index(b"IEND") - 4:]


def _chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(data, zlib.crc32(kind)))
