"""Programs that others wrote, in their newest versions: jupyter_kernel_test, papermill, nbclient, AutoGen."""

import json
import re

SUITE = '''
import sys, unittest
from jupyter_kernel_test import IopubWelcomeTests, KernelTests


class Kernel(KernelTests):
    kernel_name = "cellblock"
    language_name = "python"
    file_extension = ".py"
    code_hello_world = "print('hello, world')"
    code_stderr = "import sys; print('test', file=sys.stderr)"
    completion_samples = [{"text": "zi", "matches": {"zip"}}, {"text": "isinst"}]
    complete_code_samples = ["1", "print('hello, world')"]
    incomplete_code_samples = ["print(\\'\\'\\'hello", "def f(x):\\n  x*2"]
    invalid_code_samples = ["import = 7q"]
    code_page_something = "zip?"
    code_generate_error = "raise ValueError('on purpose')"
    code_execute_result = [{"code": "1+2+3", "result": "6"}]
    code_display_data = [
        {"code": "from IPython.display import HTML, display; display(HTML('<b>test</b>'))", "mime": "text/html"},
        {"code": "from IPython.display import Math, display; display(Math('x'))", "mime": "text/latex"}]
    code_history_pattern = "1?2*"
    supported_history_operations = ("tail", "range", "search")
    code_inspect_sample = "zip"
    code_clear_output = "from IPython.display import clear_output; clear_output()"


class Welcome(IopubWelcomeTests):
    kernel_name = "cellblock"
    support_iopub_welcome = True


del KernelTests, IopubWelcomeTests
unittest.main(argv=["suite", "-v"])
'''


def test_jupyter_kernel_test_with_the_welcome(run, jupyter):
    file = jupyter.file("suite.py", SUITE)
    done = run(str(file))
    count = re.search(r"Ran (\d+) tests", done.stderr)
    assert done.returncode == 0 and count and int(count.group(1)) >= 13, done.stderr[-4000:]
    assert "skipped" not in done.stderr, done.stderr[-4000:]


ENCRYPTED = '''
import json, sys
from jupyter_client.manager import KernelManager
for policy in ("required", "auto", "disabled"):
    manager = KernelManager(kernel_name="cellblock", transport_encryption=policy)
    manager.start_kernel()
    client = manager.client()
    try:
        client.start_channels()
        client.wait_for_ready(timeout=60)
        for _ in range(2):
            reply = client.execute_interactive("print(6 * 7)", timeout=60)
            assert reply["content"]["status"] == "ok", reply
            with open(manager.connection_file) as file:
                assert ("curve_secretkey" in json.load(file)) == (policy != "disabled"), policy
            manager.restart_kernel(now=True)  # the keys stay
            client.wait_for_ready(timeout=60)
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)
'''


def test_transport_encryption_of_jupyter_client(run, jupyter):
    done = run(str(jupyter.file("encrypted.py", ENCRYPTED)))
    assert done.returncode == 0 and done.stdout == "42\n" * 6, done.stdout + done.stderr[-4000:]


KERNEL = {"kernelspec": {"name": "cellblock", "display_name": "Python (cellblock)", "language": "python"}}


def notebook(*cells):
    return json.dumps({"nbformat": 4, "nbformat_minor": 5, "metadata": KERNEL, "cells": [
        {"cell_type": "code", "id": "c%d" % n, "metadata": {"tags": ["parameters"] if n == 0 else []},
         "execution_count": None, "outputs": [], "source": source} for n, source in enumerate(cells)]})


def test_papermill_with_a_parameter(run, jupyter):
    book = jupyter.file("book.ipynb", notebook("size = 1", "print('x' * size)",
                                               "import matplotlib.pyplot as plt\nplt.plot([1, 2]);"))
    done = run("-m", "papermill", "-k", "cellblock", "-p", "size", "4", str(book), str(book) + ".out")
    assert done.returncode == 0, done.stderr[-3000:]
    made = json.loads(open(str(book) + ".out").read())
    outputs = [output for cell in made["cells"] for output in cell["outputs"]]
    assert outputs[0]["text"] == ["xxxx\n"] and "image/png" in outputs[-1]["data"]


def test_papermill_tells_of_a_cell_that_was_stopped(run, jupyter):
    book = jupyter.file("long.ipynb", notebook("size = 1", "%%timeout 1\nimport time\ntime.sleep(60)"))
    done = run("-m", "papermill", "-k", "cellblock", str(book), str(book) + ".out")
    assert done.returncode != 0 and "CellTimeout" in done.stderr


def test_nbclient(run):
    done = run("-c", "import nbformat, nbclient\n"
                     "book = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell('6 * 7')])\n"
                     "nbclient.NotebookClient(book, kernel_name='cellblock').execute()\n"
                     "print(book.cells[0].outputs[0]['data']['text/plain'])")
    assert done.stdout == "42\n", done.stderr[-3000:]


AUTOGEN = '''
import asyncio, json, pathlib, sys
from autogen_core import CancellationToken
from autogen_core.code_executor import CodeBlock
from autogen_ext.code_executors.jupyter import JupyterCodeExecutor


async def main():
    folder = pathlib.Path(sys.argv[1])
    async with JupyterCodeExecutor(kernel_name="cellblock", timeout=60, output_dir=folder) as executor:
        async def ask(*codes):
            blocks = [CodeBlock(code=code, language="python") for code in codes]
            result = await executor.execute_code_blocks(blocks, CancellationToken())
            return [result.exit_code, result.output, [one.suffix for one in result.output_files]]

        told = [await ask("x = 6 * 7", "print(x)"), await ask("x + 1"), await ask("1 / 0"),
                await ask("import pathlib; print(pathlib.Path(%r).exists())" % str(folder)),
                await ask("import base64\\nfrom IPython.display import Image\\n"
                          "Image(data=base64.b64decode('%s'), format='png')" % PIXEL)]
        await executor.restart()
        told.append(await ask("x"))
    print(json.dumps(told))


PIXEL = ("iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg==")
asyncio.run(main())
'''


def test_autogens_code_executor(run, jupyter):
    folder = jupyter.root / "work" / "autogen"
    done = run(str(jupyter.file("agent.py", AUTOGEN)), str(folder))
    assert done.returncode == 0, done.stderr[-3000:]
    printed, value, error, hidden, image, restarted = json.loads(done.stdout.splitlines()[-1])
    assert printed[0] == 0 and "42" in printed[1]
    assert value[0] == 0 and "43" in value[1]
    assert error[0] == 1 and "ZeroDivisionError" in error[1]
    assert "False" in hidden[1], "the cell saw a folder of the host"
    assert image[2] == [".png"] and list(folder.glob("*.png"))
    assert restarted[0] == 1 and "NameError" in restarted[1]
