"""JSON text for values that only pass through: exact, valid, of bounded depth.

Integers of any size stay as they are; NaN and infinities, which JSON lacks,
become the strings "nan", "inf" and "-inf", as in ipykernel.
"""

import base64
import datetime
import json
import math
import numbers
from collections.abc import Iterable, Mapping

MAX_DEPTH = 100

_strict = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":"),
                           default=lambda value: _simple(value))


def dump(value):
    """UTF-8 JSON text of a value. TypeError or ValueError where there is none."""
    if isinstance(value, dict) and not value:
        return b"{}"
    if isinstance(value, (dict, list, tuple)) and not _shallow(value):
        raise ValueError("data nested more than %d levels deep can't be shown" % MAX_DEPTH)
    try:
        text = _strict.encode(value)
    except (ValueError, TypeError):
        text = _strict.encode(_clean(value, 0))  # NaN somewhere, or a key that isn't a name
    return text.encode("utf-8", "replace")


def _shallow(value):
    level = [value]
    for _ in range(MAX_DEPTH):
        below = []
        for container in level:
            items = container.values() if isinstance(container, dict) else container
            below += [item for item in items if isinstance(item, (dict, list, tuple))]
        if not below:
            return True
        level = below
    return False


def _simple(value):
    """A value that json can't write, as one that it can."""
    if isinstance(value, (datetime.datetime, datetime.date, datetime.time)):
        return value.isoformat()
    if isinstance(value, (bytes, bytearray, memoryview)):
        return base64.b64encode(value).decode("ascii")
    if isinstance(value, numbers.Integral):
        return int(value)
    if isinstance(value, numbers.Real):
        return _number(float(value))
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, Iterable) and not isinstance(value, str):
        return list(value)
    raise TypeError("%r is not JSON serializable" % (value,))


def _number(value):
    return value if math.isfinite(value) else repr(value)


def _clean(value, depth):
    if depth > MAX_DEPTH:
        raise ValueError("data nested more than %d levels deep can't be shown" % MAX_DEPTH)
    if value is None or isinstance(value, (str, bool, int)):
        return value
    if isinstance(value, float):
        return _number(value)
    if isinstance(value, dict):
        return {key if isinstance(key, str) else str(key): _clean(item, depth + 1)
                for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_clean(item, depth + 1) for item in value]
    return _clean(_simple(value), depth + 1)
