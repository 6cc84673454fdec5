"""matplotlib with no magic: figures appear at plt.show() and at a cell's end.

Nothing of matplotlib is imported here before a cell does it; the environment
names the backend, which sets the rest up when it is loaded.
"""

import os
import warnings

BACKEND = "module://matplotlib_inline.backend_inline"


def choose_backend():
    os.environ["MPLBACKEND"] = BACKEND  # whatever the host's was: there is no screen
    if "MPLCONFIGDIR" not in os.environ and not os.access(os.path.expanduser("~"), os.W_OK):
        # matplotlib's own choice for its caches couldn't be written.
        os.environ["MPLCONFIGDIR"] = os.path.join(os.environ.get("TMPDIR", "/tmp"), "matplotlib")


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
