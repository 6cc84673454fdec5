"""The network's broker against clients that lie: what isn't allowed isn't reached, whatever it is called, and nobody hangs."""

import os
import signal
import socket
import ssl
import struct
import subprocess
import threading
import time

import pytest
from support import kernels, leftovers
from support.brokers import Broker, Server, descriptors, echo, head_of, http, read_all, read_until, resident
from support.certificates import Authority


@pytest.fixture
def server():
    with Server(echo) as made:
        yield made


@pytest.fixture
def broker(server):
    with Broker(["127.0.0.1:%d" % server.port, "localhost:%d" % server.port, "allowed.example"]) as made:
        yield made


def hello(name):
    """A real client's first bytes."""
    context = ssl.create_default_context()
    into, out = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = context.wrap_bio(into, out, server_hostname=name)
    with pytest.raises(ssl.SSLWantReadError):
        client.do_handshake()
    return out.read()


# --- what works

def test_a_tunnel_carries_bytes_both_ways(broker, server):
    client, refusal = broker.tunnel("127.0.0.1:%d" % server.port)
    assert refusal is None
    data = os.urandom(3 << 20)
    received = b""
    client.settimeout(20)
    with client:
        sender = threading.Thread(target=lambda: (client.sendall(data), client.shutdown(socket.SHUT_WR)))
        sender.start()
        received = read_all(client)
        sender.join()
    assert received == data
    told = broker.report()
    assert told == {"host": "127.0.0.1", "port": server.port, "address": "127.0.0.1", "rule": "127.0.0.1:%d" % server.port,
                    "request": "", "sent": len(data), "received": len(data), "allowed": True, "reason": ""}


def test_a_name_whose_private_address_is_allowed_too(broker, server):
    client, refusal = broker.tunnel("LOCALHOST.:%d" % server.port)
    assert refusal is None, refusal
    with client:
        client.sendall(b"hi")
        assert client.recv(10) == b"hi"
    assert broker.report()["host"] == "localhost"


def test_a_server_that_speaks_first():
    with Server(lambda client: client.sendall(b"220 ready\r\n")) as server, Broker(["127.0.0.1:%d" % server.port]) as broker:
        client, _ = broker.tunnel("127.0.0.1:%d" % server.port)
        with client:
            assert client.recv(100) == b"220 ready\r\n"


def test_a_plain_request_and_its_body():
    with Server(http) as server, Broker(["127.0.0.1:%d" % server.port]) as broker:
        place = "127.0.0.1:%d" % server.port
        answer = broker.ask("POST http://%s/a?b HTTP/1.1\r\nHost: evil.example\r\nContent-Length: 4\r\nProxy-Connection: x\r\n\r\nbodyGET /2"
                            % place).decode()
        assert answer.endswith("POST /a?b HTTP/1.1\r\nHost: %s\r\nContent-Length: 4\r\nConnection: close\r\n\r\nbody" % place)


def test_a_client_that_says_no_more_behind_its_request_is_answered():
    with Server(http) as server, Broker(["localhost:%d" % server.port]) as broker:
        with broker.connect() as client:
            client.sendall(b"GET http://localhost:%d/ HTTP/1.1\r\n\r\n" % server.port)
            client.shutdown(socket.SHUT_WR)  # before the way is open
            assert read_all(client).startswith(b"HTTP/1.1 200 OK")


def test_socks_to_a_name_and_to_an_address(broker, server):
    for target in (b"\x01\x7f\0\0\x01", b"\x03\x09localhost"):
        with broker.connect() as client:
            client.sendall(b"\x05\x01\x00\x05\x01\x00" + target + struct.pack(">H", server.port))
            assert client.recv(2) == b"\x05\x00"
            assert client.recv(10)[:2] == b"\x05\x00"
            client.sendall(b"over socks")
            assert client.recv(20) == b"over socks"


# --- what is refused by name

NAMES = ["evil.example", "evil.example..", "127.0.0.1..", "allowed.example.evil.example", "xallowed.example", "evil.example\\0.allowed.example", "127.0.0.2", "127.1",
         "2130706433", "0x7f000001", "0177.0.0.1", "127.0.0.01", "[::1]", "[::ffff:127.0.0.1]", "[::1%25.allowed.example]", "0.0.0.0", "0",
         "[::]", "169.254.169.254", "10.0.0.1", "metadata.google.internal", "allowed.example@127.0.0.1", "localhost.allowed.example",
         "аllowed.example", "allowed。example", "*", "*.example", "allowed.example%00", "allowed_.example", ""]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("way", ["connect", "url", "socks"])
