"""Runs the notebook in one kernel and writes, as JSON, every message that a client hears of each cell.

record.py KERNEL FILE, by the Python whose jupyter_client is to be used. The working directory is the notebook's.
"""

import base64
import io
import json
import queue
import sys
import time

import cells
from jupyter_client import KernelManager
from PIL import Image

PATIENCE = 400  # where the machine does much else: what comes after a cell that hasn't ended is aborted
QUIET = 0.15  # seconds that threads and children get to print after a cell's end
NEEDED = {"type": "allow_stdin", "move": "IntSliderModel", "click": "ButtonModel"}


class Recorder:
    def __init__(self, kernel_name):
        self.manager = KernelManager(kernel_name=kernel_name)
        self.manager.start_kernel()
        self.client = self.manager.client()
        self.client.start_channels()
        self.client.wait_for_ready(timeout=PATIENCE)
        self.heard = {}   # by the request's id: its messages
        self.models = {}  # the newest comm of a widget's model name
        self._until_idle(self.client.execute("", silent=True))  # else a slow start is told in the first cell

    def close(self):
        self.client.stop_channels()
        self.manager.shutdown_kernel(now=True)

    # --- hearing

    def _take(self, timeout):
        """What came on all channels; True if anything did."""
        came = False
        for name in ("shell", "iopub", "stdin"):
            channel = getattr(self.client, name + "_channel")
            while True:
                try:
                    message = channel.get_msg(timeout=0 if came or name != "iopub" else timeout)
                except queue.Empty:
                    break
                came = True
                self._note(name, message)
        return came

    def _note(self, channel, message):
        if message["parent_header"].get("msg_type") == "interrupt_request":
            return  # of the manager, which counts its ids as the client does
        content = message["content"]
        if message["msg_type"] == "comm_open":
            state = content["data"].get("state", {})
            self.models[state.get("_model_name")] = content["comm_id"]
        for key, value in content.get("data", {}).items() if isinstance(content.get("data"), dict) else ():
            if key in ("image/png", "image/jpeg") and isinstance(value, str):
                content["data"][key] = picture(value)
        self.heard.setdefault(message["parent_header"].get("msg_id"), []).append({
            "channel": channel, "type": message["msg_type"], "content": content, "metadata": message["metadata"],
            "buffers": [len(part) for part in message.get("buffers", ())]})

    def _until_idle(self, request, answers=(), interrupt=False, reply=True):
        answers, seen, asked = list(answers), 0, 0
        done = {"reply": not reply, "idle": False}
        end = time.monotonic() + PATIENCE
        while not all(done.values()) and time.monotonic() < end:
            self._take(0.05)
            mine = self.heard.get(request, [])
            for message in mine[seen:]:
                kind = message["type"]
                done["reply"] |= message["channel"] == "shell"
                done["idle"] |= kind == "status" and message["content"]["execution_state"] == "idle"
                if kind == "input_request":
                    self.client.input(answers[asked] if asked < len(answers) else "\x04")
                    asked += 1
                if interrupt and kind == "stream":
                    time.sleep(0.3)  # the cell has gone on to what is to be interrupted
                    self.manager.interrupt_kernel()
                    interrupt = False
            seen = len(mine)
            if not self.manager.is_alive():
                mine.append({"channel": "process", "type": "died", "content": {}, "metadata": {}, "buffers": []})
                break
        if not all(done.values()):
            if self.manager.is_alive():
                raise TimeoutError("request %s hasn't ended within %d s: %r" % (request, PATIENCE, done))
            self.heard.setdefault(request, []).append(
                {"channel": "process", "type": "no end", "content": done, "metadata": {}, "buffers": []})
        end = time.monotonic() + QUIET
        while time.monotonic() < end:
            self._take(0.02)

    # --- doing

    def request(self, kind, content):
        message = self.client.session.msg(kind, content)
        self.client.shell_channel.send(message)
        return message["header"]["msg_id"]

    def run(self, cell):
        """The ids of the requests that the cell became."""
        if cell.act in QUERIES:
            request = self.request(cell.act + "_request", QUERIES[cell.act](cell))
            self._until_idle(request)
            return [request]
        answers = cell.words.split(" | ") if cell.act == "type" else ()
        request = self.client.execute(cell.code, allow_stdin=True, stop_on_error=True)
        self._until_idle(request, answers, cell.act == "interrupt")
        if cell.act not in ("move", "click"):
            return [request]
        data = ({"method": "update", "state": {"value": int(cell.words)}, "buffer_paths": []} if cell.act == "move"
                else {"method": "custom", "content": {"event": "click"}})
        after = self.request("comm_msg", {"comm_id": self.models.get(NEEDED[cell.act], ""), "data": data})
        self._until_idle(after, reply=False)
        return [request, after]


QUERIES = {
    "complete": lambda cell: {"code": cell.code, "cursor_pos": len(cell.code)},
    "inspect": lambda cell: {"code": cell.code, "cursor_pos": len(cell.code), "detail_level": int(cell.words or 0)},
    "is_complete": lambda cell: {"code": cell.code},
    "comm_info": lambda cell: {},
}


def picture(text):
    """An image as its size and 32 x 32 greys: what can be compared loosely."""
    try:
        image = Image.open(io.BytesIO(base64.b64decode(text)))
        small = image.convert("RGBA").convert("L").resize((32, 32))
        return {"size": list(image.size), "pixels": list(small.tobytes())}
    except Exception as error:
        return {"no image": str(error)}


def main(kernel_name, file):
    recorder = Recorder(kernel_name)
    try:
        requests = [(cell.title, recorder.run(cell)) for cell in cells.read()]
    finally:
        recorder.close()
    with open(file, "w") as out:
        json.dump([[title, [recorder.heard.get(one, []) for one in ids]] for title, ids in requests], out)


if __name__ == "__main__":
    main(*sys.argv[1:])
