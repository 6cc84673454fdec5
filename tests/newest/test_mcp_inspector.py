"""`cellblock mcp` and `cellblock serve`, looked into by the protocol's own inspector (npm, its command line, on Node 22)."""

import json
import os
import secrets
import shutil
import subprocess

import pytest
from support import kernels
from support.environments import NodeEnvironment

FOLDER = kernels.REPO / "build" / "mcp-inspector"
PACKAGE = kernels.REPO / "tests" / "newest" / "mcp_inspector.json"
TOOLS = {"execute_code", "reset", "list_files", "read_file", "write_file"}


@pytest.fixture(scope="module")
def inspector():
    """The inspector's command."""
    if shutil.which("npm") is None:
        pytest.skip("no npm: apt-get install nodejs npm")
    NodeEnvironment(FOLDER, PACKAGE).make()
    commands = FOLDER / "node_modules" / ".bin"
    return [commands / "node", commands / "mcp-inspector", "--cli"]


@pytest.fixture
def served(place):
    """The options by which the inspector reaches a `cellblock serve`."""
    token = secrets.token_hex(16)
    file = place.file("token", token)
    file.chmod(0o600)
    process = subprocess.Popen([kernels.PROGRAM, "serve", "--listen", "127.0.0.1:0", "--token-file", file, "--python", kernels.PYTHON],
                               stdout=subprocess.PIPE, text=True, env=place.environment(), cwd=place.root)
    try:
        url = process.stdout.readline().rpartition(" ")[2].strip()
        yield [url + "/mcp", "--transport", "http", "--header", "Authorization: Bearer " + token]
    finally:
        process.terminate()
        process.wait(30)
        process.stdout.close()


def look_into(inspector, place, target):
    def ask(*words):
        done = subprocess.run([*inspector, *target, *words], capture_output=True, text=True, timeout=60, check=False,
                              env={**os.environ, **place.environment()}, cwd=place.root)
        assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
        return json.loads(done.stdout)

    assert {one["name"] for one in ask("--method", "tools/list", "--strict")["tools"]} == TOOLS
    result = ask("--method", "tools/call", "--tool-name", "execute_code", "--tool-arg", "code=print('on'); 6 * 7")
    assert result["content"] == [{"type": "text", "text": "on\n42\n"}] and not result["isError"]


@pytest.mark.long
@pytest.mark.seconds(600)
def test_on_standard_input_and_output(inspector, place):
    # The inspector gives a server few variables but those that it is told.
    variables = [word for name, value in place.environment().items() if value for word in ("-e", name + "=" + value)]
    look_into(inspector, place, [*variables, kernels.PROGRAM, "mcp", "--python", kernels.PYTHON])


@pytest.mark.long
@pytest.mark.seconds(600)
def test_over_http(inspector, place, served):
    look_into(inspector, place, served)