def test_a_name_that_isnt_allowed(broker, server, name, way):
    raw = name.replace("\\0", "\0").encode()
    if way == "connect":
        answer = broker.ask(b"CONNECT %s:%d HTTP/1.1\r\nHost: allowed.example\r\n\r\n" % (raw, server.port))
    elif way == "url":
        answer = broker.ask(b"GET http://%s:%d/ HTTP/1.1\r\nHost: allowed.example\r\n\r\n" % (raw, server.port))
    else:
        answer = broker.ask(b"\x05\x01\x00\x05\x01\x00\x03" + bytes([len(raw)]) + raw + struct.pack(">H", server.port))
    assert answer.startswith((b"HTTP/1.1 403 ", b"HTTP/1.1 400 ", b"\x05\x00\x05\x02", b"\x05\x00\x05\x07")), answer
    assert not server.seen
    assert not broker.report()["allowed"]


def test_the_refusal_says_what_to_do(broker):
    _, refusal = broker.tunnel("evil.example:443")
    assert refusal.splitlines()[0] == "HTTP/1.1 403 evil.example:443 isn't allowed by the policy: network.allow has no rule for it"


def test_deny_wins(server):
    place = "127.0.0.1:%d" % server.port
    with Broker([place], deny=[place]) as broker:
        assert "network.deny" in broker.tunnel(place)[1] and not server.seen


def test_another_port_isnt_allowed(broker, server):
    with Server(echo) as other:
        assert "403" in broker.tunnel("127.0.0.1:%d" % other.port)[1] and not other.seen


def test_localhost_by_its_name_is_the_hosts(server):
    with Broker(["localhost:%d" % server.port]) as broker:
        assert broker.tunnel("localhost:%d" % server.port)[0]
        assert "403" in broker.tunnel("127.0.0.1:%d" % server.port)[1]
        assert "403" in broker.tunnel("localhost.localhost:%d" % server.port)[1]
    with Broker(["localhost:%d" % server.port], deny=["127.0.0.1", "::1"]) as broker:
        assert "no public address" in broker.tunnel("localhost:%d" % server.port)[1]


def test_any_name_is_no_address(server):
    with Broker(["*:%d" % server.port]) as broker:
        assert "403" in broker.tunnel("127.0.0.1:%d" % server.port)[1]
        assert "403" in broker.tunnel("localhost:%d" % server.port)[1] and not server.seen


def test_no_rule_allows_nothing(server):
    with Broker([]) as broker:
        assert "403" in broker.tunnel("127.0.0.1:%d" % server.port)[1] and not server.seen


def test_a_refusal_arrives_though_the_client_is_still_sending(broker):
    answer = broker.ask("POST http://evil.example/ HTTP/1.1\r\nContent-Length: 5000000\r\n\r\n", bytes(5_000_000))
    assert answer.startswith(b"HTTP/1.1 403 ")


def test_a_deny_without_a_port_is_for_all(server):
    with Broker(["127.0.0.1:%d" % server.port], deny=["127.0.0.1"]) as broker:
        assert "network.deny" in broker.tunnel("127.0.0.1:%d" % server.port)[1] and not server.seen


# --- what is said inside of a tunnel

@pytest.mark.parametrize("sent, reason", [
    (hello("evil.example"), "another server"), (hello("localhost.evil.example"), "another server"), (hello(None), "names no server"),
    (b"\x16\x03\x01\x00\x05\x02\x00\x00\x01x", "can't be read"), (b"\x16\x09", "can't be read"),
], ids=["another", "suffix", "none", "no hello", "no version"])
def test_tls_to_another_server(broker, server, sent, reason):
    client, _ = broker.tunnel("localhost:%d" % server.port)
    with client:
        client.sendall(sent)
        assert read_all(client) == b""
    told = broker.report()
    assert reason in told["reason"] and not told["allowed"] and told["sent"] == len("localhost")  # its look-up


def test_tls_to_the_server_itself_in_pieces(broker, server):
    client, _ = broker.tunnel("localhost:%d" % server.port)
    text = hello("localhost")
    with client:
        for byte in text:
            client.sendall(bytes([byte]))
        received = read_until(client, lambda data: len(data) >= len(text))
        assert received == text


