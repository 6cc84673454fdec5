"""The engine `e2b` where something is amiss: the key, the address, the service. Its ordinary work is tested as every engine's is."""

import http.server
import json
import os
import signal
import subprocess
import threading

import pytest

from support import kernels, leftovers
from support.certificates import Authority

TOOL = kernels.REPO / "share" / "cellblock" / "engines" / "tools" / "e2b.py"


@pytest.fixture
def call(tmp_path):
    """call(word, address, …, key=…, VARIABLE=…): the engine's program, with that key or none."""
    def run(*words, key="k" * 32, stdin=b"", **variables):
        environment = {"PATH": "/usr/bin:/bin", "XDG_CONFIG_HOME": str(tmp_path), **({"E2B_API_KEY": key} if key else {}), **variables}
        return subprocess.run(["/usr/bin/python3", "-I", TOOL, *words], env=environment, input=stdin, capture_output=True, timeout=60)
    return run


@pytest.fixture
def service():
    """A service that answers as it is told, and keeps what it was sent."""
    class Handler(http.server.BaseHTTPRequestHandler):
        answers, seen = {}, []

        def answer(self):
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            self.seen.append((self.command, self.path, dict(self.headers), body))
            status, text = self.answers.get((self.command, self.path.partition("?")[0]), (404, b"{}"))
            self.send_response(status)
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        do_GET = do_POST = do_DELETE = answer

        def log_message(self, *_):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        Handler.address = "http://127.0.0.1:%d" % server.server_port
        yield Handler
        server.shutdown()


def test_a_missing_key_says_where_to_put_one(call, tmp_path):
    failed = call("probe", "http://127.0.0.1:1", key=None)
    assert failed.returncode == 1 and failed.stderr.startswith(b"e2b: there is no API key: set E2B_API_KEY, or put it into ")
    assert b"Traceback" not in failed.stderr and str(tmp_path).encode() in failed.stderr


def test_a_key_that_others_can_read_is_refused(call, tmp_path):
    file = tmp_path / "cellblock" / "e2b-key"
    file.parent.mkdir()
    file.write_text("k" * 32)
    file.chmod(0o644)
    assert b"chmod 600" in call("probe", "http://127.0.0.1:1", key=None).stderr
    file.chmod(0o600)
    assert b"can't be reached" in call("probe", "http://127.0.0.1:1", key=None).stderr


def test_an_authority_that_is_not_the_systems(call, service, tmp_path):
    authority = Authority(tmp_path)
    service.answers["GET", "/v2/sandboxes"] = 200, b"[]"
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), service) as server:
        server.socket = authority.server("IP:127.0.0.1").wrap_socket(server.socket, server_side=True)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        address = "https://127.0.0.1:%d" % server.server_port
        failed = call("probe", address)
        assert failed.returncode == 1 and b"SSL_CERT_FILE" in failed.stderr and not service.seen
        assert call("probe", address, SSL_CERT_FILE=authority.path).returncode == 0 and service.seen
        server.shutdown()


def test_without_a_destination_it_is_the_service_itself(place):
    """The first that a start needs then is the key."""
    run = subprocess.run([kernels.PROGRAM, "run", "--policy", place.policy(engine="e2b", allow_unenforced=True), "-"], input="1",
                         env=place.environment(), capture_output=True, text=True, timeout=60)
    assert run.returncode == 125 and "there is no API key: set E2B_API_KEY" in run.stderr, run.stderr


@pytest.mark.parametrize("address, word", [
    ("http://192.0.2.1", b"readable for all"), ("http://localhost.example.org", b"readable for all"), ("ftp://127.0.0.1", b"https://host"),
    ("127.0.0.1:80", b"https://host"), ("http://127.0.0.1:notaport", b"https://host"), ("http://[::1", b"https://host")])
def test_the_key_goes_nowhere_else(call, address, word):
    failed = call("probe", address)
    assert failed.returncode and word in failed.stderr and b"Traceback" not in failed.stderr


