#!/usr/bin/env python3
"""Speaks to `cellblock mcp` as an application with a language model does, in the protocol's own messages.

    examples/mcp_client.py            # runs a cell, and writes its figure to figure.png
"""
import base64
import json
import os
import pathlib
import subprocess

HERE = pathlib.Path(__file__).resolve().parent
PROGRAM = os.environ.get("CELLBLOCK", str(HERE.parent / "build" / "cellblock"))
CODE = "import matplotlib.pyplot as plt\nprint('a square:', 7 * 7)\nplt.plot([n * n for n in range(8)])\nplt.show()"

server = subprocess.Popen([PROGRAM, "mcp"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def ask(number, method, params):
    print(json.dumps({"jsonrpc": "2.0", "id": number, "method": method, "params": params}), file=server.stdin, flush=True)
    return json.loads(server.stdout.readline())["result"]


ask(1, "initialize", {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "example", "version": "1"}})
print(json.dumps({"jsonrpc": "2.0", "method": "notifications/initialized"}), file=server.stdin, flush=True)
print("tools:", ", ".join(tool["name"] for tool in ask(2, "tools/list", {})["tools"]))
result = ask(3, "tools/call", {"name": "execute_code", "arguments": {"code": CODE}})
for block in result["content"]:
    if block["type"] == "text":
        print(block["text"], end="")
    elif block["type"] == "image":
        pathlib.Path("figure.png").write_bytes(base64.b64decode(block["data"]))
        print("figure.png")
server.stdin.close()
server.wait()
