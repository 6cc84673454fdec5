"""Shared by the programs of the engines `e2b` and `modal`: the key, names, errors, and how long a sandbox lives on alone."""

import os
import pathlib
import stat

LIFE = 300          # seconds that a sandbox lives on without this program
RENEW = 100         # seconds between two renewals of that
PIECE = 512 * 1024  # bytes of input, in one call
MARK = "cellblock"  # the tag or member whose value is a sandbox's name
LONGEST_KEY = 4096  # bytes of a key's file


class Failed(Exception):
    """An error, in words for people."""


def read_key(variables, file_name):
    """The values of these variables of the environment; where one is missing, as many words of the file
    ~/.config/cellblock/FILE_NAME, which its owner alone may be able to read. Failed: there is no such key."""
    words = [os.environ.get(name, "") for name in variables]
    if not all(words):
        words = _words_of(variables, file_name)
    if not all(word.isascii() and word.isprintable() for word in words):
        raise Failed("the API key has characters that no key has: copy it again")  # and is in no error's text
    return words


def _words_of(variables, file_name):
    base = os.environ.get("XDG_CONFIG_HOME") or os.path.expanduser("~/.config")
    path = pathlib.Path(base) / "cellblock" / file_name
    try:
        with open(path, encoding="ascii") as file:
            if stat.S_IMODE(os.fstat(file.fileno()).st_mode) & 0o077:
                raise Failed("others can read %s: chmod 600 it" % path)
            words = file.read(LONGEST_KEY).split()
        if len(words) != len(variables):
            raise ValueError("it has %d words, not %d" % (len(words), len(variables)))
    except (OSError, ValueError) as error:
        raise Failed("there is no API key: set %s, or put %s into %s (%s)" % (
            " and ".join(variables), "it" if len(variables) == 1 else "these, one a line,", path, error)) from None
    return words


def shown(text):
    """The text as an error may show it: printable, and not too long."""
    return "".join(c if c.isprintable() else "?" for c in text)[:500]


def is_name(text):
    """Can `list` print the text as a name? Other programs of the same account give names too."""
    return isinstance(text, str) and text.isprintable() and " " not in text and text != ""


def write(descriptor, data):
    """All of the data, however little the descriptor takes at a time."""
    while data:
        data = data[os.write(descriptor, data):]
