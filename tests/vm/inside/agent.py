"""Runs commands in the machine for tests/vm, which asks for them through a virtual serial port, a line of JSON each.

A request is {"id", "argv", "seconds", "input"}; its answer {"id", "status", "stdout", "stderr"}. The status is the command's, or 124
where the command took longer than so many seconds and was killed with its process group. One command runs at a time, as root.
"""

import json
import os
import signal
import subprocess

PORT = "/dev/virtio-ports/agent"
MOST_CHARACTERS = 8 << 20  # of each stream


def answer_to(request):
    child = subprocess.Popen(request["argv"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                             errors="replace", start_new_session=True, cwd="/")
    try:
        out, err = child.communicate(request.get("input", ""), timeout=request["seconds"])
        status = child.returncode
    except subprocess.TimeoutExpired:
        os.killpg(child.pid, signal.SIGKILL)
        out, err = child.communicate()
        status = 124
    return {"id": request["id"], "status": status, "stdout": out[-MOST_CHARACTERS:], "stderr": err[-MOST_CHARACTERS:]}


def main():
    port = os.open(PORT, os.O_RDWR)
    with open(os.dup(port), "rb") as requests:
        for line in requests:
            request = json.loads(line)
            try:
                answer = answer_to(request)
            except OSError as error:
                answer = {"id": request["id"], "status": 127, "stdout": "", "stderr": str(error)}
            left = json.dumps(answer).encode() + b"\n"
            while left:
                left = left[os.write(port, left):]


if __name__ == "__main__":
    main()
