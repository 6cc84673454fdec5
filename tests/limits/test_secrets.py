"""A host's key stays outside of the sandbox: real clients, a real kernel, and cells that look for it."""

import json
import os
import shutil
import subprocess

import pytest
from support import kernels, leftovers
from support.brokers import Server, head_of
from support.certificates import Authority

HOST = "127.0.0.2"  # 127.0.0.1 is each sandbox's own
SECRET = "sk-kept-outside-of-every-cell"


@pytest.fixture(scope="module")
def hosts(user_place):
    folder = user_place.root / "hosts"
    folder.mkdir(mode=0o755)
    return Authority(folder, "hosts")


@pytest.fixture(scope="module")
def server(hosts):
    """Tells what the header Authorization was, if not its whole."""
    context = hosts.server("IP:" + HOST)

    def serve(client):
        with context.wrap_socket(client, server_side=True) as secure:
            data = head_of(secure)
            if not data:
                return
            key = next((line.split(b": ", 1)[1] for line in data.split(b"\r\n") if line.lower().startswith(b"authorization:")), b"none")
            body = b"a,b\n%s,%d\n" % (b"right" if key == b"Bearer " + SECRET.encode() else key, key.count(b"B"))
            if b"/echo" in data:
                body = data
            secure.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: text/csv\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
            secure.unwrap()

    with Server(serve, (HOST, 0)) as made:
        yield made


@pytest.fixture
def rule(server):
    return {"host": "%s:%d" % (HOST, server.port), "paths": ["/v1/"], "header": {"Authorization": {"secret": "TEST_KEY", "prefix": "Bearer "}}}


@pytest.fixture
def kernel(start_as, own_place, rule, hosts):
    return start_as(policy={"network": {"allow": [rule]}, "environment": {"TEST_KEY": "outside"}}, place=own_place,
                    environment={"TEST_KEY": SECRET, "SSL_CERT_FILE": hosts.path})


def url(server, path="/v1/t.csv"):
    return "https://%s:%d%s" % (HOST, server.port, path)


@pytest.mark.parametrize("code", [
    "import urllib.request; urllib.request.urlopen(URL, timeout=20).read().decode()",
    "import subprocess; subprocess.run(['curl', '-sS', URL], capture_output=True, text=True, check=True, timeout=30).stdout",
    "import subprocess; subprocess.run(['curl', '-sS', '--http2', '--proxy', 'socks5h://127.0.0.1:3128', URL], capture_output=True, text=True, "
    "check=True).stdout",
    "import requests; requests.get(URL, timeout=20, headers={'Authorization': 'Bearer ' + __import__('os').environ['TEST_KEY']}).text",
    "import requests\nwith requests.Session() as s: answers = {s.get(URL, timeout=20).text for _ in range(3)}\nanswers.pop()",
    "import httpx; httpx.get(URL, timeout=20).text",
    "import pandas; pandas.read_csv(URL).to_csv(index=False)",
], ids=["urllib", "curl", "curl socks", "requests", "requests session", "httpx", "pandas"])
def test_clients_need_no_key(kernel, server, code):
    client = kernel.client
    for name in ("requests", "httpx", "pandas"):
        if name in code and client.run("import " + name).status != "ok":
            pytest.skip("%s has no %s" % (kernels.PYTHON, name))
    if "curl" in code and client.run("import shutil; assert shutil.which('curl')").status != "ok":
        pytest.skip("there is no curl")
    run = client.run("URL = %r\n%s" % (url(server), code))
    assert run.ok().result == "'a,b\\nright,1\\n'"


def test_another_path_is_refused_with_its_key(kernel, server):
    run = kernel.client.run("import urllib.request; urllib.request.urlopen(%r, timeout=20)" % url(server, "/admin"))
    text = "\n".join(run.content["traceback"])
    assert "GET /admin isn't allowed by the policy: network.allow" in text and run.content["traceback"][-1].endswith("key network)"), text


def test_a_cell_doesnt_find_the_secret(kernel, server):
    """Nor in what the host says back, the variables, files and memory of all that it can see."""
    look = ("import urllib.request, os, glob\nfound = []\nsecret = 'sk-kept' + '-outside-of-every-cell'\n"
            "said = urllib.request.urlopen(%r, timeout=20).read().decode()\nassert 'Bearer ****' in said\n"
            "if secret in said: found.append('the answer')\n"
            "for path in glob.glob('/proc/[0-9]*/environ') + glob.glob('/proc/[0-9]*/cmdline'):\n"
            "    try:\n        if secret in open(path, errors='replace').read(): found.append(path)\n    except OSError: pass\n"
            "for folder, _, names in os.walk(os.path.expanduser('~')):\n"
            "    for name in names:\n        if secret in open(os.path.join(folder, name), errors='replace').read(): found.append(name)\n"
            "found, os.environ['TEST_KEY']" % url(server, "/v1/echo"))
    assert kernel.client.run(look).ok().result == "([], 'outside')"


