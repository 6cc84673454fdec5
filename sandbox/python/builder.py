"""Builds packages for a session: pip, in a jail of its own, for one order.

`fetch`: asks the index what an order needs, sends the wheels that the host wants.
`unpack`: unpacks the one wheel that lies in /wheel, sends its files. Neither jail can make
a process, so nothing of a package runs here; pip runs within this one. The frames on
descriptor 3 are told in FRAMES.md. The environment's own packages count as installed; a
session's aren't seen here.
"""

import io
import json
import os
import pathlib
import socket
import sys
import tempfile
import urllib.parse

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from cellblock_worker import frames  # noqa: E402

HOST = 3
PIECE = 1 << 20
MOST_LINE = 450
MOST_MESSAGE = 3000
OLDEST_PIP = (22, 2)
CERTIFICATES = "/etc/cellblock-ca.pem"
TOLD = ("Collecting ", "Downloading ", "Using cached ", "Requirement already satisfied")


class Failed(Exception):
    """The reason is for the user."""


class Host:
    """Frames to and from the host."""

    def __init__(self):
        self._socket = socket.socket(fileno=HOST)
        self._socket.setblocking(True)
        self._parser = frames.Parser()

    def send(self, header, buffers=()):
        for part in frames.encode(header, buffers):
            self._socket.sendall(part)

    def receive(self):
        while True:
            frame = self._parser.next()
            if frame is not None:
                return frame[0]
            data = self._socket.recv(1 << 16)
            if not data:
                sys.exit(0)  # the host gave up
            self._parser.feed(data)

    def note(self, line):
        self.send({"type": "note", "text": line[:MOST_LINE // 4]})

    def send_file(self, path, name):
        size = path.stat().st_size
        self.send({"type": "file", "path": name, "size": size, "executable": os.access(path, os.X_OK)})
        with open(path, "rb") as file:
            while size > 0:
                piece = file.read(min(size, PIECE))
                if not piece:
                    raise Failed("%s became shorter while it was read" % name)
                size -= len(piece)
                self.send({"type": "data", "bytes": 0}, [piece])


class Lines(io.TextIOBase):
    """Takes what pip prints, line by line."""

    encoding = "utf-8"

    def __init__(self, take):
        self._take = take
        self._rest = ""

    def writable(self):
        return True

    def write(self, text):
        *lines, self._rest = (self._rest + text).split("\n")
        for line in lines:
            self._take(line.rstrip())
        return len(text)


class Pip:
    """pip's commands, run within this process."""

    def __init__(self, host):
        os.environ.update(PIP_CONFIG_FILE=os.devnull, PIP_DISABLE_PIP_VERSION_CHECK="1", PIP_NO_INPUT="1",
                          PIP_NO_COLOR="1", PIP_PROGRESS_BAR="off", PIP_ROOT_USER_ACTION="ignore")
        try:
            import pip
            from pip._internal.cli.main import main
        except ImportError:
            raise Failed("%s has no pip, which fetches and unpacks packages. For Debian's own Python: apt-get install "
                         "python3-pip; for another: %s -m ensurepip" % (sys.executable, sys.executable)) from None
        if tuple(int(part) for part in pip.__version__.split(".")[:2] if part.isdigit()) < OLDEST_PIP:
            raise Failed("pip %s in %s is too old; 22.2 or later is needed" % (pip.__version__, sys.executable))
        self._main = main
        self._host = host
        self._errors = []
        self._told = set()

    def __call__(self, *arguments):
        self._errors.clear()
        out, err = sys.stdout, sys.stderr
        sys.stdout, sys.stderr = Lines(self._tell), Lines(self._remember)
        try:
            status = self._main([*arguments])
        except SystemExit as end:
            status = end.code
        finally:
            sys.stdout, sys.stderr = out, err
        if status:
            raise Failed(self._reason())

    def _tell(self, line):
        if line.strip().startswith(TOLD):
            if " -r /" not in line and line not in self._told:
                self._told.add(line)
                self._host.note(line)
        elif line.startswith(("The conflict", "    ")):
            self._errors.append(line)

    def _remember(self, line):
        if line.strip() and not line.startswith(("WARNING: Running pip", "[notice]")):
            self._errors.append(line)

    def _reason(self):
        errors = [line for line in self._errors if not line.startswith(("WARNING", "DEPRECATION"))] or self._errors
        return "\n".join(errors).removeprefix("ERROR: ")[:MOST_MESSAGE // 3] or "pip failed and didn't say why"


def lines_in(path, lines):
    path.write_text("".join(line + "\n" for line in lines), encoding="utf-8")
    return str(path)


def fetch(host, folder):
    order = host.receive()
    pip = Pip(host)
    index = ["--index-url", order["index"], "--only-binary", ":all:", "--cache-dir", str(folder / "cache")]
    if order["certificates"]:
        index += ["--cert", CERTIFICATES]
    constraints = ["--constraint", lines_in(folder / "constraints.txt", order["constraints"])]
    report = folder / "report.json"
    pip("install", "--dry-run", "--report", str(report), *index, *constraints,
        *(["--upgrade"] if order["upgrade"] else []), *order["requirements"])
    found = resolved(json.loads(report.read_text(encoding="utf-8")))
    host.send({"type": "resolved", "files": [name for name, _ in found], "digests": [digest for _, digest in found]})
    pins = host.receive()["pins"]
    wheels = folder / "wheels"
    wheels.mkdir()
    pip("download", "--no-deps", "--dest", str(wheels), *index, "--requirement", lines_in(folder / "pins.txt", pins))
    for path in sorted(wheels.iterdir()):
        host.send_file(path, path.name)


def resolved(report):
    """[(file name, SHA-256 or ''), …] of all that would be installed."""
    found = []
    for item in report.get("install", []):
        name, url = item["metadata"]["name"], item["download_info"]["url"]
        if item.get("is_direct"):
            raise Failed("%s names an address of its own (%s); packages come from the index alone" % (name, url[:200]))
        file = urllib.parse.unquote(urllib.parse.urlsplit(url).path.rpartition("/")[2])
        if not file.endswith(".whl"):
            raise Failed("%s is no wheel (%s), and only wheels are installed" % (name, file[:200]))
        archive = item["download_info"].get("archive_info") or {}
        hashes = archive.get("hashes") or dict([(archive.get("hash") or "=").split("=", 1)])
        found.append((file, hashes.get("sha256", "").lower()))
    return found


def unpack(host, folder):
    pin = host.receive()["pin"]
    tree = folder / "tree"
    Pip(host)("install", "--no-index", "--find-links", "/wheel", "--no-deps", "--no-compile", "--no-cache-dir",
              "--target", str(tree), pin)
    compile_all(tree)
    for path in sorted(tree.rglob("*")):
        if path.is_file() and not path.is_symlink():
            host.send_file(path, path.relative_to(tree).as_posix())


def compile_all(tree):
    """Cells can't write there. A cache that is checked by nothing: the files never change."""
    import compileall
    import py_compile
    compileall.compile_dir(tree, quiet=2, stripdir=str(tree), prependdir="/packages", maxlevels=30,
                           invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH)


def main():
    host = Host()
    try:
        with tempfile.TemporaryDirectory() as folder:
            {"fetch": fetch, "unpack": unpack}[sys.argv[1]](host, pathlib.Path(folder))
        host.send({"type": "done"})
    except Failed as reason:
        host.send({"type": "failed", "message": str(reason)})
    except Exception as error:
        host.send({"type": "failed", "message": ("%s: %s" % (type(error).__name__, error))[:MOST_MESSAGE // 3]})


if __name__ == "__main__":
    main()
