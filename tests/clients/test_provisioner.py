"""The kernel provisioner of share/python: kernels of other makers, started in a sandbox by jupyter_client itself."""

import json

import shutil
import subprocess
import sys

import pytest
from support import kernels, leftovers

pytestmark = pytest.mark.cellblock_only("it starts other kernels")

PROGRAM = r'''
import os, sys, time, json
from jupyter_client.manager import KernelManager
manager = KernelManager(kernel_name=sys.argv[1], transport=sys.argv[2])
manager.start_kernel(cwd=os.getcwd())
client = manager.client()
client.start_channels()
client.wait_for_ready(timeout=90)
told = []

def run(code, timeout=60):
    """Its status and texts. A failure doesn't stop what is sent next: ipykernel would abort what comes in the moment after an error."""
    out = []
    reply = client.execute_interactive(code, timeout=timeout, stop_on_error=False, output_hook=lambda message: out.append(message["content"]))
    texts = [one.get("text") or one.get("data", {}).get("text/plain") or one.get("evalue") or "" for one in out]
    return reply["content"]["status"] + ":" + "".join(texts)

print(json.dumps(eval(sys.argv[3])))
client.stop_channels()
if manager.has_kernel:
    manager.shutdown_kernel(now=False)
'''


@pytest.fixture
def packages(place):
    """A folder as `pip install share/python` fills it."""
    folder = place.root / "packages"
    shutil.copytree(kernels.REPO / "share" / "python" / "cellblock", folder / "cellblock", ignore=shutil.ignore_patterns("__pycache__"))
    facts = folder / "cellblock-0.1.0.dist-info"
    facts.mkdir()
    (facts / "METADATA").write_text("Metadata-Version: 2.1\nName: cellblock\nVersion: 0.1.0\n")
    text = (kernels.REPO / "share" / "python" / "pyproject.toml").read_text()
    line, = [one for one in text.splitlines() if "provisioner:" in one]
    (facts / "entry_points.txt").write_text("[jupyter_client.kernel_provisioners]\n" + line.replace('"', "") + "\n")
    return folder


@pytest.fixture
def ask(place, packages):
    def call(what, transport="tcp", by_environment=False, argv=None, timeout=150):
        spec = place.root / "data" / "kernels" / "other"
        spec.mkdir(parents=True, exist_ok=True)
        metadata = {} if by_environment else {"kernel_provisioner": {"provisioner_name": "cellblock"}}
        (spec / "kernel.json").write_text(json.dumps({"argv": argv or [kernels.PYTHON, "-m", "ipykernel_launcher", "-f", "{connection_file}"],
                                                      "display_name": "Other", "language": "python", "metadata": metadata,
                                                      "env": {"OF_THE_SPEC": "yes"}}))
        environment = {**place.environment(), "PYTHONPATH": str(packages), "CELLBLOCK": kernels.PROGRAM}
        if by_environment:
            environment["JUPYTER_DEFAULT_PROVISIONER_NAME"] = "cellblock"
        done = subprocess.run([kernels.PYTHON, "-c", PROGRAM, "other", transport, what], capture_output=True, text=True, timeout=timeout,
                              env=environment, cwd=place.root / "work", check=False)
        assert done.returncode == 0, done.stderr[-3000:]
        return json.loads(done.stdout.splitlines()[-1])
    return call


def test_cells_run_inside(ask, place):
    (place.root / "work" / "data.txt").write_text("of the folder")
    (place.root / "home" / "secret.txt").write_text("of the home")
    found = ask("[run('6 * 7'), run('import os; os.environ[\"OF_THE_SPEC\"]'), run('open(\"data.txt\").read()'), "
                "run('open(\"%s\").read()'), run('import socket; socket.create_connection((\"1.1.1.1\", 53), 3)'), "
                "run('__import__(\"ipykernel\").__name__')]" % (place.root / "home" / "secret.txt"))
    assert found[:3] == ["ok:42", "ok:'yes'", "ok:'of the folder'"]
    assert found[3].startswith("error:") and "No such file" in found[3]
    assert found[4].startswith("error:") and "unreachable" in found[4]
    assert found[5] == "ok:'ipykernel'"


@pytest.mark.parametrize("transport", ["tcp", "ipc"])
def test_one_variable_puts_every_kernel_into_a_sandbox(ask, transport):
    assert ask("[run('import os; os.path.exists(\"/opt/cellblock/python\")'), run('print(\"x\" * 1000000)')[:4]]", transport,
               by_environment=True) == ["ok:True", "ok:x"]


def test_interrupts_and_restarts_reach_it(ask):
    code = ("[run('x = 1'), __import__('threading').Timer(2, manager.interrupt_kernel).start(), run('import time\\nfor n in range(600): time.sleep(0.1)'),"
            " run('x'), manager.restart_kernel(now=True), client.wait_for_ready(timeout=90), run('x'), run('6 * 7')]")
    found = ask(code)
    assert found[0] == "ok:" and found[2].startswith("error:") and found[3] == "ok:1"
    assert "not defined" in found[6] and found[7] == "ok:42"


def test_a_python_named_through_folders_and_out_of_them(ask):
    assert ask("[run('6 * 7')]", argv=["/usr/lib/../bin/python3", "-m", "ipykernel_launcher", "-f", "{connection_file}"]) == ["ok:42"]


def test_interrupts_in_a_row_are_only_that(ask):
    code = ("[[(manager.interrupt_kernel(), time.sleep(0.1)) for _ in range(5)] and None, run('6 * 7')]")
    assert ask(code)[1] == "ok:42"


