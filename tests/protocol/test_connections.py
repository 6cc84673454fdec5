"""Who may connect: other users of the machine, keys of CurveZMQ, and how many."""

import contextlib
import json
import os
import pathlib
import socket
import subprocess
import time

import pytest
import zmq
from support import kernels
from support.brokers import read_until
from support.client import Client, TimedOut, address

pytestmark = pytest.mark.cellblock_only("ipykernel lets everybody of the machine in")
is_root = pytest.mark.skipif(os.getuid() != 0, reason="only root becomes another user")

STRANGER = "daemon"  # neither the kernel's user nor the tests'

# As quick as can be: the subscription follows the kernel's READY (before it, libzmq takes none).
SPY = r'''
import select, socket, struct, sys, time
host, port, version, count = sys.argv[1], int(sys.argv[2]), sys.argv[3], int(sys.argv[4])
READY = b"\x05READY\x0bSocket-Type" + struct.pack(">I", 3) + b"SUB"
SAID = {
    "3": b"\xff" + bytes(8) + b"\x7f\x03\x00NULL" + bytes(16) + b"\x00" + bytes(31)
         + b"\x04" + bytes([len(READY)]) + READY,
    "2": b"\xff" + bytes(8) + b"\x7f\x01\x02" + b"\x00\x00" + b"\x00\x01\x01",
    "1": b"\x01\x00" + b"\x02\x00\x01",
}
heard = {}
end = time.monotonic() + 3
for _ in range(count):
    try:
        one = socket.create_connection((host, port), 5)
        one.sendall(SAID[version])
        heard[one] = b""
    except OSError:
        pass
print("connected", flush=True)
while heard and time.monotonic() < end:
    for one in select.select(list(heard), [], [], 0.2)[0]:
        try:
            got = one.recv(65536)
        except OSError:
            got = b""
        if b"XPUB" in got:
            one.sendall(b"\x00\x01\x01")
        heard[one] += got
        if b"<IDS|MSG>" in heard[one]:
            sys.exit("it was heard")
        if not got:
            del heard[one]
print("nothing was heard,", len(heard), "still connected")
'''


def as_user(user, *argv):
    return ["setpriv", "--reuid=" + user, "--regid=nogroup", "--clear-groups", *argv] if user else list(argv)


def spy_on(kernel, user, version="3", host="127.0.0.1", count=40):
    """Is anything heard by that user, while a cell prints all the time?"""
    cell = kernel.client.execute("import time\nwhile True: print('a secret', flush=True); time.sleep(0.01)")
    kernel.client.first(cell, "stream")
    done = subprocess.run(as_user(user, kernels.PYTHON, "-c", SPY, host, str(kernel.info["iopub_port"]), version, str(count)),
                          capture_output=True, text=True, timeout=60, check=False)
    kernel.client.ask("interrupt_request", channel="control")
    kernel.client.finish(cell)
    assert "connected" in done.stdout and "Traceback" not in done.stderr, done
    return "it was heard" in done.stderr


def descriptors(kernel):
    return len(os.listdir("/proc/%d/fd" % kernel.pid))


# --- other users of this machine

@is_root
def test_another_user_hears_nothing(start):
    kernel = start()
    assert spy_on(kernel, None), "the spy itself hears nothing"
    for version in ("3", "2", "1"):
        assert not spy_on(kernel, STRANGER, version), version
    assert kernel.client.run("6 * 7").result == "42"
    said = kernel.said()
    assert "iopub_port was cut: it came from user 1 " in said and "--clients" in said, said


