#!/usr/bin/python3
"""A program that puts a file into a sandbox, lets code work on it, and takes the result out.

    examples/files_over_zmq.py

Needs the kernel to be installed (`cellblock install`) and python3-jupyter-client. kernel/clients.md has all requests.
"""
from jupyter_client.manager import start_new_kernel

manager, client = start_new_kernel(kernel_name="cellblock")


def send(kind, data, *buffers, **content):
    message = client.session.send(client.shell_channel.socket, kind, {"comm_id": "files", "data": data, **content},
                                  buffers=list(buffers))
    while True:
        answer = client.get_iopub_msg(timeout=60)
        if answer["parent_header"].get("msg_id") != message["header"]["msg_id"]:
            continue
        if answer["msg_type"] == "comm_msg" or answer["content"].get("execution_state") == "idle":
            return answer


send("comm_open", {}, target_name="cellblock.files")
send("comm_msg", {"do": "write", "path": "numbers.txt"}, b"1 4 9 16")
client.execute_interactive("numbers = map(int, open('numbers.txt').read().split())\n"
                           "open('sum.txt', 'w').write(str(sum(numbers)));", timeout=60)
print("the sum is", bytes(send("comm_msg", {"do": "read", "path": "sum.txt"})["buffers"][0]).decode())
client.stop_channels()
manager.shutdown_kernel()