def test_the_key_of_the_authority_stays_outside(kernel):
    code = ("text = open(__import__('os').environ['SSL_CERT_FILE']).read()\n"
            "'PRIVATE KEY' in text, text.count('BEGIN CERTIFICATE') > 20, text.rstrip().endswith('END CERTIFICATE-----')")
    assert kernel.client.run(code).ok().result == "(False, True, True)"


def test_after_a_restart_and_a_new_broker_it_is_the_same(kernel, server):
    fetch = "import urllib.request; urllib.request.urlopen(%r, timeout=20).read().decode()" % url(server)
    before = kernel.client.run("open(__import__('os').environ['SSL_CERT_FILE']).read()").ok().result
    kernel.client.run("import os; os._exit(1)")
    assert kernel.client.run(fetch).ok().result == "'a,b\\nright,1\\n'"
    for pid in kernel.tree():
        if "cellblock-helper broker" in leftovers.command_line(pid):
            os.kill(pid, 9)
    leftovers.wait_until(lambda: any("cellblock-helper broker" in leftovers.command_line(pid) for pid in kernel.tree()), 20)
    assert kernel.client.run(fetch).ok().result == "'a,b\\nright,1\\n'"
    assert kernel.client.run("open(__import__('os').environ['SSL_CERT_FILE']).read()").ok().result == before


def test_in_a_warm_sandbox(start_as, place_with_daemon, rule, hosts, server):
    from support.daemons import wait_for
    options = {"policy": {"network": {"allow": [rule]}}, "place": place_with_daemon, "environment": {"TEST_KEY": SECRET, "SSL_CERT_FILE": hosts.path}}
    start_as(**options).client.run("1").ok()
    wait_for(place_with_daemon, lambda told: told["pool"]["ready"] > 0)
    client = start_as(**options).client
    assert client.run("'zygote' in open('/proc/1/cmdline').read()").ok().result == "True"
    assert client.run("import urllib.request; urllib.request.urlopen(%r, timeout=20).read().decode()" % url(server)).ok().result \
        == "'a,b\\nright,1\\n'"


def test_the_audit_log_has_the_request_and_no_secret(start_as, own_place, rule, hosts, server):
    log = own_place.root / "work" / "audit.jsonl"
    client = start_as(policy={"network": {"allow": [rule]}, "audit": str(log)}, place=own_place,
                      environment={"TEST_KEY": SECRET, "SSL_CERT_FILE": hosts.path}).client
    client.run("import urllib.request; urllib.request.urlopen(%r, timeout=20).read()" % url(server, "/v1/a?q=1")).ok()
    client.run("import urllib.request; urllib.request.urlopen(%r, timeout=20).read()" % url(server, "/b"))
    assert leftovers.wait_until(lambda: log.read_text().count('"connection"') == 2, 20)
    text = log.read_text()
    good, bad = [one for one in map(json.loads, text.splitlines()) if "connection" in one]
    assert SECRET not in text and (good["request"], good["verdict"]) == ("GET /v1/a", "allowed")
    assert (bad["request"], bad["verdict"]) == ("GET /b", "refused") and "network.allow" in bad["reason"]
    checked = subprocess.run([kernels.PROGRAM, "audit", "verify", str(log)], capture_output=True, text=True, timeout=30)
    assert checked.returncode == 0, checked.stdout + checked.stderr


def run(place, policy, code, environment):
    return subprocess.run(place.as_user([kernels.PROGRAM, "run", "--policy", policy, "-"]), input=code, capture_output=True, text=True, timeout=60,
                          env={**place.environment(), **environment})


def secret_file(place, mode, text=SECRET + "\n"):
    folder = place.root / "config" / "cellblock" / "secrets"
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "TEST_KEY"
    path.write_text(text)
    path.chmod(mode)
    if place.user:
        for one in (folder.parent, folder, path):
            shutil.chown(one, place.user)
    return path


