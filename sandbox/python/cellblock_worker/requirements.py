"""What `%pip install` is asked for: its words, files of requirements, and what of it is there already."""

import importlib
import os
import re

from IPython.core.error import UsageError

QUIET = ("-q", "-qq", "-qqq", "--quiet", "-qU", "-Uq")
IGNORED = ("--no-input", "--disable-pip-version-check", "--no-warn-script-location",
           "--prefer-binary", "--only-binary=:all:", "--user", "--break-system-packages", "--no-cache-dir",
           "--progress-bar=off", "--root-user-action=ignore")
UPGRADE = ("-U", "--upgrade", "-qU", "-Uq")
FILE = ("-r", "--requirement")
MOST_BYTES = 256 * 1024  # of a file
MOST_LINES = 500         # of all files
DEEPEST = 4              # files that name files
COMMENT = re.compile(r"(^|\s+)#.*$")
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}$")


class FileProblem(UsageError):
    """A file of requirements can't be used."""


def words_of(line):
    """A command's words, as a shell would see them."""
    import shlex
    try:
        return shlex.split(line, comments=True)
    except ValueError as error:
        raise UsageError("%%pip %s: %s" % (line, error)) from None


class Asked:
    """`words`: what follows `%pip install`."""

    def __init__(self, words):
        self.requirements = []
        self.quiet = any(word in QUIET for word in words)
        self.upgrade = any(word in UPGRADE for word in words)
        words = iter([word for word in words if word not in QUIET + UPGRADE])
        for word in words:
            name, _, value = word.partition("=")
            if word in FILE or name == FILE[1]:
                self._read_file(value or next(words, ""), 0)
            elif word.startswith("-r") and word[2:]:
                self._read_file(word[2:], 0)
            elif word.startswith("-") and word not in IGNORED:
                raise UsageError("%%pip install here takes names and version ranges, -r, -U and -q; not %s" % word)
            elif word not in IGNORED:
                self.requirements.append(word)
        if not self.requirements or not all(text.strip() for text in self.requirements):
            raise UsageError("%pip install: name what is to be installed")

    def _read_file(self, name, depth):
        if not name:
            raise FileProblem("%pip install -r: name the file of requirements")
        if depth > DEEPEST:
            raise FileProblem("%%pip install -r: %s is named by more than %d files in a row" % (name, DEEPEST))
        try:
            with open(name, "rb") as file:
                data = file.read(MOST_BYTES + 1)
        except OSError as error:
            raise FileProblem("%%pip install -r %s: %s; it must be a file that the cell can read"
                              % (name, error.strerror)) from None
        if len(data) > MOST_BYTES:
            raise FileProblem("%%pip install -r %s: it has more than %d KiB" % (name, MOST_BYTES >> 10))
        text = data.decode("utf-8-sig", "replace").replace("\\\n", " ")
        for number, line in enumerate(text.splitlines(), 1):
            self._read_line(COMMENT.sub("", line).strip(), name, number, depth)

    def _read_line(self, line, name, number, depth):
        if not line or line in IGNORED:
            return
        option = re.match(r"(?:-r|--requirement)(?:\s+|=|(?<=-r))(\S+)$", line)
        if option:
            self._read_file(os.path.join(os.path.dirname(name), option[1]), depth + 1)
        elif line.startswith("-") or " --" in line:
            raise FileProblem("%%pip install -r %s: line %d, %s: only names and version ranges can be used here"
                              % (name, number, line[:80]))
        elif len(self.requirements) >= MOST_LINES:
            raise FileProblem("%%pip install -r %s: more than %d requirements" % (name, MOST_LINES))
        else:
            self.requirements.append(" ".join(line.split()))


def parsed(text):
    """A packaging.requirements.Requirement, or None where that can't be had or said."""
    for module in ("packaging.requirements", "pip._vendor.packaging.requirements"):
        try:
            return importlib.import_module(module).Requirement(text)
        except Exception:
            continue
    return None


def settle(text):
    """(what is to be installed or None, pip's line of what is there already or None)"""
    requirement = parsed(text)
    if requirement is None:
        name, fits = text.strip(), lambda version: True
        if not NAME.match(name):
            return text, None
    else:
        if requirement.marker is not None:
            if not requirement.marker.evaluate():
                return None, "Ignoring %s: markers '%s' don't match your environment" % (requirement.name, requirement.marker)
            text = text.partition(";")[0].strip()
        if requirement.url or requirement.extras:
            return text, None
        name = requirement.name
        fits = lambda version: requirement.specifier.contains(version, prereleases=True)  # noqa: E731
    from importlib import metadata
    try:
        found = metadata.distribution(name)
        if not fits(found.version):
            return text, None
        place = os.path.normpath(str(found.locate_file("")))
    except Exception:  # not there, or its metadata can't be read
        return text, None
    return None, "Requirement already satisfied: %s in %s (%s)" % (text, place, found.version)
