"""Tables and charts as data beside their pictures: what E2B's clients read as a result's `data` and `chart`.

Cells of `cellblock serve` alone have these types of output (contexts.py). A pandas DataFrame gives its columns, a matplotlib
figure its chart, and any object what its methods _repr_e2b_data_ and _repr_e2b_chart_ give. What is too large, or not what it
seems, is left out: the rest of the output is shown without it, and the cell doesn't fail.
"""

import functools
import warnings

from IPython.core.formatters import BaseFormatter

from .plain_values import PlainValues

DATA, CHART = "e2b/data", "e2b/chart"


class DataFormatter(BaseFormatter):
    _return_type = dict

    def pop(self, typ, default=None):
        """IPython takes figures from every formatter when it chooses the types of their pictures; this one keeps them."""
        return default


def install(shell):
    """Lets the shell's outputs have these types too."""
    formatters = shell.display_formatter.formatters
    if DATA not in formatters:
        formatters[DATA] = _formatter(shell, DATA, "_repr_e2b_data_", _table, ("pandas.core.frame", "DataFrame"), ("pandas", "DataFrame"))
        formatters[CHART] = _formatter(shell, CHART, "_repr_e2b_chart_", _chart, ("matplotlib.figure", "Figure"))


def _formatter(shell, mime, method, make, *types):
    formatter = DataFormatter(parent=shell.display_formatter, format_type=mime, print_method=method)
    for module, name in types:
        formatter.for_type_by_name(module, name, functools.partial(_made, make))
    return formatter


def _made(make, value):
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return make(value, PlainValues())
    except KeyboardInterrupt:
        raise
    except BaseException:
        return None  # too large, or an object that is odd


def _chart(figure, values):
    from . import charts
    return charts.chart_of(figure, values)


def _table(frame, values):
    rows, columns = frame.shape
    values.check_room(rows * columns)
    return {values.text(name): values.list(frame.iloc[:, place]) for place, name in enumerate(frame.columns)} or None
