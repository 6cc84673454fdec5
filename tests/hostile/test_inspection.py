"""Rules about requests, and secrets that stay outside: a client that lies in its TLS gets nothing that isn't allowed."""

import gzip
import os
import re
import socket
import ssl
import tempfile
import threading

import pytest
from support.brokers import Broker, Server, head_of, read_all, read_until, resident
from support.certificates import Authority

SECRET = "sk-a-secret-that-no-cell-may-see"


@pytest.fixture(scope="module")
def hosts():
    """The authority that the host trusts, where root's broker can read it, which is nobody."""
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        yield Authority(folder, "hosts")


@pytest.fixture(scope="module")
def sessions(tmp_path_factory):
    """The session's, which the sandbox trusts."""
    return Authority(tmp_path_factory.mktemp("sessions"), "sessions")


def answering(context, answer=None, heard=None):
    """A TLS server that answers one request with what it was, or with answer(request)."""
    def serve(client):
        with context.wrap_socket(client, server_side=True) as secure:
            data = head_of(secure)
            if not data:
                return
            length = re.search(rb"(?i)content-length: (\d+)", data)
            wanted = data.index(b"\r\n\r\n") + 4 + int(length.group(1) if length else 0)
            chunked = b"chunked" in data
            data = read_until(secure, lambda data: len(data) >= wanted and (not chunked or data.endswith(b"0\r\n\r\n")), data)
            if not data:
                return
            if heard is not None:
                heard.append(data)
            body = data if answer is None else answer(data)
            secure.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\nConnection: close\r\n\r\n" % len(body) + body)
            secure.unwrap()
    return serve


class Place:
    """A server `localhost`, and a broker with rules for it."""

    def __init__(self, hosts, sessions, rule, answer=None, more=(), **other):
        self.heard = []
        self.server = Server(answering(hosts.server("DNS:localhost"), answer, self.heard))
        self.target = "localhost:%d" % self.server.port
        self.sessions = sessions
        self.broker = Broker([*(one.replace("PORT", str(self.server.port)) for one in more), {"host": self.target, **rule}],
                             secrets={"KEY": SECRET}, authority=sessions, trusts=hosts.path, **other)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.broker.close()
        self.server.close()

    def open(self, name="localhost"):
        client, refusal = self.broker.tunnel(self.target)
        assert refusal is None, refusal
        return self.sessions.client().wrap_socket(client, server_hostname=name)

    def send(self, data):
        """The whole answer to these bytes in TLS."""
        with self.open() as client:
            client.sendall(data.replace(b"HOST", self.target.encode()))
            return read_all(client)

    def get(self, path="/v1/models", head=b"", method=b"GET"):
        return self.send(method + b" " + path.encode() + b" HTTP/1.1\r\nHost: HOST\r\n" + head + b"\r\n")


WRITTEN = {"header": {"Authorization": {"secret": "KEY", "prefix": "Bearer "}}}


# --- what works

def test_the_header_is_written_and_the_clients_is_left_out(hosts, sessions):
    with Place(hosts, sessions, WRITTEN, lambda data: b"fine") as place:
        answer = place.get(head=b"authorization: Bearer placeholder\r\nX-Own: yes\r\nAccept-Encoding: gzip, br\r\n")
        assert answer.startswith(b"HTTP/1.1 200 OK") and answer.endswith(b"fine")
        heard, = place.heard
        assert heard.count(b"uthorization") == 1 and b"Authorization: Bearer %s\r\n" % SECRET.encode() in heard
        assert b"X-Own: yes" in heard and b"Accept-Encoding: identity\r\n" in heard and b"gzip" not in heard
        told = place.broker.report()
        assert told["allowed"] and told["request"] == "GET /v1/models" and told["rule"] == place.target and told["reason"] == ""


