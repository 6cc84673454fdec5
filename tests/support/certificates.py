"""Certificates for tests, made by the command openssl."""

import ssl
import subprocess
from pathlib import Path


def _openssl(*words):
    subprocess.run(["openssl", *words], check=True, capture_output=True, timeout=60)


class Authority:
    """One that signs, in files of `folder`: `path` is its certificate."""

    def __init__(self, folder, name="authority"):
        self.folder = Path(folder)
        self.path, self._key = str(self.folder / (name + ".pem")), str(self.folder / (name + ".key"))
        _openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", self._key, "-out", self.path,
                 "-subj", "/CN=" + name, "-days", "2", "-addext", "keyUsage=critical,keyCertSign")
        self.text, self.key_text = Path(self.path).read_text(), Path(self._key).read_text()

    def server(self, *names, days=2, subject="server", purpose="serverAuth"):
        """A server's ssl.SSLContext, for such as "DNS:localhost" and "IP:127.0.0.2". `subject`: its common name."""
        start = str(self.folder / ("server%d" % len(list(self.folder.glob("server*.pem")))))
        _openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", start + ".key", "-out", start + ".csr",
                 "-subj", "/CN=" + subject)
        Path(start + ".txt").write_text("subjectAltName=%s\nextendedKeyUsage=%s\n" % (",".join(names), purpose))
        _openssl("x509", "-req", "-in", start + ".csr", "-CA", self.path, "-CAkey", self._key, "-CAcreateserial", "-days", str(days),
                 "-extfile", start + ".txt", "-out", start + ".pem")
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(start + ".pem", start + ".key")
        return context

    def client(self):
        """An ssl.SSLContext that trusts this authority alone."""
        return ssl.create_default_context(cafile=self.path)
