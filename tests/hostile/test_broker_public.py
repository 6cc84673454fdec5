"""Names with public addresses: a network of its own with a name service that lies, made of two network namespaces."""

import json
import os
import shutil
import ssl
import subprocess
import threading
import time

import pytest
from support import kernels
from support.brokers import Broker, read_all

PUBLIC, OURS, OTHER = "93.184.216.34", "93.184.216.1", "93.184.216.35"

# name → what a question for its address is answered with, one list after another
ANSWERS = {"good.test": [[PUBLIC]], "rebinding.test": [[PUBLIC], ["127.0.0.1"]], "loopback.test": [["127.0.0.1"]],
           "metadata.test": [["169.254.169.254"]], "private.test": [["10.1.2.3"]], "zero.test": [["0.0.0.0"]], "own.test": [[OURS]],
           "mixed.test": [["127.0.0.1", "10.0.0.1", PUBLIC]], "dead.test": [["93.184.216.99"]]}

SERVERS = r'''
import json, os, socket, sys, threading
answers, public, other = json.loads(sys.argv[1]), sys.argv[2], sys.argv[3]
asked = {}
def name_service():
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.bind((public, 53))
    while True:
        data, who = s.recvfrom(2048)
        at, labels = 12, []
        while data[at]:
            labels.append(data[at + 1:at + 1 + data[at]].decode()); at += 1 + data[at]
        kind = int.from_bytes(data[at + 1:at + 3], "big")
        name = ".".join(labels).lower()
        os.write(1, b"asked %s\n" % name.encode())
        found = []
        if kind == 1 and name in answers:
            turn = asked.get(name, 0); asked[name] = turn + 1
            found = answers[name][min(turn, len(answers[name]) - 1)]
        known = b"\x81\x80" if name in answers else b"\x81\x83"
        body = b"".join(b"\xc0\x0c\0\x01\0\x01\0\0\0\0\0\x04" + socket.inet_aton(one) for one in found)
        s.sendto(data[:2] + known + b"\0\1" + len(found).to_bytes(2, "big") + b"\0\0\0\0" + data[12:at + 5] + body, who)
def serve(address, port):
    s = socket.create_server((address, port))
    os.write(1, b"up\n")
    while True:
        c, _ = s.accept()
        threading.Thread(target=echo, args=(c, address), daemon=True).start()
def echo(c, address):
    c.sendall(b"I am " + address.encode() + b"\n")
    while data := c.recv(65536): c.sendall(data)
    c.close()
threading.Thread(target=name_service, daemon=True).start()
for address, port in ((public, 80), (public, 443), (other, 80)):
    threading.Thread(target=serve, args=(address, port), daemon=True).start()
threading.Event().wait()
'''


@pytest.fixture(scope="module")
def internet(tmp_path_factory):
    """A command in whose namespaces that internet is, and what its name service was asked."""
    if os.geteuid() != 0:
        pytest.skip("making network namespaces needs root")
    if not shutil.which("ip"):
        pytest.skip("there is no ip (iproute2)")
    folder = tmp_path_factory.mktemp("internet")
    (folder / "resolv.conf").write_text("nameserver %s\noptions timeout:1 attempts:1\nsearch evil.test\n" % PUBLIC)
    (folder / "hosts").write_text("127.0.0.1 localhost\n")
    (folder / "nsswitch.conf").write_text("hosts: files dns\n")
    setup = "".join("mount --bind %s /etc/%s && " % (folder / name, name) for name in ("resolv.conf", "hosts", "nsswitch.conf"))
    near = subprocess.Popen(["unshare", "--net", "--mount", "sh", "-c", setup + "echo ready; exec sleep 1000"], stdout=subprocess.PIPE, text=True)
    far = subprocess.Popen(["unshare", "--net", "sh", "-c", "echo ready; exec sleep 1000"], stdout=subprocess.PIPE, text=True)
    made = [near, far]
    try:
        assert near.stdout.readline() == far.stdout.readline() == "ready\n"
        inside = ["nsenter", "--net", "--mount", "--target", str(near.pid)]
        outside = ["nsenter", "--net", "--target", str(far.pid)]

        def run(where, *argv):
            subprocess.run([*where, *argv], check=True, timeout=20)
        run([], "ip", "link", "add", "cbnear", "netns", str(near.pid), "type", "veth", "peer", "name", "cbfar", "netns", str(far.pid))
        for where, link, addresses in ((inside, "cbnear", [OURS]), (outside, "cbfar", [PUBLIC, OTHER])):
            run(where, "ip", "link", "set", "lo", "up")
            for address in addresses:
                run(where, "ip", "address", "add", address + "/24", "dev", link)
            run(where, "ip", "link", "set", link, "up")
        servers = subprocess.Popen([*outside, kernels.PYTHON, "-c", SERVERS, json.dumps(ANSWERS), PUBLIC, OTHER], stdout=subprocess.PIPE,
                                   text=True)
        made.append(servers)
        for _ in range(3):
            assert servers.stdout.readline() == "up\n"
        lines = []

        def listen():
            for line in servers.stdout:
                lines.append(line.split()[1])
        threading.Thread(target=listen, daemon=True).start()
        yield inside, lines
    finally:
        for one in made:
            one.kill()
            one.wait()