@pytest.mark.parametrize("body", [b"Content-Length: 5\r\n\r\nhello", b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"])
def test_a_body_goes_on(hosts, sessions, body):
    with Place(hosts, sessions, {"methods": ["POST"]}) as place:
        answer = place.send(b"POST /a?b=c HTTP/1.1\r\nHost: HOST\r\n" + body)
        assert b"POST /a?b=c HTTP/1.1" in answer and b"hello" in answer
        assert place.broker.report()["request"] == "POST /a"


def test_large_bodies_both_ways(hosts, sessions):
    big = bytes(range(256)) * 20_000
    with Place(hosts, sessions, WRITTEN, lambda data: data[-len(big):]) as place:
        assert place.send(b"POST / HTTP/1.1\r\nHost: HOST\r\nContent-Length: %d\r\n\r\n" % len(big) + big).endswith(big)


def test_an_address_and_socks(hosts, sessions):
    heard = []
    with Server(answering(hosts.server("IP:127.0.0.1"), heard=heard)) as server:
        target = "127.0.0.1:%d" % server.port
        with Broker([{"host": target, **WRITTEN}], secrets={"KEY": SECRET}, authority=sessions, trusts=hosts.path) as broker:
            client = broker.connect()
            client.sendall(b"\x05\x01\x00\x05\x01\x00\x01\x7f\x00\x00\x01" + server.port.to_bytes(2, "big"))
            assert client.recv(2) == b"\x05\x00" and client.recv(10)[:2] == b"\x05\x00"
            with sessions.client().wrap_socket(client, server_hostname="127.0.0.1") as secure:
                secure.sendall(b"GET / HTTP/1.1\r\nHost: %s\r\n\r\n" % target.encode())
                assert read_all(secure).startswith(b"HTTP/1.1 200 OK")
    assert SECRET.encode() in heard[0]


@pytest.mark.parametrize("method, path, allowed", [
    (b"GET", "/v1/models", True), (b"GET", "/v1/models?all=1", True), (b"GET", "/v1/", True), (b"GET", "/exact", True), (b"HEAD", "/v1/a", True),
    (b"POST", "/v1/models", False), (b"get", "/v1/models", False), (b"DELETE", "/exact", False), (b"GET", "/v1", False), (b"GET", "/v2/", False),
    (b"GET", "/exact/", False), (b"GET", "/exact/more", False), (b"GET", "/", False), (b"GET", "/V1/models", False), (b"GET", "/v1/../admin", False),
    (b"GET", "/v1/..", False), (b"GET", "/v1/%2e%2e/admin", False), (b"GET", "/v1/.%2E/admin", False), (b"GET", "/v1/%252e%252e/admin", False),
    (b"GET", "/v1//admin", False), (b"GET", "//v1/models", False), (b"GET", "/v1/..;/admin", False), (b"GET", "/v1/a%2fb", False),
    (b"GET", "/v1/..\\admin", False), (b"GET", "/v1/a%00b", False), (b"GET", "/v1/./a", False), (b"GET", "/v1/a#b", False),
    (b"OPTIONS", "*", False), (b"TRACE", "/v1/", False), (b"CONNECT", "localhost:1", False), (b"GET", "https://localhost/v1/", False),
    (b"GET", "/v1/\xff", False), (b"GET", "/v1/..%3b/admin", False), (b"GET", "/v1/%c0%ae%c0%ae/admin", False), (b"GET", "/v1/..%20/admin", False),
])
def test_methods_and_paths(hosts, sessions, method, path, allowed):
    with Place(hosts, sessions, {"methods": ["GET", "HEAD"], "paths": ["/v1/", "/exact"]}) as place:
        answer = place.get(path, method=method)
        assert answer.startswith(b"HTTP/1.1 200 " if allowed else (b"HTTP/1.1 403 ", b"HTTP/1.1 400 ")), answer
        told = place.broker.report()
        assert told["allowed"] == allowed and len(place.heard) == allowed


def test_the_refusal_says_what_to_do(hosts, sessions):
    with Place(hosts, sessions, {"paths": ["/v1/"]}) as place:
        first = place.get("/admin").splitlines()[0].decode()
        assert first == "HTTP/1.1 403 GET /admin isn't allowed by the policy: network.allow has no rule for this method and path of localhost"


def test_the_first_rule_that_allows_a_request_writes_its_headers(hosts, sessions):
    with Place(hosts, sessions, {"paths": ["/v1/"], **WRITTEN}, more=["localhost:PORT"]) as place:
        place.get("/v1/a")
        place.get("/other")
        assert all(SECRET.encode() not in one for one in place.heard) and len(place.heard) == 2  # the plain rule comes first


# --- the secret stays outside

@pytest.mark.parametrize("answer", [lambda data: data, lambda data: b"x" * 70_000 + data, lambda data: (SECRET * 3).encode() + SECRET[:-1].encode()],
                         ids=["echo", "far behind", "again and again"])
def test_a_host_that_says_it_back_isnt_heard(hosts, sessions, answer):
    with Place(hosts, sessions, WRITTEN, answer) as place:
        told = place.get()
        assert SECRET.encode() not in told and b"*" * len(SECRET) in told
        body = told.split(b"\r\n\r\n", 1)[1]
        assert len(body) == int(re.search(rb"Content-Length: (\d+)", told).group(1))


def test_a_secret_in_pieces_is_covered(hosts, sessions):
    def slow(client):
        with hosts.server("DNS:localhost").wrap_socket(client, server_side=True) as secure:
            secure.recv(65536)
            for piece in (b"HTTP/1.1 200 OK\r\n\r\n", *(bytes([one]) for one in SECRET.encode()), b"!", SECRET[:9].encode()):
                secure.sendall(piece)
            secure.unwrap()
    with Server(slow) as server:
        target = "localhost:%d" % server.port
        with Broker([{"host": target, **WRITTEN}], secrets={"KEY": SECRET}, authority=sessions, trusts=hosts.path) as broker:
            client, _ = broker.tunnel(target)
            with sessions.client().wrap_socket(client, server_hostname="localhost") as secure:
                secure.sendall(b"GET / HTTP/1.1\r\nHost: %s\r\n\r\n" % target.encode())
                assert read_all(secure).endswith(b"\r\n\r\n" + b"*" * len(SECRET) + b"!" + SECRET[:9].encode())


def test_plain_http_gets_no_secret(hosts, sessions):
    with Place(hosts, sessions, WRITTEN) as place:
        answer = place.broker.ask("GET http://%s/ HTTP/1.1\r\n\r\n" % place.target)
        assert answer.startswith(b"HTTP/1.1 403 ") and not place.server.seen


def test_plain_http_is_judged_too(sessions):
    with Server(lambda client: client.sendall(b"HTTP/1.1 200 OK\r\n\r\n" + client.recv(9999))) as server:
        place = "127.0.0.1:%d" % server.port
        with Broker([{"host": place, "paths": ["/v1/"]}], authority=sessions) as broker:
            assert broker.ask("GET http://%s/v1/a HTTP/1.1\r\n\r\n" % place).startswith(b"HTTP/1.1 200 OK")
            for path in ("/v2/", "/v1/../a", "/v1"):
                assert broker.ask("GET http://%s%s HTTP/1.1\r\n\r\n" % (place, path)).startswith(b"HTTP/1.1 403 ")
            for head in ANOTHER:
                assert b"another method or path" in broker.ask(b"GET http://%s/v1/ HTTP/1.1\r\n%s\r\n" % (place.encode(), head))
            assert len(server.seen) == 1


# --- a client that lies

@pytest.mark.parametrize("name", ["evil.example", "localhost.evil.example"])
def test_another_name_in_tls(hosts, sessions, name):
    with Place(hosts, sessions, WRITTEN) as place:
        with pytest.raises(OSError):
            place.open(name)
        assert "another server" in place.broker.report()["reason"]


@pytest.mark.parametrize("head", [b"Host: evil.example\r\n", b"Host: HOST\r\nHost: evil.example\r\n", b"Host: HOST\r\nHost: HOST\r\n", b"",
                                  b"Host: localhost\r\n", b"Host: HOST.\r\nHost : HOST\r\n", b"Host: HOST\n Host: evil.example\r\n"])
def test_another_host_in_the_request(hosts, sessions, head):
    with Place(hosts, sessions, WRITTEN) as place:
        assert place.send(b"GET / HTTP/1.1\r\n" + head + b"\r\n").startswith((b"HTTP/1.1 403 ", b"HTTP/1.1 400 "))
        assert not place.heard


@pytest.mark.parametrize("head", [
    b"Content-Length: 5\r\nContent-Length: 6\r\n", b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", b"Transfer-Encoding: gzip, chunked\r\n",
    b"Transfer-Encoding: xchunked\r\n", b"Content-Length: +5\r\n", b"Content-Length: 0x5\r\n", b"Transfer-Encoding : chunked\r\n", b" folded\r\n",
    b"A: b\rC: d\r\n", b"A: \x00\r\n", b"no colon\r\n",
])
def test_a_body_that_could_be_read_in_two_ways(hosts, sessions, head):
    with Place(hosts, sessions, WRITTEN) as place:
        answer = place.send(b"POST / HTTP/1.1\r\nHost: HOST\r\n" + head + b"\r\n0\r\n\r\nGET /admin HTTP/1.1\r\nHost: HOST\r\n\r\n")
        assert answer.startswith(b"HTTP/1.1 400 ") and not place.heard


def test_a_second_request_isnt_passed_on(hosts, sessions):
    with Place(hosts, sessions, {"paths": ["/v1/"]}) as place:
        answer = place.send(b"GET /v1/ HTTP/1.1\r\nHost: HOST\r\n\r\nGET /admin HTTP/1.1\r\nHost: HOST\r\n\r\n")
        assert answer.count(b"HTTP/1.1 200") == 1 and b"/admin" not in answer and b"admin" not in place.heard[0]


ANOTHER = [b"X-HTTP-Method-Override: DELETE\r\n", b"x_http_method_override: DELETE\r\n", b"X-Original-URL: /admin\r\n", b"X-Rewrite-Url: /admin\r\n"]


@pytest.mark.parametrize("head", ANOTHER)
def test_a_header_that_asks_for_another_request(hosts, sessions, head):
    with Place(hosts, sessions, {"paths": ["/v1/"]}) as place:
        assert b"another method or path" in place.get(head=head) and not place.heard
    with Place(hosts, sessions, WRITTEN) as place:  # any method and path is allowed
        assert place.get(head=head).startswith(b"HTTP/1.1 200 ")


@pytest.mark.parametrize("head", [b"Connection: Authorization\r\n", b"Upgrade: websocket\r\nConnection: Upgrade\r\n"])
def test_headers_of_the_connection_are_left_out(hosts, sessions, head):
    with Place(hosts, sessions, WRITTEN) as place:
        assert place.get(head=head).startswith(b"HTTP/1.1 200 ")
        assert b"pgrade" not in place.heard[0] and SECRET.encode() in place.heard[0]


def test_what_isnt_tls(hosts, sessions):
    with Place(hosts, sessions, WRITTEN) as place:
        client, _ = place.broker.tunnel(place.target)
        with client:
            client.sendall(b"GET / HTTP/1.1\r\nHost: %s\r\n\r\n" % place.target.encode())
            assert read_all(client) == b""
        assert "isn't TLS" in place.broker.report()["reason"] and not place.heard


def test_http_2_alone_isnt_spoken(hosts, sessions):
    with Place(hosts, sessions, WRITTEN) as place:
        context = sessions.client()
        context.set_alpn_protocols(["h2"])
        client, _ = place.broker.tunnel(place.target)
        with pytest.raises(ssl.SSLError):
            context.wrap_socket(client, server_hostname="localhost")
        client.close()


def test_rubbish_in_tls_and_half_a_request(hosts, sessions):
    with Place(hosts, sessions, WRITTEN) as place:
        assert place.send(b"\xff" * 20_000).startswith(b"HTTP/1.1 400 ")
        assert place.send(b"GET / HTTP/1.1\r\nA: " + b"a" * 20_000).startswith(b"HTTP/1.1 400 ")
        with place.open() as client:
            client.sendall(b"GET / HT")
        raw, _ = place.broker.tunnel(place.target)
        with raw:
            raw.sendall(b"\x16\x03\x01\x00\xff" + bytes(300))
            read_all(raw)
        assert place.get().startswith(b"HTTP/1.1 200 ") and len(place.heard) == 1


def test_a_client_that_doesnt_trust_the_session_is_told_of(hosts, sessions):
    with Place(hosts, sessions, WRITTEN) as place:
        client, _ = place.broker.tunnel(place.target)
        with pytest.raises(ssl.SSLCertVerificationError):
            hosts.client().wrap_socket(client, server_hostname="localhost")
        client.close()
        assert "unknown ca" in place.broker.report()["reason"] and not place.heard


def test_bytes_behind_the_end_of_tls_arent_kept(hosts, sessions):
    done = threading.Event()
    with Place(hosts, sessions, WRITTEN, lambda data: b"late" if done.wait(20) else b"") as place:
        client = place.open()
        client.sendall(b"GET / HTTP/1.1\r\nHost: %s\r\n\r\n" % place.target.encode())
        client.settimeout(1)
        with socket.socket(fileno=os.dup(client.fileno())) as raw:
            with pytest.raises(TimeoutError):
                client.unwrap()  # the answer is still to come
            before = resident(place.broker)
            raw.settimeout(2)
            with pytest.raises(TimeoutError):
                for _ in range(100):
                    raw.sendall(bytes(1 << 20))
        assert resident(place.broker) < before + 30_000
        done.set()
        client.close()


@pytest.mark.parametrize("sent", [None, b"", b"GET / HT", b"POST / HTTP/1.1\r\nHost: HOST\r\nContent-Length: 9\r\n\r\nhalf"],
                         ids=["no tls", "nothing", "half a head", "half a body"])
def test_a_client_that_has_gone_takes_no_place(hosts, sessions, sent):
    with Place(hosts, sessions, {"methods": ["GET", "POST"]}, connections=1) as place:
        if sent is None:
            place.broker.tunnel(place.target)[0].close()
        else:
            with place.open() as client:
                client.sendall(sent.replace(b"HOST", place.target.encode()))
        assert place.broker.report(5)["reason"] == ""
        assert place.get().startswith(b"HTTP/1.1 200 ")


# --- a host that lies

def refused_by(hosts, sessions, context, name="localhost"):
    with Server(answering(context)) as server:
        target = "%s:%d" % (name, server.port)
        with Broker([{"host": target, **WRITTEN}], secrets={"KEY": SECRET}, authority=sessions, trusts=hosts.path) as broker:
            return broker.tunnel(target)[1]


def test_a_host_with_another_name_or_authority_isnt_believed(hosts, sessions, tmp_path):
    for context in (hosts.server("DNS:other.example"), hosts.server("IP:127.0.0.1"), Authority(tmp_path).server("DNS:localhost"),
                    sessions.server("DNS:localhost"), hosts.server("DNS:localhost", days=-1), hosts.server("DNS:*"),
                    hosts.server("IP:127.0.0.1", subject="localhost"), hosts.server("DNS:localhost", purpose="clientAuth")):
        refusal = refused_by(hosts, sessions, context)
        assert refusal.startswith("HTTP/1.1 502 ") and "isn't trusted" in refusal, refusal


def test_a_host_without_tls_and_one_that_says_nothing(hosts, sessions):
    for serve in (lambda client: client.sendall(b"HTTP/1.1 200 OK\r\n\r\n"), lambda client: None):
        with Server(serve) as server:
            target = "localhost:%d" % server.port
            with Broker([{"host": target, **WRITTEN}], secrets={"KEY": SECRET}, authority=sessions, trusts=hosts.path) as broker:
                refusal = broker.tunnel(target)[1]
                assert refusal.startswith("HTTP/1.1 502 ") and "by TLS" in refusal


def test_a_host_that_speaks_first_isnt_heard(hosts, sessions):
    """It may have the secret from an earlier request, and none is written in this one that would be covered."""
    def serve(client):
        with hosts.server("DNS:localhost").wrap_socket(client, server_side=True) as secure:
            ready.wait(20)
            secure.sendall(b"HTTP/1.1 200 OK\r\n\r\n" + SECRET.encode())
            secure.unwrap()
    ready = threading.Event()
    with Server(serve) as server:
        target = "localhost:%d" % server.port
        with Broker([{"host": target, **WRITTEN}], secrets={"KEY": SECRET}, authority=sessions, trusts=hosts.path) as broker:
            client, _ = broker.tunnel(target)
            with sessions.client().wrap_socket(client, server_hostname="localhost") as secure:
                ready.set()
                assert read_all(secure) == b""
            assert "before it is asked" in broker.report()["reason"]


def test_an_answer_that_is_cut_isnt_whole_for_the_client(hosts, sessions):
    def cut(client):
        with hosts.server("DNS:localhost").wrap_socket(client, server_side=True, suppress_ragged_eofs=False) as secure:
            secure.recv(65536)
            secure.sendall(b"HTTP/1.1 200 OK\r\n\r\nhalf")
            secure.shutdown(socket.SHUT_RDWR)  # no end of TLS's own
    with Server(cut) as server:
        target = "localhost:%d" % server.port
        with Broker([{"host": target, **WRITTEN}], secrets={"KEY": SECRET}, authority=sessions, trusts=hosts.path) as broker:
            client, _ = broker.tunnel(target)
            strict = sessions.client()
            strict.options &= ~ssl.OP_IGNORE_UNEXPECTED_EOF
            with strict.wrap_socket(client, server_hostname="localhost", suppress_ragged_eofs=False) as secure:
                secure.sendall(b"GET / HTTP/1.1\r\nHost: %s\r\n\r\n" % target.encode())
                received = b""
                with pytest.raises(ssl.SSLError, match="(?i)eof"):
                    while piece := secure.recv(65536):
                        received += piece
                assert received.endswith(b"half")


# --- bounds

def test_the_budget_counts_what_is_sent_in_tls(hosts, sessions):
    with Place(hosts, sessions, {"methods": ["POST"]}, bytes_out=50_000) as place:
        try:
            place.send(b"POST / HTTP/1.1\r\nHost: HOST\r\nContent-Length: 90000\r\n\r\n" + bytes(90_000))
        except OSError:
            pass
        told = place.broker.report()
        assert "network.bytes_out" in told["reason"] and told["sent"] <= 50_000


def test_a_budget_that_ends_with_the_request_cuts_no_answer(hosts, sessions):
    """TLS's own last word to the host would be above it."""
    with Place(hosts, sessions, WRITTEN, lambda data: b"x" * 300_000) as place:
        whole = place.get()
        sent = place.broker.report()["sent"]
        for less in (1, 20):
            with Broker([{"host": place.target, **WRITTEN}], secrets={"KEY": SECRET}, authority=sessions, trusts=hosts.path,
                        bytes_out=sent - less) as tight:
                client, refusal = tight.tunnel(place.target)
                assert refusal is None
                with sessions.client().wrap_socket(client, server_hostname="localhost") as secure:
                    secure.sendall(b"GET /v1/models HTTP/1.1\r\nHost: %s\r\n\r\n" % place.target.encode())
                    assert read_all(secure) == whole
                assert tight.report()["sent"] <= sent - less


def test_many_at_a_time(hosts, sessions):
    with Place(hosts, sessions, WRITTEN, lambda data: b"fine") as place:
        answers = []
        threads = [threading.Thread(target=lambda: answers.append(place.get())) for _ in range(24)]
        for one in threads:
            one.start()
        for one in threads:
            one.join()
        assert len(answers) == 24 and all(one.endswith(b"fine") for one in answers)


def test_an_encoding_that_hides_a_secret_isnt_asked_for(hosts, sessions):
    def answer(data):
        return gzip.compress(data) if b"gzip" in data else data
    with Place(hosts, sessions, WRITTEN, answer) as place:
        assert b"*" * len(SECRET) in place.get(head=b"Accept-Encoding: gzip\r\n")
