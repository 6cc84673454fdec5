"""A policy that allows hosts: programs reach them by the proxy and nothing else, for root and for an ordinary user."""

import json
import os
import re
import signal
import ssl
import subprocess

import pytest
from support import kernels, leftovers
from support.brokers import Server, echo, http
from support.daemons import wait_for

CSV = b"HTTP/1.1 200 OK\r\nContent-Type: text/csv\r\nContent-Length: 8\r\nConnection: close\r\n\r\na,b\n1,2\n"
HOST = "127.0.0.2"  # 127.0.0.1 is each sandbox's own


AIOHTTP = """
import aiohttp
async def text(url, **options):
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(20), raise_for_status=True) as session:
        async with session.get(url, **options) as answer:
            return await answer.text()
"""


def table(client):
    client.recv(65536)
    client.sendall(CSV)


def need(client, *modules):
    for name in modules:
        if client.run("import " + name).status != "ok":
            pytest.skip("%s has no %s" % (kernels.PYTHON, name))


@pytest.fixture
def server():
    with Server(table, (HOST, 0)) as made:
        yield made


@pytest.fixture
def rules(server):
    return {"allow": ["%s:%d" % (HOST, server.port), "allowed.example"]}


@pytest.fixture
def client(start_as, own_place, rules):
    return start_as(policy={"network": rules}, place=own_place).client


def brokers(kernel):
    return [pid for pid in kernel.tree() if "cellblock-helper broker" in leftovers.command_line(pid)]


@pytest.mark.parametrize("code", [
    "import urllib.request; urllib.request.urlopen(URL, timeout=20).read().decode()",
    "import http.client\nc = http.client.HTTPConnection('127.0.0.1', 3128, timeout=20); c.request('GET', URL); c.getresponse().read().decode()",
    "import subprocess; subprocess.run(['curl', '-sS', URL], capture_output=True, text=True, check=True, timeout=30).stdout",
    "import subprocess; subprocess.run(['curl', '-sS', '-p', URL], capture_output=True, text=True, check=True, timeout=30).stdout",
    "import subprocess\nsubprocess.run(['curl', '-sS', '--proxy', 'socks5h://127.0.0.1:3128', URL], capture_output=True, text=True, check=True).stdout",
    "import requests; requests.get(URL, timeout=20).text",
    "import httpx; httpx.get(URL, timeout=20).text",
    "import pandas; pandas.read_csv(URL).to_csv(index=False)",
    AIOHTTP + "await text(URL)",
    "import aiohttp\nasync with aiohttp.request('GET', URL) as answer: content = await answer.text()\ncontent",
], ids=["urllib", "http.client", "curl", "curl -p", "curl socks", "requests", "httpx", "pandas", "aiohttp", "aiohttp.request"])
def test_programs_reach_what_is_allowed(client, server, code):
    need(client, *(name for name in ("requests", "httpx", "pandas", "aiohttp") if name in code))
    if "curl" in code and client.run("import shutil; assert shutil.which('curl')").status != "ok":
        pytest.skip("there is no curl")
    run = client.run("URL = 'http://%s:%d/t.csv'\n" % (HOST, server.port) + code)
    assert run.ok().result == "'a,b\\n1,2\\n'"


@pytest.mark.parametrize("code", [
    "import urllib.request; urllib.request.urlopen('https://evil.example/', timeout=20)",
    "import urllib.request; urllib.request.urlopen('http://evil.example/', timeout=20)",
    "import requests; requests.get('https://evil.example/', timeout=20)",
    AIOHTTP + "await text('https://evil.example/')",
    AIOHTTP + "await text('http://evil.example/')",
])
def test_a_refusal_is_told_with_its_key(client, server, code):
    need(client, *(name for name in ("requests", "aiohttp") if name in code))
    run = client.run(code)
    text = "\n".join(run.content["traceback"])
    assert "evil.example" in text and "network.allow" in text, text
    assert run.content["traceback"][-1].endswith("key network)") and "%s:%d" % (HOST, server.port) in run.content["traceback"][-1]


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    """Of a server on this host, in a file with its key."""
    path = tmp_path_factory.mktemp("certificate") / "server.pem"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-subj",
                    "/CN=" + HOST, "-addext", "subjectAltName=IP:" + HOST, "-days", "2", "-out", path, "-keyout", path],
                   check=True, capture_output=True, timeout=60)
    return path


