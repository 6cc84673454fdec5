"""jupyter_client's blocking and async clients, nbclient, nbconvert, papermill."""

import asyncio
import json
import subprocess
import sys

import nbformat
import pytest
from clients.conftest import NAME
from jupyter_client.manager import AsyncKernelManager, KernelManager, start_new_async_kernel, start_new_kernel
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError
from support import kernels


@pytest.fixture
def manager(jupyter):
    manager, client = start_new_kernel(kernel_name=NAME, startup_timeout=60)
    yield manager, client
    client.stop_channels()
    manager.shutdown_kernel()


def test_blocking_client(manager):
    _, client = manager
    outputs = []
    reply = client.execute_interactive("print('out'); 6 * 7", timeout=60, output_hook=outputs.append)
    assert reply["content"]["status"] == "ok"
    assert [one["msg_type"] for one in outputs][-3:-1] == ["stream", "execute_result"]


def test_blocking_clients_requests(manager):
    _, client = manager
    assert "print" in client.complete("pri", reply=True, timeout=30)["content"]["matches"]
    assert client.inspect("print", reply=True, timeout=30)["content"]["found"]
    client.is_complete("1")
    assert client.get_shell_msg(timeout=30)["content"]["status"] == "complete"
    assert client.comm_info(reply=True, timeout=30)["content"]["comms"] == {}
    assert client.history(hist_access_type="tail", n=1, reply=True, timeout=30)["content"]["status"] == "ok"


def test_input_through_the_blocking_client(manager):
    _, client = manager

    def answer(request):
        client.input("given to " + request["content"]["prompt"])

    outputs = []
    client.execute_interactive("print(input('me'))", allow_stdin=True, stdin_hook=answer, timeout=60,
                               output_hook=outputs.append)
    assert "given to me\n" in [one["content"].get("text") for one in outputs]


@pytest.mark.skipif(kernels.CHOSEN != "cellblock", reason="other kernels have no such comm")
def test_the_example_with_files(jupyter, tmp_path):
    program = (kernels.REPO / "examples" / "files_over_zmq.py").read_text()
    assert 'kernel_name="cellblock"' in program
    done = subprocess.run([sys.executable, "-c", program.replace('kernel_name="cellblock"', "kernel_name=%r" % NAME)],
                          capture_output=True, text=True, timeout=120, check=False, cwd=tmp_path)
    assert (done.returncode, done.stdout) == (0, "the sum is 30\n"), done.stderr


def test_interrupt_and_restart_through_the_manager(manager):
    manager, client = manager
    client.execute("import time; time.sleep(60)")
    while client.get_iopub_msg(timeout=30)["msg_type"] != "execute_input":
        pass
    manager.interrupt_kernel()
    assert client.get_shell_msg(timeout=30)["content"]["ename"] == "KeyboardInterrupt"
    client.execute("x = 1", reply=True, timeout=30)
    manager.restart_kernel()
    client.wait_for_ready(timeout=60)
    reply = client.execute("x", reply=True, timeout=30)
    assert reply["content"]["ename"] == "NameError" and reply["content"]["execution_count"] == 1


def test_a_shutdown_is_quick_and_clean(jupyter):
    manager = KernelManager(kernel_name=NAME)
    manager.start_kernel()
    client = manager.blocking_client()
    client.start_channels()
    client.wait_for_ready(timeout=60)
    process = manager.provisioner.process
    client.stop_channels()
    manager.shutdown_kernel()
    assert process.poll() == 0, "it had to be killed"


def test_async_client(jupyter):
    async def talk():
        manager, client = await start_new_async_kernel(kernel_name=NAME, startup_timeout=60)
        assert isinstance(manager, AsyncKernelManager)
        try:
            reply = await client.execute_interactive("1 + 1", timeout=60, output_hook=lambda message: None)
            return reply["content"]["status"]
        finally:
            client.stop_channels()
            await manager.shutdown_kernel()

    assert asyncio.run(talk()) == "ok"


def test_ipc_transport_through_the_manager(jupyter):
    manager = KernelManager(kernel_name=NAME, transport="ipc", ip=str(jupyter.root / "run" / "sock"))
    manager.start_kernel()
    client = manager.blocking_client()
    client.start_channels()
    try:
        client.wait_for_ready(timeout=60)
        assert client.execute("1", reply=True, timeout=60)["content"]["status"] == "ok"
    finally:
        client.stop_channels()
        manager.shutdown_kernel()


def notebook(*cells):
    return nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])


def test_nbclient_executes_a_notebook(jupyter):
    book = notebook("x = 6", "print(x)\nx * 7", "import matplotlib.pyplot as plt\n%matplotlib inline\n"
                    "plt.plot([1, 2])\nplt.show()")
    NotebookClient(book, kernel_name=NAME, timeout=60).execute()
    assert [out["output_type"] for out in book.cells[1].outputs] == ["stream", "execute_result"]
    assert "image/png" in book.cells[2].outputs[0]["data"]


def test_nbclient_tells_an_error(jupyter):
    with pytest.raises(CellExecutionError, match="ZeroDivisionError"):
        NotebookClient(notebook("1/0"), kernel_name=NAME, timeout=60).execute()


def test_nbclients_timeout_interrupts_and_goes_on(jupyter):
    book = notebook("import time; time.sleep(60)", "'went on'")
    NotebookClient(book, kernel_name=NAME, timeout=2, interrupt_on_timeout=True, allow_errors=True).execute()
    assert book.cells[0].outputs[0]["ename"] in ("KeyboardInterrupt", "CellTimeout")
    assert book.cells[1].outputs[0]["data"]["text/plain"] == "'went on'"


def test_nbclients_timeout_ends(jupyter):
    with pytest.raises(CellTimeoutError):
        NotebookClient(notebook("while True: pass"), kernel_name=NAME, timeout=1).execute()


EXAMPLES = sorted((kernels.REPO / "examples").glob("*.ipynb"))


@pytest.mark.parametrize("path", EXAMPLES or [None], ids=lambda path: path.name if path else "none")
def test_nbconvert_executes_the_examples(jupyter, path):
    if path is None:
        pytest.skip("there are no notebooks in examples/")
    if kernels.is_ipykernel() and "%%timeout" in path.read_text():
        pytest.skip("it uses %%timeout, which is cellblock's")
    work = jupyter.root / "work" / path.name
    work.write_bytes(path.read_bytes())
    done = subprocess.run(
        [kernels.PYTHON, "-m", "nbconvert", "--to", "notebook", "--execute", "--output", "done.ipynb",
         "--ExecutePreprocessor.kernel_name=" + NAME, "--ExecutePreprocessor.timeout=120", str(work)],
        capture_output=True, text=True, timeout=140, check=False, env=jupyter.environment(), cwd=work.parent)
    assert done.returncode == 0, done.stderr[-3000:]
    book = json.loads((work.parent / "done.ipynb").read_text())
    assert any(cell.get("outputs") for cell in book["cells"])
