"""What a tunnel through a proxy costs, measured by its client; and the server at its other end.

The same program runs in a cell, in another sandbox and on the host: by the proxy that HTTPS_PROXY names, or straight
to the server where there is none. It prints JSON. Nothing of this project is imported, as sandboxes don't see it.

    tunnel.py serve ADDRESS             prints the port
    tunnel.py ADDRESS PORT BYTES TRIPS  prints {"down": Gbit/s, "up": …, "trips": [ms], "connects": [ms]}
"""

import base64
import json
import os
import socket
import struct
import sys
import threading
import time
import urllib.parse

BLOCK = 256 << 10
REQUEST = 64     # bytes of a small request, and of its answer
CONNECTS = 50
PATIENCE = 30    # seconds until a proxy listens
ORDER = struct.Struct(">cQ")  # what is wanted, how many bytes


# --- the server

def serve(address):
    listener = socket.create_server((address, 0))
    print(listener.getsockname()[1], flush=True)
    while True:
        client, _ = listener.accept()
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        threading.Thread(target=answer, args=(client,), daemon=True).start()


def answer(client):
    with client:
        try:
            while order := client.recv(ORDER.size, socket.MSG_WAITALL):
                what, count = ORDER.unpack(order)
                if what == b"d":
                    send(client, count)
                elif what == b"u":
                    take(client, count)
                    client.sendall(b".")
                else:
                    client.sendall(client.recv(REQUEST, socket.MSG_WAITALL))
        except (OSError, struct.error):
            pass  # its client is gone


def send(connection, count):
    block = memoryview(bytes(BLOCK))
    while count:
        connection.sendall(block[:count])
        count -= min(count, BLOCK)


def take(connection, count):
    block = bytearray(BLOCK)
    while count:
        taken = connection.recv_into(block, min(count, BLOCK))
        assert taken, "the connection ended"
        count -= taken


# --- the client

def wait_for_proxy():
    """sandbox-runtime starts the listener of its proxy beside the command, so that it may not be there yet."""
    proxy = os.environ.get("HTTPS_PROXY")
    parts = urllib.parse.urlsplit(proxy or "")
    until = time.monotonic() + PATIENCE
    while proxy:
        try:
            return socket.create_connection((parts.hostname, parts.port), timeout=60).close()
        except ConnectionRefusedError:
            if time.monotonic() > until:
                raise
            time.sleep(0.05)


def connect(address, port):
    proxy = os.environ.get("HTTPS_PROXY")
    if not proxy:
        connection = socket.create_connection((address, port), timeout=60)
    else:
        parts = urllib.parse.urlsplit(proxy)
        connection = socket.create_connection((parts.hostname, parts.port), timeout=60)
        head = "CONNECT %s:%d HTTP/1.1\r\nHost: %s:%d\r\n" % (address, port, address, port)
        if parts.username:
            name = "%s:%s" % (urllib.parse.unquote(parts.username), urllib.parse.unquote(parts.password or ""))
            head += "Proxy-Authorization: Basic %s\r\n" % base64.b64encode(name.encode()).decode()
        connection.sendall(head.encode() + b"\r\n")
        reply = b""
        while not reply.endswith(b"\r\n\r\n"):
            byte = connection.recv(1)
            assert byte, "no reply but %r" % reply
            reply += byte
        assert reply.split()[1] == b"200", reply
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return connection


def milliseconds(work, times):
    took = []
    for _ in range(times):
        begun = time.perf_counter()
        work()
        took.append((time.perf_counter() - begun) * 1e3)
    return took


def gigabits(work, count):
    return count * 8e-6 / milliseconds(work, 1)[0]


def measure(address, port, count, trips):
    wait_for_proxy()
    with connect(address, port) as tunnel:
        def down():
            tunnel.sendall(ORDER.pack(b"d", count))
            take(tunnel, count)

        def up():
            tunnel.sendall(ORDER.pack(b"u", count))
            send(tunnel, count)
            take(tunnel, 1)

        def trip():
            tunnel.sendall(ORDER.pack(b"e", 0) + bytes(REQUEST))
            take(tunnel, REQUEST)

        milliseconds(trip, 50)
        return {"trips": milliseconds(trip, trips), "down": gigabits(down, count), "up": gigabits(up, count),
                "connects": milliseconds(lambda: connect(address, port).close(), CONNECTS)}


if __name__ == "__main__":
    if sys.argv[1] == "serve":
        serve(sys.argv[2])
    else:
        print(json.dumps(measure(sys.argv[1], *map(int, sys.argv[2:]))))
