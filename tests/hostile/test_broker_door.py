"""The network's broker where a relay hands it connections: nothing but connections comes in by that door."""

import os
import socket
import time

import pytest
from support.brokers import Broker, Server, descriptors, echo, read_all


@pytest.fixture
def server():
    with Server(echo) as made:
        yield made


@pytest.fixture
def broker(server):
    with Broker(["127.0.0.1:%d" % server.port], connections=3, door=True) as made:
        yield made


def busy(pid):
    """Seconds of a processor's time so far."""
    with open("/proc/%d/stat" % pid) as file:
        return sum(map(int, file.read().rpartition(")")[2].split()[11:13])) / os.sysconf("SC_CLK_TCK")


def test_a_connection_that_is_handed_over_is_served(broker, server):
    client, refusal = broker.tunnel("127.0.0.1:%d" % server.port)
    assert refusal is None
    with client:
        client.sendall(b"there and back")
        client.shutdown(socket.SHUT_WR)
        assert read_all(client) == b"there and back"
    assert broker.report()["sent"] == 14
    assert "network.allow" in broker.tunnel("127.0.0.1:1")[1]


def test_no_more_than_the_policy_says(broker, server):
    held = [broker.tunnel("127.0.0.1:%d" % server.port)[0] for _ in range(3)]
    assert all(held) and "503" in broker.tunnel("127.0.0.1:%d" % server.port)[1]
    for one in held:
        one.close()


@pytest.mark.parametrize("send", [
    lambda door: door.send(b"c"), lambda door: door.send(bytes(1000)), lambda door: socket.send_fds(door, [b"c"], [0]),
    lambda door: socket.send_fds(door, [b"c"], [os.open("/etc/passwd", os.O_RDONLY)]), lambda door: socket.send_fds(door, [b"c"], [door.fileno()] * 3),
    lambda door: socket.send_fds(door, [bytes(5000)], [os.open("/", os.O_RDONLY)] * 100),
], ids=["no descriptor", "no descriptor, much", "a pipe", "a file", "several", "many"])
def test_what_is_no_connection_is_dropped(broker, server, send):
    broker.tunnel("127.0.0.1:%d" % server.port)[0].close()
    time.sleep(0.3)
    before = descriptors(broker.process.pid)
    send(broker.door)
    client, refusal = broker.tunnel("127.0.0.1:%d" % server.port)
    assert refusal is None, refusal
    client.close()
    time.sleep(0.3)
    assert broker.process.poll() is None and descriptors(broker.process.pid) <= before


def test_once_the_relay_is_gone_it_waits_without_work(broker, server):
    client, _ = broker.tunnel("127.0.0.1:%d" % server.port)
    broker.door.shutdown(socket.SHUT_RDWR)
    broker.listener.close()
    broker.door.close()
    broker.door = None
    before = busy(broker.process.pid)
    time.sleep(1)
    assert busy(broker.process.pid) - before < 0.2
    with client:  # what is open goes on
        client.sendall(b"still here")
        assert client.recv(100) == b"still here"