RETRY = bytes.fromhex("cf21ad74e59a6111be1d8c021e65b891c2a211167abb8c5e079e09e2c8a8339c")
ASKS_AGAIN = b"\x16\x03\x03\x00\x2c\x02\x00\x00\x28\x03\x03" + RETRY + b"\x00\x13\x01\x00\x00\x00"


@pytest.mark.parametrize("at_once", [False, True], ids=["after it is asked", "at once"])
@pytest.mark.parametrize("name", ["localhost", "evil.example"])
def test_a_second_hello_may_name_no_other_server(name, at_once):
    """A server asks for it where the first one has no key for it (RFC 8446, 4.1.4)."""
    heard = []

    def asks_again(client):
        heard.append(read_until(client, lambda data: len(data) >= len(hello("localhost"))))
        client.sendall(ASKS_AGAIN)
        heard.append(read_until(client, lambda data: len(data) >= len(second)))

    second = b"\x14\x03\x03\x00\x01\x01" + hello(name)
    with Server(asks_again) as server, Broker(["localhost:%d" % server.port]) as broker:
        client, _ = broker.tunnel("localhost:%d" % server.port)
        with client:
            client.sendall(hello("localhost") + (second if at_once else b""))
            asked = read_until(client, lambda data: len(data) >= len(ASKS_AGAIN))
            assert asked == ASKS_AGAIN or (at_once and name != "localhost")
            if not at_once:
                client.sendall(second)
            assert read_all(client) == b""
        told = broker.report()
        assert len(heard[0]) == len(hello("localhost"))
        if name == "localhost":
            assert heard[1] == second and told["reason"] == ""
        else:
            assert "another server" in told["reason"] and heard[1:] in ([], [b""])


def test_a_client_that_says_no_more_before_its_hello_is_answered():
    """What it sent behind its hello, as early data, still arrives once the server has answered."""
    early = b"\x17\x03\x03\x00\x02xy"
    heard = []

    def answers(client):
        heard.append(read_until(client, lambda data: len(data) >= len(hello("localhost"))))
        client.sendall(ASKS_AGAIN.replace(RETRY, bytes(32)))
        heard.append(read_all(client))
        client.sendall(b"done")

    with Server(answers) as server, Broker(["localhost:%d" % server.port]) as broker:
        client, _ = broker.tunnel("localhost:%d" % server.port)
        with client:
            client.sendall(hello("localhost") + early)
            client.shutdown(socket.SHUT_WR)
            assert read_all(client).endswith(b"done")
        assert (len(heard[0]), heard[1]) == (len(hello("localhost")), early)


def test_a_real_client_is_asked_again(tmp_path):
    authority = Authority(tmp_path)
    context = authority.server("DNS:localhost")
    context.set_ecdh_curve("secp521r1")  # of which clients send no key unasked

    def serve(client):
        with context.wrap_socket(client, server_side=True) as secure:
            secure.sendall(head_of(secure))
            secure.unwrap()

    with Server(serve) as server, Broker(["localhost:%d" % server.port]) as broker:
        client, _ = broker.tunnel("localhost:%d" % server.port)
        with authority.client().wrap_socket(client, server_hostname="localhost") as secure:
            secure.sendall(b"GET / HTTP/1.1\r\n\r\n")
            assert read_all(secure) == b"GET / HTTP/1.1\r\n\r\n" and secure.version() == "TLSv1.3"
        assert broker.report()["reason"] == ""


def test_a_hello_that_never_ends(broker, server):
    client, _ = broker.tunnel("localhost:%d" % server.port)
    with client:
        piece = b"\x16\x03\x01\x40\x00" + b"\x01\xff\xff\xff" + bytes(16380)
        client.sendall(piece * 4)
        assert read_all(client) == b""
    assert "can't be read" in broker.report()["reason"]


# --- bounds

def test_no_more_bytes_than_the_session_may_send(server):
    with Broker(["127.0.0.1:%d" % server.port], bytes_out=100_000) as broker:
        client, _ = broker.tunnel("127.0.0.1:%d" % server.port)
        with client:
            try:
                for _ in range(200):
                    client.sendall(bytes(10_000))
            except OSError:
                pass
            read_all(client)
        told = broker.report()
        assert "network.bytes_out" in told["reason"] and told["sent"] <= 100_000
        assert "network.bytes_out" in broker.tunnel("127.0.0.1:%d" % server.port)[1]