@is_root
@pytest.mark.parametrize("ip, hosts", [("0.0.0.0", ["127.0.0.1", "127.3.2.1"]), ("::1", ["::1"]), ("::", ["::1", "127.0.0.1"])])
def test_another_user_hears_nothing_whatever_the_address(start, ip, hosts):
    info = {**kernels.connection_info(), "ip": "127.0.0.1" if ":" not in ip else "[::1]"}
    if ":" in ip and not socket.has_ipv6:
        pytest.skip("no IPv6")
    kernel = start(info=info, written={**info, "ip": ip}, wait=False)
    kernel.client = Client(info) if ":" not in ip else client_of_ipv6(info)
    kernel.clients.append(kernel.client)
    kernel.client.ready()
    for host in hosts:
        assert spy_on(kernel, None, host=host, count=1), host
        assert not spy_on(kernel, STRANGER, host=host), host


def client_of_ipv6(info):
    before = zmq.Context.socket

    def with_ipv6(self, *arguments):
        made = before(self, *arguments)
        made.setsockopt(zmq.IPV6, 1)
        return made

    zmq.Context.socket = with_ipv6
    try:
        return Client(info)
    finally:
        zmq.Context.socket = before


@is_root
def test_an_ordinary_users_kernel_is_that_users_and_roots(start):
    ordinary = kernels.Place(kernels.ORDINARY_USER)
    try:
        kernel = start(place=ordinary)  # the tests' client is root
        assert spy_on(kernel, kernels.ORDINARY_USER, count=1)
        assert not spy_on(kernel, STRANGER)
    finally:
        kernel.kill()
        ordinary.remove()


@is_root
def test_another_user_may_connect_where_the_command_says_so(start):
    kernel = start(extra=["--clients", "any"])
    assert spy_on(kernel, STRANGER, count=1)
    kernel = start(extra=["--clients", "some"], wait=False)
    assert kernel.process.wait(20) == 2 and "--clients" in kernel.said()


@is_root
def test_the_connection_files_owner_may_connect(start, place):
    """A server that starts kernels as other users wrote the file, and knows the key."""
    command = ["/bin/sh", "-c", 'chown %s "$0" && exec "$@"' % STRANGER, "{connection_file}",
               kernels.PROGRAM, "kernel", "-f", "{connection_file}", "--policy", "default", "--python", kernels.PYTHON]
    assert spy_on(start(command=command), STRANGER, count=1)


@is_root
def test_another_users_messages_are_not_kept(start):
    """Nor in memory, until their signature is looked at."""
    kernel = start()
    program = ("import sys, zmq\ns = zmq.Context().socket(zmq.DEALER)\ns.connect('tcp://127.0.0.1:' + sys.argv[1])\n"
               "s.setsockopt(zmq.LINGER, 2000)\nfor _ in range(4): s.send(bytes(100 << 20))\n")
    subprocess.run(as_user(STRANGER, kernels.PYTHON, "-c", program, str(kernel.info["shell_port"])), timeout=60, check=True)
    assert kernel.client.run("6 * 7").result == "42"
    assert kernel.peak_memory() < 90 << 20


@is_root
def test_another_users_connections_leave_room(start):
    kernel = start()
    flood = ("import resource, socket, sys\nresource.setrlimit(resource.RLIMIT_NOFILE, (4000, 4000))\nkept = []\n"
             "for _ in range(600):\n"
             "    try: kept.append(socket.create_connection(('127.0.0.1', int(sys.argv[1])), 2))\n"
             "    except OSError: break\n"
             "print(len(kept), flush=True)\nsys.stdin.read()\n")
    command = [*as_user(STRANGER, kernels.PYTHON, "-c", flood, str(kernel.info["hb_port"]))]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as flooding:
        assert int(flooding.stdout.readline()) > 0
        wait_for(lambda: descriptors(kernel) < 150, "few descriptors", kernel)
        assert kernel.client.run("6 * 7").result == "42"
        assert kernel.client.heartbeat() == b"ping"
        kernel.connect()
        flooding.stdin.close()


def wait_for(true, what, kernel, seconds=20):
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "no %s: %d descriptors; said %s" % (what, descriptors(kernel), kernel.said()[-2000:])
        time.sleep(0.05)


# --- how many

