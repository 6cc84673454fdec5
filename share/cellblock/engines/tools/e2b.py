"""The engine `e2b`: one command in a sandbox of E2B's, with this process's stdin and stdout.

    e2b.py probe ADDRESS                     leaves with 0 where the service is there and takes the key
    e2b.py run NAME TEMPLATE LINE [ADDRESS]  creates a sandbox, runs the line by sh in it, and kills the sandbox in the end
    e2b.py kill NAME ADDRESS                 kills the sandbox of that name
    e2b.py list ADDRESS                      prints the names of all sandboxes that this engine has created

ADDRESS: "https://host", where one server stands for the service and for all its sandboxes, as `cellblock serve` does, or "" for
E2B's own addresses ($E2B_DOMAIN, or e2b.app). The key is in $E2B_API_KEY or in ~/.config/cellblock/e2b-key, and goes to
the service alone. Nothing but Python's own library is needed. The protocol: https://github.com/e2b-dev/E2B (spec/).
"""

import base64
import http.client
import json
import os
import pathlib
import signal
import ssl
import struct
import sys
import threading
import urllib.parse

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

from hosted import LIFE, MARK, PIECE, RENEW, Failed, is_name, read_key, shown, write  # noqa: E402

LONGEST = 64 << 20  # of one message from the service
PATIENCE = 60
ENVD_PORT = "49983"


class Service:
    """Calls to the service and to one of its sandboxes, each over a connection of its own."""

    def __init__(self, address):
        self.key, = read_key(["E2B_API_KEY"], "e2b-key")
        domain = os.environ.get("E2B_DOMAIN") or "e2b.app"
        self.api = address.rstrip("/") or "https://api." + domain
        self.is_one_server = bool(address)
        self.domain = domain
        self.sandbox = None

    def connection(self, url):
        try:
            parts = urllib.parse.urlsplit(url)
            port = parts.port
        except ValueError:
            parts = port = None
        if not parts or parts.scheme not in ("http", "https") or not parts.hostname:
            raise Failed("the policy's destination is an address such as https://host, not %r" % url)
        if parts.scheme == "http" and parts.hostname not in ("127.0.0.1", "::1", "localhost"):
            raise Failed("the key would cross the network readable for all: use https, or a tunnel to a port of localhost")
        if parts.scheme == "https":
            return http.client.HTTPSConnection(parts.hostname, port, timeout=PATIENCE, context=ssl.create_default_context())
        return http.client.HTTPConnection(parts.hostname, port, timeout=PATIENCE)

    def call(self, method, path, body=None, expected=(200, 201, 204, 404)):
        connection = self.connection(self.api)
        try:
            connection.request(method, path, None if body is None else json.dumps(body),
                               {"X-API-KEY": self.key, "Content-Type": "application/json"})
            reply = connection.getresponse()
            text = reply.read(LONGEST)
        except OSError as error:
            advice = (". Where its certificate's authority isn't one of the system's, SSL_CERT_FILE=authority.pem names it"
                      if isinstance(error, ssl.SSLCertVerificationError) else "")
            raise Failed("%s can't be reached: %s%s" % (self.api, error, advice)) from None
        except http.client.HTTPException as error:
            raise Failed("%s doesn't speak HTTP as it should: %r" % (self.api, error)) from None
        finally:
            connection.close()
        if reply.status not in expected:
            raise Failed("%s answered %d: %s" % (self.api, reply.status, message_of(text)))
        return reply, parsed(text) if text else None

    # --- sandboxes

    def all(self):
        """(name, id) of those that this engine has created."""
        after = ""
        for _ in range(1000):
            reply, sandboxes = self.call("GET", "/v2/sandboxes?state=running&limit=100" + after, expected=(200,))
            for one in sandboxes if isinstance(sandboxes, list) else ():
                name = (one.get("metadata") or {}).get(MARK)
                if is_name(name):
                    yield name, str(one.get("sandboxID"))
            after = reply.getheader("x-next-token")
            if not after:
                return
            after = "&nextToken=" + urllib.parse.quote(after)

    def create(self, name, template):
        _, self.sandbox = self.call("POST", "/v2/sandboxes", {
            "templateID": template, "timeout": LIFE, "metadata": {MARK: name}, "allow_internet_access": False}, expected=(201,))

    def renew(self):
        self.call("POST", "/sandboxes/%s/timeout" % self.sandbox["sandboxID"], {"timeout": LIFE})

    def kill(self, sandbox_id):
        self.call("DELETE", "/sandboxes/" + urllib.parse.quote(sandbox_id))

    # --- what goes on in one

    def envd(self):
        """A connection to the sandbox, and the headers that belong to each call."""
        sandbox = self.sandbox
        headers = {"E2b-Sandbox-Id": sandbox["sandboxID"], "E2b-Sandbox-Port": ENVD_PORT}
        for header, member in (("X-Access-Token", "envdAccessToken"), ("E2B-Traffic-Access-Token", "trafficAccessToken")):
            if sandbox.get(member):
                headers[header] = sandbox[member]
        domain = sandbox.get("domain") or self.domain
        address = self.api if self.is_one_server else "https://%s-%s.%s" % (ENVD_PORT, sandbox["sandboxID"], domain)
        return self.connection(address), headers