def test_a_file_of_the_host_holds_it(own_place, rule, hosts, server):
    policy = own_place.policy("file", network={"allow": [rule]})
    fetch = "import urllib.request; print(urllib.request.urlopen(%r, timeout=20).read().decode())" % url(server)
    path = secret_file(own_place, 0o600)
    done = run(own_place, policy, fetch, {"SSL_CERT_FILE": hosts.path})
    assert done.stdout == "a,b\nright,1\n\n", done.stderr
    for mode, text, part in ((0o640, SECRET, "by others"), (0o604, SECRET, "by others"), (0o600, "two\nlines", "one line"), (0o600, "", "nowhere"),
                             (0o600, "x" * 9000, "one line"), (0o600, "é", "one line"), (0o600, "short", "one line")):
        secret_file(own_place, mode, text)
        done = run(own_place, policy, fetch, {"SSL_CERT_FILE": hosts.path})
        assert done.returncode == 1 and "no network: secret TEST_KEY" in done.stderr and part in done.stderr, done.stderr
    path.unlink()
    path.symlink_to(hosts.path)
    assert "secret TEST_KEY" in run(own_place, policy, fetch, {}).stderr


def test_without_the_secret_there_is_no_network_and_it_says_so(own_place, rule, server):
    done = run(own_place, own_place.policy("none", network={"allow": [rule]}),
               "import urllib.request; urllib.request.urlopen(%r)" % url(server), {})  # it doesn't wait for nobody
    assert done.returncode == 1 and "no network: secret TEST_KEY: it is nowhere on this host" in done.stderr and "secrets/TEST_KEY" in done.stderr
    checked = subprocess.run([kernels.PROGRAM, "policy", "check", own_place.policy("none", network={"allow": [rule]})], capture_output=True,
                             text=True, timeout=30, env=own_place.environment())
    assert checked.returncode == 0 and "TEST_KEY" in checked.stdout + checked.stderr


@pytest.mark.parametrize("rule, part", [
    ({}, "network.allow[0]"), ({"host": 5}, "network.allow[0].host"), ({"host": "a.example", "port": 5}, "network.allow[0].port"),
    ({"host": "a.example", "methods": []}, "methods"), ({"host": "a.example", "methods": ["get"]}, "methods"),
    ({"host": "a.example", "methods": ["TRACE"]}, "methods"), ({"host": "a.example", "paths": ["v1"]}, "paths"),
    ({"host": "a.example", "paths": ["/v1/*"]}, "paths"), ({"host": "a.example", "paths": ["/a/../b"]}, "paths"),
    ({"host": "a.example", "paths": "/v1/"}, "paths"), ({"host": "a.example", "header": {"Host": {"secret": "A"}}}, "header.Host"),
    ({"host": "a.example", "header": {"Content-Length": {"secret": "A"}}}, "header.Content-Length"),
    ({"host": "a.example", "header": {"A: b": {"secret": "A"}}}, "header.A: b"), ({"host": "a.example", "header": {"A": "text"}}, "header.A"),
    ({"host": "a.example", "header": {"A": {"secret": "../key"}}}, "header.A.secret"), ({"host": "a.example", "header": {"A": {}}}, "header.A"),
    ({"host": "a.example", "header": {"A": {"secret": "B", "prefix": "x\r\ny"}}}, "header.A.prefix"),
    ({"host": "a.example", "header": {}}, "header"), ({"host": "*", "header": {"A": {"secret": "B"}}}, "any host"),
    ({"host": "a.example:80", "header": {"A": {"secret": "B"}}}, "TLS"),
])
def test_a_rule_that_is_wrong_is_refused_by_its_keys_name(own_place, rule, part):
    done = subprocess.run([kernels.PROGRAM, "policy", "check", own_place.policy("wrong", network={"allow": [rule]})], capture_output=True, text=True,
                          timeout=30)
    assert done.returncode != 0 and part in done.stdout + done.stderr, done.stdout + done.stderr


def test_a_policy_that_keeps_a_secret_outside_doesnt_pass_it_in(own_place):
    rule = {"host": "a.example", "header": {"Authorization": {"secret": "TEST_KEY"}}}
    done = subprocess.run([kernels.PROGRAM, "policy", "check", own_place.policy("both", network={"allow": [rule]}, environment={"TEST_KEY": True})],
                          capture_output=True, text=True, timeout=30)
    assert done.returncode != 0 and "environment.TEST_KEY" in done.stdout + done.stderr
    shown = subprocess.run([kernels.PROGRAM, "policy", "show", own_place.policy("good", network={"allow": [rule]})], capture_output=True, text=True,
                           timeout=30)
    assert json.loads(shown.stdout)["network"]["allow"] == [rule]