@pytest.fixture
def broker(internet):
    with Broker(["*.test", "good.test"], around=internet[0]) as made:
        yield made


def greeting(broker, target):
    client, refusal = broker.tunnel(target)
    if refusal:
        return refusal.splitlines()[0]
    with client:
        return client.recv(100).decode()


def test_a_name_is_resolved_and_reached(broker):
    assert greeting(broker, "good.test:80") == "I am %s\n" % PUBLIC
    told = broker.report()
    assert (told["host"], told["address"], told["rule"]) == ("good.test", PUBLIC, "*.test")


@pytest.mark.parametrize("name", ["loopback.test", "metadata.test", "private.test", "zero.test", "own.test"])
def test_a_name_that_leads_home_is_refused(broker, name):
    assert "403" in greeting(broker, name + ":80") and not broker.report()["allowed"]


def test_what_isnt_public_is_left_out_of_several(broker):
    assert greeting(broker, "mixed.test:80") == "I am %s\n" % PUBLIC


def test_a_name_that_is_another_one_the_second_time(broker):
    assert greeting(broker, "rebinding.test:80") == "I am %s\n" % PUBLIC  # dialled as it was resolved
    assert "403" in greeting(broker, "rebinding.test:80")


def test_a_name_that_isnt_there(broker):
    assert greeting(broker, "nowhere.test:80").startswith("HTTP/1.1 502 nowhere.test can't be resolved")


def test_an_address_that_doesnt_answer(broker):
    assert greeting(broker, "dead.test:80").startswith("HTTP/1.1 502 dead.test:80 can't be reached")


def test_no_label_of_what_isnt_allowed_reaches_the_name_service(broker, internet):
    assert "403" in greeting(broker, "secret-0123.evil.example:443")
    assert "502" in greeting(broker, "unknown.test:443")
    time.sleep(0.3)
    assert "unknown.test" in internet[1] and not [name for name in internet[1] if "secret" in name or name.endswith("evil.test")], internet[1]


def test_tls_must_name_the_host(broker):
    context = ssl.create_default_context()
    into, out = ssl.MemoryBIO(), ssl.MemoryBIO()
    client_side = context.wrap_bio(into, out, server_hostname="other.test")
    with pytest.raises(ssl.SSLWantReadError):
        client_side.do_handshake()
    client, _ = broker.tunnel("good.test:443")
    with client:
        client.sendall(out.read())
        assert read_all(client) in (b"", b"I am %s\n" % PUBLIC.encode())  # no more than the server's own first words
    assert "another server" in broker.report()["reason"]
    client, _ = broker.tunnel("good.test:443")
    with client:
        client.sendall(b"GET / HTTP/1.1\r\n")
        read_all(client)
    assert "isn't TLS" in broker.report()["reason"]
