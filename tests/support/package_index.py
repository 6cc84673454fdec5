"""A package index (PEP 503) on this machine's loopback, and wheels for it.

What is asked is remembered, so that a test can say what wasn't.
"""

import base64
import hashlib
import http.server
import io
import threading
import zipfile


def wheel(name, version="1.0", files=None, requires=(), scripts=None):
    """(file name, bytes) of a wheel for any Python. `files`: {path: text or bytes}; `scripts`: {name: "module:function"}."""
    stem = "%s-%s" % (name.replace("-", "_"), version)
    info = stem + ".dist-info/"
    contents = {name.replace("-", "_") + ".py": "version = %r\n" % version} if files is None else dict(files)
    contents[info + "METADATA"] = "Metadata-Version: 2.1\nName: %s\nVersion: %s\n" % (name, version) + "".join(
        "Requires-Dist: %s\n" % one for one in requires)
    contents[info + "WHEEL"] = "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    if scripts:
        contents[info + "entry_points.txt"] = "[console_scripts]\n" + "".join("%s = %s\n" % item for item in scripts.items())
    record = ""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for path, content in contents.items():
            data = content.encode() if isinstance(content, str) else content
            archive.writestr(path, data)
            digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
            record += "%s,sha256=%s,%d\n" % (path, digest, len(data))
        archive.writestr(info + "RECORD", record + info + "RECORD,,\n")
    return stem + "-py3-none-any.whl", out.getvalue()


class Index:
    """`with Index() as index: index.add(*wheel("sample"))`; `index.url` is for the policy's packages.index."""

    def __init__(self, hashes=True):
        self.files = {}  # project → {file name: bytes}
        self.asked = []
        self.answer = {}  # path → function(handler), instead of the usual answer
        index = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                index.asked.append(self.path)
                if self.path in index.answer:
                    return index.answer[self.path](self)
                kind, _, rest = self.path.strip("/").partition("/")
                project, _, file = rest.partition("/")
                files = index.files.get(project)
                if kind == "simple" and files is not None:
                    return self.give("text/html", index.page(files, project, hashes).encode())
                if kind == "files" and files and file in files:
                    return self.give("application/octet-stream", files[file])
                return self.give("text/plain", b"none", 404)

            def give(self, kind, data, status=200):
                self.send_response(status)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, *_):
                pass

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = "http://127.0.0.1:%d/simple" % self._server.server_port
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    @staticmethod
    def page(files, project, hashes):
        links = "".join('<a href="/files/%s/%s%s">%s</a>\n' % (
            project, file, "#sha256=" + hashlib.sha256(data).hexdigest() if hashes else "", file)
            for file, data in files.items())
        return "<!DOCTYPE html><html><body>%s</body></html>" % links

    def add(self, file, data):
        project = file.split("-")[0].replace("_", "-").lower()
        self.files.setdefault(project, {})[file] = data

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
