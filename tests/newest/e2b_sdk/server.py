"""`cellblock serve` for the suites of this folder: a pytest plugin (`-p server`). test_e2b_sdk.py says where the program is.

`server` is a server for a suite, to which the SDK's three variables point; `box` is a sandbox of the test's own. What a test
starts ends with the test, and the test fails if a process outlives its server. With CELLBLOCK_E2B_TLS in the environment the servers
speak TLS, and SSL_CERT_FILE (for Node NODE_EXTRA_CA_CERTS) names the authority that signs their certificate.
"""

import os
import pathlib
import re
import secrets
import signal
import subprocess
import sys
import tempfile

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2]))

from support import leftovers  # noqa: E402
from support.certificates import Authority  # noqa: E402

PROGRAM, PYTHON = os.environ["CELLBLOCK"], os.environ["CELLBLOCK_PYTHON"]
PATIENCE = 30
FOLDER = tempfile.TemporaryDirectory(prefix="cbtest-")
TLS = []  # options
if os.environ.get("CELLBLOCK_E2B_TLS"):
    authority = Authority(FOLDER.name)
    TLS = [word for pair in zip(("--tls-cert", "--tls-key"), authority.pair("IP:127.0.0.1")) for word in pair]
    os.environ["SSL_CERT_FILE"] = os.environ["NODE_EXTRA_CA_CERTS"] = authority.path
NOT_FOR_USERS = ("Traceback", "terminate called", "AddressSanitizer", "Segmentation", ".cc:")


class Server:
    """A server with a token of its own, on a port that the system chose."""

    def __init__(self, *words):
        self.folder = tempfile.TemporaryDirectory(prefix="cbtest-")
        token_file = pathlib.Path(self.folder.name, "token")
        self.token = secrets.token_hex(16)
        token_file.touch(0o600)
        token_file.write_text(self.token + "\n")
        self._errors = open(pathlib.Path(self.folder.name, "errors"), "w+")
        self.process = subprocess.Popen([PROGRAM, "serve", "--listen", "127.0.0.1:0", "--token-file", token_file, "--python", PYTHON, *TLS, *words],
                                        stdout=subprocess.PIPE, stderr=self._errors, text=True, start_new_session=True)
        line = self.process.stdout.readline()
        told = re.fullmatch(r"listening on (https?://127\.0\.0\.1:\d+)\n", line)
        if not told:
            self.kill()
            pytest.fail("the server said %r, and on stderr: %s" % (line, self.errors()))
        self.url = told[1]
        assert self.url.startswith("https:") == bool(TLS)

    @property
    def options(self):
        """What the SDK takes instead of its variables."""
        return {"api_key": self.token, "api_url": self.url, "sandbox_url": self.url}

    @property
    def variables(self):
        return {"E2B_API_KEY": self.token, "E2B_API_URL": self.url, "E2B_SANDBOX_URL": self.url}

    def errors(self):
        self._errors.flush()
        return pathlib.Path(self._errors.name).read_text()

    def processes(self):
        return leftovers.descendants(self.process.pid)

    def stop(self, with_signal=signal.SIGTERM):
        """Ends the server as a person would. Nothing of it may be left."""
        known = self.processes()
        self.process.send_signal(with_signal)
        try:
            status = self.process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            status = "none: it was still there after %d s" % PATIENCE
        said = self.errors()
        left = leftovers.wait_until(lambda: not leftovers.living(known), 10) or [leftovers.command_line(pid) for pid in leftovers.living(known)]
        self.kill()
        assert status == 0, "the server's exit status is %s; it said: %s" % (status, said)
        assert left is True, "processes outlived the server: %s" % left
        assert not any(word in said for word in NOT_FOR_USERS), said

    def kill(self):
        """Whatever happened: no process and no file stays."""
        known = self.processes()
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        leftovers.wait_until(lambda: not leftovers.living(known), 10)
        leftovers.send(signal.SIGKILL, leftovers.living(known))
        self.process.stdout.close()
        self._errors.close()
        self.folder.cleanup()


@pytest.fixture(scope="session", autouse=True)
def orphans_come_here():
    """A sandbox whose server was killed stays a descendant of this process, so that no test overlooks it."""
    leftovers.become_subreaper()


@pytest.fixture
def start_server():
    """start_server(argument, …): another server, for a test that ends it, or that needs two."""
    started = []

    def start(*words):
        started.append(Server(*words))
        return started[-1]

    yield start
    for one in started:
        if os.path.exists(one.folder.name):
            one.kill()


@pytest.fixture(scope="module")
def server():
    made = Server()
    with pytest.MonkeyPatch.context() as patch:
        for name, value in made.variables.items():
            patch.setenv(name, value)
        yield made
    made.stop()


@pytest.fixture
def box(server):
    from e2b_code_interpreter import Sandbox
    with Sandbox.create() as made:
        yield made


@pytest.fixture(scope="module")
def lasting_box(server):
    """A sandbox for tests that leave nothing in it that others could see."""
    from e2b_code_interpreter import Sandbox
    with Sandbox.create() as made:
        yield made
