"""A session's whole life by jupyter_client, with the installed kernelspec: life.py MEMORY [URL TOKEN], with the policy's limits.memory in MiB,
400 at least; or 0, and the steps of MEMORY_STEPS are left out.

With a URL the kernels are those of that Jupyter server. Prints a line of JSON: {step: {"ok", "seconds", "told"}}. A step that fails
doesn't end the life, as the later ones tell more; where there is no kernel, all fail.
"""

import base64
import contextlib
import json
import os
import pathlib
import signal
import sys
import time
import traceback
import urllib.request

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from jupyter_client import BlockingKernelClient, KernelManager  # noqa: E402
from jupyter_core.paths import jupyter_runtime_dir  # noqa: E402
from support import leftovers  # noqa: E402

MEMORY_STEPS = ("memory limit", "memory limit of several processes", "warm memory limit of several processes")
STEPS = ("start", "state", "plot", "file", "interrupt", "time limit", *MEMORY_STEPS[:2], "shutdown",
         "start that leaves a daemon", "warm start", "warm plot", MEMORY_STEPS[2], "warm shutdown")
SECONDS = 300  # for a start or a cell; nothing here takes long, but the processor is emulated
STATE = "x = 40\nlen('state')"
PLOT = "import matplotlib.pyplot as plt\nplt.plot([1, 4, 9])\nplt.show()"
KEPT = "kept.csv"
FILE = "open('%s', 'w').write('a,b\\n1,2\\n')" % KEPT
WAIT = "import time\nwhile True: time.sleep(0.05)"
LATE = "%%timeout 3\nwhile True: pass"
HOARD = "kept = []\nwhile True: kept.append(bytearray(16 << 20))"
CROWD = ("import os, time\nfor _ in range(12):\n    if os.fork() == 0:\n        held = b'x' * (%d << 20)\n        time.sleep(30)\n        os._exit(0)\n"
         "for _ in range(12): os.wait()")  # together more than the limit, each with what fits beside Python in it


class OwnKernel:
    """Started by jupyter_client, as nbclient and papermill do."""

    def __init__(self, environment):
        self.manager = KernelManager(kernel_name="cellblock")
        self.manager.start_kernel(env={**os.environ, **environment})
        self.client = self.manager.client()
        self.pid = self.manager.provisioner.process.pid

    def interrupt(self):
        self.manager.interrupt_kernel()

    def stop(self):
        self.manager.shutdown_kernel()


