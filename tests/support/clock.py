"""A system's clock for the programs under test alone, which a test may set to another year.

Purpose: libfaketime stands between these programs and the C library, and looks into a file at each question for the time of day.
Only that clock is another: the monotonic clock and times of files stay as Linux has them, as when somebody sets the clock.
Ownership: the file lies in the place's folder. libfaketime's own files in /dev/shm are removed at the end.
Limits: a sandbox, the zygote and the helpers get an environment of their own, so they have the real clock.
"""

import contextlib
import pathlib

from . import leftovers

SHARED_MEMORY = pathlib.Path("/dev/shm")


def library():
    """The path of libfaketime, Debian's or in whatever folder of the system; None where it isn't installed."""
    for pattern in ("*/faketime/libfaketime.so.1", "faketime/libfaketime.so.1"):
        for folder in ("/usr/lib", "/usr/lib64", "/usr/local/lib"):
            found = sorted(pathlib.Path(folder).glob(pattern))
            if found:
                return str(found[0])
    return None


def _files():
    """{path: the process that made it}."""
    return {path: int(path.name.rpartition("_")[2]) for path in SHARED_MEMORY.glob("*faketime_*")
            if path.name.rpartition("_")[2].isdigit()}


class Clock:
    def __init__(self, place, path):
        self._file = place.file("clock", "+0\n")
        place.variables = {**place.variables, "LD_PRELOAD": path, "FAKETIME_TIMESTAMP_FILE": str(self._file),
                           "FAKETIME_NO_CACHE": "1", "FAKETIME_DONT_FAKE_MONOTONIC": "1", "DONT_FAKE_MONOTONIC": "1",
                           "NO_FAKE_STAT": "1"}

    def set(self, years):
        """To so many years after the real time, or before it."""
        fresh = self._file.with_name("clock.new")
        fresh.write_text("%+dy\n" % years)
        fresh.chmod(0o644)
        fresh.rename(self._file)


@contextlib.contextmanager
def clock_of(place, path):
    """A Clock for all that is started with the place's environment. Whoever uses it ends those processes within."""
    before, variables = set(_files()), place.variables
    try:
        yield Clock(place, path)
    finally:
        place.variables = variables
        for file, process in _files().items():
            if file not in before and not leftovers.is_alive(process):
                file.unlink(missing_ok=True)
