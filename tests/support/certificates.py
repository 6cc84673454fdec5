"""Certificates for tests, made by the command openssl."""

import ssl
import subprocess
from pathlib import Path


def _openssl(*words):
    subprocess.run(["openssl", *words], check=True, capture_output=True, timeout=60)


NEW_KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout")  # and a path
NEW_RSA_KEY = ("-newkey", "rsa:2048", "-nodes", "-keyout")


class Authority:
    """One that signs, in files of `folder`: `path` is its certificate. It is a root, or `by` another authority."""

    def __init__(self, folder, name="authority", by=None):
        self.folder = Path(folder)
        self.path, self._key = str(self.folder / (name + ".pem")), str(self.folder / (name + ".key"))
        if by is None:
            _openssl("req", "-x509", *NEW_KEY, self._key, "-out", self.path, "-subj", "/CN=" + name, "-days", "2",
                     "-addext", "keyUsage=critical,keyCertSign")
        else:
            _openssl("req", *NEW_KEY, self._key, "-out", self.path + ".csr", "-subj", "/CN=" + name)
            by.sign(self.path, self.path + ".csr", "basicConstraints=critical,CA:TRUE\nkeyUsage=critical,keyCertSign\n")
        self.text, self.key_text = Path(self.path).read_text(), Path(self._key).read_text()

    def sign(self, path, request, extensions, days=2, begins=None):
        """Signs a request, so that its certificate is at `path`. `begins`: on which day, as faketime takes it."""
        Path(path + ".txt").write_text(extensions)
        words = ["x509", "-req", "-in", request, "-CA", self.path, "-CAkey", self._key, "-CAcreateserial", "-days", str(days),
                 "-extfile", path + ".txt", "-out", path]
        if begins:
            subprocess.run(["faketime", "-f", begins, "openssl", *words], check=True, capture_output=True, timeout=60)
        else:
            _openssl(*words)

    def pair(self, *names, days=2, subject="server", purpose="serverAuth", begins=None, new_key=NEW_KEY):
        """A server's certificate and its key, as paths, for such as "DNS:localhost" and "IP:127.0.0.2". `subject`: its common name."""
        start = str(self.folder / ("server%d" % len(list(self.folder.glob("server*.pem")))))
        _openssl("req", *new_key, start + ".key", "-out", start + ".csr", "-subj", "/CN=" + subject)
        self.sign(start + ".pem", start + ".csr", "subjectAltName=%s\nextendedKeyUsage=%s\n" % (",".join(names), purpose), days, begins)
        return start + ".pem", start + ".key"

    def server(self, *names, **options):
        """A server's ssl.SSLContext, by a certificate as pair() makes it."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*self.pair(*names, **options))
        return context

    def client(self):
        """An ssl.SSLContext that trusts this authority alone."""
        return ssl.create_default_context(cafile=self.path)