def parsed(text):
    try:
        return json.loads(text)
    except ValueError:
        raise Failed("the service sent what is no JSON") from None


def message_of(text):
    try:
        text = json.loads(text)["message"]
    except (ValueError, KeyError, TypeError):
        pass
    return shown(text if isinstance(text, str) else text.decode("utf-8", "replace"))


def envelope(message):
    text = json.dumps(message).encode()
    return struct.pack(">BI", 0, len(text)) + text


def messages(reply):
    """Those of a stream; its end, where it failed, is an error."""
    while True:
        head = reply.read(5)
        if len(head) < 5:
            raise Failed("the connection to the sandbox ended")
        flags, size = struct.unpack(">BI", head)
        if size > LONGEST:
            raise Failed("the service sent a message of %d bytes" % size)
        text = reply.read(size)
        if len(text) < size:
            raise Failed("the connection to the sandbox ended")
        message = parsed(text)
        if not isinstance(message, dict):
            raise Failed("the service sent what is no message")
        if flags & 2:
            error = message.get("error")
            if error:
                raise Failed("the sandbox's process: %s" % message_of(json.dumps(error).encode()))
            return
        yield message


class Run:
    def __init__(self, service):
        self.service = service
        self.pid = None
        self.started = threading.Event()

    def feed(self):
        """Our stdin to the process, piece by piece."""
        self.started.wait()
        connection, headers = self.service.envd()
        headers["Content-Type"] = "application/json"
        try:
            while True:
                piece = os.read(0, PIECE)
                call = "SendInput" if piece else "CloseStdin"
                body = {"process": {"pid": self.pid}}
                if piece:
                    body["input"] = {"stdin": base64.b64encode(piece).decode()}
                connection.request("POST", "/process.Process/" + call, json.dumps(body), headers)
                reply = connection.getresponse()
                text = reply.read(LONGEST)
                if reply.status != 200:
                    raise Failed("the sandbox takes no input: " + message_of(text))
                if not piece:
                    return
        except (OSError, http.client.HTTPException, Failed, AttributeError, KeyError, TypeError, ValueError) as error:
            leave(self.service, "input: %s" % (error or repr(error)))

    def renew(self):
        while not threading.Event().wait(RENEW):
            try:
                self.service.renew()
            except Failed as error:
                leave(self.service, str(error))

    def follow(self, line):
        connection, headers = self.service.envd()
        headers["Content-Type"] = "application/connect+json"
        connection.request("POST", "/process.Process/Start", envelope(
            {"process": {"cmd": "/bin/sh", "args": ["-c", "exec " + line]}, "stdin": True}), headers)
        connection.sock.settimeout(None)
        reply = connection.getresponse()
        if reply.status != 200:
            raise Failed("the command wasn't started: " + message_of(reply.read(LONGEST)))
        for message in messages(reply):
            event = message.get("event") or {}
            data = event.get("data") or {}
            if "start" in event:
                self.pid = event["start"]["pid"]
                self.started.set()
            elif "end" in event:
                return int(event["end"].get("exitCode", 0))
            for stream, descriptor in (("stdout", 1), ("stderr", 2)):
                if data.get(stream):
                    write(descriptor, base64.b64decode(data[stream]))
        raise Failed("the command's end wasn't told")


def leave(service, reason=None, status=1):
    """Ends this process and the sandbox."""
    if reason:
        write(2, ("e2b: %s\n" % reason).encode())
    try:
        service.kill(service.sandbox["sandboxID"])
    except (Failed, TypeError, KeyError):
        pass  # it ends by its timeout
    os._exit(status)


def run(name, template, line, address=""):
    service = Service(address)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda *_: leave(service))
    service.create(name, template)
    one = Run(service)
    for work in (one.feed, one.renew):
        threading.Thread(target=work, daemon=True).start()
    try:
        leave(service, status=one.follow(line) & 0xff)
    except (OSError, http.client.HTTPException, Failed, AttributeError, KeyError, TypeError, ValueError) as error:
        leave(service, str(error) or repr(error))


def main(word, *words):
    if word == "run":
        run(*words)
    service = Service(words[-1])
    for name, sandbox_id in service.all():
        if word == "probe":
            break
        if word == "list":
            print(name)
        elif name == words[0]:
            service.kill(sandbox_id)


if __name__ == "__main__":
    try:
        main(*sys.argv[1:])
    except Failed as failure:
        sys.exit("e2b: %s" % failure)