def test_the_key_is_the_services_alone(call, service):
    service.answers["GET", "/v2/sandboxes"] = 200, b"[]"
    service.answers["POST", "/v2/sandboxes"] = 201, json.dumps({"sandboxID": "i1", "envdAccessToken": "t"}).encode()
    service.answers["POST", "/process.Process/Start"] = 500, b'{"message": "no"}'
    failed = call("run", "name", "template", "true", service.address)
    assert failed.returncode == 1 and failed.stderr == b"e2b: the command wasn't started: no\n"
    sent = {path: (headers, body) for _, path, headers, body in service.seen}
    assert list(sent) == ["/v2/sandboxes", "/process.Process/Start", "/sandboxes/i1"]  # and it was killed
    created = json.loads(sent["/v2/sandboxes"][1])
    assert created["allow_internet_access"] is False and created["metadata"] == {"cellblock": "name"}
    headers, body = sent["/process.Process/Start"]
    assert headers["X-Access-Token"] == "t" and "k" * 32 not in str(headers) and b"k" * 32 not in body


@pytest.mark.parametrize("answer", [(200, b"no json"), (200, b'{"a": 1}'), (401, b'{"message": "wrong\x1b[2J key"}'), (500, b""),
                                    (201, b"[]"), (201, b"null"), (302, b"")])
def test_what_no_service_says_is_an_error_in_words(call, service, answer):
    service.answers["POST", "/v2/sandboxes"] = answer
    failed = call("run", "name", "template", "true", service.address)
    assert failed.returncode == 1 and failed.stderr.startswith(b"e2b: ") and b"Traceback" not in failed.stderr
    assert b"\x1b" not in failed.stderr


@pytest.mark.parametrize("stream", [
    b"", b"\0\0\0", b"\0\xff\xff\xff\xff", b"\0\0\0\0\x02[]", b"\0\0\0\0\x05hello", b"\2\0\0\0\x02{}",
    b'\0\0\0\0\x1b{"event":{"start":{"pid":1}}', b'\0\0\0\0\x2a{"event":{"data":{"stdout":"not base64 at all"}}}'])
def test_a_broken_stream_ends_the_run(call, service, stream):
    service.answers["POST", "/v2/sandboxes"] = 201, b'{"sandboxID": "i1"}'
    service.answers["POST", "/process.Process/Start"] = 200, stream
    failed = call("run", "name", "template", "true", service.address)
    assert failed.returncode == 1 and failed.stderr.startswith(b"e2b: ") and b"Traceback" not in failed.stderr, failed.stderr
    assert service.seen[-1][:2] == ("DELETE", "/sandboxes/i1")


def test_a_server_that_is_killed_ends_the_cell(place, tmp_path):
    token = tmp_path / "token"
    token.touch(mode=0o600)
    token.write_text("t" * 32)
    server = subprocess.Popen([kernels.PROGRAM, "serve", "--listen", "127.0.0.1:0", "--token-file", str(token)], env=place.environment(),
                              stdout=subprocess.PIPE, text=True, start_new_session=True)
    try:
        address = server.stdout.readline().removeprefix("listening on ").strip()
        policy = place.policy("distant", engine="e2b", destination=address, allow_unenforced=True, limits={"cell_time": "2m"})
        run = subprocess.Popen([kernels.PROGRAM, "run", "--policy", policy, "--json", "-"], stdin=subprocess.PIPE,
                               stdout=subprocess.PIPE, env={**place.environment(), "E2B_API_KEY": "t" * 32}, text=True)
        run.stdin.write("import time\nprint('begun', flush=True)\ntime.sleep(100)\n")
        run.stdin.close()
        assert leftovers.wait_until(lambda: _runs_command(server.pid), 60)
        os.kill(server.pid, signal.SIGKILL)
        answer = json.loads(run.stdout.read())
        assert answer["status"] in ("killed", "unavailable") and "Traceback" not in str(answer["error"])
        assert run.wait(60) in (125, 137)
    finally:
        server.kill()
        server.wait()


def _runs_command(server):
    """Whether a sandbox of that server's has the far end of the engine."""
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                with open("/proc/%s/cmdline" % entry, "rb") as file:
                    if b"-I\0-S\0-B\0-c" in file.read() and server != int(entry):
                        return True
            except OSError:
                pass
    return False