class ServersKernel:
    """Started through the server's REST API, as JupyterLab does."""

    def __init__(self, url, token):
        self.url, self.token = url, token
        self.id = self.ask("POST", "/api/kernels", {"name": "cellblock"})["id"]
        self.client = BlockingKernelClient(connection_file=os.path.join(jupyter_runtime_dir(), "kernel-%s.json" % self.id))
        self.client.load_connection_file()
        self.pid = next(pid for pid in leftovers.all_processes() if self.id in leftovers.command_line(pid))

    def ask(self, method, path, content=None):
        request = urllib.request.Request(self.url + path, method=method, data=None if content is None else json.dumps(content).encode(),
                                         headers={"Authorization": "token " + self.token, "Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=SECONDS) as answer:
            text = answer.read()
        return json.loads(text) if text else None

    def interrupt(self):
        self.ask("POST", "/api/kernels/%s/interrupt" % self.id)

    def stop(self):
        self.ask("DELETE", "/api/kernels/%s" % self.id)


class Life:
    def __init__(self, memory, server):
        self.memory, self.crowd = memory, CROWD % (memory // 10)
        self.server = server
        self.steps = {}
        self.known = {}  # processes that must be gone in the end
        self.before = leftovers.Snapshot()
        self.kernel = None

    @contextlib.contextmanager
    def step(self, name):
        begun, told = time.monotonic(), []
        try:
            yield told
            self.steps[name] = {"ok": True}
        except Exception:  # a step that fails is told by the test of its name
            self.steps[name] = {"ok": False}
            told.append(traceback.format_exc())
        self.steps[name].update(seconds=round(time.monotonic() - begun, 2), told="\n".join(map(str, told)))

    def start(self, warm):
        self.kernel = ServersKernel(*self.server) if self.server else OwnKernel({} if warm else {"CELLBLOCK_DAEMON": "0"})
        self.kernel.client.start_channels()
        self.kernel.client.wait_for_ready(timeout=SECONDS)
        result = self.run("6 * 7")
        assert result["text"] == "42", result

    def run(self, code, meanwhile=None):
        """What came of it; `meanwhile` is called once the kernel says that it is busy."""
        client, seen = self.kernel.client, {"text": "", "png": b"", "error": "", "said": ""}
        request, end = client.execute(code), time.monotonic() + SECONDS
        while True:
            message = client.get_iopub_msg(timeout=max(0.1, end - time.monotonic()))
            if message["parent_header"].get("msg_id") != request:
                continue
            kind, content = message["msg_type"], message["content"]
            if kind == "execute_input" and meanwhile:
                meanwhile()
            elif kind in ("execute_result", "display_data"):
                seen["text"] += content["data"].get("text/plain", "")
                seen["png"] += base64.b64decode(content["data"].get("image/png", ""))
            elif kind == "stream":
                seen["said"] += content["text"]
            elif kind == "error":
                seen["error"] += content["ename"] + ": " + content["evalue"] + "\n".join(content["traceback"])
            elif kind == "status" and content["execution_state"] == "idle":
                self.known.update(leftovers.descendants(self.kernel.pid))
                return seen

    def interrupted(self):
        return self.run(WAIT, lambda: (time.sleep(2), self.kernel.interrupt()))

    def stop(self):
        if self.kernel is None:
            return
        stat = leftovers.stat_of(self.kernel.pid)
        self.known.update({self.kernel.pid: stat[3]} if stat else {})
        self.known.update(leftovers.descendants(self.kernel.pid))
        self.kernel.client.stop_channels()
        self.kernel.stop()
        self.kernel = None

    def assert_nothing_left(self):
        leftovers.wait_until(lambda: not leftovers.living(self.known), 20)
        left = {pid: leftovers.command_line(pid) for pid in leftovers.living(self.known)}
        assert not left, "processes: %s" % left
        assert not self.before.wait_clean(), "left behind: %s" % self.before.wait_clean(0)

    def live(self):
        with self.step("start"):
            self.start(warm=False)
        if self.kernel is None:
            return
        with self.step("state"):
            assert self.run(STATE)["text"] == "5" and self.run("x + 2")["text"] == "42"
        with self.step("plot"):
            shown = self.run(PLOT)
            assert shown["png"].startswith(b"\x89PNG") and len(shown["png"]) > 2000, shown["error"] or shown
        with self.step("file"):
            self.run(FILE)
            assert leftovers.wait_until(lambda: os.path.exists(KEPT), 10), os.listdir(".")
        with self.step("interrupt"):
            assert self.interrupted()["error"].startswith("KeyboardInterrupt") and self.run("x + 2")["text"] == "42"
        with self.step("time limit"):
            ended = self.run(LATE)
            assert ended["error"].startswith("CellTimeout"), ended
            assert self.run("x + 2")["text"] == "42"
        if self.memory:
            self.fill_memory()
        with self.step("shutdown"):
            self.stop()
            if self.server:
                return  # its kernels bring a daemon about, which stays for the warm start
            self.assert_nothing_left()

    def fill_memory(self):
        with self.step("memory limit") as told:
            ended = self.run(HOARD)
            told.append(ended["error"][:200])
            assert ended["error"].startswith(("MemoryError", "MemoryLimit")) and "limits.memory" in ended["error"], ended
            self.run("kept = None")
            assert self.run("6 * 7")["text"] == "42"
        self.fill_by_several("memory limit of several processes")

    def fill_by_several(self, step):
        with self.step(step) as told:
            ended = self.run(self.crowd)
            told.append(ended["error"][:200] or ended["said"][:200])
            assert "limits.memory" in ended["error"] + ended["said"], ended  # the worker was killed, or one of the others
            assert self.run("6 * 7")["text"] == "42"

    def live_again(self):
        """With a daemon, as who has configured nothing: the first start brings it about, the second takes what it has ready."""
        with self.step("start that leaves a daemon"):
            self.start(warm=True)
            self.stop()
            assert leftovers.wait_until(self.has_ready, SECONDS), daemons()
        with self.step("warm start"):
            self.start(warm=True)
            assert "zygote" in self.run("open('/proc/1/cmdline').read()")["text"], "it was a cold one"
        with self.step("warm plot"):
            assert self.run(PLOT)["png"].startswith(b"\x89PNG")
        if self.memory:
            self.fill_by_several("warm memory limit of several processes")
        with self.step("warm shutdown"):
            self.stop()
            os.system("cellblock daemon stop >&2")
            leftovers.wait_until(lambda: not daemons(), 20)
            assert not daemons(), daemons()
            self.assert_nothing_left()

    def has_ready(self):
        found = daemons()
        for one in found:
            stat = leftovers.stat_of(one["process"])
            self.known.update({one["process"]: stat[3], **leftovers.descendants(one["process"])} if stat else {})
        return any(one["pool"]["ready"] and not one["pool"]["under_way"] for one in found)


def daemons():
    with os.popen("cellblock daemon status --json") as status:
        text = status.read().strip()
    return json.loads(text) if text else []


def main():
    signal.alarm(2300)
    folder = pathlib.Path.home() / "notebooks"
    folder.mkdir(exist_ok=True)
    os.chdir(folder)
    pathlib.Path(KEPT).unlink(missing_ok=True)
    leftovers.become_subreaper()
    life = Life(int(sys.argv[1]), sys.argv[2:4])
    try:
        life.live()
        life.live_again()
    finally:
        with contextlib.suppress(Exception):
            life.stop()
        print(json.dumps(life.steps))


if __name__ == "__main__":
    main()
