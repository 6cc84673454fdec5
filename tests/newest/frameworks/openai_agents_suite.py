"""OpenAI's Agents SDK with cellblock.openai_agents: sessions, and an agent with its shell whose model is scripted."""

import asyncio
import io
import os
import sys
from pathlib import Path

import pytest
from agents import RunConfig, Runner
from agents.sandbox import ExecTimeoutError, LocalSnapshotSpec, Manifest, SandboxAgent, SandboxRunConfig, WorkspaceReadNotFoundError
from agents.sandbox.entries import File
from agents.testing import ScriptedModel
from openai.types.responses import ResponseFunctionToolCall, ResponseOutputMessage, ResponseOutputText

sys.path.insert(0, os.environ["CELLBLOCK_PACKAGE"])

from cellblock.openai_agents import CellblockSandboxClient, CellblockSandboxClientOptions  # noqa: E402

OPTIONS = CellblockSandboxClientOptions(python=os.environ["CELLBLOCK_PYTHON"])


async def test_a_session():
    client = CellblockSandboxClient()
    manifest = Manifest(entries={"in/data.csv": File(content=b"a,b\n1,2\n")})
    async with await client.create(manifest=manifest, options=OPTIONS) as session:
        done = await session.exec("wc -l < in/data.csv; pwd; echo err >&2; exit 3")
        assert (done.stdout, done.stderr, done.exit_code) == (b"2\n/workspace\n", b"err\n", 3)
        await session.write(Path("out/a b.bin"), io.BytesIO(b"\xff\x00"))
        assert (await session.read(Path("out/a b.bin"))).read() == b"\xff\x00"
        with pytest.raises(WorkspaceReadNotFoundError):
            await session.read(Path("none"))
        assert {entry.path.rsplit("/", 1)[-1] for entry in await session.ls(".")} >= {"in", "out"}
        with pytest.raises(ExecTimeoutError):
            await session.exec("sleep 100", timeout=0.5)
        assert b"python" in (await session.exec("python -c 'import sys; print(sys.executable)'")).stdout
        assert (await session.exec("cat %s" % __file__)).exit_code != 0
        assert await session.running()
    await client.delete(session)
    assert not await session.running()


async def test_a_workspace_that_is_kept_and_resumed(tmp_path):
    client = CellblockSandboxClient()
    session = await client.create(options=OPTIONS, snapshot=LocalSnapshotSpec(base_path=tmp_path))
    async with session:
        await session.write(Path("kept.txt"), io.BytesIO(b"kept"))
    state = client.deserialize_session_state(client.serialize_session_state(session.state))
    async with await client.resume(state) as again:
        assert (await again.read(Path("kept.txt"))).read() == b"kept"
    await client.delete(again)


async def test_an_agent_runs_shell_lines():
    call = ResponseFunctionToolCall(type="function_call", call_id="1", name="exec_command", arguments='{"cmd": "echo $((6 * 7)) > a; cat a"}')
    said = ResponseOutputMessage(id="2", type="message", role="assistant", status="completed", content=[
        ResponseOutputText(type="output_text", text="It is 42.", annotations=[])])
    model = ScriptedModel([[call], [said]])
    agent = SandboxAgent(name="Analyst", instructions="Compute.", model=model)
    result = await asyncio.wait_for(Runner.run(agent, "6 * 7?", run_config=RunConfig(
        sandbox=SandboxRunConfig(client=CellblockSandboxClient(), options=OPTIONS))), 120)
    assert result.final_output == "It is 42."
    assert any("42" in str(getattr(item, "output", "")) for item in result.new_items)
