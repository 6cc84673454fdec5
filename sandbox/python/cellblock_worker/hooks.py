"""The functions that a session has registered for what happens around its cells: pre_run_cell, post_execute and the like."""

from IPython.core.events import EventManager


class Hooks(EventManager):
    """IPython's, but an interrupt that one of them gets ends the cell, and those behind it aren't waited for: each may take as
    long, as two that draw the same slow figure do. IPython's own prints it as an error of that function's, and goes on."""

    def trigger(self, event, *args, **kwargs):
        for function in list(self.callbacks[event]):
            try:
                function(*args, **kwargs)
            except Exception:
                if getattr(self, "print_on_error", True):
                    print("Error in callback %s (for %s):" % (function, event))
                self.shell.showtraceback()