def test_nothing_is_left_of_one_that_is_killed(ask):
    found = ask("[manager.provisioner.pid, run('import os; os.getpid()'), manager.shutdown_kernel(now=True)]")
    assert found[1].startswith("ok:") and not leftovers.is_alive(found[0])


def begun(place, packages, *argv, **more):
    """The process that Jupyter would start."""
    environment = {**place.environment(), "PYTHONPATH": str(packages), "CELLBLOCK": kernels.PROGRAM}
    connection = place.root / "work" / "connection.json"
    names = ("shell_port", "iopub_port", "stdin_port", "control_port", "hb_port")
    connection.write_text(json.dumps({**dict(zip(names, kernels.free_ports(5))), "ip": "127.0.0.1", "transport": "tcp", "key": "k",
                                      "signature_scheme": "hmac-sha256"}))
    return subprocess.Popen([*more.get("by", []), sys.executable, "-m", "cellblock.sandboxed_kernel", "--connection-file", str(connection), "--",
                             *argv], env=environment, cwd=place.root / "work", stdin=subprocess.DEVNULL, stderr=subprocess.PIPE)


STOPS_ITS_CARRIER = "import os, signal, time\nos.kill(os.getppid(), signal.SIGSTOP)\nopen('/tmp/on', 'w')\nwhile True: time.sleep(1)"


def test_nothing_outlives_it_whatever_the_kernel_does(place, packages):
    process = begun(place, packages, "python", "-c", STOPS_ITS_CARRIER)
    assert leftovers.wait_until(lambda: any("os.getppid" in leftovers.command_line(pid) and "-c import os" in leftovers.command_line(pid)
                                            for pid in leftovers.descendants(process.pid)), 60)
    tree = leftovers.descendants(process.pid)
    process.kill()
    process.communicate()
    assert leftovers.wait_until(lambda: not leftovers.living(tree), 20), [leftovers.command_line(pid) for pid in leftovers.living(tree)]


def test_it_ends_with_the_server_that_started_it(place, packages):
    process = begun(place, packages, "sleep", "1000", by=["sh", "-c", '"$@" & echo $! >&2; wait', "sh"])
    pid = int(process.stderr.readline())
    assert leftovers.wait_until(lambda: any("sleep 1000" in leftovers.command_line(one) for one in leftovers.descendants(pid)), 60)
    tree = {**leftovers.descendants(pid), pid: leftovers.stat_of(pid)[3]}
    process.kill()
    process.communicate()
    assert leftovers.wait_until(lambda: not leftovers.living(tree), 20), [leftovers.command_line(one) for one in leftovers.living(tree)]


EARLY = r"""
import asyncio, os, sys
from cellblock import sandboxed_kernel

async def late(*words, start=asyncio.create_subprocess_exec, **more):
    await asyncio.sleep(1)
    return await start(*words, **more)

async def main(place):
    connection = {name: number for number, name in enumerate(sandboxed_kernel.PORTS)}
    serving = asyncio.ensure_future(sandboxed_kernel.Carrier({**connection, "transport": "ipc", "ip": place}).serve(["cat"]))
    while not os.path.exists(place + "-0"):
        await asyncio.sleep(0.01)
    reader, writer = await asyncio.open_unix_connection(place + "-0")
    writer.write(b"first")
    print((await asyncio.wait_for(reader.readexactly(5), 30)).decode())
    sys.stdout.flush()
    os._exit(0)

asyncio.create_subprocess_exec = late
asyncio.run(main(sys.argv[1]))
"""


def test_the_first_bytes_of_the_first_connection_arrive(place, packages):
    """However long the sandbox's own process takes to start: ZMQ would wait half a minute before it tries again."""
    done = subprocess.run([kernels.PYTHON, "-c", EARLY, str(place.root / "socket")], capture_output=True, text=True, timeout=90, check=False,
                          env={**place.environment(), "PYTHONPATH": str(packages)})
    assert done.stdout == "first\n", done.stderr


def test_a_frame_beyond_its_bound_ends_it(place, packages):
    forged = "import os, struct, time; os.write(os.open('/proc/%d/fd/1' % os.getppid(), os.O_WRONLY), struct.pack('>IBI', 1, 1, 1 << 31)); time.sleep(60)"
    process = begun(place, packages, "python", "-c", forged)
    _, error = process.communicate(timeout=90)
    assert process.returncode != 0 and b"broke the protocol" in error, error


def test_a_kernel_that_cant_be_started_says_why(place, packages):
    environment = {**place.environment(), "PYTHONPATH": str(packages), "CELLBLOCK": kernels.PROGRAM}
    connection = place.root / "work" / "connection.json"
    ports = {name: port for name, port in zip(("shell_port", "iopub_port", "stdin_port", "control_port", "hb_port"), kernels.free_ports(5))}
    connection.write_text(json.dumps({**ports, "ip": "127.0.0.1", "transport": "tcp", "key": "k", "signature_scheme": "hmac-sha256"}))
    begin = [sys.executable, "-m", "cellblock.sandboxed_kernel", "--connection-file", str(connection)]
    for words, part in ((["--policy", "no-such", "--", "x"], "no-such"), (["--", "no-such-program"], "no-such-program")):
        done = subprocess.run([*begin, *words], capture_output=True, text=True, timeout=90, env=environment, check=False,
                              cwd=place.root / "work", stdin=subprocess.DEVNULL)
        assert done.returncode != 0 and part in done.stderr, done.stderr
