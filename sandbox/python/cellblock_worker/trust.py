"""Certificates that the sandbox's programs trust: the system's, and that of the session's broker.

The broker ends the TLS of some hosts itself, by a certificate of its own (sandbox/network). Programs find whom to trust by
variables, each of which names the whole list, so a file with all of it is made.
"""

import os

# Python and OpenSSL, requests, curl, pip, git, AWS's libraries, Node, gRPC, Deno.
VARIABLES = ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "PIP_CERT", "GIT_SSL_CAINFO", "AWS_CA_BUNDLE", "NODE_EXTRA_CA_CERTS",
             "GRPC_DEFAULT_SSL_ROOTS_FILE_PATH", "DENO_CERT")
# Debian, Fedora, Alpine.
SYSTEMS = ("/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem")


def add(certificate):
    folder = os.path.join(os.path.expanduser("~"), ".cellblock")
    path = os.path.join(folder, "trusted.pem")
    try:
        os.makedirs(folder, exist_ok=True)
        with open(path, "w", encoding="ascii", errors="replace") as file:
            file.write(_system() + certificate)
    except OSError:
        return  # a full disk: what needs it says so
    for name in VARIABLES:
        os.environ[name] = path


def _system():
    for path in (os.environ.get("SSL_CERT_FILE"), *SYSTEMS):
        if path:
            try:
                with open(path, encoding="ascii", errors="replace") as file:
                    return file.read() + "\n"
            except OSError:
                continue
    return ""
