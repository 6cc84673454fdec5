#!/usr/bin/python3
"""A program that runs code in a sandbox over Jupyter's protocol and saves the plot.

    examples/zmq_client.py [plot.png]

Needs the kernel to be installed (`cellblock install`) and python3-jupyter-client.
"""
import base64
import sys

from jupyter_client.manager import start_new_kernel

CODE = """
import matplotlib.pyplot as plt
print("hello from the sandbox")
plt.plot([1, 4, 9, 16])
plt.show()
"""


def main():
    target = sys.argv[1] if len(sys.argv) > 1 else "plot.png"
    manager, client = start_new_kernel(kernel_name="cellblock")
    pictures = []

    def on_output(message):
        content = message["content"]
        if message["msg_type"] == "stream":
            print(content["text"], end="")
        elif message["msg_type"] == "error":
            print("\n".join(content["traceback"]), file=sys.stderr)
        elif "image/png" in content.get("data", {}):
            pictures.append(base64.b64decode(content["data"]["image/png"]))

    try:
        reply = client.execute_interactive(CODE, timeout=120, allow_stdin=False, output_hook=on_output)
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=False)
    if reply["content"]["status"] != "ok" or not pictures:
        sys.exit("no plot came back")
    with open(target, "wb") as file:
        file.write(pictures[0])
    print("the plot is in", target)


if __name__ == "__main__":
    main()
