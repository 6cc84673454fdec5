"""`cellblock serve` with TLS: what holds without it (test_serve.py) holds with it, and handshakes are bounded and hurt nobody."""

import contextlib
import os
import pathlib
import re
import signal
import socket
import ssl
import subprocess
import threading
import time

import pytest
from support import kernels
from support.certificates import NEW_KEY, NEW_RSA_KEY, Authority
from support.serving import ENDED, KEY, Serving, request, servers
from test_serve import (  # noqa: F401
    GROWTH, HEALTH, MOST_CONNECTIONS, SLEEPS, box, is_served, many_files, refused, server, test_a_body_of_1_gb_by_chunks_is_refused_at_its_bound,
    test_a_body_of_1_gb_is_refused_at_once, test_a_request_that_comes_letter_by_letter_is_answered, test_a_sandbox_that_is_killed_tells_all_who_wait,
    test_a_slow_reader_of_a_cells_flood, test_a_slow_reader_of_a_large_file_whose_sandbox_is_killed, test_bombs,
    test_compressed_files_arrive_as_they_were, test_connections_that_come_and_go, test_expect_100_continue, test_half_requests_hold_up_nobody,
    test_headers_have_bounds, test_http_1_0, test_no_sandbox_without_its_own_token, test_of_a_strangers_body_nothing_is_read,
    test_pipelined_requests_are_answered_in_their_order, test_sandboxes_end_at_their_time, test_sigterm_ends_what_runs_in_an_ordinary_way,
    test_what_is_no_request_is_refused_and_ends_the_connection, test_where_a_policy_lets_cells_write_more_a_slow_reader_is_ended,
    test_who_closes_within_an_upload_leaves_no_file, test_who_closes_within_create_leaves_no_sandbox, test_who_closes_within_execute_interrupts,
    test_who_sends_on_while_a_cell_runs_is_bounded, wait)

pytestmark = [pytest.mark.cellblock_only("a command of cellblock"), pytest.mark.filterwarnings("ignore:ssl.TLSVersion")]
HANDSHAKE_SECONDS = 10  # kHandshakeTime


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def started(module_place, authority):
    made = Serving(kernels.PROGRAM, module_place, authority=authority)
    yield made
    made.stop()


@pytest.fixture
def new_server(module_place, authority):
    with servers(module_place.user, authority=authority) as start:
        yield start


@pytest.fixture(scope="module")
def slow_handshakes(started):
    """Connections that never end their handshake: one that says nothing, one that says it by letters. Nobody waits for them."""
    told = {}

    def stall(name, pause):
        hello = client_hello()
        with started.raw_line() as line:
            began = time.monotonic()
            for number in range(len(hello) - 1 if pause else 0):
                with contextlib.suppress(ConnectionError):
                    line.send(hello[number:number + 1])
                if line.has_something(pause):
                    break
            told[name] = (line.ended(60), time.monotonic() - began)
    threads = [threading.Thread(target=stall, args=one, daemon=True) for one in (("nothing", 0), ("letters", 0.3))]
    for one in threads:
        one.start()
    yield threads, told
    for one in threads:
        one.join(60)


@pytest.fixture(scope="module")
def first_box(started, slow_handshakes):
    return started.box()


def client_hello(**options):
    """The first record that a client sends."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    for name, value in options.items():
        setattr(context, name, value)
    sent = ssl.MemoryBIO()
    with contextlib.suppress(ssl.SSLWantReadError):
        context.wrap_bio(ssl.MemoryBIO(), sent, server_hostname="localhost").do_handshake()
    return sent.read()


def greeted(server, context):
    """A connection's SSLSocket after its handshake, which may fail with an SSLError or a ConnectionError."""
    plain = socket.create_connection(("127.0.0.1", server.port), 20)
    try:
        return context.wrap_socket(plain, server_hostname="localhost")
    except BaseException:
        plain.close()
        raise


# --- what is spoken

@pytest.mark.parametrize("version", ["TLSv1_2", "TLSv1_3"])
def test_versions_and_protocols(server, authority, version):
    for offered, chosen in (([], None), (["http/1.1"], "http/1.1"), (["h2", "http/1.1"], "http/1.1")):
        context = authority.client()
        context.minimum_version = context.maximum_version = getattr(ssl.TLSVersion, version)
        if offered:
            context.set_alpn_protocols(offered)
        with greeted(server, context) as line:
            assert line.version() == version.replace("_", ".") and line.selected_alpn_protocol() == chosen and line.compression() is None
            assert "ECDHE" in line.cipher()[0] or version == "TLSv1_3"
            line.sendall(HEALTH)
            assert line.recv(100).startswith(b"HTTP/1.1 200")
            session = line.session
        with contextlib.suppress(ValueError), greeted_again(server, context, session) as line:  # of 1.3 there is none to come back with
            assert not line.session_reused
    assert server.first[0].startswith("listening on https://127.0.0.1:")