@pytest.fixture
def secure(certificate):
    """A server that speaks TLS."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate)

    def serve(client):
        with context.wrap_socket(client, server_side=True) as wrapped:
            table(wrapped)

    with Server(serve, (HOST, 0)) as made:
        yield made


@pytest.mark.parametrize("warm", [False, True], ids=["cold", "warm"])
def test_aiohttp_speaks_tls_through_the_proxy(start_as, place_with_daemon, certificate, secure, warm):
    policy = {"network": {"allow": ["%s:%d" % (HOST, secure.port)]}}
    if warm:
        policy["preload"] = ["aiohttp"]
        need(start_as(policy={}, place=place_with_daemon).client, "aiohttp")
        start_as(policy=policy, place=place_with_daemon).client.run("1").ok()
        # The warm Python with aiohttp, not the one before.
        wait_for(place_with_daemon, lambda told: any("aiohttp" in one["preload"] and one["state"] == "ready" for one in told["zygotes"]), 60)
        wait_for(place_with_daemon, lambda told: told["pool"]["ready"] >= told["pool"]["target"] > 0 and not told["pool"]["under_way"])
    client = start_as(policy={**policy, "warm": warm}, place=place_with_daemon).client
    need(client, "aiohttp")
    trusted = "".join(re.findall("-----BEGIN CERT.*?-----END CERTIFICATE-----", certificate.read_text(), re.DOTALL))
    assert client.run("'zygote' in open('/proc/1/cmdline').read()").ok().result == str(warm)
    run = client.run("import ssl\n" + AIOHTTP + "trusted = ssl.create_default_context(cadata=%r)\nawait text('https://%s:%d/', ssl=trusted)"
                     % (trusted, HOST, secure.port))
    assert run.ok().result == "'a,b\\n1,2\\n'"


@pytest.mark.parametrize("code", [
    "import socket; socket.create_connection((%r, %d), timeout=5)", "import socket; socket.getaddrinfo('allowed.example', 80); %r; %d",
    "import socket; s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.sendto(b'x', ('8.8.8.8', 53)); %r; %d",
    "import os, urllib.request\nfor name in list(os.environ):\n    if 'proxy' in name.lower(): del os.environ[name]\n"
    "urllib.request.urlopen('http://%s:%d/', timeout=5)",
    "import subprocess; subprocess.run(['bash', '-c', 'exec 3<>/dev/tcp/%s/%d'], check=True, timeout=20)",
])
def test_there_is_no_other_way(client, server, code):
    assert client.run(code % (HOST, server.port)).status == "error"
    assert not server.seen


def test_the_hosts_own_services_arent_reached(client, server):
    with Server(http, ("127.0.0.1", 0)) as other:
        run = client.run("import urllib.request\nfor host in ('127.0.0.1', 'localhost', '[::1]', '0.0.0.0', '127.1', '169.254.169.254'):\n"
                         "    import http.client\n    c = http.client.HTTPConnection('127.0.0.1', 3128, timeout=20)\n"
                         "    c.request('GET', 'http://%%s:%d/' %% host); print(host, c.getresponse().status)" % other.port).ok()
        assert {line.split()[1] for line in run.stdout.splitlines()} <= {"403", "400"} and not other.seen, run.stdout


def test_each_connection_is_a_line_of_the_audit_log(start_as, own_place, rules, server):
    log = own_place.root / "work" / "audit.jsonl"
    client = start_as(policy={"network": rules, "audit": str(log)}, place=own_place).client
    client.run("import urllib.request; urllib.request.urlopen('http://%s:%d/', timeout=20).read()" % (HOST, server.port)).ok()
    client.run("import urllib.request; urllib.request.urlopen('http://evil.example/', timeout=20)")
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    told = {one["connection"]: one for one in lines if "connection" in one}
    good, bad = told[HOST], told["evil.example"]
    assert (good["verdict"], good["port"], good["address"], good["rule"]) == ("allowed", server.port, HOST, rules["allow"][0])
    assert good["bytes_in"] == len(CSV) and good["bytes_out"] > 10
    assert bad["verdict"] == "refused" and bad["address"] == "" and "network.allow" in bad["reason"]
    checked = subprocess.run([kernels.PROGRAM, "audit", "verify", str(log)], capture_output=True, text=True, timeout=30)
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_a_connection_that_is_open_at_the_sessions_end_is_a_line_too(start_as, own_place):
    log = own_place.root / "work" / "audit.jsonl"
    with Server(echo, (HOST, 0)) as holding:
        rules = {"allow": ["%s:%d" % (HOST, holding.port)]}
        client = start_as(policy={"network": rules, "audit": str(log)}, place=own_place).client
        client.run("import socket\nheld = socket.create_connection(('127.0.0.1', 3128))\n"
                   "held.sendall(b'CONNECT %s:%d HTTP/1.1\\r\\n\\r\\n'); held.recv(100)\n"
                   "held.sendall(b'left open'); held.recv(100);" % (HOST, holding.port)).ok()
        client.ask("shutdown_request", {"restart": False}, channel="control")
        last = json.loads(log.read_text().splitlines()[-1])
        assert (last["connection"], last["bytes_out"], last["verdict"]) == (HOST, 9, "allowed")
    checked = subprocess.run([kernels.PROGRAM, "audit", "verify", str(log)], capture_output=True, text=True, timeout=30)
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_a_broker_that_is_killed_is_made_anew(start_as, own_place, rules, server):
    kernel = start_as(policy={"network": rules}, place=own_place)
    fetch = "import urllib.request; len(urllib.request.urlopen('http://%s:%d/', timeout=20).read())" % (HOST, server.port)
    assert kernel.client.run(fetch).ok().result == "8"
    first, = brokers(kernel)
    os.kill(first, signal.SIGKILL)
    assert leftovers.wait_until(lambda: brokers(kernel) not in ([], [first]), 20)
    assert kernel.client.run(fetch).ok().result == "8"


def test_the_budget_is_the_sessions(start_as, own_place, server):
    rules = {"allow": ["%s:%d" % (HOST, server.port)], "bytes_out": "64KiB"}
    with Server(echo, (HOST, 0)) as sink:
        rules["allow"].append("%s:%d" % (HOST, sink.port))
        kernel = start_as(policy={"network": rules}, place=own_place)
        send = ("import socket\ns = socket.create_connection(('127.0.0.1', 3128))\n"
                "s.sendall(b'CONNECT %s:%d HTTP/1.1\\r\\n\\r\\n'); answer = s.recv(1000)\n"
                "try:\n    for _ in range(100): s.sendall(bytes(4096))\nexcept OSError: pass\nprint(answer.decode().splitlines()[0])" % (HOST, sink.port))
        assert "200" in kernel.client.run(send).stdout
        assert "network.bytes_out" in kernel.client.run(send).stdout
        kernel.client.run("import os; os._exit(1)")
        assert "network.bytes_out" in kernel.client.run(send).stdout


def test_a_sandbox_that_is_killed_gives_no_new_budget(start_as, own_place):
    with Server(echo, (HOST, 0)) as sink:
        rules = {"allow": ["%s:%d" % (HOST, sink.port)], "bytes_out": "64KiB"}
        kernel = start_as(policy={"network": rules}, place=own_place)
        send = ("import socket\ns = socket.create_connection(('127.0.0.1', 3128))\n"
                "s.sendall(b'CONNECT %s:%d HTTP/1.1\\r\\n\\r\\n'); print(s.recv(1000).decode().splitlines()[0])\n"
                "s.sendall(bytes(60000))\nleft = 60000\nwhile left and (data := s.recv(65536)): left -= len(data)\nprint(left)" % (HOST, sink.port))
        forge = ("import gc; gc.unfreeze()\nfrom cellblock_worker.channel import Channel\nimport os\n"
                 "os.write(next(one for one in gc.get_objects() if type(one) is Channel).fileno(), bytes(100))\n__import__('time').sleep(9)")
        assert kernel.client.run(send).ok().stdout == "HTTP/1.1 200 Connection established\n0\n"
        before = brokers(kernel)
        assert kernel.client.run(forge).status == "error"  # the sandbox goes, with the connection open
        second = kernel.client.run(send).ok()
        assert second.stdout == "HTTP/1.1 200 Connection established\n60000\n" and brokers(kernel) != before
        again = kernel.client.run(send)
        assert again.stdout.startswith("HTTP/1.1 403 ") and "network.bytes_out" in again.stdout, again.stdout


def test_nothing_is_left_and_each_session_has_its_own(start_as, own_place, rules):
    first = start_as(policy={"network": rules}, place=own_place)
    second = start_as(policy={"network": rules}, place=own_place)
    for kernel in (first, second):
        kernel.client.run("1").ok()
    assert leftovers.wait_until(lambda: len(brokers(first)) == len(brokers(second)) == 1, 10) and brokers(first) != brokers(second)
    gone = brokers(first)
    os.kill(first.pid, signal.SIGKILL)
    assert leftovers.wait_until(lambda: not any(leftovers.is_alive(pid) for pid in gone), 10)
    assert brokers(second)


def test_in_a_sandbox_of_the_daemons(start_as, place_with_daemon, rules, server):
    start_as(policy={"network": rules}, place=place_with_daemon).client.run("1").ok()
    wait_for(place_with_daemon, lambda told: told["pool"]["ready"] > 0)
    client = start_as(policy={"network": rules}, place=place_with_daemon).client
    assert client.run("'zygote' in open('/proc/1/cmdline').read()").ok().result == "True"
    assert client.run("import urllib.request; len(urllib.request.urlopen('http://%s:%d/', timeout=20).read())"
                      % (HOST, server.port)).ok().result == "8"


@pytest.mark.parametrize("network, part", [
    ("all", "network"), ({"allow": "a"}, "network.allow"), ({"allow": ["a b"]}, "network.allow[0]"), ({"allow": ["*.*"]}, "network.allow[0]"),
    ({"allow": [{"name": "a"}]}, "network.allow[0]"), ({"allow": ["a"], "connections": 0}, "network.connections"),
    ({"allow": ["a"], "bytes_out": "many"}, "network.bytes_out"), ({"allow": ["a"], "denied": []}, "network.denied"),
    ({"allow": ["10.0.0.0/8"]}, "network.allow[0]"),
])
def test_a_policy_that_is_wrong_is_refused_by_the_keys_name(own_place, network, part):
    done = subprocess.run([kernels.PROGRAM, "policy", "check", own_place.policy("wrong", network=network)], capture_output=True, text=True,
                          timeout=30)
    assert done.returncode != 0 and part in done.stdout + done.stderr, done.stdout + done.stderr


@pytest.mark.parametrize("name", ["localhost", "127.0.0.1"])
def test_a_service_of_the_hosts_loopback(start_as, own_place, name):
    with Server(table, ("127.0.0.1", 0)) as service:
        client = start_as(policy={"network": {"allow": ["%s:%d" % (name, service.port)]}}, place=own_place).client
        run = client.run("import urllib.request; urllib.request.urlopen('http://%s:%d/', timeout=20).read()" % (name, service.port))
        assert run.ok().result == "b'a,b\\n1,2\\n'"


@pytest.mark.parametrize("network, part", [
    ({"allow": ["*"]}, "any host"), ({"allow": ["a.example", "169.254.169.254"]}, "network.allow[1]"), ({"deny": ["a.example"]}, "denies nothing"),
])
def test_a_policy_that_gives_much_away_is_warned_of(own_place, network, part):
    done = subprocess.run([kernels.PROGRAM, "policy", "check", own_place.policy("wide", network=network)], capture_output=True, text=True,
                          timeout=30)
    assert done.returncode == 0 and part in done.stdout + done.stderr, done.stdout + done.stderr


def test_an_empty_list_is_no_network(start_as, own_place):
    kernel = start_as(policy={"network": {"allow": []}}, place=own_place)
    run = kernel.client.run("import urllib.request; urllib.request.urlopen('http://allowed.example/', timeout=5)")
    assert "has no network" in run.content["traceback"][-1] and not brokers(kernel)


@pytest.mark.parametrize("keys, part", [({"engine": "kubernetes", "destination": "lab", "image": "team/data"}, "network.allow"), ({"require": "no-namespaces"}, "network namespace")])
def test_where_it_cant_be_kept_nothing_runs(own_place, keys, part):
    policy = own_place.policy("elsewhere", network={"allow": ["a.example"]}, **keys)
    command = [kernels.PROGRAM, "run", "--policy", policy, "-"]
    if "require" in keys:
        command = [*kernels.lesser_host(kernels.NO_NAMESPACES), *command]
    done = subprocess.run(own_place.as_user(command), input="print('ran')", capture_output=True, text=True, timeout=60,
                          env=own_place.environment())
    assert done.returncode == 125 and part in done.stderr and "ran" not in done.stdout, done.stderr
