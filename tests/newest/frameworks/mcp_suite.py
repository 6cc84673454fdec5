"""`cellblock mcp`, and `cellblock serve`, driven by the protocol's official Python SDK, in both of its eras."""

import base64
import os
import secrets
import subprocess

import anyio
import httpx2
import pytest
from mcp import MCPError, StdioServerParameters
from mcp.client.client import Client
from mcp.client.stdio import stdio_client
from mcp.client.streamable_http import streamable_http_client

SERVER = StdioServerParameters(command=os.environ["CELLBLOCK"], args=["mcp", "--python", os.environ["CELLBLOCK_PYTHON"]], env=dict(os.environ))


@pytest.fixture
def anyio_backend():
    return "asyncio"


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    """The URL and the token of a `cellblock serve`."""
    file = tmp_path_factory.mktemp("token") / "token"
    token = secrets.token_hex(16)
    file.touch(0o600)
    file.write_text(token)
    argv = [os.environ["CELLBLOCK"], "serve", "--listen", "127.0.0.1:0", "--token-file", str(file), "--python", os.environ["CELLBLOCK_PYTHON"]]
    process = subprocess.Popen(argv, stdout=subprocess.PIPE, text=True)
    try:
        yield process.stdout.readline().rpartition(" ")[2].strip() + "/mcp", token
    finally:
        process.terminate()
        process.wait(30)
        process.stdout.close()


def http_client(token):
    return httpx2.AsyncClient(headers={"Authorization": "Bearer " + token}, timeout=60)


@pytest.mark.anyio
@pytest.mark.parametrize("mode", ["auto", "legacy"])
async def test_tools(mode):
    async with Client(stdio_client(SERVER), mode=mode) as client:
        await use_tools(client)


@pytest.mark.anyio
@pytest.mark.parametrize("mode, version", [("auto", "2026-07-28"), ("2026-07-28", "2026-07-28"), ("legacy", "2025-11-25")])
async def test_tools_over_http(served, mode, version):
    url, token = served
    async with http_client(token) as http, Client(streamable_http_client(url, http_client=http), mode=mode) as client:
        assert client.protocol_version == version
        await use_tools(client)
        # A picture longer than an event may be for this SDK.
        await client.call_tool("execute_code", {"code": "import numpy as np, matplotlib.pyplot as plt\n"
                                                        "plt.imsave('noise.png', np.random.default_rng(1).random((700, 700, 3)))"})
        image = (await client.call_tool("read_file", {"path": "noise.png"})).content[0]
        assert len(image.data) > 1_200_000 and image.mime_type == "image/png"


@pytest.mark.anyio
@pytest.mark.parametrize("mode", ["auto", "legacy"])
async def test_a_call_that_is_given_up_is_interrupted(served, mode):
    url, token = served
    async with http_client(token) as http, Client(streamable_http_client(url, http_client=http), mode=mode) as client:
        await client.call_tool("execute_code", {"code": "x = 1"})
        with anyio.move_on_after(1):
            await client.call_tool("execute_code", {"code": "import time; time.sleep(60)"})
        with anyio.fail_after(20):
            assert (await client.call_tool("execute_code", {"code": "x"})).content[0].text == "1\n"


@pytest.mark.anyio
@pytest.mark.parametrize("mode", ["auto", "legacy"])
async def test_a_wrong_token_is_an_error(served, mode):
    with pytest.raises((MCPError, ExceptionGroup)):
        async with http_client("wrong") as http, Client(streamable_http_client(served[0], http_client=http), mode=mode):
            pass


@pytest.mark.anyio
@pytest.mark.parametrize("way", ["stdio", "http"])
@pytest.mark.parametrize("mode", ["auto", "legacy"])
async def test_progress(served, way, mode):
    url, token = served
    told = []

    async def take(progress, total, message):
        told.append((progress, message))

    async with http_client(token) as http, Client(
            stdio_client(SERVER) if way == "stdio" else streamable_http_client(url, http_client=http), mode=mode) as client:
        result = await client.call_tool("execute_code", {"code": "import time\nprint('on', flush=True)\ntime.sleep(3.2)\n'over'"}, progress_callback=take)
        assert result.content[0].text == "on\n'over'\n"
    assert len(told) >= 2 and told == sorted(told) and {message for _, message in told} <= {"runs", "on"} and told[-1][1] == "on"


async def use_tools(client):
    assert {one.name for one in (await client.list_tools()).tools} == {"execute_code", "reset", "list_files", "read_file", "write_file"}
    result = await client.call_tool("execute_code", {"code": "import matplotlib.pyplot as plt\nprint('on')\nplt.plot([1, 4]); plt.show()"})
    assert not result.is_error, result.content[0].text
    text, image = result.content
    assert text.text == "on\n" and base64.b64decode(image.data).startswith(b"\x89PNG") and not result.is_error
    assert (await client.call_tool("execute_code", {"code": "1/0"})).is_error
    await client.call_tool("write_file", {"path": "a.txt", "content": "abc"})
    assert (await client.call_tool("read_file", {"path": "a.txt"})).content[0].text == "abc"
    long = await client.call_tool("execute_code", {"code": "print('x' * 200_000)"})
    link = long.content[-1]
    assert (await client.read_resource(link.uri)).contents[0].text == "x" * 200_000 + "\n"