def test_the_names_that_are_looked_up_count(server):
    name = "a" * 60 + ".invalid"
    with Broker(["*.invalid"], bytes_out=2 * len(name)) as broker:
        for _ in range(2):
            assert "502" in broker.tunnel(name + ":443")[1]
            assert broker.report()["sent"] == len(name)
        assert "network.bytes_out" in broker.tunnel(name + ":443")[1]


def test_the_heads_of_requests_count(server):
    with Broker(["127.0.0.1:%d" % server.port], bytes_out=10_000) as broker:
        request = b"GET http://127.0.0.1:%d/%s HTTP/1.1\r\n\r\n" % (server.port, b"a" * 12_000)
        assert broker.ask(request) == b"" and broker.report()["sent"] == 0
        assert "network.bytes_out" in broker.tunnel("127.0.0.1:%d" % server.port)[1]


def test_connections_that_are_open_at_the_end_count(broker, server):
    client, _ = broker.tunnel("127.0.0.1:%d" % server.port)
    with client:
        client.sendall(bytes(5000))
        assert read_until(client, lambda data: len(data) >= 5000)
        broker.host.shutdown(socket.SHUT_WR)
        told = broker.report()
    assert (told["sent"], told["received"]) == (5000, 5000) and broker.process.wait(10) == 0


def test_an_answer_arrives_whole_though_its_server_and_the_client_have_ended(server):
    data = os.urandom(20 << 20)
    with Server(lambda client: (client.recv(10), client.sendall(data))) as giver, Broker(["127.0.0.1:%d" % giver.port]) as broker:
        client, _ = broker.tunnel("127.0.0.1:%d" % giver.port)
        with client:
            client.sendall(b"x")
            client.shutdown(socket.SHUT_WR)
            time.sleep(1)  # the server has ended before the first byte is read
            assert read_all(client) == data


def test_no_more_bytes_than_the_session_may_receive():
    with Server(lambda client: client.sendall(bytes(10 << 20))) as server:
        with Broker(["127.0.0.1:%d" % server.port], bytes_in=1 << 20) as broker:
            client, _ = broker.tunnel("127.0.0.1:%d" % server.port)
            with client:
                assert len(read_all(client)) <= (1 << 20) + 65536
            assert "network.bytes_in" in broker.report()["reason"]


def test_no_more_connections_at_a_time(server):
    with Broker(["127.0.0.1:%d" % server.port], connections=3) as broker:
        held = [broker.tunnel("127.0.0.1:%d" % server.port)[0] for _ in range(3)]
        assert all(held)
        with broker.connect() as client:
            assert b"503" in read_all(client)[:20]
        held.pop().close()
        end = time.monotonic() + 10
        while True:
            client, refusal = broker.tunnel("127.0.0.1:%d" % server.port)
            if client:
                client.close()
                break
            assert time.monotonic() < end, refusal
        for one in held:
            one.close()


def test_clients_that_come_and_go_leave_nothing(broker, server):
    def works():
        client, _ = broker.tunnel("127.0.0.1:%d" % server.port)
        if client:
            client.close()
        return client is not None

    assert works()
    time.sleep(0.3)
    before = descriptors(broker.process.pid)
    for number in range(300):
        with broker.connect() as client:
            client.sendall((b"", b"C", b"CONNECT ", b"\x05", b"\x05\x01\x00\x05", b"CONNECT 127.0.0.1:%d HTTP/1.1\r\n\r\n" % server.port)[number % 6])
    assert leftovers.wait_until(works, 20)  # until then there are too many at a time
    assert leftovers.wait_until(lambda: descriptors(broker.process.pid) <= before, 20)


def test_clients_that_come_too_fast_are_slowed_down(broker, server):
    began = time.monotonic()
    for _ in range(900):
        broker.connect().close()
    taken = [broker.report() for _ in range(900)]
    assert len(taken) == 900 and time.monotonic() - began > 2
    assert broker.tunnel("127.0.0.1:%d" % server.port)[0]


def test_a_client_that_says_nothing_is_let_go(broker):
    with broker.connect(timeout=30) as client:
        began = time.monotonic()
        assert read_all(client) == b"" and 5 < time.monotonic() - began < 20


