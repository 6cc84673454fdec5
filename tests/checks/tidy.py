#!/usr/bin/python3
"""clang-tidy over the sources; what was clean and hasn't changed isn't read again.

As a program it runs beside the other tests; the test that asks for the result waits for it. All sources, and the analyzer,
which follows paths through the code and takes longer than all else together, are for the long run: else it reads the
sources that were changed last.
"""

import contextlib
import fcntl
import hashlib
import json
import os
import pathlib
import re
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor

ROOT = pathlib.Path(__file__).resolve().parents[2]
CACHE = pathlib.Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser()
STAMPS = CACHE / "cellblock-tests" / "tidy"  # one for each text that was clean, of whichever clone
STAMPS_LAST = 30 * 86400.0  # seconds
COMMANDS = ROOT / "build" / "tidy"
LONG = bool(os.environ.get("CELLBLOCK_LONG_TESTS"))
CHECKS = [] if LONG else ["--checks=-clang-analyzer-*"]
LATEST = 40  # sources
PRECOMPILED = re.compile(r"""-include ("[^"]*cmake_pch\.hxx"|\S*cmake_pch\.hxx)""")


def sources(*folders, suffixes=(".cc", ".h")):
    return sorted(path for folder in folders for path in (ROOT / folder).rglob("*") if path.suffix in suffixes)


def latest():
    """Of the sources those that were changed last, or all: for the long run, or where git doesn't tell."""
    everything = sources("kernel", "sandbox", suffixes=(".cc",))
    if LONG or git("rev-parse", "--is-shallow-repository") != ["false"]:
        return everything
    changed = [*git("diff", "--name-only", "HEAD"), *git("ls-files", "--others", "--exclude-standard"),
               *git("log", "--format=", "--name-only", "-n", "300")]
    first = dict.fromkeys(ROOT / name for name in changed)  # in the order of their last change
    return [path for path in first if path in everything][:LATEST]


def git(*words):
    """Its lines; none, if there is no git, or no repository."""
    try:
        return subprocess.run(["git", *words], capture_output=True, text=True, cwd=ROOT, check=False).stdout.splitlines()
    except OSError:
        return []


def common_text():
    """What every file's result depends on."""
    version = subprocess.run(["clang-tidy", "--version"], capture_output=True, check=True).stdout
    return version + repr(CHECKS).encode() + b"".join(path.read_bytes() for path in (ROOT / ".clang-tidy", ROOT / "CMakeLists.txt"))


def headers_of():
    """{source: the project's headers that it includes}, as the compiler has told ninja of what is built."""
    told = subprocess.run(["ninja", "-C", str(ROOT / "build"), "-t", "deps"], capture_output=True, text=True, check=False).stdout
    found = {}
    for one in told.split("\n\n"):
        own = [path for line in one.splitlines()[1:] if ROOT in (path := pathlib.Path(os.path.normpath(ROOT / "build" / line.strip()))).parents]
        for source in own:
            if source.suffix == ".cc":
                found.setdefault(source, set()).update(path for path in own if path.suffix == ".h" and path.exists())
    return found


def text_of(path, headers):
    """What the file's result depends on beside the common text: of one that isn't built, every header may be part."""
    included = sorted(headers.get(path) or sources("kernel", "sandbox", suffixes=(".h",)))
    return b"".join(bytes(one.relative_to(ROOT)) + b"\n" + one.read_bytes() for one in (path, *included))


def write_commands():
    """Of a file that two targets compile, as they do some of the jail's, the first command: clang-tidy follows each.

    Without GCC's precompiled header, which clang can't read, so that a missing #include is found here.
    """
    commands = json.loads((ROOT / "build" / "compile_commands.json").read_text())
    each = {one["file"]: {**one, "command": PRECOMPILED.sub("", one["command"])} for one in reversed(commands)}
    (COMMANDS / "compile_commands.json").write_text(json.dumps(list(each.values())))


def findings_in(path, text):
    stamp = STAMPS / hashlib.sha256(text).hexdigest()
    if stamp.exists():
        stamp.touch()
        return ""
    done = subprocess.run(["clang-tidy", "--quiet", *CHECKS, "-p", str(COMMANDS), str(path)], capture_output=True, text=True,
                          cwd=ROOT, check=False)
    if done.returncode == 0:
        stamp.touch()
        return ""
    return done.stdout or done.stderr


def remove_old_stamps():
    for stamp in STAMPS.iterdir():
        with contextlib.suppress(FileNotFoundError):  # another clone's run was faster
            if time.time() - stamp.stat().st_mtime > STAMPS_LAST:
                stamp.unlink()


def findings(jobs):
    COMMANDS.mkdir(parents=True, exist_ok=True)
    STAMPS.mkdir(parents=True, exist_ok=True)
    with open(COMMANDS / "lock", "w", encoding="utf-8") as lock, ThreadPoolExecutor(jobs) as pool:
        fcntl.flock(lock, fcntl.LOCK_EX)
        remove_old_stamps()
        common, headers = common_text(), headers_of()
        write_commands()
        found = pool.map(lambda path: findings_in(path, common + text_of(path, headers)), latest())
        return "\n".join(one for one in found if one)


if __name__ == "__main__":
    print(findings(os.cpu_count()))