def greeted_again(server, context, session):
    return context.wrap_socket(socket.create_connection(("127.0.0.1", server.port), 20), server_hostname="localhost", session=session)


@pytest.mark.parametrize("name", ["1.0", "1.1", "ciphers without forward secrecy", "CBC", "h2 alone", "another protocol", "SNI of 255 letters"])
def test_what_is_not_spoken(server, authority, name):
    context = authority.client()
    if name[0] == "1":
        context.set_ciphers("ALL:@SECLEVEL=0")
        context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1 if name == "1.0" else ssl.TLSVersion.TLSv1_1
    elif name in ("ciphers without forward secrecy", "CBC"):
        context.maximum_version = ssl.TLSVersion.TLSv1_2
        context.set_ciphers("AES128-GCM-SHA256:AES256-SHA" if name != "CBC" else "ECDHE-ECDSA-AES128-SHA256:ECDHE-RSA-AES128-SHA")
    elif name != "SNI of 255 letters":
        context.set_alpn_protocols(["h2"] if name == "h2 alone" else ["x" * 255])
    if name == "SNI of 255 letters":
        context.check_hostname = False
        with context.wrap_socket(socket.create_connection(("127.0.0.1", server.port), 20), server_hostname=".".join(["x" * 50] * 5)) as line:
            line.sendall(HEALTH)
            assert line.recv(100).startswith(b"HTTP/1.1 200")  # every name is answered with the one certificate
    else:
        with pytest.raises(ENDED):
            greeted(server, context).close()


def test_a_chain_leads_to_the_root(new_server, tmp_path):
    root = Authority(tmp_path, "root")
    middle = Authority(tmp_path, "middle", by=root)
    server = new_server()
    certificate, key = middle.pair("DNS:localhost")
    whole = tmp_path / "chain.pem"
    whole.write_text(pathlib.Path(certificate).read_text() + middle.text)
    server.use(certificate, key)
    renew(server, "read again")
    with pytest.raises(ssl.SSLCertVerificationError):
        greeted(server, root.client()).close()
    server.use(whole, key)
    renew(server, "read again")
    greeted(server, root.client()).close()
    server.tls = root.client()
    assert server.lives()


def test_results_come_when_they_are_there(server, box):
    with box.begin("import time\nprint(1, flush=True)\ntime.sleep(1.5)\nprint(2)") as line:
        began = time.monotonic()
        while b'"stdout"' not in line.file.readline():
            pass
        assert time.monotonic() - began < 1.2
        assert not line.has_something(0) and line.has_something(5)


def test_large_files_both_ways(server, box):
    content = os.urandom(1 << 20) * 60
    assert box.put("large", content).status == 200
    assert box.ask("GET", "/files?path=large").body == content
    box.out("import os; os.remove('large')")


def test_a_connections_end_is_said(server, box):
    """By close_notify, so that a client knows that nothing was cut off."""
    for data in (request("GET", "/v2/sandboxes", KEY, version="HTTP/1.0"), b"no request\r\n\r\n", request("POST", "/execute", box.headers, {"code": "1"}, version="HTTP/1.0")):
        context = server.tls
        plain = socket.create_connection(("127.0.0.1", server.port), 20)
        with context.wrap_socket(plain, server_hostname="localhost", suppress_ragged_eofs=False) as line:
            line.sendall(data)
            found = b""
            while piece := line.recv(1 << 16):
                found += piece
            assert found.startswith(b"HTTP/1.1 ")
            began = time.monotonic()
            line.unwrap()  # the server waits for the client's, for a moment
            assert time.monotonic() - began < 1.5


# --- handshakes

HELLO = client_hello()
HALVES = {"nothing": b"", "a byte": b"\x16", "half a record's head": HELLO[:4], "half a hello": HELLO[:-1], "a record of 16 kB": b"\x16\x03\x01\x40\x00\x01\x00",
          "a hello of 128 kB": b"\x16\x03\x01\x00\x06\x01\x02\x00\x00\x03\x03", "a hello by pieces": b"".join(b"\x16\x03\x01\x00\x01" + HELLO[one:one + 1] for one in range(5, 40)),
          "a hello": HELLO}