def test_a_client_that_reads_nothing_holds_up_nobody(server):
    with Server(lambda client: client.sendall(bytes(64 << 20))) as flood:
        with Broker(["127.0.0.1:%d" % flood.port, "127.0.0.1:%d" % server.port]) as broker:
            broker.tunnel("127.0.0.1:%d" % server.port)[0].close()  # it is up
            before = resident(broker)
            stuck, _ = broker.tunnel("127.0.0.1:%d" % flood.port)
            time.sleep(0.5)
            client, _ = broker.tunnel("127.0.0.1:%d" % server.port)
            client.sendall(b"quick")
            assert client.recv(10) == b"quick"
            assert resident(broker) < before + 30_000
            stuck.close()
            client.close()


@pytest.mark.parametrize("garbage", [bytes(range(256)) * 4, b"\0" * 1000, b"\r\n\r\n", b"GET " + b"a" * 20000, b"CONNECT " * 3000, b"\x05\xff" + bytes(255),
                                     b"\x05\x00", b"\x05\x01\x00" * 100, b"\x16\x03\x01\x02\x00" * 100, b"POST http://allowed.example/ HTTP/1.1\r\n\r\n" * 50,
                                     b"\xff" * 70000], ids=range(11))
def test_garbage(broker, server, garbage):
    with broker.connect() as client:
        try:
            client.sendall(garbage)
            client.shutdown(socket.SHUT_WR)
        except OSError:
            pass
        read_all(client)
    assert broker.process.poll() is None
    client, _ = broker.tunnel("127.0.0.1:%d" % server.port)
    assert client and not client.close()


def test_chunks_that_lie():
    with Server(http) as server, Broker(["127.0.0.1:%d" % server.port]) as broker:
        head = "POST http://127.0.0.1:%d/ HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n" % server.port
        assert b"smuggled" not in broker.ask(head + "0\r\n\r\nGET /smuggled HTTP/1.1\r\n\r\n")
        broker.report()
        broker.ask(head + "zz\r\n\r\n")
        assert "chunks" in broker.report()["reason"]


# --- the process itself

def test_it_is_shut_in(broker, server):
    broker.tunnel("localhost:%d" % server.port)[0].close()
    broker.report()
    time.sleep(0.3)
    with open("/proc/%d/status" % broker.process.pid) as file:
        status = dict(line.rstrip("\n").split(":\t", 1) for line in file if ":\t" in line)
    assert status["Seccomp"] == "2" and status["NoNewPrivs"] == "1" and int(status["CapEff"], 16) == 0
    assert os.geteuid() != 0 or status["Uid"].split() == ["65534"] * 4
    opened = [os.readlink("/proc/%d/fd/%s" % (broker.process.pid, fd)) for fd in os.listdir("/proc/%d/fd" % broker.process.pid)]
    assert not [path for path in opened if path.startswith("/") and not path.startswith(("/dev/", "/proc/", "/usr/"))], opened


def test_it_ends_with_its_host(broker):
    broker.host.shutdown(socket.SHUT_RDWR)
    assert broker.process.wait(10) == 0


@pytest.mark.parametrize("frame", [b"\0" * 8, b"\xff" * 100, struct.pack(">II", 2, 0) + b"{}", struct.pack(">II", 4, 0) + b"nope"])
def test_a_host_that_sends_rubbish(frame):
    ours, theirs = socket.socketpair()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        done = subprocess.Popen(["bash", "-c", "exec 3<&%d 4<&%d; exec %s broker" % (theirs.fileno(), listener.fileno(), kernels.HELPER)],
                                pass_fds=[theirs.fileno(), listener.fileno()])
        theirs.close()
        ours.sendall(frame)
        assert done.wait(10) == 4


def test_by_hand_it_says_that_it_isnt_for_people():
    done = subprocess.run([kernels.HELPER, "broker"], capture_output=True, text=True, timeout=20, stdin=subprocess.DEVNULL)
    assert done.returncode == 2 and "started by cellblock itself" in done.stderr


def test_killed_by_9_the_client_is_let_go(broker, server):
    client, _ = broker.tunnel("127.0.0.1:%d" % server.port)
    os.kill(broker.process.pid, signal.SIGKILL)
    with client:
        assert read_all(client) == b""
