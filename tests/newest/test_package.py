"""The Python package of share/python with the newest jupyter_client, blocking and with asyncio."""

import json

from support import kernels

PROGRAM = '''
import asyncio, json, os, sys, threading
sys.path.insert(0, %r)
import cellblock

def resets_and_sleeps(box):
    """What was sent to a kernel that has left doesn't reach the next one."""
    box.reset()
    return box.run("import time; time.sleep(0.5)").status


options = {"program": %r, "python": %r}
told = []
with cellblock.Sandbox(**options) as box:
    box.run("x = 6")
    told.append(box.run("print(x * 7)").stdout)
    told.append(box.run("import time; time.sleep(60)", timeout=0.5).status)
    told.append(box.run("import os; os._exit(1)").status)
    box.files.write("big", bytes(20 << 20))
    told.append(len(box.files.read("big")))
    told.append(box.run("print('on', flush=True)\\nwhile True: pass", on_stdout=lambda text: box.interrupt()).status)
    box.reset()
    told.append(box.run("x").error.name)
    told.append([resets_and_sleeps(box) for _ in range(3)])


async def main():
    async with cellblock.AsyncSandbox(**options) as box, cellblock.AsyncSandbox(**options) as other:
        await asyncio.gather(box.run("x = 1"), other.run("x = 2"))
        told.extend([(await one.run("x")).text for one in (box, other)])
        with cellblock.Sandbox(**options) as blocking:
            told.append(blocking.run("3").text)


asyncio.run(main())
print(json.dumps(told))
'''


def test_the_package_with_the_newest_jupyter_client(run, jupyter):
    file = jupyter.file("package.py", PROGRAM % (str(kernels.REPO / "share" / "python"), kernels.PROGRAM, kernels.PYTHON))
    done = run("-W", "error::RuntimeWarning", str(file))
    assert done.returncode == 0, done.stdout + done.stderr[-4000:]
    assert json.loads(done.stdout) == ["42\n", "timeout", "killed", 20 << 20, "interrupted", "NameError", ["ok"] * 3, "1", "2", "3"]
    left = [path.name for path in (jupyter.root / "run").iterdir() if path.name != "cellblock"]
    assert left == [] and done.stderr == ""