RUBBISH = {
    "zeros": bytes(5000), "letters": b"x" * 5000, "random": bytes((one * 7919 >> 3) & 255 for one in range(5000)), "SSH": b"SSH-2.0-x\r\n\r\n" * 20, "SSL 2": b"\x80\x2e\x01\x00\x02" + bytes(60),
    "SSL 3": HELLO[:1] + b"\x03\x00" + HELLO[3:9] + b"\x03\x00" + HELLO[11:], "a record of 64 kB": b"\x16\x03\x01\xff\xff" + bytes(70_000),
    "a hello of 16 MB": b"\x16\x03\x01\x40\x00\x01\xff\xff\xff" + bytes(20_000), "alerts": b"\x15\x03\x01\x00\x02\x01\x00" * 200, "a fatal alert": b"\x15\x03\x01\x00\x02\x02\x28",
    "empty records": b"\x16\x03\x01\x00\x00" * 500, "changes of ciphers": b"\x14\x03\x03\x00\x01\x01" * 500, "data first": b"\x17\x03\x03\x00\x05hello", "heartbeat": b"\x18\x03\x02\x00\x03\x01\x40\x00",
    "two hellos": HELLO * 2, "a server's hello": HELLO[:5] + b"\x02" + HELLO[6:], "a hello and rubbish": HELLO + b"\x17\x03\x03\x00\x20" + bytes(32) * 9,
    "plain HTTP": HEALTH, "a plain upload": request("POST", "/files?path=a", KEY, b"x" * 100_000), "another method": b"PROPFIND / HTTP/1.1\r\n\r\n", "CONNECT": b"CONNECT a:443 HTTP/1.1\r\n\r\n",
}


@pytest.mark.parametrize("half", HALVES)
def test_half_handshakes_hold_up_nobody(server, half):
    with contextlib.ExitStack() as stack:
        lines = [stack.enter_context(server.raw_line()) for _ in range(50)]
        for line in lines:
            line.send(HALVES[half])
        began = time.monotonic()
        assert server.ask("GET", "/health").status == 200 and time.monotonic() - began < 5
        assert half == "a hello" or not any(line.has_something(0) for line in lines)


@pytest.mark.parametrize("name", RUBBISH)
def test_rubbish_ends_a_handshake(server, name):
    with server.raw_line() as line:
        with contextlib.suppress(ConnectionError):
            line.send(RUBBISH[name])
        line.socket.settimeout(HANDSHAKE_SECONDS / 2)
        found = b""
        with contextlib.suppress(ConnectionError):
            while piece := line.socket.recv(1 << 16):
                found += piece
        assert b"HTTP/1.1" not in found and len(found) < 5000


def test_plain_http_is_told_in_the_log_and_no_flood_of_it(new_server):
    server = new_server()
    for number in range(200):
        with server.raw_line() as line:
            with contextlib.suppress(ConnectionError):
                line.send((HEALTH, b"\0" * 100)[number % 2])
            with contextlib.suppress(ConnectionError):
                assert not line.file.read().startswith(b"HTTP")
    told = server.said().splitlines()
    assert any("plain HTTP" in line and "https://" in line for line in told) and any("handshake failed" in line for line in told)
    assert 2 <= len(told) < 12, told


def test_2500_handshakes_that_never_end(server):
    """Each claims to be of 128 kB, which OpenSSL holds ready for it, and more come than there may be connections."""
    count = 2500
    before = server.memory()
    with many_files(count + 300), contextlib.ExitStack() as stack:
        lines = []
        for _ in range(count):
            lines.append(stack.enter_context(server.raw_line()))
            with contextlib.suppress(ConnectionError):
                lines[-1].send(HALVES["a hello of 128 kB"])
        wait(lambda: sum(line.has_something(0) for line in lines) >= count - MOST_CONNECTIONS)
        assert server.memory() - before < 2 * GROWTH and server.process.poll() is None
    wait(lambda: is_served(server), 10)


