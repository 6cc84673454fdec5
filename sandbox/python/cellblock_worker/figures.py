"""matplotlib with no magic: figures appear at plt.show() and at a cell's end; altair's charts as what a front end draws.

Nothing of either library is imported here before a cell does it; the environment
names matplotlib's backend, which sets the rest up when it is loaded.
"""

import os
import warnings

BACKEND = "module://matplotlib_inline.backend_inline"
FONTS = "/opt/cellblock/fonts"  # the list that the host has had made (sandbox/jail/font_list.h)


def choose_backend():
    os.environ["MPLBACKEND"] = BACKEND  # whatever the host's was: there is no screen
    if "MPLCONFIGDIR" not in os.environ and not os.access(os.path.expanduser("~"), os.W_OK):
        # matplotlib's own choice for its caches couldn't be written.
        os.environ["MPLCONFIGDIR"] = os.path.join(os.environ.get("TMPDIR", "/tmp"), "matplotlib")
    link_font_list()


def link_font_list():
    """matplotlib looks for its list of fonts where its other caches are."""
    folder = os.environ.get("MPLCONFIGDIR")
    try:
        for name in os.listdir(FONTS) if folder else ():
            os.makedirs(folder, exist_ok=True)
            os.symlink(os.path.join(FONTS, name), os.path.join(folder, name))
    except OSError:
        pass  # there is none, or a cell had the folder already


def configure_inline(shell):
    """What the backend does when it is loaded, for a %config that comes before."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            shell.enable_matplotlib("inline")
    except ImportError:
        pass  # no matplotlib: %config says that it doesn't know the class


def complete_inline(shell):
    """After %matplotlib: an older matplotlib_inline doesn't know newer matplotlibs' name for itself."""
    import matplotlib
    if matplotlib.get_backend() in ("inline", BACKEND):
        from matplotlib_inline.backend_inline import configure_inline_support, flush_figures
        if flush_figures not in shell.events.callbacks["post_execute"]:
            configure_inline_support(shell, BACKEND)


def print_fast(formatter):
    """The PNG formatter's figures, once matplotlib's backend registers how they are printed."""
    register = formatter.for_type

    def for_type(kind, function=None):
        if getattr(getattr(function, "func", None), "__module__", None) == "IPython.core.pylabtools":
            from . import figure_printing
            function = figure_printing.instead_of(function)
        return register(kind, function)

    formatter.for_type = for_type


def draw_charts(formatter):
    """Altair's own choice is HTML with a script that loads others; front ends draw vega-lite's JSON themselves."""
    for version in (5, 6):
        formatter.for_type_by_name("altair.vegalite.v%d.api" % version, "TopLevelMixin", _chart_bundle)


def _chart_bundle(chart, include=None, exclude=None):
    import altair
    if altair.renderers.active != "default":  # somebody has chosen
        return chart._repr_mimebundle_(include, exclude)
    with altair.renderers.enable("mimetype"):
        bundle = chart._repr_mimebundle_(include, exclude)
    data = bundle[0] if isinstance(bundle, tuple) else bundle
    for type_, value in list(data.items()):
        if type_.startswith("application/vnd.vegalite.v6"):
            # JupyterLab 4's newest is 5, whose compiler takes such charts.
            data["application/vnd.vegalite.v5+json"] = data.pop(type_)
    data["text/plain"] = repr(chart)
    return bundle
