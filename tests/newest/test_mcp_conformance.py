"""MCP over HTTP, judged by the protocol's own conformance suite (npm, on Node 22).

The suite knows no tokens and no Unix sockets, so that a relay stands before a `cellblock serve` that has a socket and no token. What fails
stands check by check in mcp_conformance.txt, and fails for one reason alone: the suite asks for tools, prompts and resources that an example
server has ("test_simple_text"), or for a feature that cellblock doesn't say that it has (prompts, completion, logging, tasks).
"""

import json
import re
import shutil
import socket
import subprocess
import threading

import pytest
from support import kernels

PACKAGES = ("node@22", "@modelcontextprotocol/conformance@0.2.0-alpha.12")
FOLDER = kernels.REPO / "build" / "mcp-conformance"
EXPECTED = kernels.REPO / "tests" / "newest" / "mcp_conformance.txt"


class Relay:
    """A TCP port of 127.0.0.1 that leads to a Unix socket."""

    def __init__(self, path):
        self.path, self.ends = path, []
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            server = socket.socket(socket.AF_UNIX)
            server.connect(self.path)
            self.ends += [client, server]
            for pair in ((client, server), (server, client)):
                threading.Thread(target=self.pump, args=pair, daemon=True).start()

    def pump(self, source, target):
        try:
            while piece := source.recv(1 << 16):
                target.sendall(piece)
            target.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass

    def close(self):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        for one in self.ends:
            one.close()


@pytest.fixture(scope="module")
def suite():
    """The suite's command."""
    if shutil.which("npm") is None:
        pytest.skip("no npm: apt-get install nodejs npm")
    stamp = FOLDER / "packages.txt"
    if not stamp.exists() or stamp.read_text() != "\n".join(PACKAGES):
        shutil.rmtree(FOLDER, ignore_errors=True)
        FOLDER.mkdir(parents=True)
        subprocess.run(["npm", "install", "--silent", "--no-audit", "--no-fund", "--prefix", FOLDER, *PACKAGES], check=True, timeout=600)
        stamp.write_text("\n".join(PACKAGES))
    modules = FOLDER / "node_modules"
    return [str(modules / ".bin" / "node"), str(modules / "@modelcontextprotocol" / "conformance" / "dist" / "index.js")]


@pytest.fixture
def url(place):
    path = str(place.root / "run" / "mcp")
    process = subprocess.Popen([kernels.PROGRAM, "serve", "--listen", "unix:" + path, "--python", kernels.PYTHON], stdout=subprocess.PIPE,
                               env=place.environment(), cwd=place.root)
    relay = None
    try:
        assert process.stdout.readline().startswith(b"listening on ")
        relay = Relay(path)
        yield "http://127.0.0.1:%d/mcp" % relay.port
    finally:
        if relay:
            relay.close()
        process.terminate()
        process.wait(30)
        process.stdout.close()


def checks(folder):
    """Of each scenario's checks: (scenario, id, status)."""
    for path in sorted(folder.glob("*/checks.json")):
        scenario = re.sub(r"-\d{4}-\d\d-\d\dT.*", "", path.parent.name).removeprefix("server-")
        for check in json.loads(path.read_text()):
            yield scenario, check["id"], check["status"]


@pytest.mark.long
@pytest.mark.parametrize("revision, passed", [("2026-07-28", 100), ("2025-11-25", 41)])
def test_conformance(suite, url, place, revision, passed):
    expected = {tuple(line.split()[1:]) for line in EXPECTED.read_text().splitlines() if line.startswith(revision)}
    results = place.root / "results"
    done = subprocess.run([*suite, "server", "--url", url, "--requirements", revision, "-o", str(results)], capture_output=True, text=True, timeout=300,
                          check=False, cwd=place.root)
    found = list(checks(results))
    failed = {(scenario, name) for scenario, name, status in found if status == "FAILURE"}
    assert failed == expected, (failed ^ expected, done.stdout[-3000:], done.stderr[-2000:])
    assert sum(status == "SUCCESS" for _, _, status in found) >= passed