def test_500_handshakes_of_ten_clients(server):
    found = []

    def ask():
        for _ in range(50):
            found.append(server.ask("GET", "/health").status)
    threads = [threading.Thread(target=ask) for _ in range(10)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert found == [200] * 500


# --- within a connection

def openssl_client(server, *options):
    return subprocess.Popen(["openssl", "s_client", "-connect", "127.0.0.1:%d" % server.port, "-servername", "localhost", *options], stdin=subprocess.PIPE,
                            stdout=subprocess.PIPE, stderr=subprocess.STDOUT)


def say(client, *lines):
    """Each by itself: openssl takes a letter at the beginning of what it reads for a command."""
    for line in lines:
        with contextlib.suppress(BrokenPipeError):
            client.stdin.write(line)
            client.stdin.flush()
        time.sleep(0.2)


def ended(client):
    with contextlib.suppress(BrokenPipeError):
        client.stdin.close()
    try:
        return client.stdout.read().decode("latin-1")
    finally:
        client.stdout.close()
        client.wait(20)


def test_nobody_renegotiates(server):
    client = openssl_client(server, "-tls1_2")
    say(client, b"", b"R\n")
    told = ended(client)
    assert "RENEGOTIATING" in told and re.search("no renegotiation|handshake failure", told), told


def test_new_keys_within_a_connection(server):
    client = openssl_client(server, "-tls1_3")
    say(client, b"", *[b"K\n", b"k\n"] * 4, b"GET /health HTTP/1.0\r\n", b"\r\n")
    told = ended(client)
    assert "KEYUPDATE" in told and "HTTP/1.1 200" in told, told


def broken_off(how):
    """One way in which a client ends a connection within a reply."""
    def close(line):
        raw = socket.socket(fileno=os.dup(line.socket.fileno()))
        with raw:
            if how == "close_notify":
                with contextlib.suppress(*ENDED, TimeoutError):
                    line.socket.settimeout(2)
                    line.socket.unwrap()
            elif how == "half a record":
                raw.sendall(b"\x17\x03\x03\x10\x00half")
                raw.shutdown(socket.SHUT_WR)
            elif how == "rubbish":
                raw.sendall(b"\x17\x03\x03\x00\x20" + bytes(32))
            elif how == "plain":
                raw.sendall(HEALTH)
            elif how == "a fatal alert":
                raw.sendall(b"\x15\x03\x03\x00\x02\x02\x00")
            elif how == "reset":
                raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
                raw.shutdown(socket.SHUT_RDWR)
            else:
                raw.shutdown(socket.SHUT_WR)
    return close


@pytest.mark.parametrize("how", ["close_notify", "half a record", "rubbish", "plain", "a fatal alert", "reset", "end of TCP"])
def test_however_a_client_goes_its_cell_is_interrupted(server, box, how):
    box.out("x = 1")
    with box.begin(SLEEPS) as line:
        assert line.has_something(10)
        broken_off(how)(line)
        began = time.monotonic()
        assert box.out("print(x)") == "1\n" and time.monotonic() - began < 5


def test_half_a_record_is_half_a_request(server, box):
    with contextlib.ExitStack() as stack:
        for _ in range(20):
            line = stack.enter_context(server.line())
            os.write(line.socket.fileno(), b"\x17\x03\x03\x40\x00half")
        began = time.monotonic()
        assert box.out("print(1)") == "1\n" and time.monotonic() - began < 5


# --- certificates that are renewed

def certificate_of(server):
    with socket.create_connection(("127.0.0.1", server.port), 20) as plain:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        with context.wrap_socket(plain) as line:
            return ssl.DER_cert_to_PEM_cert(line.getpeercert(True))


def renew(server, expected):
    before = len(server.said())
    server.process.send_signal(signal.SIGHUP)
    wait(lambda: re.search(expected, server.said()[before:]))


def test_sighup_reads_the_certificate_again_and_cuts_no_connection(new_server, authority):
    server = new_server()
    box, first = server.box(), certificate_of(server)
    pairs = [authority.pair("DNS:localhost"), authority.pair("DNS:localhost", new_key=NEW_RSA_KEY)]
    with box.begin("import time\nfor n in range(20): time.sleep(0.1); print(n, flush=True)") as line, server.line() as idle:
        assert line.has_something(10)
        for certificate, key in pairs:
            server.use(certificate, key)
            assert certificate_of(server) == first or certificate != pairs[0][0]  # not before it is told
            renew(server, "read again")
            assert certificate_of(server) == pathlib.Path(certificate).read_text()
            assert server.lives()
        got = line.answer()
        assert got.whole and got.lines()[-1] == {"type": "end_of_execution"}
        idle.send(HEALTH)
        assert idle.answer().status == 200
    for _ in range(100):
        server.process.send_signal(signal.SIGHUP)
    assert server.lives()


def test_a_bad_pair_leaves_the_old_one(new_server, authority):
    server = new_server()
    first = certificate_of(server)
    good, other = authority.pair("DNS:localhost"), authority.pair("DNS:localhost")
    expired = authority.pair("DNS:localhost", days=-1)
    for certificate, key, expected in ((good[0], other[1], "doesn't belong"), (*expired, "expired"), (good[1], good[1], "no certificate"), ("/dev/null", good[1], "no certificate"),
                                       (good[0], good[0], "no key"), (good[0], "/dev/null", "no key")):
        server.use(certificate, key)
        renew(server, expected + ".*\n?.*stays in use")
        assert certificate_of(server) == first
    server.use(*good)
    server.key_file.chmod(0o640)
    renew(server, "chmod 600.*stays in use")
    server.key_file.rename(str(server.key_file) + "-away")
    renew(server, "No such file.*stays in use")
    assert certificate_of(server) == first and server.lives()
    os.rename(str(server.key_file) + "-away", server.key_file)
    server.key_file.chmod(0o600)
    renew(server, "read again")
    assert certificate_of(server) == pathlib.Path(good[0]).read_text()


# --- how it begins

@pytest.fixture(scope="module")
def begin(module_place, server_token):
    """begin(certificate, key, option, …): what a server says that is given these files and doesn't begin."""
    def start(certificate, key, *options, mode=0o600):
        path = module_place.secret_file("refused.key", pathlib.Path(key).read_text())
        path.chmod(mode)
        return refused(module_place, "--listen", "127.0.0.1:0", "--token-file", server_token, "--tls-cert",
                       str(module_place.file("refused.pem", pathlib.Path(certificate).read_text())), "--tls-key", str(path), *options)

    return start


@pytest.fixture(scope="module")
def server_token(started):
    return str(started.token_file)


def test_pairs_that_do_not_begin(begin, authority, tmp_path):
    good, other, rsa = (authority.pair("DNS:localhost", new_key=kind) for kind in (NEW_KEY, NEW_KEY, NEW_RSA_KEY))
    assert "doesn't belong" in begin(good[0], other[1]) and "doesn't belong" in begin(good[0], rsa[1])
    assert "expired" in begin(*authority.pair("DNS:localhost", days=-1))
    assert "isn't good yet" in begin(*authority.pair("DNS:localhost", begins="+2d"))
    locked, weak = tmp_path / "locked.key", authority.pair("DNS:localhost", new_key=("-newkey", "rsa:1024", "-nodes", "-keyout"))
    subprocess.run(["openssl", "pkey", "-in", good[1], "-aes256", "-passout", "pass:x", "-out", locked], check=True)
    assert "without a password" in begin(good[0], locked)
    assert "too small" in begin(*weak)
    for mode in (0o640, 0o604, 0o644, 0o660, 0o602):
        assert "chmod 600" in begin(*good, mode=mode)
    text = tmp_path / "text"
    for content in ("", "x", "-----BEGIN CERTIFICATE-----\n", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", pathlib.Path(good[0]).read_text()[:200],
                    pathlib.Path(good[1]).read_text(), "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"):
        text.write_text(content)
        assert "no certificate" in begin(text, good[1])
        if "BEGIN PRIVATE" not in content or "AAAA" in content:
            assert "no key" in begin(good[0], text)
    text.write_text("x" * 300_000)
    assert "longer than 256 KiB" in begin(text, good[1]) and "longer than 256 KiB" in begin(good[0], text)


def test_options_that_do_not_go_together(begin, authority, server_token, module_place, tmp_path):
    certificate, key = authority.pair("DNS:localhost")
    for half in (["--tls-cert", certificate], ["--tls-key", key]):
        assert "belong together" in refused(module_place, "--listen", "127.0.0.1:0", "--token-file", server_token, *half)
    assert "a Unix socket has no TLS" in begin(certificate, key, "--listen", "unix:%s/s" % tmp_path) and not (tmp_path / "s").exists()
    os.mkfifo(tmp_path / "fifo")
    for path in ("/no/such/file", "/", "/dev/zero", str(tmp_path / "fifo"), "/proc/self/mem", "/dev/stdin"):
        for names in (("--tls-cert", path, "--tls-key", key), ("--tls-cert", certificate, "--tls-key", path)):
            said = refused(module_place, "--listen", "127.0.0.1:0", "--token-file", server_token, *names)
            assert path in said and ("Give a file with" in said or "chmod 600" in said), said


def test_without_tls_sighup_ends_the_server(module_place):
    place = kernels.Place(module_place.user)
    plain = Serving(kernels.PROGRAM, place)
    plain.process.send_signal(signal.SIGHUP)
    assert plain.process.wait(20) == 0
    plain.stop()
    place.remove()


def test_slow_handshakes_were_ended_in_their_time(server, slow_handshakes):
    threads, told = slow_handshakes
    for one in threads:
        one.join(60)
    for name in ("nothing", "letters"):
        has_ended, seconds = told[name]
        assert has_ended and HANDSHAKE_SECONDS - 1 < seconds < HANDSHAKE_SECONDS + 10, (name, told)
