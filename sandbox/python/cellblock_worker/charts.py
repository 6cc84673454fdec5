"""A matplotlib figure's charts as data, in the shapes of E2B's models of charts: what was drawn, not how it looks.

A chart is a dict with a type (line, scatter, bar, pie, box_and_whisker, unknown), a title and elements; a figure of several is one
of the type superchart, whose elements they are. Lines that help to read a chart (axhline, error bars) are passed over; axes that
show nothing else have no chart. Nothing of matplotlib is imported here before there is a figure.
"""

import functools
import math
import re

MOST_AXES = 64
MOST_TICKS = 1000
MOST_PAIRS = 100_000  # of a box and a line that may belong to it
PLAIN, NOTCHED = 5, 11  # points of a line that goes around a box, and around one with notches


def chart_of(figure, values):
    """The figure's chart, or None where it shows nothing. `values` is a PlainValues, which bounds all that is read."""
    axes = [one for one in figure.axes if one.get_label() != "<colorbar>"]
    values.check_count(len(axes), MOST_AXES)
    charts = [one for one in (Drawing(each, values).chart() for each in axes) if one]
    title = values.one(figure._suptitle.get_text() or None) if figure._suptitle else None
    if len(charts) > 1:
        return {"type": "superchart", "title": title, "elements": charts}
    return {**charts[0], "title": charts[0]["title"] or title} if charts else None


class Axis:
    """One axis of a drawing: its label, its scale and its ticks."""

    def __init__(self, axis, values):
        from matplotlib import category, ticker
        self._values = values
        self.label = values.one(axis.label.get_text() or None)
        unit = re.search(r"\(([^()]+)\)|\[([^][]+)\]", self.label or "")
        self.unit = unit and (unit[1] or unit[2])
        converter = axis.get_converter() if hasattr(axis, "get_converter") else axis.converter
        # pandas has a converter to matplotlib's numbers of dates, and one that counts periods.
        kind = type(converter).__name__
        self._frequency = axis.freq if kind == "PeriodConverter" else None
        self._has_dates = type(converter).__module__ == "matplotlib.dates" or kind in ("DatetimeConverter", "PeriodConverter")
        is_categorical = isinstance(converter, category.StrCategoryConverter)
        formatter, places = axis.get_major_formatter(), axis.get_majorticklocs()
        values.check_count(len(places), MOST_TICKS)
        self._places = [float(one) for one in places]
        self.tick_labels = [values.text(one) for one in formatter.format_ticks(places)]
        self._has_names = is_categorical or isinstance(formatter, (ticker.FixedFormatter, ticker.FuncFormatter))
        self._categories = dict(zip(self._places, self.tick_labels)) if is_categorical else {}
        self.scale = "datetime" if self._has_dates else "categorical" if is_categorical else axis.get_scale()
        self.ticks = self.drawn_at(self._places)

    def drawn_at(self, places):
        """Places on this axis as what was drawn there: dates, categories or numbers."""
        if self._has_dates:
            return [self._date(one) for one in places]
        return [self._categories.get(one, one) for one in self._values.list(places)]

    def told(self, data):
        """A line's data, in which numbers may stand for dates."""
        return [self._date(one) if self._has_dates and type(one) in (int, float) else one for one in self._values.list(data)]

    def name_at(self, place):
        """What a person reads at that place."""
        if self._has_dates:
            return self._date(place)
        if self._has_names and self._places:
            return self.tick_labels[min(range(len(self._places)), key=lambda tick: abs(self._places[tick] - place))]
        return self._values.text("%g" % place)

    def _date(self, number):
        if self._frequency is not None:
            import pandas
            return self._values.text(pandas.Period(ordinal=int(number), freq=self._frequency))
        from matplotlib import dates
        return self._values.one(dates.num2date(number))


