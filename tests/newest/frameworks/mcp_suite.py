"""`cellblock mcp`, driven by the protocol's official Python SDK, in both of its eras."""

import base64
import os

import pytest
from mcp import StdioServerParameters
from mcp.client.client import Client
from mcp.client.stdio import stdio_client

SERVER = StdioServerParameters(command=os.environ["CELLBLOCK"], args=["mcp", "--python", os.environ["CELLBLOCK_PYTHON"]], env=dict(os.environ))


@pytest.fixture
def anyio_backend():
    return "asyncio"


@pytest.mark.anyio
@pytest.mark.parametrize("mode", ["auto", "legacy"])
async def test_tools(mode):
    async with Client(stdio_client(SERVER), mode=mode) as client:
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
