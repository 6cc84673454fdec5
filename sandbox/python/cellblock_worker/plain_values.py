"""Values of a cell's as those that JSON has, of which so many may be taken and no more.

NaN and infinities, for which JSON has nothing, become None, as do pandas' missing values; times become texts of ISO 8601, and an
object that JSON doesn't know its text.
"""

import datetime
import math
import numbers

MOST_CHARACTERS = 1 << 20
NUMBER = 20  # characters that a value counts, if it is no text
MOST_BITS = 1024
MOST_DEPTH = 8
PLAIN = frozenset((str, int, float, bool, type(None)))
MISSING = ("NAType", "NaTType")


class TooLarge(ValueError):
    """There is more than is told."""


class PlainValues:
    def __init__(self):
        self._left = MOST_CHARACTERS

    def check_count(self, count, most):
        if count > most:
            raise TooLarge("%d of at most %d" % (count, most))

    def check_room(self, count):
        """Raises TooLarge where there is no room for so many values, before any is made."""
        self.check_count(count, self._left // NUMBER)

    def list(self, values):
        """A sequence's values: a list's, a numpy array's, a pandas column's."""
        self.check_room(len(values))
        if type(values).__module__ == "numpy" and values.dtype.kind == "M":
            values = values.astype("datetime64[us]")  # tolist() gives numbers for a finer unit
        return [self.one(value) for value in (values.tolist() if hasattr(values, "tolist") else values)]

    def text(self, value):
        return self.one(str(value))

    def one(self, value, depth=0):
        if type(value) not in PLAIN:
            value = self._plain(value, depth)
        if type(value) is float and not math.isfinite(value):
            value = None
        if type(value) is int and value.bit_length() > MOST_BITS:
            raise TooLarge("a number of %d bits" % value.bit_length())
        self._left -= len(value) if type(value) is str else NUMBER
        self.check_room(0)
        return value

    def _plain(self, value, depth):
        if type(value).__module__ == "numpy" and hasattr(value, "item"):
            value = value.item()
        if type(value).__name__ in MISSING:
            return None
        if isinstance(value, (datetime.date, datetime.time)):
            return value.isoformat()
        if isinstance(value, numbers.Integral):
            return int(value)
        if isinstance(value, numbers.Real):
            return float(value)
        if isinstance(value, (list, tuple, dict)) and depth < MOST_DEPTH:
            self.check_room(len(value))
            if isinstance(value, dict):
                return {self.text(name): self.one(item, depth + 1) for name, item in value.items()}
            return [self.one(item, depth + 1) for item in value]
        return str(value)