class Drawing:
    """All that a pair of axes shows."""

    def __init__(self, axes, values):
        from matplotlib.artist import Artist
        from matplotlib.container import BarContainer, ErrorbarContainer
        self._axes, self._values = axes, values
        bars_of_errors = [group for one in axes.containers if isinstance(one, ErrorbarContainer) for group in one.lines[1:]]
        passed_over = {id(one) for group in bars_of_errors for one in group}
        # Lines and patches count that are drawn where the data's numbers say.
        self._lines, self._patches = ([one for one in group if id(one) not in passed_over and Artist.get_transform(one) is axes.transData]
                                      for group in (axes.lines, axes.patches))
        self._collections = [one for one in axes.collections if id(one) not in passed_over]
        self._all = [*self._lines, *self._patches, *self._collections, *axes.images, *axes.tables, *axes.artists]
        self._bars = [one for one in axes.containers if isinstance(one, BarContainer)]
        titles = (axes.get_title(place) for place in ("center", "left", "right"))
        self._title = values.one(next((one for one in titles if one), None))

    @functools.cached_property
    def _x(self):
        return Axis(self._axes.xaxis, self._values)

    @functools.cached_property
    def _y(self):
        return Axis(self._axes.yaxis, self._values)

    def chart(self):
        from matplotlib import collections, lines, patches
        if not self._all:
            return None
        is_flat = self._axes.name in ("rectilinear", "polar")
        if is_flat and self._consists_of((lines.Line2D, patches.PathPatch)):
            boxes, are_lying = boxes_of(self._lines, self._patches, self._values)
            if boxes:
                return self._with_labels("box_and_whisker", self._boxes(boxes, are_lying), are_lying)
        if is_flat and self._consists_of(lines.Line2D):
            return self._with_ticks("line", [
                self._points(line, "Line %d" % number, self._x.told(line.get_xdata()), self._y.told(line.get_ydata()))
                for number, line in enumerate(self._lines)])
        if is_flat and self._consists_of(collections.PathCollection):
            return self._with_ticks("scatter", [
                self._points(one, "Points %d" % number, *self._places_of(one)) for number, one in enumerate(self._collections)])
        if self._consists_of(patches.Wedge):
            return {"type": "pie", "title": self._title, "elements": self._wedges()}
        if is_flat and {id(one) for one in self._all} <= {id(bar) for group in self._bars for bar in group}:
            are_lying = self._bars[0].orientation == "horizontal"
            return self._with_labels("bar", self._bars_of(are_lying), are_lying)
        return {"type": "unknown", "title": self._title, "elements": []}

    def _consists_of(self, kind):
        return all(isinstance(one, kind) for one in self._all)

    def _name(self, artist, otherwise=""):
        name = str(artist.get_label())
        return self._values.text(otherwise if name.startswith("_") else name)

    def _with_labels(self, kind, elements, are_lying=False):
        """A chart with two axes; of one that lies on its side the upright axis counts as x."""
        x, y = (self._y, self._x) if are_lying else (self._x, self._y)
        return {"type": kind, "title": self._title, "x_label": x.label, "y_label": y.label, "x_unit": x.unit, "y_unit": y.unit,
                "elements": elements}

    def _with_ticks(self, kind, elements):
        return {**self._with_labels(kind, elements),
                "x_ticks": self._x.ticks, "x_tick_labels": self._x.tick_labels, "x_scale": self._x.scale,
                "y_ticks": self._y.ticks, "y_tick_labels": self._y.tick_labels, "y_scale": self._y.scale}

    def _points(self, artist, otherwise, x, y):
        return {"label": self._name(artist, otherwise), "points": [list(one) for one in zip(x, y)]}

    def _places_of(self, collection):
        places = collection.get_offsets()
        self._values.check_room(2 * len(places))
        return self._x.drawn_at(places[:, 0].tolist()), self._y.drawn_at(places[:, 1].tolist())

    def _wedges(self):
        self._values.check_room(2 * len(self._patches))
        return [{"label": self._name(one), "angle": self._values.one(round(abs(one.theta2 - one.theta1), 4)), "radius": self._values.one(one.r)}
                for one in self._patches]

    def _boxes(self, boxes, are_lying):
        axis = self._y if are_lying else self._x
        return [{"label": axis.name_at(centre), **{name: self._values.one(number) for name, number in box.items()}}
                for centre, box in boxes.items()]

    def _bars_of(self, are_lying):
        self._values.check_room(sum(len(group) for group in self._bars))
        elements = []
        for number, group in enumerate(self._bars):
            name = self._name(group, "Group %d" % number)
            for bar in group:
                place, size, value = (
                    (bar.get_y(), bar.get_height(), bar.get_width()) if are_lying else (bar.get_x(), bar.get_width(), bar.get_height()))
                label = (self._y if are_lying else self._x).name_at(place + size / 2)
                elements.append({"label": label, "group": name, "value": self._values.one(value)})
        return elements


def boxes_of(lines, patches, values):
    """The numbers of each box of a boxplot by its centre, and whether the boxes lie on their sides; ({}, False): this is none.

    A boxplot leaves nothing but lines and patches behind: a box is known by its shape, its whiskers and its median.
    """
    outlines = [one.get_path().vertices for one in patches]
    outlines += [one.get_xydata() for one in lines if _goes_around_a_box(one)]
    if not outlines:
        return {}, False
    values.check_count(len(outlines) * len(lines), MOST_PAIRS)
    values.check_room(sum(len(one.get_xydata()) for one in lines))
    strokes = [one.get_xydata() for one in lines if len(one.get_xydata()) == 2 and not _is_of_dots(one)]
    dots = [one.get_xydata() for one in lines if _is_of_dots(one)]
    for columns in ([0, 1], [1, 0]):
        upright = [[one[:, columns].tolist() for one in group] for group in (outlines, strokes, dots)]
        boxes = [_box(one, *upright[1:]) for one in upright[0]]
        if all(boxes):
            return dict(boxes), columns == [1, 0]  # of boxes that lie over each other one is told
    return {}, False


def _box(outline, strokes, dots):
    """(centre, numbers) of an upright box; None: the outline is of something else."""
    left, right = min(x for x, _ in outline), max(x for x, _ in outline)
    is_notched = len(outline) >= NOTCHED  # from the notch, at the median, lines may lead beyond the box
    ends = (outline[0], outline[5]) if is_notched else outline
    low, high = min(y for _, y in ends), max(y for _, y in ends)
    centre = (left + right) / 2
    whiskers = [sorted((y, y2)) for (x, y), (x2, y2) in strokes if _is_at(x, centre) and _is_at(x2, centre)]
    lower = [end for end, begin in whiskers if _is_at(begin, low)]
    upper = [end for begin, end in whiskers if _is_at(begin, high)]
    # The cap of a whisker without length is in the box too; the median is wider, unless there are notches.
    medians = [outline[3]] if is_notched else [(abs(x2 - x), y) for (x, y), (x2, y2) in strokes if y == y2 and low <= y <= high and left <= x <= right]
    if left == right or not (lower and upper and medians):
        return None
    return centre, {"min": min(lower), "first_quartile": low, "median": max(medians)[1], "third_quartile": high, "max": max(upper),
                    "outliers": [y for group in dots for x, y in group if _is_at(x, centre)]}


def _goes_around_a_box(line):
    points = line.get_xydata()
    return len(points) in (PLAIN, NOTCHED) and (points[0] == points[-1]).all() and not _is_of_dots(line)


def _is_of_dots(line):
    return line.get_linestyle() == "None"


def _is_at(one, other):
    return math.isclose(one, other, rel_tol=1e-9, abs_tol=1e-12)
