"""The same by the SDK's AsyncSandbox, in brief."""

import asyncio
import base64
import time

import pytest
from e2b import (AuthenticationException, CommandExitException, FileNotFoundException, PtySize, SandboxNotFoundException, SandboxQuery,
                 TimeoutException)
from e2b_code_interpreter import AsyncSandbox


@pytest.fixture
async def abox(server):
    async with await AsyncSandbox.create(metadata={"suite": "asynchronous"}) as made:
        yield made


async def test_life(server):
    box = await AsyncSandbox.create(timeout=60, metadata={"one": "of its kind"})
    assert await box.is_running() and (await box.get_info()).metadata == {"one": "of its kind"}
    listed = await AsyncSandbox.list(query=SandboxQuery(metadata={"one": "of its kind"})).next_items()
    assert [one.sandbox_id for one in listed] == [box.sandbox_id]
    await box.run_code("x = 1")
    again = await AsyncSandbox.connect(box.sandbox_id)
    assert (await again.run_code("x")).text == "1"
    await box.set_timeout(100)
    assert await again.kill() and not await box.kill() and not await box.is_running()
    with pytest.raises(SandboxNotFoundException):
        await AsyncSandbox.connect(box.sandbox_id)
    with pytest.raises(AuthenticationException):
        await AsyncSandbox.create(api_key="e2b_" + "0" * 40)


async def test_run_code(abox):
    out, results, arrived = [], [], []

    async def on_stdout(one):
        arrived.append(time.monotonic())
        out.append(one.line)

    async def on_result(one):
        results.append(one)

    code = "import time, matplotlib.pyplot as plt\nprint(1)\ntime.sleep(1)\nplt.plot([1, 2])\nplt.show()\nprint(2)\n'end'"
    done = await abox.run_code(code, on_stdout=on_stdout, on_result=on_result, timeout=60)
    assert "".join(out) == "1\n2\n" and time.monotonic() - arrived[0] > 0.9
    assert base64.b64decode(results[0].png).startswith(b"\x89PNG") and done.text == "end" == results[-1].text
    assert (await abox.run_code("1 / 0")).error.name == "ZeroDivisionError"


async def test_timeouts_and_cancelled_tasks(abox):
    await abox.run_code("x = 1")
    with pytest.raises(TimeoutException):
        await abox.run_code("while True: pass", timeout=1)
    assert (await abox.run_code("x", timeout=5)).text == "1"
    task = asyncio.create_task(abox.run_code("while True: pass"))
    await asyncio.sleep(0.7)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert (await abox.run_code("x", timeout=5)).text == "1"


async def test_contexts(abox):
    context = await abox.create_code_context(cwd="/tmp")
    assert (await abox.run_code("import os; os.getcwd()", context=context)).text == "/tmp"
    assert context.id in [one.id for one in await abox.list_code_contexts()]
    await abox.restart_code_context(context)
    assert (await abox.run_code("os", context=context)).error.name == "NameError"
    await abox.remove_code_context(context)
    assert context.id not in [one.id for one in await abox.list_code_contexts()]


async def test_several_sandboxes_at_once(server):
    boxes = await asyncio.gather(*(AsyncSandbox.create() for _ in range(4)))
    try:
        await asyncio.gather(*(box.run_code("x = %d" % n) for n, box in enumerate(boxes)))
        told = await asyncio.gather(*(box.run_code("import time; time.sleep(0.5); x") for box in boxes))
        assert [one.text for one in told] == ["0", "1", "2", "3"]
    finally:
        assert all(await asyncio.gather(*(box.kill() for box in boxes)))


async def test_files(abox):
    assert (await abox.files.write("d/a.txt", "a")).path == "/home/user/d/a.txt" and await abox.files.read("d/a.txt") == "a"
    await abox.files.write("d/packed.txt", "packed", gzip=True)
    assert await abox.files.read("d/packed.txt", gzip=True) == "packed"
    await abox.files.remove("d/packed.txt")
    await abox.files.write_files([{"path": "d/b.bin", "data": b"\xff"}, {"path": "d/c.txt", "data": "c"}])
    assert await abox.files.read("d/b.bin", format="bytes") == b"\xff"
    assert b"".join([piece async for piece in await abox.files.read("d/c.txt", format="stream")]) == b"c"
    assert {one.name for one in await abox.files.list("d")} == {"a.txt", "b.bin", "c.txt"}
    assert (await abox.files.rename("d/a.txt", "z.txt")).path == "/home/user/z.txt" and (await abox.files.get_info("z.txt")).size == 1
    assert await abox.files.make_dir("e") and not await abox.files.make_dir("e")
    await abox.files.remove("d")
    assert not await abox.files.exists("d")
    with pytest.raises(FileNotFoundException):
        await abox.files.read("d/a.txt")


async def test_commands(abox):
    out = []
    done = await abox.commands.run("echo out; echo err >&2", on_stdout=out.append)
    assert (done.stdout, done.stderr, done.exit_code) == ("out\n", "err\n", 0) and "".join(out) == "out\n"
    with pytest.raises(CommandExitException):
        await abox.commands.run("exit 3")
    with pytest.raises(TimeoutException):
        await abox.commands.run("sleep 100", timeout=1)
    handle = await abox.commands.run("cat", background=True, stdin=True)
    assert handle.pid in [one.pid for one in await abox.commands.list()]
    await abox.commands.send_stdin(handle.pid, "line\n")
    await handle.close_stdin()
    assert (await handle.wait()).stdout == "line\n"
    other = await abox.commands.run("sleep 100", background=True)
    assert await other.kill() and not await abox.commands.kill(999_999)
    with pytest.raises(CommandExitException):
        await other.wait()


async def test_a_terminal(abox):
    seen = []
    handle = await abox.pty.create(PtySize(rows=30, cols=77), on_data=seen.append)
    await abox.pty.send_stdin(handle.pid, b"stty size; exit\n")
    await handle.wait()
    assert b"30 77" in b"".join(bytes(one) for one in seen)