def test_connections_beyond_a_number_are_cut_and_cells_go_on(start):
    """Also where a process may have few files: the kernel and its sandboxes need theirs."""
    command = ["prlimit", "--nofile=512:512", kernels.PROGRAM, "kernel", "-f", "{connection_file}",
               "--policy", "default", "--python", kernels.PYTHON]
    kernel = start(command=command)
    held = []
    for port in kernels.PORTS:
        for _ in range(120):
            held.append(socket.create_connection(("127.0.0.1", kernel.info[port]), 5))
    try:
        wait_for(lambda: descriptors(kernel) < 256, "few descriptors", kernel)
        assert kernel.client.run("6 * 7").result == "42"
        kernel.client.run("import os; os._exit(3)")
        assert kernel.client.run("6 * 7").result == "42", "no new sandbox"
        assert "was cut: there are" in kernel.said()
    finally:
        for one in held:
            one.close()
    kernel.connect()  # there is room again
    assert kernel.client.heartbeat() == b"ping"


def test_silent_connections_are_closed_after_a_while(start):
    kernel = start()
    with socket.create_connection(("127.0.0.1", kernel.info["shell_port"]), 5) as silent:
        silent.settimeout(40)
        while silent.recv(100):
            pass  # the greeting, then the end


@pytest.mark.parametrize("channel", ["control", "stdin"])
def test_what_is_too_large_for_its_port_ends_the_connection_alone(start, channel):
    kernel = start()
    context = zmq.Context()
    sender = context.socket(zmq.DEALER)
    monitor = sender.get_monitor_socket(zmq.EVENT_DISCONNECTED)
    sender.connect(address(kernel.info, channel + "_port"))
    sender.send(bytes(17 << 20))
    assert monitor.poll(20_000), "it was taken"
    sender.disable_monitor()
    context.destroy(0)
    assert kernel.client.run("6 * 7").result == "42"
    assert kernel.peak_memory() < 100 << 20


def test_a_huge_subscription_ends_the_connection_alone(start):
    """ZMQ keeps topics in a tree as deep as they are long."""
    kernel = start()
    ready = b"\x05READY\x0bSocket-Type\x00\x00\x00\x03SUB"
    with socket.create_connection(("127.0.0.1", kernel.info["iopub_port"]), 5) as one:
        one.settimeout(40)
        one.sendall(b"\xff" + bytes(8) + b"\x7f\x03\x00NULL" + bytes(48) + b"\x04" + bytes([len(ready)]) + ready)
        assert read_until(one, lambda heard: b"XPUB" in heard)
        one.sendall(b"\x02" + (1 << 20).to_bytes(8, "big") + b"\x01")
        with contextlib.suppress(ConnectionResetError):
            while one.recv(100):
                pass
    assert kernel.client.run("6 * 7").result == "42"


# --- CurveZMQ: jupyter_client's transport_encryption

def with_keys(info):
    public, secret = (key.decode() for key in zmq.curve_keypair())
    return {**info, "curve_publickey": public, "curve_secretkey": secret}


@pytest.mark.parametrize("transport", ["tcp", "ipc"])
def test_with_keys_all_channels_are_encrypted(start, place, transport):
    kernel = start(info=with_keys(kernels.connection_info(transport, place=place)))
    client = kernel.client
    client.on_input = lambda request: "said"
    assert client.run("input()").result == "'said'"
    assert client.heartbeat(b"x" * 1000) == b"x" * 1000
    assert client.fence("control").status == "ok"
    other = with_keys(kernel.info)
    plain = {name: value for name, value in kernel.info.items() if not name.startswith("curve")}
    for info in (plain, other):
        stranger = Client(info)
        try:
            request = stranger.send("shell", "kernel_info_request")
            client.run("print('a secret')")
            with pytest.raises(TimedOut):
                stranger.wait(lambda: stranger.log, "word of an encrypted kernel", timeout=1)
            with pytest.raises(TimedOut):
                stranger.heartbeat(timeout=0.5)
            assert not stranger.of(request) and not stranger.unverified
        finally:
            stranger.close()
    assert json.loads(kernel.file.read_text())["curve_secretkey"] == kernel.info["curve_secretkey"]


def test_encrypted_words_cannot_be_read_on_the_way(start):
    """A listener between client and kernel sees neither code nor outputs."""
    for keys, readable in ((lambda info: info, True), (with_keys, False)):
        info = keys(kernels.connection_info())
        kernel = start(info=info)
        seen = bytearray()
        with Between(info["shell_port"], seen) as port:
            client = Client({**info, "shell_port": port})
            try:
                client.ready()
                client.run("'word-' + 'a-very-long-word'")
            finally:
                client.close()
        assert (b"a-very-long-word" in seen) == readable


class Between:
    """Hands bytes on, and keeps them."""

    def __init__(self, port, seen):
        self.port, self.seen = port, seen

    def __enter__(self):
        import threading
        self.listener = socket.create_server(("127.0.0.1", 0))
        threading.Thread(target=self._serve, daemon=True).start()
        return self.listener.getsockname()[1]

    def __exit__(self, *_):
        self.listener.close()

    def _serve(self):
        import threading
        try:
            near, _ = self.listener.accept()
        except OSError:
            return
        far = socket.create_connection(("127.0.0.1", self.port))
        for one, other in ((near, far), (far, near)):
            threading.Thread(target=self._pump, args=(one, other), daemon=True).start()

    def _pump(self, one, other):
        try:
            while data := one.recv(65536):
                self.seen += data
                other.sendall(data)
            other.shutdown(socket.SHUT_WR)
        except OSError:
            pass


PAIR = with_keys({})
BAD_KEYS = {
    "half": ({"curve_publickey": PAIR["curve_publickey"]}, "both or not at all"),
    "other half": ({"curve_secretkey": PAIR["curve_secretkey"]}, "both or not at all"),
    "no pair": ({**PAIR, "curve_publickey": with_keys({})["curve_publickey"]}, "aren't a pair"),
    "no keys": ({"curve_publickey": "x", "curve_secretkey": "y"}, "aren't a pair"),
    "a number": ({"curve_publickey": 1, "curve_secretkey": 2}, "must be a text"),
}


@pytest.mark.parametrize("name", BAD_KEYS)
def test_bad_keys_are_refused_in_words(start, name):
    keys, words = BAD_KEYS[name]
    info = kernels.connection_info()
    kernel = start(info=info, written={**info, **keys}, wait=False)
    assert kernel.process.wait(20) == 1
    assert words in kernel.said()
    assert PAIR["curve_secretkey"] not in kernel.said()


# --- ipc

def test_sockets_of_ipc_are_their_owners_alone(start, place):
    kernel = start(info=kernels.connection_info("ipc", place=place))
    for port in kernels.PORTS:
        path = pathlib.Path("%s-%d" % (kernel.info["ip"], kernel.info[port]))
        assert path.is_socket() and path.stat().st_mode & 0o777 == 0o700
    if os.getuid() == 0:
        path = "%s-%d" % (kernel.info["ip"], kernel.info["iopub_port"])
        for folder in (place.root, place.root / "run"):
            folder.chmod(0o755)
        os.chmod(path, 0o777)  # even then
        program = ("import sys, zmq\ns = zmq.Context().socket(zmq.SUB)\ns.subscribe(b'')\ns.connect('ipc://' + sys.argv[1])\n"
                   "print('up', flush=True)\nprint(bool(s.poll(3000)))\n")
        with subprocess.Popen(as_user(STRANGER, kernels.PYTHON, "-c", program, path), stdout=subprocess.PIPE, text=True) as spy:
            assert spy.stdout.readline() == "up\n"
            end = time.monotonic() + 2
            while time.monotonic() < end:
                kernel.client.run("print('a secret')")
            assert spy.stdout.read() == "False\n"
